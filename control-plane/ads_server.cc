#include "ads_server.h"

#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "fetch.h"
#include "reflection.h"
#include "xds_credentials.h"
#include "xds_methods.h"

namespace sluice::control {
namespace {

constexpr std::uint64_t kTickMs = 1000;
constexpr std::chrono::seconds kShutdownPatience{2};

std::string TargetOf(const base::Address& address) {
  if (address.is_ip()) return address.ToString();
  const std::string path = address.IpText();
  if (path.starts_with('@')) return base::Cat("unix-abstract:", path.substr(1));
  return base::Cat("unix:", path);
}

// Takes as long for a wrong guess as for a right one.
bool SameSecret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && !b.empty(); ++i) {
    const auto one = static_cast<unsigned char>(a[i]);
    const auto other = static_cast<unsigned char>(b[i % b.size()]);
    difference |= static_cast<unsigned>(one ^ other);
  }
  return difference == 0;
}

std::string TextOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  text.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

grpc::ByteBuffer BufferOf(const SerialisedResponse& response) {
  // The body is shared by all streams that send it; each holds a reference until it is written.
  using Holder = std::shared_ptr<const std::string>;
  auto* holder = new Holder(response.body);
  const grpc::Slice slices[] = {
      grpc::Slice(
          const_cast<char*>((*holder)->data()), (*holder)->size(),
          [](void* held) { delete static_cast<Holder*>(held); }, holder),
      grpc::Slice(response.tail.data(), response.tail.size()),
  };
  return grpc::ByteBuffer(slices, std::size(slices));
}

grpc::Status StatusOf(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(base::MessageOf(status))};
}

// gRPC's own words, in our log instead of raw on stderr. Its errors are mostly what peers do, so
// they are for whoever looks for them.
void TakeGrpcLog(gpr_log_func_args* line) {
  if (line->severity == GPR_LOG_SEVERITY_ERROR) {
    SLUICE_LOG(kInfo, kControl, "gRPC: ", base::Printable(line->message, 1024));
  } else {
    SLUICE_LOG(kTrace, kControl, "gRPC: ", base::Printable(line->message, 1024));
  }
}

// A call that ends at once.
class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// Answers on gRPC's thread: it needs nothing of the loop's.
class Reflection final : public grpc::ServerGenericBidiReactor {
 public:
  Reflection() { StartRead(&buffer_); }

 private:
  static constexpr std::size_t kRequestBytesMax = 64 * 1024;

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    if (buffer_.Length() > kRequestBytesMax) {
      return Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "too long a question"});
    }
    const grpc::Slice slice(ReflectionAnswer(TextOf(buffer_)));
    buffer_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&buffer_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    buffer_.Clear();
    StartRead(&buffer_);
  }
  void OnDone() override { delete this; }

  grpc::ByteBuffer buffer_;
};

}  // namespace

class AdsServer::Service final : public grpc::CallbackGenericService {
 public:
  Service(AdsServerOptions options, net::Loop& loop)
      : options_(std::move(options)), loop_(loop), tick_(&Service::OnTick, this) {}
  ~Service() override { Stop(); }

  absl::StatusOr<base::Address> Start();
  absl::Status CheckStart() const;
  void Stop();
  void SetSnapshot(std::shared_ptr<const Snapshot> snapshot);
  std::vector<ProxyStatus> Proxies() const;
  AdsCounters counters() const;
  std::shared_ptr<const Snapshot> snapshot() const { return snapshot_; }

  // gRPC's threads.
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

 private:
  // gRPC's half of a stream. It deletes itself once gRPC is done with it, which is after the loop
  // called Finish() and forgot it: until then the loop may use it.
  class Stream final : public grpc::ServerGenericBidiReactor {
   public:
    Stream(Service& service, std::uint64_t id) : service_(service), id_(id) {}
    void Read() { StartRead(&read_); }
    void Write(grpc::ByteBuffer message) {
      written_ = std::move(message);
      StartWrite(&written_);
    }

   private:
    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnCancel() override;
    void OnDone() override;

    Service& service_;
    const std::uint64_t id_;
    grpc::ByteBuffer read_;
    grpc::ByteBuffer written_;
  };
  // The loop's half.
  struct Open {
    Stream* stream = nullptr;
    const XdsMethod* method = nullptr;
    std::unique_ptr<Watch> watch;  // Null for Fetch*.
  };

  void OnOpen(std::uint64_t id, Stream* stream, const XdsMethod& method, std::string peer);
  void OnRead(std::uint64_t id, std::string_view bytes);
  absl::Status Answer(Open& open, std::string_view bytes);
  void OnWritten(std::uint64_t id);
  void End(std::uint64_t id, const grpc::Status& status);
  static void OnTick(void* self);
  grpc::ServerGenericBidiReactor* Refuse(grpc::StatusCode code, const std::string& why);

  const AdsServerOptions options_;
  net::Loop& loop_;
  net::Timer tick_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<const Snapshot> snapshot_;
  SnapshotHistory history_;
  ResponseCache cache_;
  AdsCounters counters_;
  std::map<std::uint64_t, Open> open_;

  // gRPC's threads too.
  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<std::size_t> streams_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<bool> stopping_{false};
};

void AdsServer::Service::Stream::OnReadDone(bool ok) {
  Service* service = &service_;
  const std::uint64_t id = id_;
  if (!ok) {
    service_.loop_.Post([service, id] { service->End(id, grpc::Status::OK); });
    return;
  }
  std::string bytes = TextOf(read_);
  read_.Clear();
  service_.loop_.Post([service, id, bytes = std::move(bytes)] { service->OnRead(id, bytes); });
}

void AdsServer::Service::Stream::OnWriteDone(bool ok) {
  Service* service = &service_;
  const std::uint64_t id = id_;
  written_.Clear();
  service_.loop_.Post([service, id, ok] {
    if (ok) {
      service->OnWritten(id);
    } else {
      service->End(id, grpc::Status::CANCELLED);
    }
  });
}

void AdsServer::Service::Stream::OnCancel() {
  Service* service = &service_;
  const std::uint64_t id = id_;
  service_.loop_.Post([service, id] { service->End(id, grpc::Status::CANCELLED); });
}

void AdsServer::Service::Stream::OnDone() {
  service_.streams_.fetch_sub(1);
  delete this;
}

grpc::ServerGenericBidiReactor* AdsServer::Service::Refuse(grpc::StatusCode code,
                                                           const std::string& why) {
  refused_.fetch_add(1);
  return new Refusal(grpc::Status(code, why));
}

grpc::ServerGenericBidiReactor* AdsServer::Service::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const XdsMethod* method = FindXdsMethod(context->method());
  const bool reflection = IsReflection(context->method());
  if (method == nullptr && !reflection)
    return Refuse(grpc::StatusCode::UNIMPLEMENTED, "no such method");
  if (!options_.token.empty()) {
    const auto& metadata = context->client_metadata();
    const auto at = metadata.find("authorization");
    const std::string wanted = base::Cat("Bearer ", options_.token);
    if (at == metadata.end() || !SameSecret({at->second.data(), at->second.size()}, wanted)) {
      return Refuse(grpc::StatusCode::UNAUTHENTICATED, "authorization: the token is needed");
    }
  }
  if (reflection) return new Reflection();
  const std::size_t before = streams_.fetch_add(1);
  if (before >= options_.streams_max || stopping_.load()) {
    streams_.fetch_sub(1);
    return stopping_.load() ? Refuse(grpc::StatusCode::UNAVAILABLE, "shutting down")
                            : Refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams");
  }
  const std::uint64_t id = next_id_.fetch_add(1);
  auto* stream = new Stream(*this, id);
  loop_.Post([this, id, stream, method, peer = context->peer()]() mutable {
    OnOpen(id, stream, *method, std::move(peer));
  });
  return stream;
}

absl::Status AdsServer::Service::CheckStart() const {
  const bool known = !options_.token.empty() || !options_.tls.client_ca_file.empty();
  if (!options_.address.IsLoopback() && !known && !options_.insecure) {
    return base::FailedPrecondition(
        base::Cat("serving xDS on ", options_.address.ToString(),
                  ", which others can reach, needs --api-token-file or --xds-tls-client-ca (or "
                  "--insecure-listen)"));
  }
  return options_.tls.certificate_file.empty() ? absl::OkStatus() : CheckTlsFiles(options_.tls);
}

absl::StatusOr<base::Address> AdsServer::Service::Start() {
  if (absl::Status status = CheckStart(); !status.ok()) return status;
  gpr_set_log_function(&TakeGrpcLog);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = -1;
  builder.AddListeningPort(TargetOf(options_.address), CredentialsOf(options_.tls), &port);
  builder.RegisterCallbackGenericService(this);
  builder.SetMaxReceiveMessageSize(options_.request_bytes_max);
  builder.SetMaxSendMessageSize(-1);
  builder.SetResourceQuota(grpc::ResourceQuota("xds").Resize(options_.grpc_bytes_max));
  // A second instance on the same port is an error, not half of the traffic.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients may ping as often as Envoy's settings make them; dead ones are noticed in 40 s.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || (options_.address.is_ip() && port <= 0)) {
    server_.reset();
    return base::Unavailable(base::Cat("cannot serve xDS on ", options_.address.ToString(),
                                       ": the address is taken, or not of this machine"));
  }
  for (const std::string_view service : kXdsServices) {
    server_->GetHealthCheckService()->SetServingStatus(std::string(service), true);
  }
  tick_.Arm(loop_.timers(), kTickMs);
  base::Address address = options_.address;
  if (address.is_ip()) address.set_port(static_cast<std::uint16_t>(port));
  return address;
}

void AdsServer::Service::Stop() {
  if (server_ == nullptr) return;
  tick_.Cancel();
  stopping_.store(true);
  server_->GetHealthCheckService()->SetServingStatus(false);
  const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "shutting down");
  // Shutdown() waits for every stream to end, and those end on this thread.
  std::atomic<bool> down{false};
  std::thread shutdown([&] {
    server_->Shutdown(loop_.clock().WallNow() + kShutdownPatience);
    down.store(true);
    loop_.Post([] {});
  });
  while (!down.load() || streams_.load() > 0) {
    while (!open_.empty()) End(open_.begin()->first, status);
    loop_.RunOnce(10);
  }
  shutdown.join();
  server_.reset();
  loop_.RunOnce(0);  // What was still posted points here.
}

void AdsServer::Service::OnOpen(std::uint64_t id, Stream* stream, const XdsMethod& method,
                                std::string peer) {
  ++counters_.streams_opened;
  Open& open = open_[id];
  open.stream = stream;
  open.method = &method;
  if (!method.fetch) {
    open.watch = std::make_unique<Watch>(
        Watch::Options{method.protocol, method.only, std::move(peer), &history_}, loop_.clock(),
        cache_, counters_.watches,
        [stream](const SerialisedResponse& response) { stream->Write(BufferOf(response)); });
    open.watch->SetSnapshot(snapshot_);
  }
  stream->Read();
}

// Of one message of a client's; what is not OK ends the stream.
absl::Status AdsServer::Service::Answer(Open& open, std::string_view bytes) {
  if (open.watch != nullptr) {
    absl::Status status = open.watch->OnRequest(bytes);
    if (status.ok()) open.stream->Read();
    return status;
  }
  ++counters_.watches.requests;
  auto answer = FetchAnswer(snapshot_, *open.method->only, bytes);
  if (!answer.ok()) return answer.status();
  const grpc::Slice slice(*answer);
  open.stream->Write(grpc::ByteBuffer(&slice, 1));
  return absl::OkStatus();
}

void AdsServer::Service::OnRead(std::uint64_t id, std::string_view bytes) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  const absl::Status status = Answer(at->second, bytes);
  if (status.ok()) return;
  ++counters_.streams_failed;
  SLUICE_LOG(kWarning, kControl, "stream ", id,
             " closed: ", at->second.watch ? at->second.watch->status().peer : std::string(), " ",
             base::MessageOf(status));
  End(id, StatusOf(status));
}

void AdsServer::Service::OnWritten(std::uint64_t id) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  if (at->second.watch == nullptr) return End(id, grpc::Status::OK);
  at->second.watch->Sent();
}

void AdsServer::Service::End(std::uint64_t id, const grpc::Status& status) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  Stream* stream = at->second.stream;
  open_.erase(at);
  stream->Finish(status);
}

void AdsServer::Service::SetSnapshot(std::shared_ptr<const Snapshot> snapshot) {
  snapshot_ = std::move(snapshot);
  history_.Add(snapshot_);
  for (auto& [id, open] : open_) {
    if (open.watch != nullptr) open.watch->SetSnapshot(snapshot_);
  }
}

std::vector<ProxyStatus> AdsServer::Service::Proxies() const {
  std::vector<ProxyStatus> proxies;
  for (const auto& [id, open] : open_) {
    if (open.watch != nullptr) proxies.push_back(open.watch->status());
  }
  return proxies;
}

AdsCounters AdsServer::Service::counters() const {
  AdsCounters counters = counters_;
  counters.streams_refused = refused_.load();
  return counters;
}

void AdsServer::Service::OnTick(void* self) {
  auto* service = static_cast<Service*>(self);
  for (auto& [id, open] : service->open_) {
    if (open.watch != nullptr) open.watch->Tick();
  }
  service->tick_.Arm(service->loop_.timers(), kTickMs);
}

AdsServer::AdsServer(AdsServerOptions options, net::Loop& loop)
    : service_(std::make_unique<Service>(std::move(options), loop)) {}
AdsServer::~AdsServer() = default;
absl::StatusOr<base::Address> AdsServer::Start() { return service_->Start(); }
void AdsServer::Stop() { service_->Stop(); }
void AdsServer::SetSnapshot(std::shared_ptr<const Snapshot> snapshot) {
  service_->SetSnapshot(std::move(snapshot));
}
std::vector<ProxyStatus> AdsServer::Proxies() const { return service_->Proxies(); }
AdsCounters AdsServer::counters() const { return service_->counters(); }
std::shared_ptr<const Snapshot> AdsServer::snapshot() const { return service_->snapshot(); }

}  // namespace sluice::control
