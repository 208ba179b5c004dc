// The admin port of the real program: what its endpoints tell about real traffic and a real
// control plane, and that one slow reader holds nobody up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

google::protobuf::Struct Json(const std::string& text) {
  google::protobuf::Struct parsed;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &parsed);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << text.substr(0, 2000);
  return parsed;
}

TEST(Admin, ClustersAndStatisticsCountRealRequests) {
  FakeUpstream origin;
  origin.On("/bad", 500, "no");
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin.port()}))));
  Client client(proxy.Port());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Get("/").status, 200);
  EXPECT_EQ(client.Get("/bad").status, 500);
  const std::string host = base::Cat("app::127.0.0.1:", origin.port(), "::");
  // A worker counts after the answer has left.
  EXPECT_TRUE(Eventually([&] {
    const std::string now = proxy.Admin("GET", "/clusters").body;
    return now.find(host + "rq_error::1\n") != std::string::npos &&
           now.find(host + "rq_active::0\n") != std::string::npos;
  }));
  const std::string text = proxy.Admin("GET", "/clusters").body;
  for (const std::string_view line :
       {"rq_total::4\n", "rq_success::3\n", "cx_total::1\n", "cx_active::1\n", "rq_active::0\n"}) {
    EXPECT_THAT(text, HasSubstr(base::Cat(host, line)));
  }
  EXPECT_THAT(text, HasSubstr("app::added_via_api::false\n"));
  EXPECT_TRUE(
      Json(proxy.Admin("GET", "/clusters?format=json").body).fields().contains("cluster_statuses"));
  EXPECT_TRUE(proxy.WaitForStat("cluster.app.upstream_rq_200", 3));
  EXPECT_TRUE(proxy.WaitForStat("cluster.app.upstream_rq_500", 1));
  EXPECT_THAT(proxy.Admin("GET", "/metrics").body,
              AllOf(HasSubstr("envoy_cluster_upstream_rq{envoy_cluster_name=\"app\","
                              "envoy_response_code=\"200\"} 3\n"),
                    HasSubstr("envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"app\","
                              "envoy_response_code_class=\"2\"} 3\n")));
  EXPECT_EQ(proxy.Stat("server.total_connections"), 1U);
  EXPECT_EQ(proxy.Admin("POST", "/reset_counters").body, "OK\n");
  EXPECT_EQ(proxy.Stat("cluster.app.upstream_rq_200").value_or(0), 0U);
}

TEST(Admin, ConfigDumpTellsVersionsAndErrorsOfTheControlPlane) {
  FakeUpstream origin;
  FakeControlPlane control;
  control.Set(Cluster("app", {origin.port()}));
  control.Set(Listener("in").Rds("table").Build());
  control.Set(RouteTable("table", {RouteTo("/", "app")}));
  Proxy proxy(AdsBootstrap(control.port()));
  ASSERT_NE(proxy.Port(), 0);
  const std::string good = control.Version(kRouteType);
  RouteTableProto bad = RouteTable("table", {RouteTo("/", "app")});
  bad.mutable_virtual_hosts(0)->mutable_routes(0)->mutable_match()->mutable_safe_regex()->set_regex(
      "(");
  control.Set(bad);
  const std::string error = control.WaitForNack(kRouteType);
  ASSERT_NE(error, "");
  const std::string refused = control.Version(kRouteType);
  // The refusal is on the wire before admin's view has it.
  std::string dump;
  EXPECT_TRUE(Eventually([&] {
    dump = proxy.Admin("GET", "/config_dump?resource=dynamic_route_configs").body;
    return dump.find("error_state") != std::string::npos;
  }));
  Json(dump);
  EXPECT_THAT(dump, AllOf(HasSubstr(base::Cat("\"version_info\": \"", good, "\"")),
                          HasSubstr(base::Cat("\"version_info\": \"", refused, "\"")),
                          HasSubstr("safe_regex"), HasSubstr("\"name\": \"table\"")));
  const std::string whole = proxy.Admin("GET", "/config_dump?include_eds").body;
  Json(whole);
  EXPECT_THAT(whole, AllOf(HasSubstr("dynamic_active_clusters"), HasSubstr("dynamic_listeners"),
                           HasSubstr("active_state"), HasSubstr("static_endpoint_configs")));
  EXPECT_THAT(proxy.Admin("GET", "/clusters").body, HasSubstr("app::added_via_api::true\n"));
}

TEST(Admin, ReadyAnswersWhileAScrapeIsHalfRead) {
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 1; port <= 20'000; ++port) ports.push_back(port);
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("many", ports))));
  Client slow(proxy.admin_port(), 4096);
  ASSERT_TRUE(slow.Send("GET /clusters?format=json HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_EQ(slow.Read("GET", true).status, 200);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(proxy.Admin("GET", "/ready").body, "LIVE\n");
  EXPECT_EQ(proxy.Admin("GET", "/stats?filter=server.live").body, "server.live: 1\n");
  // More than sockets buffer was still to come; nothing of it is lost.
  const Response whole = proxy.Admin("GET", "/clusters?format=json");
  EXPECT_TRUE(whole.complete);
  EXPECT_GT(whole.body.size(), 10'000'000U);
  EXPECT_THAT(whole.body, testing::EndsWith("\n}\n"));
}

TEST(Admin, CommandsChangeTheServer) {
  Proxy proxy(StaticBootstrap(Listener("in").Add(DirectRoute("/", 200, "ok"))));
  EXPECT_EQ(proxy.Admin("GET", "/healthcheck/fail").status, 405);
  EXPECT_EQ(proxy.Admin("POST", "/healthcheck/fail").status, 200);
  EXPECT_EQ(proxy.Admin("GET", "/ready").status, 503);
  EXPECT_EQ(proxy.Stat("server.live"), 0U);
  EXPECT_EQ(proxy.Admin("POST", "/healthcheck/ok").status, 200);
  EXPECT_EQ(proxy.Admin("GET", "/ready").body, "LIVE\n");
  EXPECT_THAT(proxy.Admin("POST", "/logging?main=debug").body, HasSubstr("  main: debug\n"));
  EXPECT_THAT(proxy.Admin("GET", "/server_info").body,
              AllOf(HasSubstr("\"state\": \"LIVE\""), HasSubstr("\"insecure\": []")));
  EXPECT_EQ(proxy.Admin("GET", "/init_dump").body, "{}\n");
  EXPECT_EQ(proxy.Stat("listener_manager.workers_started"), 1U);
  EXPECT_EQ(proxy.Admin("POST", "/drain_listeners?inboundonly").status, 400);
  EXPECT_EQ(proxy.Admin("POST", "/drain_listeners?skip_exit").status, 400);
  EXPECT_EQ(Client(proxy.Port()).Get("/").Header("connection"), "");
  EXPECT_EQ(proxy.Admin("POST", "/drain_listeners?graceful&skip_exit").body, "OK\n");
  EXPECT_TRUE(
      Eventually([&] { return Client(proxy.Port()).Get("/").Header("connection") == "close"; }));
  const std::uint16_t port = proxy.Port();
  EXPECT_EQ(proxy.Admin("POST", "/drain_listeners").body, "OK\n");
  EXPECT_TRUE(Eventually([&] { return !Client(port).is_open(); }));
  EXPECT_EQ(proxy.Admin("GET", "/listeners").body, "");
  EXPECT_EQ(proxy.Admin("POST", "/quitquitquit").body, "OK\n");
  EXPECT_EQ(proxy.WaitForExit(), 0);
}

TEST(Admin, GracefulDrainStopsListeningAfterItsTime) {
  ProxyOptions options;
  options.arguments = {"--drain-time-s", "1"};
  Proxy proxy(StaticBootstrap(Listener("in").Add(DirectRoute("/", 200, "ok"))), options);
  const std::uint16_t port = proxy.Port();
  EXPECT_EQ(proxy.Admin("POST", "/drain_listeners?graceful").body, "OK\n");
  EXPECT_TRUE(Eventually([&] { return !Client(port).is_open(); }));
  EXPECT_EQ(proxy.Admin("GET", "/ready").status, 200);
}

TEST(Admin, AccessLogHasALinePerRequest) {
  const std::string path = MakeDirectory() + "/admin.log";
  Proxy proxy(
      base::Cat("admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 "
                "} }, access_log_path: ",
                path, " }\n"));
  EXPECT_EQ(proxy.Admin("GET", "/help").status, 200);
  EXPECT_TRUE(Eventually(
      [&] { return ReadFile(path).find("\"GET /help HTTP/1.1\" 200 ") != std::string::npos; }));
}

}  // namespace
}  // namespace sluice::harness
