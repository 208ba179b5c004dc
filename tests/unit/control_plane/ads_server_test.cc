// Over real gRPC, on loopback.

#include "control-plane/ads_server.h"

#include <unistd.h>

#include "tests/unit/control_plane/ads_client.h"

namespace sluice::control {
namespace {

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
