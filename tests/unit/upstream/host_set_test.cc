#include "upstream/host_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

// Of a set with one lot and one group in it.
const std::vector<std::uint32_t>& Schedule(const HostSet& set) {
  EXPECT_EQ(set.lots.size(), 1U);
  EXPECT_EQ(set.lots[0].groups.size(), 1U);
  EXPECT_EQ(set.lots[0].upto, 100U);
  return set.lots[0].groups[0].schedule;
}

std::map<std::uint16_t, int> Shares(const HostSet& set) {
  std::map<std::uint16_t, int> shares;
  for (const std::uint32_t index : Schedule(set)) ++shares[set.hosts[index].address.port()];
  return shares;
}

TEST(BuildHostSet, EqualWeightsTakeTurnsInOrder) {
  const auto set = BuildHostSet({At(1), At(2), At(3)}, nullptr, {});
  EXPECT_EQ(Schedule(*set), (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(set->healthy, 3U);
  EXPECT_FALSE(set->panic);
}

TEST(BuildHostSet, WeightsAreKeptExactlyAndSpread) {
  const auto set = BuildHostSet({At(1, 50), At(2, 30), At(3, 20)}, nullptr, {});
  EXPECT_EQ(Shares(*set), (std::map<std::uint16_t, int>{{1, 5}, {2, 3}, {3, 2}}));
  // No host runs twice its share ahead within any prefix.
  std::map<std::uint32_t, int> seen;
  for (std::size_t i = 0; i < Schedule(*set).size(); ++i) {
    ++seen[Schedule(*set)[i]];
    EXPECT_LE(seen[0], static_cast<int>((i + 1) * 5 / 10) + 1);
  }
}

TEST(BuildHostSet, HugeWeightsGiveABoundedScheduleWithNobodyAtZero) {
  const auto set =
      BuildHostSet({At(1, 4'000'000'000U), At(2, 1), At(3, 2'000'000'000U)}, nullptr, {});
  EXPECT_LE(Schedule(*set).size(), 20'000U);
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
  EXPECT_TRUE(no_panic->lots.empty());
}

TEST(BuildHostSet, NobodyIsNobody) {
  const auto set = BuildHostSet({}, nullptr, {});
  EXPECT_TRUE(set->lots.empty());
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

// ---- priorities

config::Endpoint In(std::uint32_t priority, std::uint16_t port, bool healthy) {
  using Health = config::Endpoint::Health;
  config::Endpoint endpoint = At(port, 1, healthy ? Health::kHealthy : Health::kUnhealthy);
  endpoint.priority = priority;
  return endpoint;
}

// Hosts of priority 0 (of 100, so many healthy) and of priority 1, of 100 likewise.
std::shared_ptr<const HostSet> TwoPriorities(int healthy0, int healthy1,
                                             const HostSetOptions& options = {}) {
  std::vector<config::Endpoint> endpoints;
  for (int i = 0; i < 100; ++i) {
    endpoints.push_back(In(0, static_cast<std::uint16_t>(1000 + i), i < healthy0));
    endpoints.push_back(In(1, static_cast<std::uint16_t>(2000 + i), i < healthy1));
  }
  return BuildHostSet(endpoints, nullptr, options);
}

// Percent of the load by priority of the lots.
std::map<std::uint32_t, std::uint32_t> Loads(const HostSet& set) {
  std::map<std::uint32_t, std::uint32_t> loads;
  std::uint32_t before = 0;
  for (const HostLot& lot : set.lots) {
    loads[set.hosts[lot.groups[0].members[0]].priority] += lot.upto - before;
    before = lot.upto;
  }
  return loads;
}

// The table of Envoy's documentation.
TEST(BuildHostSetPriorities, TheNextTakesWhatTheFirstIsNotHealthyEnoughFor) {
  using Row = std::map<std::uint32_t, std::uint32_t>;
  EXPECT_EQ(Loads(*TwoPriorities(100, 100)), (Row{{0, 100}}));
  EXPECT_EQ(Loads(*TwoPriorities(72, 100)), (Row{{0, 100}}));
  EXPECT_EQ(Loads(*TwoPriorities(71, 100)), (Row{{0, 99}, {1, 1}}));
  EXPECT_EQ(Loads(*TwoPriorities(50, 100)), (Row{{0, 70}, {1, 30}}));
  EXPECT_EQ(Loads(*TwoPriorities(25, 100)), (Row{{0, 35}, {1, 65}}));
  EXPECT_EQ(Loads(*TwoPriorities(0, 100)), (Row{{1, 100}}));
  EXPECT_EQ(Loads(*TwoPriorities(25, 25)), (Row{{0, 50}, {1, 50}}));
}

TEST(BuildHostSetPriorities, OnlyHealthyHostsTakeAShareOutsidePanic) {
  const auto set = TwoPriorities(71, 100);
  EXPECT_FALSE(set->panic);
  EXPECT_EQ(set->lots[0].groups[0].members.size(), 71U);
}

TEST(BuildHostSetPriorities, PanicIsOfOnePriorityOrOfAll) {
  // 25 % are fewer than half, and 35 + 56 do not make 100: the first panics, the second does not.
  const auto one = TwoPriorities(25, 40, {.panic_threshold_percent = 30});
  ASSERT_EQ(one->lots.size(), 2U);
  EXPECT_TRUE(one->lots[0].panic);
  EXPECT_EQ(one->lots[0].groups[0].members.size(), 100U);
  EXPECT_FALSE(one->lots[1].panic);
  EXPECT_EQ(one->lots[1].groups[0].members.size(), 40U);
  // Both: load by numbers of hosts, over all of them.
  const auto both = TwoPriorities(0, 0);
  EXPECT_EQ(Loads(*both), (std::map<std::uint32_t, std::uint32_t>{{0, 50}, {1, 50}}));
  EXPECT_TRUE(both->panic);
  EXPECT_TRUE(TwoPriorities(0, 0, {.panic_threshold_percent = 0})->lots.empty());
}

TEST(BuildHostSetPriorities, TheOverprovisioningFactorCounts) {
  EXPECT_EQ(Loads(*TwoPriorities(50, 100, {.overprovisioning_percent = 100})),
            (std::map<std::uint32_t, std::uint32_t>{{0, 50}, {1, 50}}));
  EXPECT_EQ(Loads(*TwoPriorities(50, 100, {.overprovisioning_percent = 200})),
            (std::map<std::uint32_t, std::uint32_t>{{0, 100}}));
}

TEST(BuildHostSetPriorities, DegradedHostsTakeWhatHealthyOnesCannot) {
  using Health = config::Endpoint::Health;
  const auto set = BuildHostSet({At(1), At(2, 1, Health::kDegraded)}, nullptr, {});
  ASSERT_EQ(set->lots.size(), 2U);
  EXPECT_EQ(set->lots[0].upto, 70U);
  EXPECT_EQ(set->lots[0].groups[0].members, (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(set->lots[1].upto, 100U);
  EXPECT_EQ(set->lots[1].groups[0].members, (std::vector<std::uint32_t>{1}));
  const auto enough = BuildHostSet({At(1), At(2), At(3), At(4, 1, Health::kDegraded)}, nullptr, {});
  EXPECT_EQ(Shares(*enough).size(), 3U);
}

// ---- localities

std::shared_ptr<const HostSet> TwoLocalities(int healthy0, std::uint32_t weight0,
                                             std::uint32_t weight1) {
  std::vector<config::Endpoint> endpoints;
  for (int i = 0; i < 200; ++i) {
    config::Endpoint endpoint =
        In(0, static_cast<std::uint16_t>(1000 + i), i >= 100 || i < healthy0);
    endpoint.locality = i < 100 ? 0 : 1;
    endpoint.locality_weight = i < 100 ? weight0 : weight1;
    endpoints.push_back(endpoint);
  }
  return BuildHostSet(endpoints, nullptr, {.balancing = {.locality_weighted = true}});
}

int PercentOfFirst(const HostSet& set) {
  EXPECT_EQ(set.lots.size(), 1U);
  const std::vector<std::uint32_t>& order = set.lots[0].group_order;
  const auto first = std::count_if(order.begin(), order.end(), [&](std::uint32_t group) {
    return set.hosts[set.lots[0].groups[group].members[0]].locality == 0;
  });
  return static_cast<int>(
      std::lround(100.0 * static_cast<double>(first) / static_cast<double>(order.size())));
}

// The table of Envoy's documentation: weights 1 and 2.
TEST(BuildHostSetLocalities, TakeTrafficByWeightAndHealth) {
  EXPECT_EQ(PercentOfFirst(*TwoLocalities(100, 1, 2)), 33);
  EXPECT_EQ(PercentOfFirst(*TwoLocalities(72, 1, 2)), 33);
  EXPECT_EQ(PercentOfFirst(*TwoLocalities(69, 1, 2)), 32);
  EXPECT_EQ(PercentOfFirst(*TwoLocalities(50, 1, 2)), 26);
  EXPECT_EQ(PercentOfFirst(*TwoLocalities(25, 1, 2)), 15);
  // None left: only the second, so there is nothing to choose.
  EXPECT_EQ(TwoLocalities(0, 1, 2)->lots[0].groups.size(), 1U);
}

TEST(BuildHostSetLocalities, OneWithoutAWeightGetsNothing) {
  const auto set = TwoLocalities(100, 0, 2);
  ASSERT_EQ(set->lots[0].groups.size(), 1U);
  EXPECT_EQ(set->hosts[set->lots[0].groups[0].members[0]].locality, 1U);
  // Nobody has one: they are not weighed.
  EXPECT_EQ(TwoLocalities(100, 0, 0)->lots[0].groups[0].members.size(), 200U);
}

TEST(BuildHostSet, AnEqualSetKeepsItsTable) {
  const HostSetOptions maglev = {.balancing = {.policy = config::LoadBalancing::Policy::kMaglev}};
  const auto first = BuildHostSet({At(1), At(2)}, nullptr, maglev);
  const auto same = BuildHostSet({At(1), At(2)}, first.get(), maglev);
  EXPECT_EQ(first->lots[0].table, same->lots[0].table);
  const auto other = BuildHostSet({At(1), At(3)}, first.get(), maglev);
  EXPECT_NE(first->lots[0].table, other->lots[0].table);
}

}  // namespace
}  // namespace sluice::upstream
