// What may be asked how, the state commands, statistics, levels of logs, the process itself.
#include <gmock/gmock.h>

#include "base/log.h"
#include "base/strings.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "harness/certificates.h"
#include "tests/unit/server/admin_fixture.h"

namespace sluice::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using AdminCommands = AdminFixture;

bool IsJson(const std::string& text) {
  google::protobuf::Struct parsed;
  return google::protobuf::util::JsonStringToMessage(text, &parsed).ok();
}

TEST_F(AdminCommands, OnlyPostMutates) {
  for (const std::string_view path :
       {"/drain_listeners", "/healthcheck/fail", "/healthcheck/ok", "/quitquitquit", "/reopen_logs",
        "/reset_counters", "/runtime_modify"}) {
    const Answer answer = Ask(path);
    EXPECT_EQ(answer.status, 405U) << path;
    EXPECT_EQ(answer.allow, "POST") << path;
    EXPECT_EQ(answer.body, "Method GET not allowed, POST required.") << path;
  }
  EXPECT_EQ(commands, "");
  EXPECT_EQ(Ask("/healthcheck/fail", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/healthcheck/ok", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/drain_listeners", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/drain_listeners?graceful", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/drain_listeners?graceful&skip_exit", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/drain_listeners?skip_exit", "POST").body, "skip_exit requires graceful\n");
  EXPECT_EQ(Ask("/drain_listeners?inboundonly", "POST").status, 400U);
  EXPECT_EQ(Ask("/reopen_logs", "POST").body, "OK\n");
  EXPECT_EQ(Ask("/quitquitquit", "POST").body, "OK\n");
  EXPECT_EQ(commands, "fail ok drain graceful for ever reopen quit ");
}

TEST_F(AdminCommands, ReadingTakesGetAndPostOnly) {
  EXPECT_EQ(Ask("/ready", "POST").status, 200U);
  EXPECT_EQ(Ask("/ready", "DELETE").status, 405U);
}

TEST_F(AdminCommands, UnknownPathsListTheCommands) {
  const Answer answer = Ask("/nothing");
  EXPECT_EQ(answer.status, 404U);
  EXPECT_THAT(answer.body, StartsWith("invalid path. admin commands are:\n"));
}

TEST_F(AdminCommands, HelpAndHomePageNameEveryCommand) {
  const std::string help = Body("/help");
  const Answer home = Ask("/");
  EXPECT_EQ(home.type, "text/html; charset=UTF-8");
  for (const std::string_view name :
       {"certs", "clusters", "config_dump", "drain_listeners", "healthcheck/fail", "listeners",
        "logging", "memory", "metrics", "quitquitquit", "ready", "server_info",
        "stats/prometheus"}) {
    EXPECT_THAT(help, HasSubstr(base::Cat("\n  /", name))) << name;
    EXPECT_THAT(home.body, HasSubstr(base::Cat("\"", name, "\""))) << name;
  }
  EXPECT_THAT(help, HasSubstr("  /quitquitquit (POST): exit the server\n"));
  EXPECT_THAT(help, HasSubstr("      format: File format to use; One of (text, json)\n"));
}

TEST_F(AdminCommands, ReadyTellsEveryState) {
  EXPECT_EQ(Body("/ready"), "LIVE\n");
  healthcheck_failed = true;
  EXPECT_EQ(Ask("/ready").status, 503U);
  EXPECT_EQ(Body("/ready"), "DRAINING\n");
  healthcheck_failed = false;
  const std::pair<ServerState, std::string_view> kStates[] = {
      {ServerState::kDraining, "DRAINING\n"},
      {ServerState::kPreInitializing, "PRE_INITIALIZING\n"},
      {ServerState::kInitializing, "INITIALIZING\n"}};
  for (const auto& [each, text] : kStates) {
    state = each;
    EXPECT_EQ(Ask("/ready").status, 503U);
    EXPECT_EQ(Body("/ready"), text);
  }
}

TEST_F(AdminCommands, InitDumpNamesWhatWarms) {
  EXPECT_EQ(Body("/init_dump"), "{}\n");
  xds->warming_clusters = {"c"};
  xds->warming_listeners = {"l"};
  EXPECT_THAT(Body("/init_dump"), AllOf(HasSubstr("\"cluster c\""), HasSubstr("\"listener l\"")));
  EXPECT_EQ(Body("/hot_restart_version"), "disabled\n");
}

// ---- statistics
// ----------------------------------------------------------------------------------

TEST_F(AdminCommands, StatsHaveThreeForms) {
  registry.Get<observe::ClusterStats>(observe::Scope::kCluster, "web", 0).upstream_rq_total.Add(7);
  EXPECT_THAT(Body("/stats"), HasSubstr("cluster.web.upstream_rq_total: 7\n"));
  const Answer json = Ask("/stats?format=json");
  EXPECT_EQ(json.type, "application/json");
  EXPECT_TRUE(IsJson(json.body));
  EXPECT_THAT(json.body, HasSubstr(R"({"name":"cluster.web.upstream_rq_total","value":7})"));
  for (const std::string_view target :
       {"/stats?format=prometheus", "/stats/prometheus", "/metrics"}) {
    const Answer text = Ask(target);
    EXPECT_EQ(text.type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_THAT(text.body,
                HasSubstr("envoy_cluster_upstream_rq_total{envoy_cluster_name=\"web\"} 7\n"));
  }
}

TEST_F(AdminCommands, StatsAreFiltered) {
  auto& web = registry.Get<observe::ClusterStats>(observe::Scope::kCluster, "web", 0);
  web.upstream_rq_total.Add(7);
  web.upstream_cx_active.Set(1);
  EXPECT_EQ(Body("/stats?filter=upstream_rq_tot"), "cluster.web.upstream_rq_total: 7\n");
  EXPECT_EQ(Body("/stats?usedonly&type=Counters"), "cluster.web.upstream_rq_total: 7\n");
  EXPECT_EQ(Body("/stats?usedonly&type=Gauges&filter=cluster"),
            "cluster.web.upstream_cx_active: 1\n");
  EXPECT_THAT(Body("/stats"), HasSubstr("upstream_cx_total: 0\n"));
  EXPECT_THAT(Body("/stats?usedonly=off"), HasSubstr("upstream_cx_total: 0\n"));
  EXPECT_THAT(Body("/metrics"), Not(HasSubstr("upstream_cx_total")));
  EXPECT_THAT(Body("/metrics?usedonly=off"), HasSubstr("upstream_cx_total"));
}

TEST_F(AdminCommands, BadStatsQueriesAreNamed) {
  EXPECT_EQ(Ask("/stats?filter=(").status, 400U);
  EXPECT_THAT(Body("/stats?filter=("), HasSubstr("Invalid re2 regex"));
  EXPECT_EQ(Ask("/stats?type=Some").body, "invalid &type= param\n");
  EXPECT_EQ(Ask("/stats?format=html").status, 400U);
  EXPECT_EQ(Ask("/stats?histogram_buckets=detailed").status, 400U);
  EXPECT_EQ(Ask("/metrics?filter=(").status, 400U);
}

TEST_F(AdminCommands, AFilterThatMatchesNothingStillYields) {
  for (int i = 0; i < 500; ++i) {
    registry.Get<observe::ClusterStats>(observe::Scope::kCluster, base::Cat("c", i), 0);
  }
  for (const std::string_view target : {"/metrics?usedonly=off&filter=^$", "/stats?filter=^$"}) {
    const Answer answer = Ask(target);
    EXPECT_EQ(answer.body, "");
    EXPECT_GT(answer.pieces, 4U) << target;
  }
}

TEST_F(AdminCommands, ResetCountersZeroesCountersOnly) {
  auto& web = registry.Get<observe::ClusterStats>(observe::Scope::kCluster, "web", 0);
  web.upstream_rq_total.Add(7);
  web.upstream_cx_active.Set(3);
  EXPECT_EQ(Ask("/reset_counters", "POST").body, "OK\n");
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 0U);
  EXPECT_EQ(registry.GaugeValue("cluster.web.upstream_cx_active"), 3);
}

TEST_F(AdminCommands, ServerGaugesAreOfNow) {
  registry.Get<observe::WorkerStats>(observe::Scope::kWorker, "", 0).connections.Set(2);
  registry.Get<observe::WorkerStats>(observe::Scope::kWorker, "", 1).connections.Set(3);
  clock.passed = base::seconds(90);
  std::string text = Body("/stats?filter=server&usedonly");
  EXPECT_THAT(text, HasSubstr("server.uptime: 90\n"));
  EXPECT_THAT(text, HasSubstr("server.live: 1\n"));
  EXPECT_THAT(text, HasSubstr("server.state: 0\n"));
  EXPECT_THAT(text, HasSubstr("server.total_connections: 5\n"));
  EXPECT_THAT(text, HasSubstr("server.memory_physical_size: "));
  EXPECT_THAT(text, Not(HasSubstr("server.memory_physical_size: 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("days_until")));
  healthcheck_failed = true;
  text = Body("/stats?filter=server&usedonly");
  EXPECT_THAT(text, HasSubstr("server.live: 0\n"));
  EXPECT_THAT(text, HasSubstr("server.state: 1\n"));
}

// ---- certificates
// --------------------------------------------------------------------------------

TEST_F(AdminCommands, CertsTellWhenTheyExpire) {
  const harness::CertificateAuthority authority("Root");
  constexpr long kDay = 24 * 3600;
  const harness::Identity identity = authority.Issue(
      {"DNS:client.example", "IP:127.0.0.1", "URI:spiffe://example/x"}, -kDay, 10 * kDay + 3600);
  auto cluster = std::make_shared<config::Cluster>();
  cluster->name = "tls";
  cluster->tls.emplace();
  cluster->tls->certificate_pem = identity.certificate_pem;
  AddCluster(cluster, 1);
  // Certificates live in real time.
  clock.passed = std::chrono::duration_cast<base::milliseconds>(base::SystemClock().WallNow() -
                                                                StandingClock::Start());
  const std::string body = Body("/certs");
  EXPECT_TRUE(IsJson(body));
  EXPECT_THAT(body, HasSubstr("\"path\": \"<cluster tls>\""));
  EXPECT_THAT(body, HasSubstr("\"days_until_expiration\": \"10\""));
  EXPECT_THAT(body, HasSubstr("\"dns\": \"client.example\""));
  EXPECT_THAT(body, HasSubstr("\"ip_address\": \"127.0.0.1\""));
  EXPECT_THAT(body, HasSubstr("\"uri\": \"spiffe://example/x\""));
  EXPECT_THAT(Body("/stats?filter=days"), HasSubstr("first_cert_expiring: 10\n"));

  clock.passed += base::seconds(5 * kDay);
  EXPECT_THAT(Body("/stats?filter=days"), HasSubstr("first_cert_expiring: 5\n"));
  clock.passed += base::seconds(50 * kDay);
  EXPECT_THAT(Body("/stats?filter=days"), HasSubstr("first_cert_expiring: 0\n"));

  // Another certificate under the same name is looked at anew.
  auto renewed = std::make_shared<config::Cluster>(*cluster);
  renewed->tls->certificate_pem =
      authority.Issue({"DNS:client.example"}, -kDay, 100 * kDay + 3600).certificate_pem;
  AddCluster(renewed, 1);
  EXPECT_THAT(Body("/stats?filter=days"), HasSubstr("first_cert_expiring: 45\n"));

  clusters->Erase("tls");
  EXPECT_THAT(Body("/stats?filter=days"), HasSubstr("first_cert_expiring: 2147483647\n"));
}

// ---- the process
// ---------------------------------------------------------------------------------

TEST_F(AdminCommands, ServerInfoSaysWhatIsInsecure) {
  EXPECT_THAT(Body("/server_info"), HasSubstr("\"insecure\": []"));
  bootstrap.admin_address = *base::Address::ParseIp("0.0.0.0", 9901);
  options.insecure_listen = true;
  options.defaults = config::Defaults::kEnvoy;
  auto cluster = std::make_shared<config::Cluster>();
  cluster->name = "open";
  cluster->tls.emplace();
  cluster->tls->verify = false;
  AddCluster(cluster, 1);
  const std::string body = Body("/server_info");
  EXPECT_TRUE(IsJson(body));
  EXPECT_THAT(body, HasSubstr("\"admin listens on 0.0.0.0:9901 without a token\""));
  EXPECT_THAT(body, HasSubstr("\"--defaults=envoy: "));
  EXPECT_THAT(body, HasSubstr("\"cluster open: the upstream's certificate is not verified\""));
}

TEST_F(AdminCommands, ServerInfoTellsOptionsNodeAndUptime) {
  bootstrap.node.id = "node-1";
  options.concurrency = 3;
  options.config_yaml = "a: secret";
  options.file_flush_interval_ms = 1250;
  clock.passed = base::seconds(61);
  state = ServerState::kInitializing;
  const std::string body = Body("/server_info");
  EXPECT_THAT(body, HasSubstr("\"state\": \"INITIALIZING\""));
  EXPECT_THAT(body, HasSubstr("\"id\": \"node-1\""));
  EXPECT_THAT(body, HasSubstr("\"concurrency\": 3,"));
  EXPECT_THAT(body, HasSubstr("\"file_flush_interval\": \"1.250s\""));
  EXPECT_THAT(body, HasSubstr("\"uptime_current_epoch\": \"61s\""));
  EXPECT_THAT(body, Not(HasSubstr("a: secret")));
}

TEST_F(AdminCommands, MemoryIsReal) {
  const std::string before = Body("/memory");
  EXPECT_TRUE(IsJson(before));
  EXPECT_THAT(before, HasSubstr("\"total_physical_bytes\": \""));
  EXPECT_THAT(before, Not(HasSubstr("\"total_physical_bytes\": \"0\"")));
}

class AdminLogging : public AdminFixture {
 protected:
  ~AdminLogging() override { base::SetAllLogLevels(base::LogLevel::kInfo); }
};

TEST_F(AdminLogging, GetShowsPostChanges) {
  base::SetAllLogLevels(base::LogLevel::kInfo);
  EXPECT_THAT(Body("/logging"), StartsWith("active loggers:\n  main: info\n"));
  EXPECT_EQ(Ask("/logging?level=debug").status, 405U);
  EXPECT_EQ(base::GetLogLevel(base::Component::kMain), base::LogLevel::kInfo);
  EXPECT_THAT(Ask("/logging?level=debug", "POST").body, HasSubstr("  router: debug\n"));
  EXPECT_THAT(Ask("/logging?http=trace", "POST").body,
              AllOf(HasSubstr("  http: trace\n"), HasSubstr("  router: debug\n")));
  EXPECT_THAT(Ask("/logging?paths=http:error,dns:off", "POST").body,
              AllOf(HasSubstr("  http: error\n"), HasSubstr("  dns: off\n")));
}

TEST_F(AdminLogging, BadChangesChangeNothing) {
  base::SetAllLogLevels(base::LogLevel::kInfo);
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"level=loud", "unknown logger level"},
      {"nobody=debug", "unknown logger name"},
      {"http=loud", "unknown logger level"},
      {"paths=http:debug,nobody:debug", "unknown logger name"},
      {"paths=http", "unknown logger level"},
      {"http=debug&dns=debug", "invalid number of parameters"},
  };
  for (const auto& [query, text] : kCases) {
    const Answer answer = Ask(base::Cat("/logging?", query), "POST");
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_THAT(answer.body, AllOf(HasSubstr(text), HasSubstr("usage: /logging?"))) << query;
  }
  EXPECT_THAT(Body("/logging"), Not(HasSubstr("debug")));
}

TEST_F(AdminCommands, RuntimeShowsEveryLayerAndWhatWins) {
  const auto layer = [](std::initializer_list<std::pair<std::string, std::string>> values) {
    auto out = std::make_shared<config::Runtime::Values>();
    for (const auto& [key, text] : values) (*out)[key] = config::ParseRuntimeText(text);
    return out;
  };
  xds->runtime.layers = {"static", "admin"};
  xds->runtime.values = {layer({{"a", "1"}, {"b", "x"}}), layer({{"a", "2"}})};
  xds->runtime.merged =
      std::make_shared<config::Runtime>(config::MergeRuntime(xds->runtime.values));
  const std::string body = Body("/runtime");
  EXPECT_TRUE(IsJson(body));
  std::string tight = body;
  std::erase_if(tight, [](char c) { return c == ' ' || c == '\n'; });
  EXPECT_EQ(tight,
            R"({"layers":["static","admin"],"entries":{"a":{"final_value":"2",)"
            R"("layer_values":["1","2"]},"b":{"final_value":"x","layer_values":["x",""]}}})");
}

TEST_F(AdminCommands, RuntimeIsModifiedWhereThereIsAnAdminLayer) {
  EXPECT_EQ(Ask("/runtime_modify?a=1", "POST").status, 503U);
  bootstrap.runtime_layers.push_back({.name = "admin"});
  EXPECT_EQ(Ask("/runtime_modify", "POST").status, 400U);
  EXPECT_EQ(Ask("/runtime_modify?=1", "POST").status, 400U);
  EXPECT_EQ(commands, "");
  EXPECT_EQ(Ask("/runtime_modify?a=1&b=", "POST").body, "OK\n");
  EXPECT_EQ(commands, "a=1 b= ");
}

}  // namespace
}  // namespace sluice::server
