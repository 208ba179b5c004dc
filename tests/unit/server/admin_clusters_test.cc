// /clusters and /listeners: golden texts, and answers too big for one piece.
#include <gmock/gmock.h>

#include "base/strings.h"
#include "tests/unit/server/admin_fixture.h"

namespace sluice::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AdminClusters : public AdminFixture {
 protected:
  void Fill() {
    Load(R"(
static_resources:
  clusters:
  - name: web
    type: STATIC
    circuit_breakers: {thresholds: [{max_connections: 10, max_pending_requests: 11, max_requests: 12, max_retries: 13}]}
    load_assignment:
      cluster_name: web
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 8080}}, hostname: one.example}
          load_balancing_weight: 3
        - endpoint: {address: {socket_address: {address: "::1", port_value: 8081}}}
          health_status: UNHEALTHY
)");
    auto dynamic = std::make_shared<config::Cluster>();
    dynamic->name = "api";
    dynamic->stat_name = "api_stats";
    dynamic->type = config::Cluster::Type::kEds;
    dynamic->eds_service_name = "api-endpoints";
    AddCluster(dynamic, 2);
    const auto& host = clusters->Find("web")->hosts->hosts[0];
    for (std::size_t i = 0; i < 2; ++i) {
      auto& worker = host.stats->workers[i];
      worker.cx_total.Add(10 + i);
      worker.cx_active.Set(static_cast<std::int64_t>(2 + i));
      worker.cx_connect_fail.Add(1);
      worker.rq_total.Add(100);
      worker.rq_success.Add(97);
      worker.rq_error.Add(2);
      worker.rq_timeout.Add(1);
      worker.rq_active.Set(4);
    }
  }
};

TEST_F(AdminClusters, TextSumsTheWorkers) {
  Fill();
  const Answer answer = Ask("/clusters");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.type, "text/plain; charset=UTF-8");
  ExpectGolden("clusters.txt", answer.body);
}

TEST_F(AdminClusters, JsonHasEnvoysShape) {
  Fill();
  const Answer answer = Ask("/clusters?format=json");
  EXPECT_EQ(answer.type, "application/json");
  ExpectGolden("clusters.json", answer.body);
}

TEST_F(AdminClusters, NoClustersAreAnEmptyObject) {
  EXPECT_EQ(Body("/clusters"), "");
  EXPECT_EQ(Body("/clusters?format=json"), "{}\n");
  EXPECT_EQ(Ask("/clusters?format=xml").status, 400U);
}

TEST_F(AdminClusters, ManyHostsComeInBoundedPieces) {
  auto cluster = std::make_shared<config::Cluster>();
  cluster->name = "many";
  for (std::uint16_t i = 0; i < 5000; ++i) {
    config::Endpoint endpoint;
    endpoint.address = *base::Address::ParseIp("10.0.0.1", static_cast<std::uint16_t>(1000 + i));
    cluster->assignment.endpoints.push_back(endpoint);
  }
  AddCluster(cluster, 1);
  for (const std::string_view target : {"/clusters", "/clusters?format=json"}) {
    const Answer answer = Ask(target);
    EXPECT_GT(answer.body.size(), 2'000'000U);
    EXPECT_GT(answer.pieces, 30U);
    EXPECT_LT(answer.largest, 64U * 1024);
    EXPECT_THAT(answer.body, HasSubstr("5999"));
  }
}

TEST_F(AdminClusters, HostileNamesForgeNoLine) {
  auto cluster = std::make_shared<config::Cluster>();
  cluster->name = "a\nb\"::added_via_api::false";
  AddCluster(cluster, 1);
  EXPECT_THAT(Body("/clusters"), Not(HasSubstr("\nb")));
  EXPECT_THAT(Body("/clusters?format=json"), HasSubstr("\"a\\nb\\\"::added_via_api::false\""));
}

using AdminListeners = AdminFixture;

TEST_F(AdminListeners, TextAndJson) {
  listeners->push_back(
      {"in",
       {*base::Address::ParseIp("0.0.0.0", 8000), *base::Address::ParseIp("::", 8000)},
       nullptr,
       false});
  listeners->push_back({"local", {*base::Address::Unix("/run/x.sock")}, nullptr, false});
  EXPECT_EQ(Body("/listeners"),
            "in::0.0.0.0:8000\n"
            "in::[::]:8000\n"
            "local::/run/x.sock\n");
  ExpectGolden("listeners.json", Body("/listeners?format=json"));
  EXPECT_EQ(Ask("/listeners?format=yaml").status, 400U);
}

TEST_F(AdminListeners, NoneAreAnEmptyObject) {
  EXPECT_EQ(Body("/listeners"), "");
  EXPECT_EQ(Body("/listeners?format=json"), "{}\n");
}

}  // namespace
}  // namespace sluice::server
