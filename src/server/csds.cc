#include "server/csds.h"

#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <vector>

#include "base/status.h"
#include "base/strings.h"

namespace sluice::server {
namespace {

constexpr std::string_view kStream =
    "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus";
constexpr std::string_view kFetch =
    "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus";
constexpr int kRequestBytesMax = 64 * 1024;
constexpr int kStreamsMax = 32;  // Per connection. Each answer is made whole in memory.

using AnswerFunction = std::function<absl::StatusOr<std::string>(std::string_view)>;

// One call: an answer for each request; a unary call is a stream of one.
class Call final : public grpc::ServerGenericBidiReactor {
 public:
  Call(const AnswerFunction& answer, bool known, bool once) : answer_(answer), once_(once) {
    if (known) {
      StartRead(&in_);
    } else {
      Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""));
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    grpc::Slice slice;
    if (!in_.DumpToSingleSlice(&slice).ok()) {
      return Finish(grpc::Status(grpc::StatusCode::INTERNAL, "the request cannot be read"));
    }
    const std::string_view request(reinterpret_cast<const char*>(slice.begin()), slice.size());
    absl::StatusOr<std::string> answer = answer_(request);
    if (!answer.ok()) {
      return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                 std::string(base::MessageOf(answer.status()))));
    }
    const grpc::Slice out(*answer);
    out_ = grpc::ByteBuffer(&out, 1);
    if (once_) {
      StartWriteAndFinish(&out_, grpc::WriteOptions(), grpc::Status::OK);
    } else {
      StartWrite(&out_);
    }
  }
  void OnWriteDone(bool ok) override {
    if (once_) return;
    if (ok) {
      StartRead(&in_);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  const AnswerFunction& answer_;
  const bool once_;
  grpc::ByteBuffer in_, out_;
};

class Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(AnswerFunction answer) : answer_(std::move(answer)) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const bool fetch = context->method() == kFetch;
    return new Call(answer_, fetch || context->method() == kStream, fetch);
  }

 private:
  const AnswerFunction answer_;
};

std::string TargetOf(const base::Address& address) {
  if (address.is_ip()) return address.ToString();
  const std::string path = address.IpText();
  if (path.starts_with('@')) return base::Cat("unix-abstract:", path.substr(1));
  return base::Cat("unix:", path);
}

}  // namespace

struct Csds::State {
  explicit State(Options csds_options)
      : options(std::move(csds_options)), service(options.answer) {}
  Options options;
  Service service;
  std::unique_ptr<grpc::Server> server;
};

Csds::Csds(Options options) : state_(std::make_unique<State>(std::move(options))) {}

Csds::~Csds() {
  if (state_->server == nullptr) return;
  state_->server->Shutdown(gpr_time_from_millis(200, GPR_TIMESPAN));
  state_->server->Wait();
}

absl::StatusOr<base::Address> Csds::Start() {
  const base::Address& address = state_->options.address;
  if (!address.IsLoopback() && !state_->options.insecure) {
    return base::FailedPrecondition(
        base::Cat("--csds-address ", address.ToString(),
                  " is not loopback and has no authentication; use a loopback address or a Unix "
                  "socket, or say --insecure-listen"));
  }
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(TargetOf(address), grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&state_->service);
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  state_->server = builder.BuildAndStart();
  if (state_->server == nullptr || (address.is_ip() && port == 0)) {
    return base::Unavailable(base::Cat("--csds-address: cannot listen on ", address.ToString()));
  }
  if (!address.is_ip()) return address;
  base::Address bound = address;
  bound.set_port(static_cast<std::uint16_t>(port));
  return bound;
}

}  // namespace sluice::server
