#pragma once
// A served control plane and blocking clients of it, over real gRPC on loopback.
//
// One test's thread; the server has a loop and thread of its own.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "control-plane/ads_server.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/unit/control_plane/watches_client.h"

namespace sluice::control {

using enum Type;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

inline constexpr const char* kAds =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

inline base::Address Loopback() { return *base::Address::ParseIp("127.0.0.1", 0); }

inline grpc::ByteBuffer Buffer(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}
inline std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const auto& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

// The server on a loop and thread of its own.
class Served {
 public:
  explicit Served(AdsServerOptions options) {
    std::promise<absl::StatusOr<base::Address>> started;
    thread_ = std::thread([this, options, &started]() mutable {
      AdsServer server(std::move(options), loop_);
      server_ = &server;
      const auto address = server.Start();
      started.set_value(address);
      if (address.ok()) loop_.Run();
      server.Stop();
      server_ = nullptr;
    });
    address_ = started.get_future().get();
  }
  ~Served() { Stop(); }
  void Stop() {
    if (!thread_.joinable()) return;
    loop_.Stop();
    thread_.join();
  }

  const absl::StatusOr<base::Address>& address() const { return address_; }
  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const std::string target =
        address_->is_ip() ? address_->ToString() : base::Cat("unix:", address_->ToString());
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  }
  void Set(const Contents& contents) {
    loop_.Post([this, snapshot = Snap(contents)] { server_->SetSnapshot(snapshot); });
  }
  template <typename Function>
  auto Ask(Function function) {
    std::promise<decltype(function(*server_))> answer;
    loop_.Post([&] { answer.set_value(function(*server_)); });
    return answer.get_future().get();
  }

 private:
  net::Loop loop_{base::SystemClock()};
  AdsServer* server_ = nullptr;
  absl::StatusOr<base::Address> address_ = absl::UnknownError("");
  std::thread thread_;
};

// A stream of a client that blocks; gives up after a while instead of hanging.
class Call {
 public:
  Call(std::shared_ptr<grpc::Channel> channel, const char* method, const std::string& token = "")
      : channel_(std::move(channel)),
        method_(method, grpc::internal::RpcMethod::BIDI_STREAMING, channel_) {
    context_.set_deadline(base::SystemClock().WallNow() + std::chrono::seconds(20));
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    stream_.reset(
        grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            channel_.get(), method_, &context_));
  }
  bool Send(const std::string& bytes) { return stream_->Write(Buffer(bytes)); }
  bool Ask(Type type, const std::vector<std::string>& names, const std::string& version = "",
           const std::string& nonce = "") {
    DiscoveryRequest request;
    request.mutable_node()->set_id("node-1");
    request.set_type_url(std::string(TypeUrl(type)));
    for (const auto& name : names) request.add_resource_names(name);
    request.set_version_info(version);
    request.set_response_nonce(nonce);
    return Send(request.SerializeAsString());
  }
  template <typename Message>
  bool Read(Message& message) {
    grpc::ByteBuffer buffer;
    return stream_->Read(&buffer) && message.ParseFromString(Text(buffer));
  }
  grpc::Status Finish() {
    stream_->WritesDone();
    return stream_->Finish();
  }
  // What the server says by itself.
  grpc::Status End() {
    grpc::ByteBuffer buffer;
    while (stream_->Read(&buffer)) {
    }
    return stream_->Finish();
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  grpc::internal::RpcMethod method_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

}  // namespace sluice::control
