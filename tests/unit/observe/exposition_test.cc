#include "observe/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "base/strings.h"
#include "observe/histogram_view.h"

namespace sluice::observe {
namespace {

template <typename Writer>
std::string ReadAll(Writer& writer) {
  std::string all;
  std::string piece;
  while (writer.Next(piece)) {
    EXPECT_LE(piece.size(), 256U * 1024);
    all += piece;
  }
  return all;
}

std::string Prometheus(const Registry& registry, ExpositionOptions options = {}) {
  PrometheusWriter writer(registry, std::move(options));
  return ReadAll(writer);
}
std::string Text(const Registry& registry, ExpositionOptions options = {}) {
  StatsWriter writer(registry, std::move(options), StatsWriter::Format::kText);
  return ReadAll(writer);
}
std::string Json(const Registry& registry, ExpositionOptions options = {}) {
  StatsWriter writer(registry, std::move(options), StatsWriter::Format::kJson);
  return ReadAll(writer);
}

// Every statistic there is, written where `touch` says so.
void Populate(Registry& registry, const std::string& name) {
  auto& cluster = registry.Get<ClusterStats>(Scope::kCluster, name, 0);
  cluster.upstream_rq_total.Add(3);
  cluster.upstream_rq_2xx.Add(2);
  cluster.upstream_rq_5xx.Add(1);
  cluster.upstream_rq_code.Add(200);
  cluster.upstream_rq_code.Add(503);
  cluster.upstream_rq_time.Record(7);
  cluster.upstream_cx_connect_ms.Record(1);
  cluster.upstream_cx_active.Set(0);
  registry.Get<ClusterMainStats>(Scope::kClusterMain, name, 0).membership_total.Set(2);
  registry.Get<HttpStats>(Scope::kHttp, name, 0).downstream_rq_total.Add();
  registry.Get<CorsStats>(Scope::kCors, name, 0).origin_valid.Add();
  registry.Get<ListenerStats>(Scope::kListener, name, 0).downstream_cx_total.Add();
  registry.Get<SubscriptionStats>(Scope::kSubscription, "cluster." + name + ".", 0)
      .update_attempt.Add();
  registry.Get<SubscriptionStats>(Scope::kSubscription, "http." + name + ".rds.r.", 0)
      .update_attempt.Add();
}

void PopulateFixed(Registry& registry) {
  registry.Get<ListenerManagerStats>(Scope::kListenerManager, "", 0).listener_added.Add();
  registry.Get<ClusterManagerStats>(Scope::kClusterManager, "", 0).active_clusters.Set(1);
  registry.Get<SubscriptionStats>(Scope::kSubscription, "cluster_manager.cds.", 0).version.Set(9);
  registry.Get<ControlPlaneStats>(Scope::kControlPlane, "", 0).connected_state.Set(1);
  auto& server = registry.Get<ServerStats>(Scope::kServer, "", 0);
  server.uptime.Set(12);
  server.days_until_first_cert_expiring.Set(2);
  registry.Get<WorkerStats>(Scope::kWorker, "", 0).loop_lag_us.Record(40);
  registry.Get<AccessLogStats>(Scope::kAccessLog, "", 0).write_completed.Add();
  registry.SetText("control_plane.identifier", "cp\"1");
}

TEST(CumulativeCounts, WholeNumbersAtEnvoysBounds) {
  Histogram histogram;
  for (const unsigned value : {0U, 1U, 5U, 6U, 7'000'000U}) histogram.Record(value);
  std::vector<std::uint64_t> buckets(Histogram::kBuckets);
  for (unsigned b = 0; b < Histogram::kBuckets; ++b) buckets[b] = histogram.BucketCount(b);
  const auto counts = CumulativeCounts(buckets);
  EXPECT_EQ(counts[0], 1U);  // 0.5
  EXPECT_EQ(counts[1], 2U);  // 1
  EXPECT_EQ(counts[2], 3U);  // 5
  EXPECT_EQ(counts[3], 4U);  // 10
  EXPECT_EQ(counts.back(), 4U);
}

TEST(CumulativeCounts, NeverFallAndNeverExceedTheTotal) {
  std::vector<std::uint64_t> buckets(Histogram::kBuckets);
  std::uint64_t total = 0;
  for (unsigned b = 0; b < buckets.size(); ++b) total += buckets[b] = b * 7919 % 13;
  const auto counts = CumulativeCounts(buckets);
  EXPECT_TRUE(std::is_sorted(counts.begin(), counts.end()));
  EXPECT_LE(counts.back(), total);
}

TEST(Quantiles, WithinABucketsWidthOfTheTruth) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 1000; ++value) histogram.Record(value);
  std::vector<std::uint64_t> buckets(Histogram::kBuckets);
  for (unsigned b = 0; b < Histogram::kBuckets; ++b) buckets[b] = histogram.BucketCount(b);
  const auto values = Quantiles(buckets);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double truth = std::max(1.0, kEnvoyQuantiles[i] * 1000);
    EXPECT_NEAR(values[i], truth, truth * 0.125 + 1) << i;
  }
  EXPECT_TRUE(std::isnan(Quantiles(std::vector<std::uint64_t>(Histogram::kBuckets))[0]));
}

TEST(Prometheus, NamesLabelsHelpAndType) {
  Registry registry;
  Populate(registry, "web");
  PopulateFixed(registry);
  const std::string text = Prometheus(registry);
  for (const char* want :
       {"# HELP envoy_cluster_upstream_rq_total Requests sent, retries included.\n"
        "# TYPE envoy_cluster_upstream_rq_total counter\n"
        "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"web\"} 3\n",
        "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"web\",envoy_response_code_class=\"2\"} "
        "2\n",
        "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"web\",envoy_response_code_class=\"5\"} "
        "1\n",
        "envoy_cluster_upstream_rq{envoy_cluster_name=\"web\",envoy_response_code=\"503\"} 1\n",
        "envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix=\"web\"} 1\n",
        "envoy_listener_downstream_cx_total{envoy_listener_address=\"web\"} 1\n",
        "# TYPE envoy_cluster_membership_total gauge\n",
        "# TYPE envoy_cluster_upstream_rq_time histogram\n",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"0.5\"} 0\n",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"10\"} 1\n",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"3600000\"} 1\n",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"+Inf\"} 1\n",
        "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"web\"} 7\n",
        "envoy_cluster_upstream_rq_time_count{envoy_cluster_name=\"web\"} 1\n",
        "envoy_cluster_upstream_cx_active{envoy_cluster_name=\"web\"} 0\n",
        "envoy_server_seconds_until_first_cert_expiring 172800\n", "envoy_server_uptime 12\n"}) {
    EXPECT_THAT(text, testing::HasSubstr(want));
  }
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("upstream_rq_retry")));
}

TEST(Prometheus, UsedOnlyFilterAndKinds) {
  Registry registry;
  Populate(registry, "web");
  ExpositionOptions all;
  all.used_only = false;
  EXPECT_THAT(Prometheus(registry, all), testing::HasSubstr("envoy_cluster_upstream_rq_retry{"));
  ExpositionOptions filtered;
  filtered.filter = *CompileStatFilter("upstream_rq_(total|2xx)$");
  const std::string text = Prometheus(registry, filtered);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
  ExpositionOptions gauges;
  gauges.counters = false;
  gauges.histograms = false;
  EXPECT_THAT(Prometheus(registry, gauges), testing::Not(testing::HasSubstr(" counter\n")));
  EXPECT_THAT(Prometheus(registry, gauges), testing::HasSubstr(" gauge\n"));
  ExpositionOptions none;
  none.filter = *CompileStatFilter("nothing");
  EXPECT_EQ(Prometheus(registry, none), "");
}

TEST(Prometheus, AFamilyOfManyHasOneHead) {
  Registry registry;
  for (int i = 0; i < 1000; ++i) Populate(registry, "c" + std::to_string(i));
  const std::string text = Prometheus(registry);
  std::set<std::string> heads;
  std::istringstream lines(text);
  std::string line;
  unsigned samples = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with("#")) {
      EXPECT_TRUE(heads.insert(line.substr(0, line.find(' ', 8))).second) << line;
    }
    if (line.starts_with("envoy_cluster_upstream_rq_total{")) ++samples;
  }
  EXPECT_EQ(samples, 1000U);
}

TEST(CompileStatFilter, FindsAnywhereAndRefusesNonsense) {
  EXPECT_TRUE((*CompileStatFilter("web"))("cluster.web.x"));
  EXPECT_FALSE((*CompileStatFilter("^web"))("cluster.web.x"));
  EXPECT_TRUE((*CompileStatFilter("a|x$"))("cluster.web.x"));
  EXPECT_FALSE(CompileStatFilter("(").ok());
  EXPECT_FALSE(CompileStatFilter("a)|(b").ok());
  EXPECT_FALSE(CompileStatFilter(std::string(100'000, 'a')).ok());
}

struct Outcome {
  int status;
  std::string output;
};

Outcome RunPromtool(const std::string& text) {
  std::string name = (std::filesystem::temp_directory_path() / "sluice_metrics_XXXXXX").string();
  const int fd = mkstemp(name.data());
  EXPECT_GE(fd, 0);
  std::ofstream(name) << text;
  Outcome outcome{-1, ""};
  FILE* pipe = popen(("promtool check metrics < " + name + " 2>&1").c_str(), "r");
  if (pipe != nullptr) {
    std::array<char, 4096> buffer;
    while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) outcome.output += buffer.data();
    outcome.status = WEXITSTATUS(pclose(pipe));
  }
  close(fd);
  std::filesystem::remove(name);
  return outcome;
}

// promtool comes with the distribution's package `prometheus`; without it nothing is proven.
TEST(Prometheus, PromtoolFindsNothingButWhatEnvoysNamesImply) {
  Registry registry;
  for (const char* name : {"web", "a:b", "q\"u\\o", "\xc3\xa9", "bad\xff\n"}) {
    Populate(registry, name);
  }
  PopulateFixed(registry);
  ExpositionOptions options;
  options.used_only = false;
  const std::string text = Prometheus(registry, options);
  const Outcome outcome = RunPromtool(text);
  // 0: clean; 3: lint findings. 1: a syntax error, 127: no promtool.
  ASSERT_TRUE(outcome.status == 0 || outcome.status == 3) << outcome.status << outcome.output;
  std::istringstream lines(outcome.output);
  std::string line;
  while (std::getline(lines, line)) {
    const bool allowed = line.find("should have \"_total\" suffix") != std::string::npos ||
                         line.find("should not have \"_total\" suffix") != std::string::npos ||
                         line.find("abbreviated units") != std::string::npos;
    EXPECT_TRUE(allowed) << line;
  }
  EXPECT_EQ(RunPromtool("envoy_x{ 1\n").status, 1) << "promtool does look";
}

// What is allocated while a big registry is scraped, beyond what was before.
TEST(Prometheus, AScrapeOfTenThousandClustersStaysSmall) {
  Registry registry;
  for (int i = 0; i < 10'000; ++i) {
    auto& stats = registry.Get<ClusterStats>(Scope::kCluster, "cluster-" + std::to_string(i), 0);
    stats.upstream_rq_total.Add();
    stats.upstream_rq_time.Record(3);
  }
  const std::size_t before = mallinfo2().uordblks;
  std::size_t most = 0;
  std::size_t bytes = 0;
  {
    PrometheusWriter writer(registry, {});
    std::string piece;
    while (writer.Next(piece)) {
      bytes += piece.size();
      most = std::max(most, mallinfo2().uordblks - before);
    }
  }
  EXPECT_GT(bytes, 10'000'000U);
  EXPECT_LE(most, 8U * 1024 * 1024);
}

TEST(Stats, Text) {
  Registry registry;
  auto& cluster = registry.Get<ClusterStats>(Scope::kCluster, "web", 0);
  cluster.upstream_rq_total.Add(3);
  cluster.upstream_rq_code.Add(200);
  cluster.upstream_rq_time.Record(5);
  cluster.upstream_cx_active.Set(-1);
  registry.Get<ServerStats>(Scope::kServer, "", 0).uptime.Set(12);
  registry.SetText("control_plane.identifier", "cp\"1");
  EXPECT_EQ(Text(registry),
            "control_plane.identifier: \"cp\\\"1\"\n"
            "cluster.web.upstream_cx_active: -1\n"
            "cluster.web.upstream_rq_200: 1\n"
            "cluster.web.upstream_rq_total: 3\n"
            "server.uptime: 12\n"
            "cluster.web.upstream_rq_time: P0(nan,5) P25(nan,5.25) P50(nan,5.5) P75(nan,5.75) "
            "P90(nan,5.9) P95(nan,5.95) P99(nan,5.99) P99.5(nan,5.995) P99.9(nan,5.999) "
            "P100(nan,6)\n");
  ExpositionOptions cumulative;
  cumulative.style = HistogramStyle::kCumulative;
  cumulative.filter = *CompileStatFilter("rq_time$");
  EXPECT_EQ(Text(registry, cumulative),
            "cluster.web.upstream_rq_time: B0.5(0,0) B1(0,0) B5(0,1) B10(0,1) B25(0,1) B50(0,1) "
            "B100(0,1) B250(0,1) B500(0,1) B1000(0,1) B2500(0,1) B5000(0,1) B10000(0,1) "
            "B30000(0,1) B60000(0,1) B300000(0,1) B600000(0,1) B1800000(0,1) B3600000(0,1)\n");
  ExpositionOptions disjoint = cumulative;
  disjoint.style = HistogramStyle::kDisjoint;
  EXPECT_THAT(Text(registry, disjoint), testing::HasSubstr(" B1(0,0) B5(0,1) B10(0,0) "));
  ExpositionOptions all;
  all.used_only = false;
  EXPECT_THAT(Text(registry, all),
              testing::HasSubstr("\ncluster.web.upstream_cx_length_ms: No recorded values\n"));
}

TEST(Stats, Json) {
  Registry registry;
  auto& cluster = registry.Get<ClusterStats>(Scope::kCluster, "web", 0);
  cluster.upstream_rq_total.Add(3);
  registry.SetText("control_plane.identifier", "cp");
  EXPECT_EQ(Json(registry),
            "{\"stats\":[{\"name\":\"control_plane.identifier\",\"value\":\"cp\"},"
            "{\"name\":\"cluster.web.upstream_rq_total\",\"value\":3}]}");
  cluster.upstream_rq_time.Record(5);
  cluster.upstream_cx_connect_ms.Record(5);
  const std::string values =
      "\"values\":[{\"interval\":null,\"cumulative\":5},{\"interval\":null,\"cumulative\":5.25},"
      "{\"interval\":null,\"cumulative\":5.5},{\"interval\":null,\"cumulative\":5.75},"
      "{\"interval\":null,\"cumulative\":5.9},{\"interval\":null,\"cumulative\":5.95},"
      "{\"interval\":null,\"cumulative\":5.99},{\"interval\":null,\"cumulative\":5.995},"
      "{\"interval\":null,\"cumulative\":5.999},{\"interval\":null,\"cumulative\":6}]}";
  EXPECT_EQ(Json(registry),
            "{\"stats\":[{\"name\":\"control_plane.identifier\",\"value\":\"cp\"},"
            "{\"name\":\"cluster.web.upstream_rq_total\",\"value\":3},"
            "{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],"
            "\"computed_quantiles\":[{\"name\":\"cluster.web.upstream_cx_connect_ms\"," +
                values + ",{\"name\":\"cluster.web.upstream_rq_time\"," + values + "]}}]}");
  ExpositionOptions only;
  only.style = HistogramStyle::kCumulative;
  only.counters = only.gauges = only.texts = false;
  only.filter = *CompileStatFilter("rq_time$");
  EXPECT_THAT(Json(registry, only),
              testing::StartsWith("{\"stats\":[{\"histograms\":[{\"name\":\"cluster.web."
                                  "upstream_rq_time\",\"buckets\":[{\"upper_bound\":0.5,"
                                  "\"interval\":0,\"cumulative\":0},"));
  EXPECT_THAT(Json(registry, only), testing::EndsWith("\"cumulative\":1}]}]}]}"));
  ExpositionOptions none;
  none.filter = *CompileStatFilter("nothing");
  EXPECT_EQ(Json(registry, none), "{\"stats\":[]}");
}

}  // namespace
}  // namespace sluice::observe
