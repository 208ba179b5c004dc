#include "upstream/host_set.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::upstream {
namespace {

config::Endpoint At(std::uint16_t port, std::uint32_t weight = 1,
                    config::Endpoint::Health health = config::Endpoint::Health::kUnknown) {
  config::Endpoint endpoint;
  endpoint.address = *base::Address::ParseIp("127.0.0.1", port);
  endpoint.weight = weight;
  endpoint.health = health;
  return endpoint;
}

std::map<std::uint16_t, int> Shares(const HostSet& set) {
  std::map<std::uint16_t, int> shares;
  for (const std::uint32_t index : set.schedule) ++shares[set.hosts[index].address.port()];
  return shares;
}

TEST(BuildHostSet, EqualWeightsTakeTurnsInOrder) {
  const auto set = BuildHostSet({At(1), At(2), At(3)}, nullptr, {});
  EXPECT_EQ(set->schedule, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(set->healthy, 3U);
  EXPECT_FALSE(set->panic);
}

TEST(BuildHostSet, WeightsAreKeptExactlyAndSpread) {
  const auto set = BuildHostSet({At(1, 50), At(2, 30), At(3, 20)}, nullptr, {});
  EXPECT_EQ(Shares(*set), (std::map<std::uint16_t, int>{{1, 5}, {2, 3}, {3, 2}}));
  // No host runs twice its share ahead within any prefix.
  std::map<std::uint32_t, int> seen;
  for (std::size_t i = 0; i < set->schedule.size(); ++i) {
    ++seen[set->schedule[i]];
    EXPECT_LE(seen[0], static_cast<int>((i + 1) * 5 / 10) + 1);
  }
}

TEST(BuildHostSet, HugeWeightsGiveABoundedScheduleWithNobodyAtZero) {
  const auto set =
      BuildHostSet({At(1, 4'000'000'000U), At(2, 1), At(3, 2'000'000'000U)}, nullptr, {});
  EXPECT_LE(set->schedule.size(), 20'000U);
  const auto shares = Shares(*set);
  EXPECT_GE(shares.at(2), 1);
  EXPECT_NEAR(shares.at(1) / static_cast<double>(shares.at(3)), 2.0, 0.01);
}

TEST(BuildHostSet, SecondOfAnAddressAndUnresolvedOnesDoNotCount) {
  config::Endpoint unresolved;
  unresolved.dns_name = "later.example";
  const auto set = BuildHostSet({At(1), unresolved, At(1, 9)}, nullptr, {});
  ASSERT_EQ(set->hosts.size(), 1U);
  EXPECT_EQ(set->hosts[0].weight, 1U);
}

TEST(BuildHostSet, UnhealthyOnesAreLeftOutUntilPanic) {
  using Health = config::Endpoint::Health;
  const auto half = BuildHostSet({At(1), At(2, 1, Health::kUnhealthy)}, nullptr, {});
  EXPECT_FALSE(half->panic);
  EXPECT_EQ(Shares(*half), (std::map<std::uint16_t, int>{{1, 1}}));

  const auto less =
      BuildHostSet({At(1), At(2, 1, Health::kDraining), At(3, 1, Health::kTimeout)}, nullptr, {});
  EXPECT_TRUE(less->panic);
  EXPECT_EQ(Shares(*less).size(), 3U);

  const auto no_panic =
      BuildHostSet({At(1, 1, Health::kUnhealthy)}, nullptr, {.panic_threshold_percent = 0});
  EXPECT_FALSE(no_panic->panic);
  EXPECT_TRUE(no_panic->schedule.empty());
}

TEST(BuildHostSet, NobodyIsNobody) {
  const auto set = BuildHostSet({}, nullptr, {});
  EXPECT_TRUE(set->schedule.empty());
  EXPECT_FALSE(set->panic);
}

TEST(BuildHostSet, StatisticsStayWithTheirAddress) {
  const auto first = BuildHostSet({At(1), At(2)}, nullptr, {.workers = 2});
  first->hosts[1].stats->workers[1].rq_total.Add(7);
  const auto second = BuildHostSet({At(2), At(3)}, first.get(), {.workers = 2});
  EXPECT_EQ(second->hosts[0].stats, first->hosts[1].stats);
  EXPECT_EQ(second->hosts[0].stats->workers[1].rq_total.Get(), 7U);
  EXPECT_EQ(second->hosts[1].stats->workers[1].rq_total.Get(), 0U);
}

}  // namespace
}  // namespace sluice::upstream
