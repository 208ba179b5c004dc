#include "xds/assemble.h"

#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "xds/take_response.h"

namespace sluice::xds {
namespace {

namespace core = envoy::config::core::v3;
using Hcm = envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

std::string ClusterBytes(const std::string& name, int connect_timeout_s = 5) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name(name);
  cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
  cluster.mutable_connect_timeout()->set_seconds(connect_timeout_s);
  auto& source = *cluster.mutable_eds_cluster_config()->mutable_eds_config();
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
  return cluster.SerializeAsString();
}

std::string AssignmentBytes(const std::string& name, unsigned port) {
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.set_cluster_name(name);
  auto& socket = *assignment.add_endpoints()
                      ->add_lb_endpoints()
                      ->mutable_endpoint()
                      ->mutable_address()
                      ->mutable_socket_address();
  socket.set_address("127.0.0.1");
  socket.set_port_value(port);
  return assignment.SerializeAsString();
}

std::string ListenerBytes(const std::string& name, const std::string& routes) {
  envoy::config::listener::v3::Listener listener;
  listener.set_name(name);
  auto& socket = *listener.mutable_address()->mutable_socket_address();
  socket.set_address("127.0.0.1");
  socket.set_port_value(0);
  Hcm hcm;
  hcm.set_stat_prefix("p");
  hcm.mutable_rds()->set_route_config_name(routes);
  auto& source = *hcm.mutable_rds()->mutable_config_source();
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
  auto& router = *hcm.add_http_filters();
  router.set_name("envoy.filters.http.router");
  router.mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
  auto& filter = *listener.add_filter_chains()->add_filters();
  filter.set_name("envoy.filters.network.http_connection_manager");
  filter.mutable_typed_config()->PackFrom(hcm);
  return listener.SerializeAsString();
}

std::string RoutesBytes(const std::string& name, const std::string& cluster) {
  envoy::config::route::v3::RouteConfiguration routes;
  routes.set_name(name);
  auto& host = *routes.add_virtual_hosts();
  host.set_name("all");
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(cluster);
  return routes.SerializeAsString();
}

// Store and assembler as the config thread drives them.
class AssembleTest : public testing::Test {
 protected:
  AssembleTest() : store_({}, {"fixed"}, {}), assembler_({}, {}) { assembler_.Initial(now_); }

  // Applies resources and returns what went live; `error_` has the NACK.
  Update Apply(ResourceType type, const std::vector<std::string>& resources,
               std::string_view version = "v") {
    Response response;
    response.type = type;
    response.version = version;
    for (const std::string& bytes : resources) {
      response.resources.push_back({PeekName(bytes), version, bytes});
    }
    result_ = store_.Apply(response, assembler_.references(), base::WallTime());
    assembler_.OnApplied(type, result_, store_, now_);
    return assembler_.Take(store_, now_);
  }
  std::set<std::string> Wanted(ResourceType type) const {
    return assembler_.references().Names(type);
  }
  void Sleep(int seconds) { now_ += base::seconds(seconds); }

  base::Monotonic now_{base::seconds(1000)};
  Store store_;
  Assembler assembler_;
  ApplyResult result_;
};

TEST_F(AssembleTest, AClusterWarmsUntilItsEndpointsCome) {
  Update update = Apply(ResourceType::kCluster, {ClusterBytes("a")});
  EXPECT_EQ(result_.error, "");
  EXPECT_TRUE(update.empty());
  EXPECT_EQ(assembler_.WarmingClusters(), std::vector<std::string>{"a"});
  EXPECT_EQ(Wanted(ResourceType::kEndpoints), std::set<std::string>{"a"});
  update = Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)});
  EXPECT_EQ(update.changes.clusters, std::vector<std::string>{"a"});
  ASSERT_EQ(update.assignments.size(), 1U);
  EXPECT_EQ(update.assignments[0].second->endpoints.size(), 1U);
  EXPECT_NE(update.snapshot->clusters.Find("a"), nullptr);
}

TEST_F(AssembleTest, WithoutEndpointsItGoesLiveEmptyAfterTheTimeout) {
  Apply(ResourceType::kCluster, {ClusterBytes("a")});
  Sleep(14);
  EXPECT_TRUE(assembler_.Take(store_, now_).empty());
  ASSERT_TRUE(assembler_.NextDeadline().has_value());
  now_ = *assembler_.NextDeadline();
  const Update update = assembler_.Take(store_, now_);
  EXPECT_NE(update.snapshot->clusters.Find("a"), nullptr);
  ASSERT_EQ(update.assignments.size(), 1U);
  EXPECT_TRUE(update.assignments[0].second->endpoints.empty());
  EXPECT_EQ(assembler_.TakeFetchTimeouts(), 1U);
  EXPECT_FALSE(assembler_.NextDeadline().has_value());
}

TEST_F(AssembleTest, NoTimeoutEmptiesAServingCluster) {
  Apply(ResourceType::kCluster, {ClusterBytes("a")});
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)});
  envoy::config::cluster::v3::Cluster other;
  other.ParseFromString(ClusterBytes("a"));
  other.mutable_eds_cluster_config()->set_service_name("elsewhere");
  EXPECT_TRUE(Apply(ResourceType::kCluster, {other.SerializeAsString()}).empty());
  EXPECT_EQ(Wanted(ResourceType::kEndpoints), (std::set<std::string>{"a", "elsewhere"}));
  Sleep(16);
  EXPECT_TRUE(assembler_.Take(store_, now_).empty());
  EXPECT_EQ(assembler_.TakeFetchTimeouts(), 1U);
  EXPECT_FALSE(assembler_.NextDeadline().has_value());
  // What the version that serves gets still counts.
  EXPECT_EQ(Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 81)}).assignments.size(), 1U);
  const Update update = Apply(ResourceType::kEndpoints, {AssignmentBytes("elsewhere", 82)});
  EXPECT_EQ(update.changes.clusters, std::vector<std::string>{"a"});
  ASSERT_EQ(update.assignments.size(), 1U);
  EXPECT_EQ(update.assignments[0].second->endpoints[0].address.port(), 82);
  EXPECT_EQ(Wanted(ResourceType::kEndpoints), std::set<std::string>{"elsewhere"});
  EXPECT_EQ(store_.assignments().Find("a"), nullptr);
}

TEST_F(AssembleTest, TheRecordTellsWhatWarmsAndWhatServes) {
  Apply(ResourceType::kListener, {ListenerBytes("l", "r1")}, "v1");
  const auto record = [&] { return store_.view().Of(ResourceType::kListener).Find("l"); };
  EXPECT_FALSE(record()->live);
  EXPECT_EQ(record()->active, nullptr);
  Apply(ResourceType::kRoutes, {RoutesBytes("r1", "a")});
  EXPECT_TRUE(record()->live);
  Apply(ResourceType::kListener, {ListenerBytes("l", "r2")}, "v2");
  Apply(ResourceType::kListener, {ListenerBytes("l", "r3")}, "v3");
  EXPECT_FALSE(record()->live);
  EXPECT_EQ(record()->version, "v3");
  ASSERT_NE(record()->active, nullptr);
  EXPECT_EQ(record()->active->version, "v1");
  Apply(ResourceType::kRoutes, {RoutesBytes("r3", "a")});
  EXPECT_TRUE(record()->live);
  EXPECT_EQ(record()->active, nullptr);
}

TEST_F(AssembleTest, AnUpdatedClusterStartsWithTheEndpointsItKnows) {
  Apply(ResourceType::kCluster, {ClusterBytes("a")});
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)});
  const Update update = Apply(ResourceType::kCluster, {ClusterBytes("a", 9)});
  EXPECT_EQ(update.changes.clusters, std::vector<std::string>{"a"});
  ASSERT_EQ(update.assignments.size(), 1U);
  EXPECT_EQ(update.assignments[0].second->endpoints.size(), 1U);
}

TEST_F(AssembleTest, MovedEndpointsChangeNoConfiguration) {
  Apply(ResourceType::kCluster, {ClusterBytes("a")});
  const Update first = Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)});
  const Update second = Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 81)});
  EXPECT_TRUE(second.changes.empty());
  EXPECT_EQ(second.snapshot, first.snapshot);
  ASSERT_EQ(second.assignments.size(), 1U);
  EXPECT_EQ(second.assignments[0].second->endpoints[0].address.port(), 81);
}

TEST_F(AssembleTest, EqualResourcesAreNoUpdate) {
  Apply(ResourceType::kCluster, {ClusterBytes("a")});
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)});
  EXPECT_TRUE(Apply(ResourceType::kCluster, {ClusterBytes("a")}, "v2").empty());
  EXPECT_EQ(result_.unchanged, 1U);
  EXPECT_TRUE(Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)}, "v2").empty());
  EXPECT_EQ(store_.view().Of(ResourceType::kCluster).Find("a")->version, "v2");
}

TEST_F(AssembleTest, AListenerWaitsForItsRoutesAndTheOldOneServesMeanwhile) {
  EXPECT_TRUE(Apply(ResourceType::kListener, {ListenerBytes("l", "r1")}).empty());
  EXPECT_EQ(result_.error, "");
  EXPECT_EQ(Wanted(ResourceType::kRoutes), std::set<std::string>{"r1"});
  Update update = Apply(ResourceType::kRoutes, {RoutesBytes("r1", "a")});
  EXPECT_EQ(update.changes.listeners, std::vector<std::string>{"l"});
  EXPECT_EQ(update.changes.route_tables, std::vector<std::string>{"r1"});

  EXPECT_TRUE(Apply(ResourceType::kListener, {ListenerBytes("l", "r2")}).empty());
  EXPECT_EQ(Wanted(ResourceType::kRoutes), (std::set<std::string>{"r1", "r2"}));
  update = Apply(ResourceType::kRoutes, {RoutesBytes("r1", "a"), RoutesBytes("r2", "a")});
  EXPECT_EQ(update.snapshot->listeners.Find("l")->filter_chains[0].http->rds_name, "r2");
  EXPECT_EQ(Wanted(ResourceType::kRoutes), std::set<std::string>{"r2"});
}

TEST_F(AssembleTest, WhatAResponseLeavesOutIsGone) {
  Apply(ResourceType::kCluster, {ClusterBytes("a"), ClusterBytes("b")});
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80), AssignmentBytes("b", 80)});
  const Update update = Apply(ResourceType::kCluster, {ClusterBytes("b")});
  EXPECT_EQ(update.changes.clusters, std::vector<std::string>{"a"});
  EXPECT_EQ(update.snapshot->clusters.Find("a"), nullptr);
  EXPECT_NE(update.snapshot->clusters.Find("b"), nullptr);
}

TEST_F(AssembleTest, EndpointsAreNeverRemovedByAbsence) {
  Apply(ResourceType::kCluster, {ClusterBytes("a"), ClusterBytes("b")});
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80), AssignmentBytes("b", 80)});
  EXPECT_TRUE(Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80)}).empty());
  EXPECT_NE(store_.assignments().Find("b"), nullptr);
}

TEST_F(AssembleTest, ABadResourceIsQuarantinedAndItsLastGoodVersionStays) {
  Apply(ResourceType::kCluster, {ClusterBytes("a"), ClusterBytes("b")}, "v1");
  Apply(ResourceType::kEndpoints, {AssignmentBytes("a", 80), AssignmentBytes("b", 80)});
  const Update update =
      Apply(ResourceType::kCluster,
            {ClusterBytes("a", -1), ClusterBytes("b", 7), ClusterBytes("c")}, "v2");
  EXPECT_NE(result_.error.find("a: connect_timeout"), std::string::npos) << result_.error;
  EXPECT_EQ(result_.rejected.size(), 1U);
  EXPECT_EQ(update.changes.clusters, std::vector<std::string>{"b"});
  EXPECT_EQ(update.snapshot->clusters.Find("a")->connect_timeout_ms, 5000U);
  const ResourceRecord& record = *store_.view().Of(ResourceType::kCluster).Find("a");
  ASSERT_TRUE(record.error.has_value());
  EXPECT_EQ(record.version, "v1");
  EXPECT_EQ(record.error->version, "v2");
  Apply(ResourceType::kCluster, {ClusterBytes("a"), ClusterBytes("b", 7), ClusterBytes("c")}, "v3");
  EXPECT_FALSE(store_.view().Of(ResourceType::kCluster).Find("a")->error.has_value());
}

TEST_F(AssembleTest, DuplicatesAndGarbageAreNamedAndNoneOfThemIsTaken) {
  Apply(ResourceType::kCluster, {ClusterBytes("a"), ClusterBytes("a"), "\xff\xff\xff"});
  EXPECT_NE(result_.error.find("duplicate resource a"), std::string::npos) << result_.error;
  EXPECT_EQ(result_.rejected.size(), 2U);
  EXPECT_EQ(assembler_.WarmingClusters(), std::vector<std::string>{});
}

TEST_F(AssembleTest, GarbageOfANamedTypeIsRefusedToo) {
  Apply(ResourceType::kEndpoints, {"\xff\xff\xff"});
  EXPECT_NE(result_.error, "");
  EXPECT_EQ(store_.assignments().size(), 0U);
}

TEST_F(AssembleTest, StaticNamesAreNotTouched) {
  EXPECT_TRUE(Apply(ResourceType::kCluster, {ClusterBytes("fixed")}).empty());
  EXPECT_EQ(result_.error, "");
  EXPECT_TRUE(result_.changed.empty());
}

TEST_F(AssembleTest, UnwantedNamedResourcesAreNotKept) {
  Apply(ResourceType::kEndpoints, {AssignmentBytes("nobody", 80)});
  EXPECT_EQ(store_.assignments().size(), 0U);
  EXPECT_EQ(store_.view().Of(ResourceType::kEndpoints).size(), 0U);
}

}  // namespace
}  // namespace sluice::xds
