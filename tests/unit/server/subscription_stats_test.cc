#include "server/subscription_stats.h"

#include <gtest/gtest.h>

namespace sluice::server {
namespace {

using xds::ResourceType;

class SubscriptionStats : public testing::Test {
 protected:
  xds::Response Make(ResourceType type, const std::vector<std::string_view>& names,
                     std::string_view version = "v1") {
    xds::Response response;
    response.type = type;
    response.version = version;
    for (const std::string_view name : names) response.resources.push_back({name, version, ""});
    return response;
  }
  void Take(const xds::Response& response, const xds::Verdict& verdict = {}) {
    table_.OnResponse(response, verdict, {base::WallTime(base::seconds(7)), 3});
  }
  std::uint64_t Count(std::string_view name) { return registry_.CounterValue(name); }
  std::int64_t Level(std::string_view name) { return registry_.GaugeValue(name).value_or(-1); }

  observe::Registry registry_;
  SubscriptionTable table_{registry_};
  base::Monotonic now_{base::seconds(100)};
};

TEST_F(SubscriptionStats, AWholeSetCountsResponsesAndWhatIsRefusedNow) {
  table_.SetWhole(ResourceType::kCluster, "cluster_manager.cds.", 0, now_);
  xds::Verdict bad{"no", {{"a", {}}, {"b", {}}}, {"c"}};
  Take(Make(ResourceType::kCluster, {"a", "b", "c"}), bad);
  EXPECT_EQ(Count("cluster_manager.cds.update_attempt"), 1U);
  EXPECT_EQ(Count("cluster_manager.cds.update_rejected"), 1U);
  EXPECT_EQ(Count("cluster_manager.cds.config_reload"), 1U);
  EXPECT_EQ(Level("cluster_manager.cds.rejected_resources"), 2);
  Take(Make(ResourceType::kCluster, {"a", "c"}, "v2"));  // a is good, b is gone.
  EXPECT_EQ(Count("cluster_manager.cds.update_success"), 1U);
  EXPECT_EQ(Count("cluster_manager.cds.config_reload"), 1U);
  EXPECT_EQ(Level("cluster_manager.cds.rejected_resources"), 0);
  EXPECT_EQ(Level("cluster_manager.cds.update_time"), 7000);
  EXPECT_NE(Level("cluster_manager.cds.version"), 0);
  table_.OnRefused(ResourceType::kCluster);
  EXPECT_EQ(Count("cluster_manager.cds.update_rejected"), 2U);
  table_.OnFailure(ResourceType::kCluster, {""});
  EXPECT_EQ(Count("cluster_manager.cds.update_failure"), 1U);
}

TEST_F(SubscriptionStats, ADeltaTouchesOnlyWhatItNames) {
  table_.SetWhole(ResourceType::kCluster, "cluster_manager.cds.", 0, now_);
  xds::Response first = Make(ResourceType::kCluster, {"a", "b"});
  first.whole = false;
  Take(first, {"no", {{"a", {}}, {"b", {}}}, {}});
  xds::Response second = Make(ResourceType::kCluster, {"a"});
  second.whole = false;
  Take(second);
  EXPECT_EQ(Level("cluster_manager.cds.rejected_resources"), 1);
  xds::Response third = Make(ResourceType::kCluster, {});
  third.whole = false;
  third.removed = {"b"};
  Take(third);
  EXPECT_EQ(Level("cluster_manager.cds.rejected_resources"), 0);
}

TEST_F(SubscriptionStats, NamedOnesCountEachForItself) {
  table_.SetWanted(ResourceType::kRoutes,
                   {{"r1", {}, "http.in.rds.r1.", 0}, {"r2", {}, "http.in.rds.r2.", 0}}, now_);
  Take(Make(ResourceType::kRoutes, {"r1", "r2"}), {"no", {{"r2", {}}}, {"r1"}});
  EXPECT_EQ(Count("http.in.rds.r1.update_success"), 1U);
  EXPECT_EQ(Count("http.in.rds.r1.config_reload"), 1U);
  EXPECT_EQ(Count("http.in.rds.r2.update_rejected"), 1U);
  EXPECT_EQ(Level("http.in.rds.r2.rejected_resources"), 1);
  // No longer wanted: gone. Wanted all along: kept.
  table_.SetWanted(ResourceType::kRoutes, {{"r1", {}, "http.in.rds.r1.", 0}}, now_);
  EXPECT_EQ(Count("http.in.rds.r1.update_success"), 1U);
  EXPECT_FALSE(registry_.GaugeValue("http.in.rds.r2.rejected_resources").has_value());
}

TEST_F(SubscriptionStats, VirtualHostsCountForTheirTable) {
  table_.SetWanted(ResourceType::kVirtualHosts, {{"t", {}, "http.in.vhds.t.", 0}}, now_);
  Take(Make(ResourceType::kVirtualHosts, {"t/a", "t/b"}));
  EXPECT_EQ(Count("http.in.vhds.t.update_success"), 1U);
}

TEST_F(SubscriptionStats, FirstFetchesTimeOutOnce) {
  table_.SetWanted(ResourceType::kRoutes,
                   {{"r1", {}, "http.in.rds.r1.", 1000},
                    {"r2", {}, "http.in.rds.r2.", 2000},
                    {"r3", {}, "http.in.rds.r3.", 0}},
                   now_);
  EXPECT_EQ(table_.NextTimeout(), now_ + base::seconds(1));
  Take(Make(ResourceType::kRoutes, {"r1"}));
  EXPECT_EQ(table_.NextTimeout(), now_ + base::seconds(2));
  EXPECT_TRUE(table_.TakeTimeouts(now_ + base::seconds(1)).empty());
  EXPECT_EQ(table_.TakeTimeouts(now_ + base::seconds(2)),
            std::vector<std::string>{"http.in.rds.r2."});
  EXPECT_EQ(Count("http.in.rds.r2.init_fetch_timeout"), 1U);
  EXPECT_FALSE(table_.NextTimeout().has_value());
}

}  // namespace
}  // namespace sluice::server
