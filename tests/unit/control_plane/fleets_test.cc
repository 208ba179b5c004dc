// Fleets, and what clients of gRPC get.
#include <gtest/gtest.h>

#include "apps_testing.h"
#include "base/strings.h"
#include "control-plane/fetch.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/api_listener.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "watches_client.h"

namespace sluice::control {
namespace {

constexpr std::string_view kApps = R"(listeners: { web: { address: 127.0.0.1, port: 8000 } }
apps:
  a: { url: http://127.0.0.1:9001 }
  b: { urls: [ { url: http://127.0.0.1:9002, weight: 3, zone: x }, http://127.0.0.1:9003 ] }
hosts:
  "*": { routes: [ { path: /, app: a } ] }
grpc_services:
  greeter: { split: { a: 90, b: 10 } }
  orders: { routes: [ { path: /pkg.Orders, app: b, timeout: 2s }, { path: /, app: a } ] }
grpc_servers: [ "0.0.0.0:50051", "[::1]:50052" ]
fleets:
  edge:
    apps: { a: { url: http://127.0.0.1:9101 } }
  own:
    match: { cluster: lab, metadata: { tier: gold, stage: "2" } }
    inherit: false
    listeners: { only: { port: 81 } }
    hosts: { "x.example": { routes: [ { path: /, respond: { status: 200 } } ] } }
)";

TEST(Fleets, ReadAndPrintedTheyAreTheSame) {
  const AppsConfig config = Parsed(kApps);
  EXPECT_EQ(config.fleets.at("own").match.metadata.at("stage"), "2");
  EXPECT_EQ(config.apps.at("b").traits[0].weight, 3U);
  EXPECT_EQ(config.grpc_services.at("greeter").routes[0].split.size(), 2U);
  EXPECT_EQ(Parsed(PrintAppsYaml(config)), config) << PrintAppsYaml(config);
  EXPECT_EQ(Parsed(PrintAppsJson(config)), config) << PrintAppsJson(config);
}

TEST(Fleets, InheritWhatTheyDoNotReplace) {
  const AppsConfig config = Parsed(kApps);
  const AppsConfig edge = ConfigOfFleet(config, config.fleets.at("edge"));
  EXPECT_EQ(edge.apps.at("a").urls[0], "http://127.0.0.1:9101");
  EXPECT_EQ(edge.apps.at("b"), config.apps.at("b"));
  EXPECT_EQ(edge.hosts, config.hosts);
  EXPECT_TRUE(edge.fleets.empty());
  const AppsConfig own = ConfigOfFleet(config, config.fleets.at("own"));
  EXPECT_EQ(own.listeners.size(), 1U);
  EXPECT_TRUE(own.apps.empty());
}

TEST(Fleets, MistakesAreToldWithTheirPlace) {
  struct Case {
    std::string_view text, want;
  };
  const Case cases[] = {
      {"fleets: { e: { hosts: { h: { routes: [ { path: /, app: z } ] } } } }",
       "f:1: fleets.e.hosts.h.routes[0].app: there is no app 'z'"},
      {"fleets: { \"a b\": {} }", "fleets[\"a b\"]: the name 'a b' must be"},
      {"fleets: { e: { nodes: x } }", "f:1: fleets.e: unknown key 'nodes'"},
      {"grpc_servers: [ \"::1:50051\" ]", "grpc_servers[0]: '::1:50051' is no IP:PORT"},
      {"grpc_services: { s: {} }", "grpc_services.s: does nothing"},
      {"grpc_services: { s: { app: z } }", "there is no app 'z'"},
      {"apps: { a: { url: http://x.example } }\ngrpc_services: { s: { app: a } }",
       "gRPC clients need http:// and an IP address"},
      {"apps: { a: { url: http://127.0.0.1:1 } }\n"
       "grpc_services: { s: { routes: [ { path: /, app: a, strip_prefix: true } ] } }",
       "gRPC clients do not know it"},
      {"apps: { a: { urls: [ { url: http://127.0.0.1:1, weight: 0 } ] } }", "at least 1"},
  };
  for (const Case& c : cases) {
    EXPECT_NE(ErrorsOf(c.text).find(c.want), std::string::npos) << ErrorsOf(c.text);
  }
}

TEST(Fleets, NodesChooseThem) {
  const auto root = Built(Parsed(kApps));
  ASSERT_TRUE(Consistent(*root).ok()) << Consistent(*root);
  const auto fleet_of = [&](const NodeFacts& facts) {
    std::string name;
    EXPECT_NE(PickFleet(root, facts, name), nullptr);
    return name;
  };
  EXPECT_EQ(fleet_of({}), "");
  EXPECT_EQ(fleet_of({"edge", {}}), "edge");
  EXPECT_EQ(fleet_of({"own", {}}), "");  // It says otherwise.
  EXPECT_EQ(fleet_of({"lab", {{"tier", "gold"}}}), "");
  EXPECT_EQ(fleet_of({"lab", {{"tier", "gold"}, {"stage", "2"}}}), "own");
  envoy::config::core::v3::Node node;
  node.set_cluster("lab");
  auto& fields = *node.mutable_metadata()->mutable_fields();
  fields["tier"].set_string_value("gold");
  fields["stage"].set_number_value(2);
  EXPECT_EQ(fleet_of(FactsOf(node)), "own");
}

// The first request of a stream of such a node.
std::string FirstRequest(Type type, const std::string& cluster) {
  envoy::service::discovery::v3::DiscoveryRequest request;
  request.mutable_node()->set_cluster(cluster);
  request.set_type_url(std::string(TypeUrl(type)));
  return request.SerializeAsString();
}

TEST(Fleets, WatchesFollowTheirOwn) {
  WatchClient client;
  AppsConfig config = Parsed(kApps);
  auto root = Built(config);
  client.watch().SetSnapshot(root);
  ASSERT_TRUE(client.watch().OnRequest(FirstRequest(Type::kListeners, "edge")).ok());
  EXPECT_EQ(client.watch().status().fleet, "edge");
  const Seen listeners = client.Next();
  EXPECT_EQ(listeners.bytes.size(), 1U);
  ASSERT_TRUE(client.Ack(listeners).ok());
  ASSERT_TRUE(client.Ask(Type::kEndpoints, {"a"}, "", "").ok());
  const Seen first = client.Next();
  EXPECT_NE(first.bytes.begin()->second.find("127.0.0.1"), std::string::npos);
  ASSERT_TRUE(client.Ack(first).ok());
  // A change at the top that the fleet replaces is none to it.
  config.apps.at("a").urls = {"http://127.0.0.1:9999"};
  root = Built(config, root.get());
  client.watch().SetSnapshot(root);
  EXPECT_EQ(client.Drain(), "");
  config.fleets.at("edge").parts.apps.at("a").urls = {"http://127.0.0.1:9998"};
  client.watch().SetSnapshot(Built(config, root.get()));
  EXPECT_EQ(client.Next().type, "eds");
}

template <typename Message>
Message Get(const Snapshot& snapshot, Type type, const std::string& name) {
  Message message;
  const auto found = snapshot.Of(type).resources.find(name);
  EXPECT_NE(found, snapshot.Of(type).resources.end()) << name;
  if (found != snapshot.Of(type).resources.end()) {
    EXPECT_TRUE(message.ParseFromString(found->second->bytes));
    EXPECT_EQ(found->second->named_only, type != Type::kEndpoints) << name;
  }
  return message;
}

TEST(GrpcServices, AreApiListenersWithTables) {
  const auto root = Built(Parsed(kApps));
  const auto listener =
      Get<envoy::config::listener::v3::Listener>(*root, Type::kListeners, "orders");
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager hcm;
  ASSERT_TRUE(listener.api_listener().api_listener().UnpackTo(&hcm));
  EXPECT_EQ(hcm.rds().route_config_name(), "grpc_services/orders");
  const auto table = Get<envoy::config::route::v3::RouteConfiguration>(*root, Type::kRoutes,
                                                                       "grpc_services/orders");
  const auto& routes = table.virtual_hosts(0).routes();
  EXPECT_EQ(routes[0].match().prefix(), "/pkg.Orders/");
  EXPECT_EQ(routes[0].route().max_stream_duration().max_stream_duration().seconds(), 2);
  EXPECT_EQ(routes[1].match().prefix(), "/");
  const auto split = Get<envoy::config::route::v3::RouteConfiguration>(*root, Type::kRoutes,
                                                                       "grpc_services/greeter");
  EXPECT_EQ(split.virtual_hosts(0).routes(0).route().weighted_clusters().clusters_size(), 2);
  // Weights of localities are the sums of their endpoints'.
  const auto endpoints =
      Get<envoy::config::endpoint::v3::ClusterLoadAssignment>(*root, Type::kEndpoints, "b");
  ASSERT_EQ(endpoints.endpoints_size(), 2);
  EXPECT_EQ(endpoints.endpoints(0).locality().zone(), "x");
  EXPECT_EQ(endpoints.endpoints(0).load_balancing_weight().value(), 3U);
  EXPECT_EQ(endpoints.endpoints(0).lb_endpoints(0).load_balancing_weight().value(), 3U);
  EXPECT_TRUE(endpoints.endpoints(1).has_locality());
  EXPECT_EQ(endpoints.endpoints(1).load_balancing_weight().value(), 1U);
}

TEST(GrpcServices, ServersAreAskedForByAddress) {
  const auto root = Built(Parsed(kApps));
  const auto listener = Get<envoy::config::listener::v3::Listener>(
      *root, Type::kListeners, "grpc/server?xds.resource.listening_address=[::1]:50052");
  EXPECT_EQ(listener.address().socket_address().address(), "::1");
  EXPECT_EQ(listener.address().socket_address().port_value(), 50052U);
}

TEST(GrpcServices, ProxiesThatAskForAllGetNone) {
  WatchClient client;
  client.watch().SetSnapshot(Built(Parsed(kApps)));
  ASSERT_TRUE(client.Ask(Type::kListeners, {}).ok());
  const Seen all = client.Next();
  EXPECT_EQ(all.bytes.size(), 1U);
  WatchClient named;
  named.watch().SetSnapshot(Built(Parsed(kApps)));
  ASSERT_TRUE(named.Ask(Type::kListeners, {"greeter"}).ok());
  EXPECT_EQ(named.Next().bytes.size(), 1U);
  WatchClient both;
  both.watch().SetSnapshot(Built(Parsed(kApps)));
  ASSERT_TRUE(both.Ask(Type::kListeners, {"*", "greeter"}).ok());
  EXPECT_EQ(both.Next().bytes.size(), 2U);
}

TEST(Fetch, AnswersJsonAndTellsWhenNothingChanged) {
  const auto root = Built(Parsed(kApps));
  auto answer = FetchJson(root, Type::kClusters, R"({"node":{"id":"n","cluster":"edge"}})");
  ASSERT_TRUE(answer.ok() && answer->has_value()) << answer.status();
  EXPECT_NE((*answer)->find("\"@type\":\"type.googleapis.com/envoy.config.cluster.v3.Cluster\""),
            std::string::npos);
  const std::string_view text = **answer;
  const std::size_t at = text.find("\"version_info\":\"") + 16;
  const std::string again =
      base::Cat("{\"version_info\":\"", text.substr(at, text.find('"', at) - at), "\",",
                R"("node":{"id":"n","cluster":"edge"}})");
  const auto same = FetchJson(root, Type::kClusters, again);
  ASSERT_TRUE(same.ok());
  EXPECT_FALSE(same->has_value());
  const auto named = FetchJson(root, Type::kEndpoints, R"({"resource_names":["a"]})");
  ASSERT_TRUE(named.ok() && named->has_value());
  EXPECT_EQ((*named)->find("\"b\""), std::string::npos);
  EXPECT_FALSE(FetchJson(root, Type::kClusters, "{").ok());
  EXPECT_FALSE(FetchJson(root, Type::kClusters, R"({"type_url":"x"})").ok());
  EXPECT_FALSE(FetchJson(nullptr, Type::kClusters, "{}").ok());
}

}  // namespace
}  // namespace sluice::control
