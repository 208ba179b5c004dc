// A control plane that serves, changes its mind, lies, dies and comes back, in front of real
// traffic: the last good configuration goes on serving, and refusals name what is wrong.
// ctest: timeout=600
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using google::protobuf::Any;
using testing::AllOf;
using testing::HasSubstr;

// A listener "in" with route table "table" to cluster "app", all over ADS.
class ControlPlane : public testing::Test {
 protected:
  ControlPlane() {
    origin_.On("/", 200, "one");
    control_.Set(Cluster("app", {origin_.port()}));
    control_.Set(Listener("in").Rds("table").Build());
    control_.Set(RouteTable("table", {RouteTo("/", "app")}));
  }

  void Start(const AdsOptions& options = {}) {
    proxy_ = std::make_unique<Proxy>(AdsBootstrap(control_.port(), options));
    client_ = std::make_unique<Client>(proxy_->Port());
    ExpectServing("one");
  }

  // On the connection that is open since the start.
  void ExpectServing(std::string_view body) { EXPECT_EQ(client_->Get("/").body, body); }
  bool Serves(std::string_view body) {
    return Eventually([&] { return client_->Get("/").body == body; });
  }
  Any Packed(const google::protobuf::Message& message) {
    Any any;
    any.PackFrom(message);
    return any;
  }

  FakeUpstream origin_;
  FakeControlPlane control_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Client> client_;
};

TEST_F(ControlPlane, ChangesReachOpenConnections) {
  Start();
  control_.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
  EXPECT_TRUE(control_.WaitForAck(kRouteType));
  EXPECT_TRUE(Serves("two"));
  EXPECT_EQ(control_.Seen().front().node_id, "e2e");
}

TEST_F(ControlPlane, EndpointsComeAndChangeByName) {
  FakeUpstream other;
  other.On("/", 200, "other");
  control_.SetClusters({EdsCluster("app")});
  control_.Set(Assignment("app", {origin_.port()}));
  Start();
  control_.Set(Assignment("app", {other.port()}));
  EXPECT_TRUE(control_.WaitForAck(kEndpointType));
  EXPECT_TRUE(Serves("other"));
  control_.Set(Assignment("app", {}));
  EXPECT_TRUE(Eventually([&] { return client_->Get("/").status == 503; }));
}

TEST_F(ControlPlane, DeathAndReturnAreNotNoticedByTraffic) {
  Start();
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::atomic<int> answers{0};
  std::thread load([&, port = proxy_->Port()] {
    Client client(port);
    while (!stop) {
      if (client.Get("/").status != 200) ++failures;
      ++answers;
    }
  });
  const int streams = control_.streams();
  control_.Stop();
  EXPECT_TRUE(proxy_->WaitForStat("control_plane.stream_failed", 1));
  const int before = answers;
  EXPECT_TRUE(Eventually([&] { return answers > before + 100; }));
  EXPECT_EQ(proxy_->Stat("control_plane.connected_state"), 0U);
  EXPECT_EQ(Client(proxy_->Port()).Get("/").body, "one") << "new connections are taken, too";
  control_.Restart();
  EXPECT_TRUE(Eventually([&] { return control_.streams() > streams; }));
  control_.Set(RouteTable("table", {DirectRoute("/", 200, "back")}));
  EXPECT_TRUE(control_.WaitForAck(kRouteType));
  EXPECT_TRUE(Serves("back"));
  stop = true;
  load.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(ControlPlane, ProxyStartedFirstWaitsAndThenServes) {
  control_.Stop();
  proxy_ =
      std::make_unique<Proxy>(AdsBootstrap(control_.port()), ProxyOptions{.wait_ready = false});
  EXPECT_EQ(proxy_->Admin("GET", "/ready").status, 503);
  control_.Restart();
  EXPECT_TRUE(Eventually([&] { return proxy_->Admin("GET", "/ready").status == 200; }));
  client_ = std::make_unique<Client>(proxy_->Port());
  ExpectServing("one");
}

TEST_F(ControlPlane, TheFetchTimeoutEndsTheWaitForASilentControlPlane) {
  control_.Remove(kRouteType, "table");
  Proxy proxy(AdsBootstrap(control_.port(), {.fetch_timeout = "1s"}), {.wait_ready = false});
  EXPECT_TRUE(control_.WaitForSubscription(kRouteType));
  EXPECT_EQ(proxy.Admin("GET", "/ready").status, 503) << "the listener waits for its routes";
  control_.Set(RouteTable("table", {RouteTo("/", "app")}));
  EXPECT_TRUE(Eventually([&] { return proxy.Admin("GET", "/ready").status == 200; }));
}

TEST_F(ControlPlane, GarbageIsDroppedAndTheStreamGoesOn) {
  Start();
  control_.SendGarbage("\xff\xff\xff\xff no message");
  control_.SendGarbage(std::string(1'000'000, '\x0a'));
  control_.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
  EXPECT_TRUE(control_.WaitForAck(kRouteType));
  EXPECT_TRUE(Serves("two"));
  EXPECT_EQ(control_.streams(), 1);
}

TEST_F(ControlPlane, WhatIsWrongIsRefusedByNameAndTheLastGoodServes) {
  Start();
  RouteProto bad_regex = RouteTo("/", "app");
  bad_regex.mutable_match()->mutable_safe_regex()->set_regex("(unclosed");
  RouteTableProto no_domain = RouteTable("table", {RouteTo("/", "app")});
  no_domain.mutable_virtual_hosts(0)->clear_domains();
  Any nonsense;
  nonsense.set_type_url(base::Cat("type.googleapis.com/", kRouteType));
  nonsense.set_value("\xff\xff\xff");
  const Any good = Packed(RouteTable("table", {RouteTo("/", "app")}));
  struct Case {
    std::string name;
    std::string_view type;
    std::vector<Any> resources;
    std::string error;
  };
  const Case cases[] = {
      {"regex", kRouteType, {Packed(RouteTable("table", {bad_regex}))}, "safe_regex"},
      {"domains", kRouteType, {Packed(no_domain)}, "domains"},
      {"twice", kRouteType, {good, good}, "table"},
      {"bytes", kRouteType, {nonsense}, ""},
      {"other type", kRouteType, {Packed(Cluster("app", {1}))}, "type URL"},
      {"cluster twice",
       kClusterType,
       {Packed(Cluster("app", {1})), Packed(Cluster("app", {2}))},
       "app"},
      {"cluster without name",
       kClusterType,
       {Packed(Cluster("app", {origin_.port()})), Packed(Cluster("", {1}))},
       "name"},
      {"listener without address",
       kListenerType,
       {Packed([] {
         ListenerProto listener = Listener("in").Rds("table").Build();
         listener.clear_address();
         return listener;
       }())},
       "address"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    control_.SetResponse(c.type, c.resources);
    const std::string error = control_.WaitForNack(c.type);
    EXPECT_NE(error, "");
    EXPECT_THAT(error, HasSubstr(c.error));
    ExpectServing("one");
  }
  EXPECT_GE(proxy_->Stat("http.rds.update_rejected").value_or(0) +
                proxy_->Stat("http.in.rds.table.update_rejected").value_or(0),
            1U);
  EXPECT_EQ(control_.streams(), 1) << "a refusal ends no stream";
}

TEST_F(ControlPlane, AReferenceToNothingIsServedClosed) {
  Start();
  control_.Set(RouteTable("table", {RouteTo("/none", "no-such-cluster"), RouteTo("/", "app")}));
  EXPECT_TRUE(control_.WaitForAck(kRouteType));
  EXPECT_TRUE(Eventually([&] { return client_->Get("/none").status == 503; }));
  ExpectServing("one");
}

TEST_F(ControlPlane, TwentyMegabytesAreTakenWhileTrafficFlows) {
  Start();
  std::vector<RouteProto> routes;
  for (int i = 0; i < 20'000; ++i) {
    routes.push_back(DirectRoute(base::Cat("/big/", i), 200, std::string(1000, 'x')));
  }
  routes.push_back(DirectRoute("/", 200, "after"));
  RouteTableProto table = RouteTable("table", routes);
  EXPECT_GT(table.ByteSizeLong(), 20'000'000U);
  control_.Set(table);
  EXPECT_TRUE(control_.WaitForAck(kRouteType));
  EXPECT_TRUE(Serves("after"));
  EXPECT_EQ(client_->Get("/big/19999").body, std::string(1000, 'x'));
}

TEST_F(ControlPlane, AnUpdateThatChangesNothingMovesOnlyTheUpdateCounter) {
  Start();
  const auto moved = [&] {
    std::string text;
    for (const std::string_view name :
         {"listener_manager.listener_modified", "listener_manager.listener_added",
          "listener_manager.listener_in_place_updated", "cluster_manager.cluster_modified",
          "cluster_manager.cluster_added", "cluster_manager.cluster_updated",
          "listener_manager.lds.config_reload", "cluster_manager.cds.config_reload",
          "cluster.app.upstream_cx_total", "cluster.app.upstream_cx_destroy",
          "http.in.downstream_cx_total", "http.in.downstream_cx_destroy"}) {
      const auto value = proxy_->Stat(name);
      base::Append(text, name, "=", value ? base::Cat(*value) : "absent", "\n");
    }
    return text;
  };
  const std::string before = moved();
  const std::uint64_t updates = proxy_->Stat("cluster_manager.cds.update_success").value_or(0);
  for (const std::string_view type : {kClusterType, kListenerType, kRouteType}) {
    for (int i = 0; i < 3; ++i) {
      control_.Touch(type);
      EXPECT_TRUE(control_.WaitForAck(type));
    }
  }
  EXPECT_TRUE(proxy_->WaitForStat("cluster_manager.cds.update_success", updates + 3));
  ExpectServing("one");
  EXPECT_EQ(moved(), before);
}

TEST_F(ControlPlane, WhatWeLackIsRefusedNeverServedOpen) {
  Start();
  // An RBAC filter, and a TLS socket: both unknown, both guards.
  Listener guarded("guarded");
  guarded.Add(DirectRoute("/", 200, "open"));
  auto* rbac = guarded.manager().mutable_http_filters()->Add();
  rbac->set_name("envoy.filters.http.rbac");
  rbac->mutable_typed_config()->set_type_url(
      "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC");
  guarded.manager().mutable_http_filters()->SwapElements(0, 1);
  ListenerProto tls = Listener("secure").Add(DirectRoute("/", 200, "open")).Build();
  auto* socket = tls.mutable_filter_chains(0)->mutable_transport_socket();
  socket->set_name("envoy.transport_sockets.tls");
  socket->mutable_typed_config()->set_type_url(
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext");
  for (const auto& [listener, error] :
       {std::pair(guarded.Build(), "rbac"), std::pair(tls, "transport_socket")}) {
    SCOPED_TRACE(listener.name());
    control_.Set(listener);
    EXPECT_THAT(control_.WaitForNack(kListenerType),
                AllOf(HasSubstr(listener.name()), HasSubstr(error)));
    EXPECT_THAT(proxy_->Admin("GET", "/listeners").body,
                testing::Not(HasSubstr(base::Cat(listener.name(), "::"))));
    control_.Remove(kListenerType, listener.name());
  }
  ExpectServing("one");
}

TEST_F(ControlPlane, ListenersComeAndGo) {
  Start();
  control_.Set(Listener("second").Add(DirectRoute("/", 200, "second")).Build());
  const std::uint16_t port = proxy_->Port("second");
  Client second(port);
  EXPECT_EQ(second.Get("/").body, "second");
  control_.Remove(kListenerType, "second");
  EXPECT_TRUE(control_.WaitForAck(kListenerType));
  EXPECT_TRUE(second.SeesClose()) << "idle connections of a removed listener drain";
  EXPECT_TRUE(Eventually([&] { return !Client(port).is_open(); }));
  ExpectServing("one");
}

}  // namespace
}  // namespace sluice::harness
