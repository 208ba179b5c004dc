// Which host a worker takes: shares by weight, by hash, by load, by priority.

#include <gtest/gtest.h>

#include <map>

#include "base/clock.h"
#include "base/random.h"
#include "base/xxhash.h"
#include "upstream/cluster.h"

namespace sluice::upstream {
namespace {

using config::LoadBalancing;
using Policy = LoadBalancing::Policy;

class PickHost : public testing::Test {
 protected:
  PickHost() : loop_(base::SystemClock()), buffers_(1 << 20), random_(7) {
    config_.name = config_.stat_name = "c";
    clusters_ =
        std::make_unique<Clusters>(WorkerParts{loop_, buffers_, registry_, random_, 0, 1, nullptr});
  }

  static config::Endpoint At(std::uint16_t port, std::uint32_t weight = 1) {
    config::Endpoint endpoint;
    endpoint.address = *base::Address::ParseIp("127.0.0.1", port);
    endpoint.weight = weight;
    return endpoint;
  }
  Cluster& Make(const std::vector<config::Endpoint>& endpoints, const LoadBalancing& balancing) {
    hosts_ = BuildHostSet(endpoints, nullptr, {.balancing = balancing});
    clusters_->Set({std::make_shared<config::Cluster>(config_), nullptr, breaker_, hosts_});
    return *clusters_->Find("c");
  }
  // Percent by port.
  std::map<int, double> Shares(Cluster& cluster) {
    constexpr int kPicks = 100'000;
    std::map<int, double> shares;
    for (int i = 0; i < kPicks; ++i) {
      shares[cluster.PickHost()->host.address.port()] += 100.0 / kPicks;
    }
    return shares;
  }
  void Busy(std::size_t host, int requests) {
    hosts_->hosts[host].stats->workers[0].rq_active.Add(requests);
  }

  net::Loop loop_;
  net::BufferPool buffers_;
  observe::Registry registry_;
  base::FastRandom random_;
  config::Cluster config_;
  std::shared_ptr<const HostSet> hosts_;
  std::shared_ptr<SharedBreaker> breaker_ = std::make_shared<SharedBreaker>();
  std::unique_ptr<Clusters> clusters_;
};

TEST_F(PickHost, RoundRobinFollowsWeightsExactly) {
  const auto shares = Shares(Make({At(1, 1), At(2, 2), At(3, 7)}, {}));
  EXPECT_NEAR(shares.at(1), 10, 0.01);
  EXPECT_NEAR(shares.at(2), 20, 0.01);
  EXPECT_NEAR(shares.at(3), 70, 0.01);
}

TEST_F(PickHost, RandomIsEvenWhateverTheWeights) {
  const auto shares = Shares(Make({At(1, 1), At(2, 9)}, {.policy = Policy::kRandom}));
  EXPECT_NEAR(shares.at(1), 50, 1);
}

TEST_F(PickHost, LeastRequestAvoidsTheBusyOne) {
  Cluster& cluster = Make({At(1), At(2), At(3)}, {.policy = Policy::kLeastRequest});
  Busy(0, 5);
  const auto shares = Shares(cluster);
  // Only where both draws are the busy one.
  EXPECT_NEAR(shares.at(1), 100.0 / 9, 1);
  EXPECT_NEAR(shares.at(2), shares.at(3), 2);
}

TEST_F(PickHost, LeastRequestUsesIdleHostsByWeightAndBusyOnesByLoad) {
  Cluster& cluster = Make({At(1, 1), At(2, 3)}, {.policy = Policy::kLeastRequest});
  EXPECT_NEAR(Shares(cluster).at(2), 75, 1.5);
  Busy(0, 1);
  Busy(1, 4);  // 4/3 against 1: the heavier is the busier.
  EXPECT_GT(Shares(cluster).at(1), 40);
}

TEST_F(PickHost, LeastRequestWithoutBiasIsByWeightAlone) {
  Cluster& cluster =
      Make({At(1, 1), At(2, 3)}, {.policy = Policy::kLeastRequest, .active_request_bias = 0});
  Busy(1, 1000);
  EXPECT_NEAR(Shares(cluster).at(2), 75, 1.5);
}

TEST_F(PickHost, FullScanFindsTheIdlestOfAll) {
  Cluster& cluster =
      Make({At(1), At(2), At(3), At(4)}, {.policy = Policy::kLeastRequest, .full_scan = true});
  Busy(0, 3);
  Busy(1, 2);
  Busy(3, 2);
  EXPECT_EQ(Shares(cluster).size(), 1U);
  EXPECT_NEAR(Shares(cluster).at(3), 100, 0.01);
}

TEST_F(PickHost, HashesStickAndWithoutOneItIsRandom) {
  for (const Policy policy : {Policy::kRingHash, Policy::kMaglev}) {
    Cluster& cluster = Make({At(1), At(2), At(3)}, {.policy = policy});
    std::map<int, int> seen;
    for (std::uint64_t i = 0; i < 300; ++i) {
      const std::uint64_t hash = base::XxHash64(std::to_string(i));
      const HostPool* first = cluster.PickHost(hash);
      ++seen[first->host.address.port()];
      for (int again = 0; again < 3; ++again) EXPECT_EQ(cluster.PickHost(hash), first);
    }
    EXPECT_EQ(seen.size(), 3U);
    for (const auto& [port, share] : Shares(cluster)) EXPECT_NEAR(share, 33, 6) << port;
  }
}

TEST_F(PickHost, SharesOfPrioritiesAndLocalitiesHold) {
  std::vector<config::Endpoint> endpoints;
  for (std::uint16_t i = 0; i < 4; ++i) {
    endpoints.push_back(At(static_cast<std::uint16_t>(10 + i)));
    endpoints.back().locality = i / 2;
    endpoints.back().locality_weight = i < 2 ? 1 : 3;
    if (i % 2 == 0) endpoints.back().health = config::Endpoint::Health::kUnhealthy;
    endpoints.push_back(At(static_cast<std::uint16_t>(20 + i)));
    endpoints.back().priority = 1;
    endpoints.back().locality = 2;
    endpoints.back().locality_weight = 1;
  }
  for (const Policy policy : {Policy::kRoundRobin, Policy::kRandom, Policy::kLeastRequest}) {
    const auto shares = Shares(Make(endpoints, {.policy = policy, .locality_weighted = true}));
    // Half of priority 0 is healthy: 70 %; its localities 1 to 3.
    EXPECT_NEAR(shares.at(11), 17.5, 1);
    EXPECT_NEAR(shares.at(13), 52.5, 1);
    for (int port = 20; port < 24; ++port) EXPECT_NEAR(shares.at(port), 7.5, 1);
    EXPECT_EQ(shares.size(), 6U);
  }
}

TEST_F(PickHost, PanicIsCounted) {
  config::Endpoint sick = At(1);
  sick.health = config::Endpoint::Health::kUnhealthy;
  Cluster& cluster = Make({sick}, {});
  EXPECT_NE(cluster.PickHost(), nullptr);
  EXPECT_EQ(cluster.stats().lb_healthy_panic.Get(), 1U);
}

TEST_F(PickHost, NobodyIsNobody) {
  Cluster& cluster = Make({}, {.policy = Policy::kMaglev});
  EXPECT_EQ(cluster.PickHost(1), nullptr);
}

}  // namespace
}  // namespace sluice::upstream
