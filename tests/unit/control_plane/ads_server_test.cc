// Over real gRPC, on loopback.

#include "control-plane/ads_server.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/sync_stream.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/unit/control_plane/watches_client.h"

namespace sluice::control {
namespace {

using enum Type;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

constexpr const char* kAds =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

base::Address Loopback() { return *base::Address::ParseIp("127.0.0.1", 0); }

grpc::ByteBuffer Buffer(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}
std::string Text(const grpc::ByteBuffer& buffer) {
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

const Contents kOne = {{kClusters, {{"a", "1"}}}, {kRoutes, {{"web", "1"}}}};
const Contents kTwo = {{kClusters, {{"a", "1"}}}, {kRoutes, {{"web", "2"}}}};

TEST(AdsServer, PushesWhatChangedToWhoeverAsked) {
  Served served({.address = Loopback()});
  ASSERT_TRUE(served.address().ok()) << served.address().status();
  served.Set(kOne);
  Call call(served.Connect(), kAds);
  ASSERT_TRUE(call.Ask(kRoutes, {"web"}));
  DiscoveryResponse response;
  ASSERT_TRUE(call.Read(response));
  EXPECT_EQ(response.type_url(), TypeUrl(kRoutes));
  EXPECT_EQ(response.resources(0).value(), "web=1");
  EXPECT_EQ(response.resources(0).type_url(), TypeUrl(kRoutes));
  EXPECT_EQ(response.control_plane().identifier(), "sluice-control");
  ASSERT_TRUE(call.Ask(kRoutes, {"web"}, response.version_info(), response.nonce()));
  served.Set(kTwo);
  ASSERT_TRUE(call.Read(response));
  EXPECT_EQ(response.resources(0).value(), "web=2");
  const auto proxies = served.Ask([](AdsServer& server) { return server.Proxies(); });
  ASSERT_EQ(proxies.size(), 1U);
  EXPECT_EQ(proxies[0].node_id, "node-1");
  EXPECT_NE(proxies[0].types[3].acked_version, proxies[0].types[3].sent_version);
  EXPECT_TRUE(call.Finish().ok());
}

TEST(AdsServer, EveryMethodIsServed) {
  Served served({.address = Loopback()});
  served.Set({{kClusters, {{"x", "1"}}},
              {kEndpoints, {{"x", "1"}}},
              {kListeners, {{"x", "1"}}},
              {kRoutes, {{"x", "1"}}},
              {kVirtualHosts, {{"x", "1"}}},
              {kSecrets, {{"x", "1"}}}});
  const std::pair<const char*, const char*> methods[] = {
      {"cluster.v3.ClusterDiscoveryService", "Clusters"},
      {"endpoint.v3.EndpointDiscoveryService", "Endpoints"},
      {"listener.v3.ListenerDiscoveryService", "Listeners"},
      {"route.v3.RouteDiscoveryService", "Routes"},
      {"secret.v3.SecretDiscoveryService", "Secrets"},
  };
  for (const auto& [service, what] : methods) {
    const std::string path = base::Cat("/envoy.service.", service, "/");
    Call sotw(served.Connect(), base::Cat(path, "Stream", what).c_str());
    DiscoveryRequest request;
    request.add_resource_names("x");
    ASSERT_TRUE(sotw.Send(request.SerializeAsString())) << path;
    DiscoveryResponse response;
    ASSERT_TRUE(sotw.Read(response)) << path;
    EXPECT_EQ(response.resources_size(), 1) << path;
    Call delta(served.Connect(), base::Cat(path, "Delta", what).c_str());
    DeltaDiscoveryRequest ask;
    ask.add_resource_names_subscribe("x");
    ASSERT_TRUE(delta.Send(ask.SerializeAsString())) << path;
    DeltaDiscoveryResponse answer;
    ASSERT_TRUE(delta.Read(answer)) << path;
    EXPECT_EQ(answer.resources(0).name(), "x") << path;
    EXPECT_EQ(answer.resources(0).resource().type_url(), response.type_url()) << path;
    EXPECT_TRUE(sotw.Finish().ok());
    EXPECT_TRUE(delta.Finish().ok());
    Call fetch(served.Connect(), base::Cat(path, "Fetch", what).c_str());
    ASSERT_TRUE(fetch.Send(request.SerializeAsString())) << path;
    DiscoveryResponse once;
    ASSERT_TRUE(fetch.Read(once)) << path;
    EXPECT_EQ(once.resources_size(), 1) << path;
    EXPECT_TRUE(fetch.End().ok()) << path;
  }
  EXPECT_EQ(served.Ask([](AdsServer& server) { return server.counters().streams_opened; }), 15U);
}

TEST(AdsServer, WhatItDoesNotServeIsRefused) {
  Served served({.address = Loopback(), .streams_max = 1});
  served.Set(kOne);
  EXPECT_EQ(Call(served.Connect(), "/envoy.service.runtime.v3.Rtds/Stream").End().error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  Call garbage(served.Connect(), kAds);
  ASSERT_TRUE(garbage.Send("\xff\xff\xff"));
  EXPECT_EQ(garbage.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  Call first(served.Connect(), kAds);
  ASSERT_TRUE(first.Ask(kClusters, {}));
  DiscoveryResponse response;
  ASSERT_TRUE(first.Read(response));
  EXPECT_EQ(Call(served.Connect(), kAds).End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(first.Finish().ok());
  const auto counters = served.Ask([](AdsServer& server) { return server.counters(); });
  EXPECT_EQ(counters.streams_refused, 2U);
  EXPECT_EQ(counters.streams_failed, 1U);
}

TEST(AdsServer, TokenIsDemanded) {
  Served served({.address = Loopback(), .token = "secret"});
  served.Set(kOne);
  for (const char* token : {"", "secre", "secrets", "Secret"}) {
    EXPECT_EQ(Call(served.Connect(), kAds, token).End().error_code(),
              grpc::StatusCode::UNAUTHENTICATED)
        << token;
  }
  Call call(served.Connect(), kAds, "secret");
  ASSERT_TRUE(call.Ask(kClusters, {}));
  DiscoveryResponse response;
  EXPECT_TRUE(call.Read(response));
}

TEST(AdsServer, AddressesItMayNotHave) {
  Served open({.address = *base::Address::ParseIp("0.0.0.0", 0)});
  EXPECT_EQ(open.address().status().code(), absl::StatusCode::kFailedPrecondition);
  Served first({.address = Loopback()});
  ASSERT_TRUE(first.address().ok());
  Served second({.address = *first.address()});
  EXPECT_FALSE(second.address().ok());  // Not half of the proxies each.
}

TEST(AdsServer, UnixSocket) {
  const std::string path = base::Cat(testing::TempDir(), "ads-", getpid(), ".sock");
  Served served({.address = *base::Address::Unix(path)});
  ASSERT_TRUE(served.address().ok()) << served.address().status();
  served.Set(kOne);
  Call call(served.Connect(), kAds);
  ASSERT_TRUE(call.Ask(kClusters, {}));
  DiscoveryResponse response;
  EXPECT_TRUE(call.Read(response));
}

TEST(AdsServer, StopEndsStreamsThatSayNothing) {
  Served served({.address = Loopback()});
  served.Set(kOne);
  Call silent(served.Connect(), kAds);
  ASSERT_TRUE(silent.Ask(kClusters, {}));
  DiscoveryResponse response;
  ASSERT_TRUE(silent.Read(response));
  served.Stop();
  EXPECT_EQ(silent.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(AdsServer, AnswersHealthChecks) {
  Served served({.address = Loopback()});
  const auto channel = served.Connect();
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC, channel);
  grpc::ClientContext context;
  context.set_deadline(base::SystemClock().WallNow() + std::chrono::seconds(20));
  grpc::ByteBuffer answer;
  const grpc::Status status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
      channel.get(), method, &context, Buffer(""), &answer);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Text(answer), std::string("\x08\x01", 2));  // status: SERVING
}

struct Raw {
  bool ParseFromString(std::string text) {
    bytes = std::move(text);
    return true;
  }
  std::string bytes;
};

// Sends one question and returns the answer's bytes.
std::string AskReflection(const Served& served, const std::string& question) {
  Call call(served.Connect(), "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
  EXPECT_TRUE(call.Send(question));
  Raw answer;
  EXPECT_TRUE(call.Read(answer));
  EXPECT_TRUE(call.Finish().ok());
  return answer.bytes;
}

TEST(AdsServer, ReflectionTellsServicesAndFiles) {
  Served served({.address = Loopback()});
  const std::string services = AskReflection(served, std::string("\x3a\x00", 2));
  EXPECT_NE(services.find("envoy.service.endpoint.v3.EndpointDiscoveryService"), services.npos);
  EXPECT_NE(services.find("grpc.health.v1.Health"), services.npos);
  const std::string symbol = "envoy.service.route.v3.RouteDiscoveryService";
  const std::string file = AskReflection(
      served, base::Cat("\x22", std::string(1, static_cast<char>(symbol.size())), symbol));
  EXPECT_NE(file.find("envoy/service/discovery/v3/discovery.proto"), file.npos);
  EXPECT_NE(AskReflection(served, "\x22\x03no!").find("not known"), file.npos);
}

TEST(AdsServer, GarbageToReflectionIsAnswered) {
  Served served({.address = Loopback()});
  for (const std::string bytes : {"\xff\xff", "\x22\x7f", "\x08\x01", "\x2a\x00"}) {
    EXPECT_FALSE(AskReflection(served, bytes).empty());
  }
}

}  // namespace
}  // namespace sluice::control
