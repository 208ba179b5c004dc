#include "server/xds_grpc.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace sluice::server {
namespace {

constexpr int kMessageBytesMax = 64 * 1024 * 1024;

// One stream. gRPC calls the On* members on its threads; everything else is the config thread's.
// Kept alive by the shared_ptr in `self` until gRPC is done with it.
class Call final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Call(net::Loop& loop, xds::TransportEvents& events, std::size_t buffer_bytes_max)
      : loop_(loop), events_(&events), buffer_bytes_max_(buffer_bytes_max) {}

  void Run(grpc::GenericStub& stub, const config::GrpcService& service, const std::string& method,
           std::shared_ptr<Call> self) {
    self_ = std::move(self);
    for (const auto& [key, value] : service.initial_metadata) context_.AddMetadata(key, value);
    stub.PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
    AddHold();  // Sends and reads start from outside of reactions.
    StartCall();
    Post([call = self_] {
      if (call->events_ != nullptr) call->events_->OnOpen();
    });
  }

  void Send(std::string bytes) {
    if (released_) return;
    // A server that does not read may not make us hold its requests for ever.
    if (writing_ && buffered_ + bytes.size() > buffer_bytes_max_) return context_.TryCancel();
    buffered_ += bytes.size();
    outgoing_.push_back(std::move(bytes));
    if (!writing_) WriteFirst();
  }

  void ReadNext() {
    if (!released_) StartRead(&incoming_);
  }

  // Config thread: no event follows. Returns when gRPC is done with the call.
  void Abandon() {
    events_ = nullptr;
    Release();
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    done_signal_.wait(lock, [this] { return done_; });
  }

  // ---- gRPC's threads
  void OnReadDone(bool ok) override {
    if (!ok) {
      Post([call = self_] { call->Release(); });
      return;
    }
    Post([call = self_] { call->Deliver(); });
  }
  void OnWriteDone(bool ok) override {
    Post([call = self_, ok] {
      call->writing_ = false;
      call->buffered_ -= call->outgoing_.front().size();
      call->outgoing_.pop_front();
      if (ok && !call->outgoing_.empty() && !call->released_) call->WriteFirst();
    });
  }
  void OnDone(const grpc::Status& status) override {
    std::shared_ptr<Call> self = std::move(self_);
    Post([self,
          text = base::Cat(static_cast<int>(status.error_code()), ": ", status.error_message())] {
      if (xds::TransportEvents* events = std::exchange(self->events_, nullptr)) {
        events->OnClosed(text);
      }
    });
    const std::lock_guard lock(mutex_);
    done_ = true;
    done_signal_.notify_all();
  }

 private:
  void Post(net::Loop::Function function) { loop_.Post(std::move(function)); }

  void WriteFirst() {
    writing_ = true;
    const grpc::Slice slice(outgoing_.front());
    write_buffer_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&write_buffer_);
  }

  void Deliver() {
    if (events_ == nullptr) return;
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (incoming_.Dump(&slices).ok()) {
      bytes.reserve(incoming_.Length());
      for (const grpc::Slice& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    slices.clear();
    incoming_.Clear();
    events_->OnMessage(std::move(bytes));
  }

  void Release() {
    if (std::exchange(released_, true)) return;
    RemoveHold();
  }

  net::Loop& loop_;
  xds::TransportEvents* events_;  // Config thread; null once closed.
  std::shared_ptr<Call> self_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer write_buffer_;
  std::deque<std::string> outgoing_;  // The front is being written while writing_.
  std::size_t buffered_ = 0;          // Their bytes.
  const std::size_t buffer_bytes_max_;
  bool writing_ = false;
  bool released_ = false;
  std::mutex mutex_;
  std::condition_variable done_signal_;
  bool done_ = false;  // Under mutex_.
};

class GrpcTransport final : public xds::Transport {
 public:
  GrpcTransport(net::Loop& loop, config::GrpcService service, std::string method,
                std::shared_ptr<grpc::Channel> channel)
      : loop_(loop),
        service_(std::move(service)),
        method_(std::move(method)),
        channel_(std::move(channel)),
        stub_(channel_) {}
  ~GrpcTransport() override { Close(); }

  void Open(xds::TransportEvents& events) override {
    Close();
    call_ = std::make_shared<Call>(
        loop_, events,
        service_.google ? service_.google->stream_buffer_bytes_max : kMessageBytesMax);
    call_->Run(stub_, service_, method_, call_);
  }
  void Send(std::string bytes) override {
    if (call_ != nullptr) call_->Send(std::move(bytes));
  }
  void ReadNext() override {
    if (call_ != nullptr) call_->ReadNext();
  }
  void Close() override {
    if (call_ == nullptr) return;
    call_->Abandon();
    call_.reset();
  }
  bool Reachable() override { return channel_->GetState(true) == GRPC_CHANNEL_READY; }

 private:
  net::Loop& loop_;
  const config::GrpcService service_;
  const std::string method_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  std::shared_ptr<Call> call_;
};

// What every channel of ours says.
grpc::ChannelArguments BasicArguments() {
  grpc::ChannelArguments arguments;
  // ADS's own jittered back-off governs; the channel must not add seconds of its own.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  return arguments;
}

void SetKeepalive(grpc::ChannelArguments& arguments, std::uint64_t interval_ms,
                  std::uint64_t timeout_ms) {
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(interval_ms));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(timeout_ms));
  // gRPC would stop after two pings on a stream that is silent: then a peer that vanished without a
  // word is never noticed.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

// One address family per target is all that gRPC's ipv4:/ipv6: schemes take.
absl::StatusOr<std::string> TargetOf(const config::Cluster& cluster) {
  const std::vector<config::Endpoint>& endpoints = cluster.assignment.endpoints;
  if (endpoints.empty()) {
    return base::InvalidArgument(base::Cat("cluster ", cluster.name, " has no endpoint"));
  }
  const config::Endpoint& first = endpoints.front();
  if (!first.dns_name.empty()) {
    if (endpoints.size() > 1) {
      return base::InvalidArgument(base::Cat("cluster ", cluster.name, " is the control plane's: ",
                                             "it takes one DNS name or several IP addresses"));
    }
    return base::Cat("dns:///", first.dns_name, ":", first.dns_port);
  }
  std::string target = first.address.family() == base::Address::Family::kIpv4   ? "ipv4:"
                       : first.address.family() == base::Address::Family::kIpv6 ? "ipv6:"
                                                                                : "unix:";
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    if (endpoints[i].address.family() != first.address.family()) {
      return base::InvalidArgument(base::Cat("cluster ", cluster.name, " is the control plane's: ",
                                             "its addresses must be of one family"));
    }
    base::Append(target, i > 0 ? "," : "", endpoints[i].address.ToString());
  }
  return target;
}

using Channel = std::shared_ptr<grpc::Channel>;

absl::StatusOr<Channel> ChannelTo(const config::GrpcService& service,
                                  const config::Cluster& cluster) {
  absl::StatusOr<std::string> target = TargetOf(cluster);
  if (!target.ok()) return target.status();
  grpc::ChannelArguments arguments = BasicArguments();
  SetKeepalive(arguments, cluster.http2_keepalive_interval_ms, cluster.http2_keepalive_timeout_ms);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY,
                      service.authority.empty() ? service.cluster_name : service.authority);
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (cluster.tls) {
    if (!cluster.tls->verify) {
      return base::InvalidArgument(base::Cat("cluster ", cluster.name, " is the control plane's: ",
                                             "its certificate is always verified, "
                                             "remove trust_chain_verification"));
    }
    if (!cluster.tls->sni.empty()) arguments.SetSslTargetNameOverride(cluster.tls->sni);
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = cluster.tls->ca_pem;
    options.pem_cert_chain = cluster.tls->certificate_pem;
    options.pem_private_key = cluster.tls->private_key_pem;
    credentials = grpc::SslCredentials(options);
  }
  return grpc::CreateCustomChannel(*target, credentials, arguments);
}

Channel ChannelTo(const config::GoogleGrpc& google) {
  grpc::ChannelArguments arguments = BasicArguments();
  SetKeepalive(arguments, 30'000, 5'000);
  for (const auto& [name, value] : google.channel_args) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      arguments.SetInt(name, static_cast<int>(*number));
    } else {
      arguments.SetString(name, std::get<std::string>(value));
    }
  }
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (google.tls) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = google.root_certs_pem;
    options.pem_cert_chain = google.certificate_pem;
    options.pem_private_key = google.private_key_pem;
    credentials = grpc::SslCredentials(options);
    std::shared_ptr<grpc::CallCredentials> calls;
    for (const std::string& token : google.access_tokens) {
      auto call = grpc::AccessTokenCredentials(token);
      calls = calls == nullptr ? call : grpc::CompositeCallCredentials(calls, call);
    }
    if (calls != nullptr) credentials = grpc::CompositeChannelCredentials(credentials, calls);
  } else if (google.local) {
    const bool is_unix = google.target_uri.starts_with("unix");
    credentials = grpc::experimental::LocalCredentials(is_unix ? UDS : LOCAL_TCP);
  }
  return grpc::CreateCustomChannel(google.target_uri, credentials, arguments);
}

}  // namespace

struct GrpcChannels::State {
  const config::Bootstrap& bootstrap;
  struct Row {
    config::GrpcService service;
    std::weak_ptr<grpc::Channel> channel;
  };
  std::vector<Row> rows;
};

GrpcChannels::GrpcChannels(const config::Bootstrap& bootstrap)
    : state_(std::make_unique<State>(State{bootstrap, {}})) {}
GrpcChannels::~GrpcChannels() = default;

absl::StatusOr<std::unique_ptr<xds::Transport>> GrpcChannels::NewTransport(
    net::Loop& loop, const config::GrpcService& service, std::string method) {
  std::erase_if(state_->rows, [](const State::Row& row) { return row.channel.expired(); });
  Channel channel;
  for (const State::Row& row : state_->rows) {
    if (row.service == service) channel = row.channel.lock();
  }
  if (channel == nullptr) {
    if (service.google) {
      channel = ChannelTo(*service.google);
    } else {
      const auto& clusters = state_->bootstrap.clusters;
      const auto found = std::find_if(clusters.begin(), clusters.end(), [&](const auto& each) {
        return each.value->name == service.cluster_name;
      });
      if (found == clusters.end()) {
        return base::InvalidArgument(
            base::Cat("the bootstrap has no cluster ", base::Printable(service.cluster_name)));
      }
      absl::StatusOr<Channel> made = ChannelTo(service, *found->value);
      if (!made.ok()) return made.status();
      channel = *std::move(made);
    }
    state_->rows.push_back({service, channel});
  }
  return std::make_unique<GrpcTransport>(loop, service, std::move(method), std::move(channel));
}

}  // namespace sluice::server
