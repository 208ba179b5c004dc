#include "observe/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <set>
#include <string>
#include <vector>

#include "observe/stat_table.h"

namespace sluice::observe {
namespace {

using Kind = Registry::Sample::Kind;

struct Seen {
  std::string full_name;
  std::string family;
  std::string labels;
  std::uint64_t counter;
  bool used;
};

std::vector<Seen> All(const Registry& registry,
                      Registry::Cursor::Order order = Registry::Cursor::Order::kByFamily) {
  std::vector<Seen> all;
  Registry::Cursor cursor(registry, order);
  Registry::Sample sample;
  while (cursor.Next(sample)) {
    std::string labels;
    for (const Label& label : sample.labels) {
      labels += std::string(label.name) + "=" + label.value + " ";
    }
    all.push_back({std::string(sample.full_name), std::string(sample.family), labels,
                   sample.counter, sample.used});
  }
  return all;
}

const Seen* Find(const std::vector<Seen>& all, std::string_view full_name) {
  for (const Seen& seen : all) {
    if (seen.full_name == full_name) return &seen;
  }
  return nullptr;
}

TEST(Histogram, EveryValueFallsIntoTheBucketWhoseBoundsHoldIt) {
  for (std::uint64_t value : {0ULL, 1ULL, 7ULL, 8ULL, 9ULL, 15ULL, 16ULL, 17ULL, 18ULL, 255ULL,
                              1000ULL, 65535ULL, 65536ULL, (1ULL << 40) - 1}) {
    const unsigned bucket = Histogram::BucketOf(value);
    EXPECT_LE(Histogram::BucketFloor(bucket), value);
    EXPECT_GT(Histogram::BucketFloor(bucket + 1), value);
  }
  EXPECT_EQ(Histogram::BucketOf(~0ULL), Histogram::kBuckets - 1);
}

TEST(Histogram, CountsAndSums) {
  Histogram histogram;
  EXPECT_EQ(histogram.BucketCount(0), 0U);
  histogram.Record(5);
  histogram.Record(5);
  histogram.Record(~0ULL);
  EXPECT_EQ(histogram.Count(), 3U);
  EXPECT_EQ(histogram.BucketCount(5), 2U);
  EXPECT_EQ(histogram.BucketCount(Histogram::kBuckets - 1), 1U);
}

TEST(Histogram, UntouchedCostsLittle) {
  EXPECT_LE(sizeof(Histogram), 24U);
  EXPECT_LE(sizeof(ClusterStats), 512U);
}

TEST(Gauge, KeepsNegativeValuesAndKnowsItWasWritten) {
  Gauge gauge;
  EXPECT_FALSE(gauge.Used());
  gauge.Add(-3);
  EXPECT_EQ(gauge.Get(), -3);
  gauge.Add(3);
  EXPECT_EQ(gauge.Get(), 0);
  EXPECT_TRUE(gauge.Used());
}

TEST(CodeCounters, CountsEveryCodeAndIgnoresNonsense) {
  CodeCounters codes;
  for (int round = 0; round < 2; ++round) {
    for (int code = 0; code < 700; ++code) codes.Add(code);
  }
  EXPECT_EQ(codes.Get(99), 0U);
  EXPECT_EQ(codes.Get(600), 0U);
  std::set<int> seen;
  codes.ForEach([&](int code, std::uint64_t count) {
    EXPECT_EQ(count, 2U);
    EXPECT_TRUE(seen.insert(code).second);
  });
  EXPECT_EQ(seen.size(), 500U);
  EXPECT_EQ(*seen.begin(), 100);
}

TEST(Registry, SumsTheOwnersOfAName) {
  Registry registry;
  auto& first = registry.Get<ClusterStats>(Scope::kCluster, "web", 0);
  auto& second = registry.Get<ClusterStats>(Scope::kCluster, "web", 1);
  auto& other = registry.Get<ClusterStats>(Scope::kCluster, "api", 0);
  EXPECT_NE(&first, &second);
  EXPECT_EQ(&first, &registry.Get<ClusterStats>(Scope::kCluster, "web", 0));
  first.upstream_rq_total.Add(2);
  second.upstream_rq_total.Add(3);
  other.upstream_rq_total.Add(7);
  first.upstream_rq_code.Add(200);
  second.upstream_rq_code.Add(200);
  second.upstream_rq_code.Add(503);
  first.upstream_cx_active.Set(4);
  second.upstream_cx_active.Set(5);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 5U);
  EXPECT_EQ(registry.CounterValue("cluster.api.upstream_rq_total"), 7U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_200"), 2U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_503"), 1U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_404"), 0U);
  EXPECT_EQ(registry.CounterValue("nonsense"), 0U);
  EXPECT_EQ(registry.GaugeValue("cluster.web.upstream_cx_active"), 9);
  EXPECT_EQ(registry.GaugeValue("cluster.none.upstream_cx_active"), std::nullopt);
}

// Of the 6 kB that a route, its cluster and its endpoint may cost with two workers.
TEST(Registry, AClusterInUseByTwoWorkersStaysSmall) {
  constexpr std::size_t kClusters = 1000;
  Registry registry;
  const std::size_t before = mallinfo2().uordblks;
  for (std::size_t i = 0; i < kClusters; ++i) {
    const std::string name = "cluster-number-" + std::to_string(i);
    registry.Get<ClusterMainStats>(Scope::kClusterMain, name, Registry::kMainOwner);
    const std::size_t unused = mallinfo2().uordblks;
    for (const unsigned worker : {0U, 1U}) {
      auto& stats = registry.Get<ClusterStats>(Scope::kCluster, name, worker);
      stats.upstream_rq_code.Add(200);
      stats.upstream_rq_time.Record(3);
      stats.upstream_cx_connect_ms.Record(0);
    }
    if (i == 0) EXPECT_LE(unused - before, 1024U);
  }
  const std::size_t each = (mallinfo2().uordblks - before) / kClusters;
  RecordProperty("bytes_per_cluster", std::to_string(each));
  EXPECT_LE(each, 3072U);
}

TEST(Registry, BlocksFillWholeCacheLines) {
  Registry registry;
  for (unsigned owner = 0; owner < 8; ++owner) {
    auto& block = registry.Get<CorsStats>(Scope::kCors, "in", owner);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&block) % 64, 0U);
  }
}

TEST(Registry, ReleaseKeepsTheCountWhileAnotherOwnerLives) {
  Registry registry;
  auto& first = registry.Get<ClusterStats>(Scope::kCluster, "web", 0);
  auto& second = registry.Get<ClusterStats>(Scope::kCluster, "web", 1);
  first.upstream_rq_total.Add(2);
  first.upstream_rq_code.Add(200);
  first.upstream_rq_time.Record(10);
  first.upstream_cx_active.Set(1);
  second.upstream_rq_total.Add(3);
  second.upstream_rq_time.Record(20);
  registry.Release(Scope::kCluster, "web", 0);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 5U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_200"), 1U);
  EXPECT_EQ(registry.GaugeValue("cluster.web.upstream_cx_active"), 0);
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  registry.Visit([&](const Registry::Sample& sample) {
    if (sample.full_name != "cluster.web.upstream_rq_time") return;
    count = sample.count;
    sum = sample.sum;
  });
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(sum, 30U);
  registry.Release(Scope::kCluster, "web", 1);
  EXPECT_TRUE(All(registry).empty());
  auto& again = registry.Get<ClusterStats>(Scope::kCluster, "web", 1);
  EXPECT_EQ(again.upstream_rq_total.Get(), 0U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 0U);
}

TEST(Registry, ReleaseBalancesGet) {
  Registry registry;
  registry.Get<HttpStats>(Scope::kHttp, "in", 0).downstream_rq_total.Add();
  registry.Get<HttpStats>(Scope::kHttp, "in", 0);
  registry.Release(Scope::kHttp, "in", 0);
  EXPECT_EQ(registry.CounterValue("http.in.downstream_rq_total"), 1U);
  registry.Release(Scope::kHttp, "in", 0);
  EXPECT_EQ(registry.CounterValue("http.in.downstream_rq_total"), 0U);
}

TEST(Registry, ResetCountersStartsCountersAnewAndKeepsTheRest) {
  Registry registry;
  auto& stats = registry.Get<ClusterStats>(Scope::kCluster, "web", 0);
  stats.upstream_rq_total.Add(5);
  stats.upstream_rq_code.Add(200);
  stats.upstream_cx_active.Set(3);
  registry.ResetCounters();
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 0U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_200"), 0U);
  EXPECT_EQ(registry.GaugeValue("cluster.web.upstream_cx_active"), 3);
  const std::vector<Seen> all = All(registry);
  ASSERT_NE(Find(all, "cluster.web.upstream_rq_total"), nullptr);
  EXPECT_TRUE(Find(all, "cluster.web.upstream_rq_total")->used);
  stats.upstream_rq_total.Add(2);
  stats.upstream_rq_code.Add(200);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_total"), 2U);
  EXPECT_EQ(registry.CounterValue("cluster.web.upstream_rq_200"), 1U);
}

TEST(Registry, VisitsFamilyByFamilyEachOnce) {
  Registry registry;
  for (const char* name : {"b", "a", "c"}) {
    registry.Get<ClusterStats>(Scope::kCluster, name, 0).upstream_rq_code.Add(200);
    registry.Get<ClusterMainStats>(Scope::kClusterMain, name, Registry::kMainOwner);
    registry.Get<HttpStats>(Scope::kHttp, name, 0);
  }
  registry.Get<SubscriptionStats>(Scope::kSubscription, "cluster.b.", 0).update_attempt.Add(2);
  registry.Get<SubscriptionStats>(Scope::kSubscription, "cluster_manager.cds.", 0);
  registry.Get<ClusterMainStats>(Scope::kClusterMain, "b", 0).update_attempt.Add(3);
  for (const auto order : {Registry::Cursor::Order::kByFamily, Registry::Cursor::Order::kByName}) {
    const std::vector<Seen> all = All(registry, order);
    std::set<std::string> names;
    std::set<std::string> families;
    std::string family;
    for (const Seen& seen : all) {
      EXPECT_TRUE(names.insert(seen.full_name).second) << seen.full_name;
      if (order != Registry::Cursor::Order::kByFamily || seen.family == family) continue;
      EXPECT_LT(family, seen.family);
      family = seen.family;
      EXPECT_TRUE(families.insert(family).second) << family;
    }
    // The endpoints' subscription and the cluster's own counter are one statistic.
    ASSERT_NE(Find(all, "cluster.b.update_attempt"), nullptr);
    EXPECT_EQ(Find(all, "cluster.b.update_attempt")->counter, 5U);
  }
}

TEST(Registry, NamesAndTags) {
  Registry registry;
  registry.Get<ClusterStats>(Scope::kCluster, "a:b.c", 0).upstream_rq_code.Add(503);
  registry.Get<HttpStats>(Scope::kHttp, "in", 0);
  registry.Get<CorsStats>(Scope::kCors, "in", 0);
  registry.Get<ListenerStats>(Scope::kListener, "0.0.0.0:80", 0);
  registry.Get<SubscriptionStats>(Scope::kSubscription, "http.in.rds.local.", 0);
  registry.Get<SubscriptionStats>(Scope::kSubscription, "listener_manager.lds.", 0);
  registry.Get<ServerStats>(Scope::kServer, "", 0);
  registry.Get<WorkerStats>(Scope::kWorker, "", 0);
  registry.Get<AccessLogStats>(Scope::kAccessLog, "", 0);
  registry.Get<ControlPlaneStats>(Scope::kControlPlane, "", 0);
  registry.Get<ListenerManagerStats>(Scope::kListenerManager, "", 0);
  registry.Get<ClusterManagerStats>(Scope::kClusterManager, "", 0);
  const std::vector<Seen> all = All(registry);
  struct Case {
    const char* full_name;
    const char* family;
    const char* labels;
  };
  const Case cases[] = {
      {"cluster.a_b.c.upstream_rq_total", "cluster.upstream_rq_total", "envoy_cluster_name=a_b.c "},
      {"cluster.a_b.c.upstream_rq_2xx", "cluster.upstream_rq_xx",
       "envoy_cluster_name=a_b.c envoy_response_code_class=2 "},
      {"cluster.a_b.c.upstream_rq_503", "cluster.upstream_rq",
       "envoy_cluster_name=a_b.c envoy_response_code=503 "},
      {"http.in.downstream_rq_5xx", "http.downstream_rq_xx",
       "envoy_http_conn_manager_prefix=in envoy_response_code_class=5 "},
      {"http.in.cors.origin_valid", "http.cors.origin_valid", "envoy_http_conn_manager_prefix=in "},
      {"listener.0.0.0.0_80.downstream_cx_total", "listener.downstream_cx_total",
       "envoy_listener_address=0.0.0.0_80 "},
      {"http.in.rds.local.config_reload", "http.rds.config_reload",
       "envoy_http_conn_manager_prefix=in envoy_rds_route_config=local "},
      {"listener_manager.lds.update_success", "listener_manager.lds.update_success", ""},
      {"server.uptime", "server.uptime", ""},
      {"worker.loop_lag_us", "worker.loop_lag_us", ""},
      {"filesystem.write_completed", "filesystem.write_completed", ""},
      {"control_plane.connected_state", "control_plane.connected_state", ""},
      {"listener_manager.listener_added", "listener_manager.listener_added", ""},
      {"cluster_manager.cluster_added", "cluster_manager.cluster_added", ""},
  };
  for (const Case& test : cases) {
    const Seen* seen = Find(all, test.full_name);
    ASSERT_NE(seen, nullptr) << test.full_name;
    EXPECT_EQ(seen->family, test.family);
    EXPECT_EQ(seen->labels, test.labels);
  }
}

TEST(Registry, NamesFromOutsideCannotForgeLines) {
  Registry registry;
  registry.Get<ClusterStats>(Scope::kCluster, "a\nb\r\x7f", 0);
  registry.Get<ClusterStats>(Scope::kCluster, "c\xff", 0);
  registry.Get<ClusterStats>(Scope::kCluster, "d\xc3\xa9", 0);
  const std::vector<Seen> all = All(registry);
  EXPECT_NE(Find(all, "cluster.a_b__.upstream_rq_total"), nullptr);
  EXPECT_NE(Find(all, "cluster.c_.upstream_rq_total"), nullptr);
  EXPECT_NE(Find(all, "cluster.d\xc3\xa9.upstream_rq_total"), nullptr);
}

TEST(Registry, EveryStatisticHasItsOwnHelp) {
  Registry registry;
  registry.Get<ClusterStats>(Scope::kCluster, "x", 0).upstream_rq_code.Add(200);
  registry.Get<ClusterMainStats>(Scope::kClusterMain, "x", 0);
  registry.Get<HttpStats>(Scope::kHttp, "x", 0);
  registry.Get<ListenerStats>(Scope::kListener, "x", 0);
  registry.Get<CorsStats>(Scope::kCors, "x", 0);
  registry.Get<ListenerManagerStats>(Scope::kListenerManager, "", 0);
  registry.Get<ClusterManagerStats>(Scope::kClusterManager, "", 0);
  registry.Get<SubscriptionStats>(Scope::kSubscription, "cluster_manager.cds.", 0);
  registry.Get<ControlPlaneStats>(Scope::kControlPlane, "", 0);
  registry.Get<ServerStats>(Scope::kServer, "", 0);
  registry.Get<WorkerStats>(Scope::kWorker, "", 0);
  registry.Get<AccessLogStats>(Scope::kAccessLog, "", 0);
  for (const Seen& seen : All(registry)) {
    EXPECT_THAT(HelpOf(seen.family), testing::Not(testing::StartsWith("Statistic ")));
  }
}

TEST(Registry, AWalkOutlivesWhatItWalksOver) {
  Registry registry;
  registry.Get<ClusterStats>(Scope::kCluster, "a", 0).upstream_rq_total.Add();
  registry.Get<ClusterStats>(Scope::kCluster, "b", 0).upstream_rq_total.Add();
  Registry::Cursor cursor(registry, Registry::Cursor::Order::kByFamily);
  Registry::Sample sample;
  ASSERT_TRUE(cursor.Next(sample));
  registry.Release(Scope::kCluster, "a", 0);
  bool seen_b = false;
  while (cursor.Next(sample)) {
    EXPECT_NE(sample.scope_name, "a");
    seen_b = seen_b || sample.scope_name == "b";
  }
  EXPECT_TRUE(seen_b);
}

TEST(Registry, Texts) {
  Registry registry;
  registry.SetText("control_plane.identifier", "one");
  registry.SetText("control_plane.identifier", "two");
  registry.SetText("a", "b");
  registry.SetText("a", "");
  registry.SetText("missing", "");
  EXPECT_THAT(registry.Texts(),
              testing::ElementsAre(testing::Pair("control_plane.identifier", "two")));
}

}  // namespace
}  // namespace sluice::observe
