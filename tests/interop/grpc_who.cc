// The client and the xDS server of grpc_who.py on gRPC C++: grpc_who client TARGET, grpc_who
// xds-server PORT NAME
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/xds_server_builder.h>
#include <poll.h>

#include <cstdio>
#include <string>
#include <vector>

namespace {

constexpr char kMethod[] = "/interop.Who/Name";

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

grpc::ByteBuffer Buffer(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

int RunClient(const char* target) {
  const auto channel = grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  const grpc::internal::RpcMethod method(kMethod, grpc::internal::RpcMethod::NORMAL_RPC, channel);
  for (;;) {
    grpc::ClientContext context;
    grpc::ByteBuffer answer;
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
            channel.get(), method, &context, Buffer(""), &answer);
    if (status.ok()) {
      std::printf("ok %s\n", Text(answer).c_str());
    } else {
      std::printf("error %d %s\n", static_cast<int>(status.error_code()),
                  status.error_message().c_str());
    }
    std::fflush(stdout);
    ::poll(nullptr, 0, 4);
  }
}

class Answer final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Answer(const std::string& name) : answer_(Buffer(name)) { StartRead(&question_); }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer question_, answer_;
};

class Who final : public grpc::CallbackGenericService {
 public:
  explicit Who(std::string name) : name_(std::move(name)) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Answer(name_);
  }

 private:
  const std::string name_;
};

int RunServer(const std::string& port, const std::string& name) {
  Who service(name);
  grpc::XdsServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + port,
                           grpc::XdsServerCredentials(grpc::InsecureServerCredentials()));
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  server->Wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "client" && argc == 3) return RunClient(argv[2]);
  if (what == "xds-server" && argc == 4) return RunServer(argv[2], argv[3]);
  std::fputs("grpc_who client TARGET | grpc_who xds-server PORT NAME\n", stderr);
  return 2;
}
