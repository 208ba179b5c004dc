#include "upstream/pool.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/clock.h"
#include "base/random.h"
#include "net/socket.h"
#include "upstream/cluster.h"

namespace sluice::upstream {
namespace {

// The far ends of the connections that the pool "makes", oldest first.
std::deque<std::unique_ptr<net::Stream>>* g_far_ends = nullptr;

std::unique_ptr<net::Stream> ConnectInMemory(net::Loop& loop, const base::Address&,
                                             const net::ConnectOptions&) {
  net::StreamPair pair = net::NewMemoryStreams(loop);
  g_far_ends->push_back(std::move(pair.b));
  return std::move(pair.a);
}

class PoolTest : public testing::Test {
 protected:
  PoolTest() : loop_(base::SystemClock()), buffers_(1 << 20), random_(1) {
    g_far_ends = &far_ends_;
    config_.name = config_.stat_name = "c";
    config_.breakers[0].requests_max = 3;
    breaker_ = std::make_shared<SharedBreaker>();
    Limits(1024, 1024, 1024);
    clusters_ = std::make_unique<Clusters>(
        WorkerParts{loop_, buffers_, registry_, random_, 0, 1, &ConnectInMemory});
  }

  void Limits(std::uint32_t connections, std::uint32_t pending, std::uint32_t requests) {
    breaker_->connections.SetLimit(connections);
    breaker_->pending.SetLimit(pending);
    breaker_->requests.SetLimit(requests);
  }

  void Set(std::vector<std::uint16_t> ports) { Set(Hosts(ports)); }
  void Set(std::shared_ptr<const HostSet> hosts) {
    clusters_->Set(
        {std::make_shared<config::Cluster>(config_), nullptr, breaker_, std::move(hosts)});
  }
  static std::shared_ptr<const HostSet> Hosts(const std::vector<std::uint16_t>& ports) {
    std::vector<config::Endpoint> endpoints;
    for (const std::uint16_t port : ports) {
      config::Endpoint endpoint;
      endpoint.address = *base::Address::ParseIp("127.0.0.1", port);
      endpoints.push_back(endpoint);
    }
    return BuildHostSet(endpoints, nullptr, {});
  }

  struct Pending {
    std::unique_ptr<Attempt> attempt;
    std::optional<AcquireResult> result;
    bool fresh_only = false;
    net::Task<void> Run() { result = co_await attempt->Acquire(fresh_only); }
  };
  std::unique_ptr<Pending> Acquire(bool fresh_only = false) {
    auto pending = std::make_unique<Pending>();
    pending->attempt = std::make_unique<Attempt>(*clusters_->Find("c"));
    pending->fresh_only = fresh_only;
    net::Start(pending->Run());
    Turn();
    return pending;
  }
  void Turn() {
    for (int i = 0; i < 5; ++i) loop_.RunOnce(0);
  }
  const observe::ClusterStats& stats() {
    return registry_.Get<observe::ClusterStats>(observe::Scope::kCluster, "c", 0);
  }

  std::deque<std::unique_ptr<net::Stream>> far_ends_;
  net::Loop loop_;
  net::BufferPool buffers_;
  observe::Registry registry_;
  base::FastRandom random_;
  config::Cluster config_;
  std::shared_ptr<SharedBreaker> breaker_;
  std::unique_ptr<Clusters> clusters_;
};

TEST_F(PoolTest, AFinishedConnectionIsReused) {
  Set({1});
  auto first = Acquire();
  ASSERT_EQ(first->result, AcquireResult::kOk);
  EXPECT_FALSE(first->attempt->connection().reused());
  first->attempt->Finish(true);
  first.reset();
  Attempt second(*clusters_->Find("c"));
  ASSERT_TRUE(second.TryAcquireIdle());
  EXPECT_TRUE(second.connection().reused());
  EXPECT_EQ(far_ends_.size(), 1U);
  EXPECT_EQ(stats().upstream_cx_total.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_total.Get(), 2U);
}

TEST_F(PoolTest, AnUnfinishedOrUnusableConnectionIsClosed) {
  Set({1});
  Acquire();  // Never finished.
  auto second = Acquire();
  second->attempt->Finish(false);
  second.reset();
  Turn();
  EXPECT_EQ(far_ends_.size(), 2U);
  EXPECT_EQ(stats().upstream_cx_active.Get(), 0);
  EXPECT_EQ(stats().upstream_cx_destroy.Get(), 2U);
  EXPECT_EQ(stats().upstream_cx_destroy_local_with_active_rq.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_active.Get(), 0);
}

TEST_F(PoolTest, AnIdleConnectionThatThePeerClosedIsGoneAtOnce) {
  Set({1});
  auto first = Acquire();
  first->attempt->Finish(true);
  first.reset();
  EXPECT_EQ(stats().upstream_cx_active.Get(), 1);
  far_ends_[0]->Close();
  Turn();
  EXPECT_EQ(stats().upstream_cx_active.Get(), 0);
  EXPECT_EQ(stats().upstream_cx_close_notify.Get(), 1U);
}

TEST_F(PoolTest, BytesOnAnIdleConnectionPoisonIt) {
  Set({1});
  auto first = Acquire();
  first->attempt->Finish(true);
  first.reset();
  const std::string_view extra = "HTTP/1.1 200 OK\r\n\r\n";
  far_ends_[0]->Write({&extra, 1});
  Turn();
  Attempt second(*clusters_->Find("c"));
  EXPECT_FALSE(second.TryAcquireIdle());
  EXPECT_EQ(stats().upstream_cx_protocol_error.Get(), 1U);
  EXPECT_EQ(stats().upstream_cx_active.Get(), 0);
}

TEST_F(PoolTest, FreshOnlyLeavesPooledOnesAlone) {
  Set({1});
  auto first = Acquire();
  first->attempt->Finish(true);
  first.reset();
  auto second = Acquire(true);
  ASSERT_EQ(second->result, AcquireResult::kOk);
  EXPECT_FALSE(second->attempt->connection().reused());
  EXPECT_EQ(far_ends_.size(), 2U);
}

TEST_F(PoolTest, HostsTakeTurns) {
  Set({1, 2});
  auto a = Acquire();
  auto b = Acquire();
  EXPECT_NE(a->attempt->host()->address, b->attempt->host()->address);
}

TEST_F(PoolTest, RequestsOverTheLimitOverflow) {
  Set({1});
  Limits(1024, 1024, 2);
  auto a = Acquire();
  auto b = Acquire();
  auto c = Acquire();
  EXPECT_EQ(c->result, AcquireResult::kOverflow);
  EXPECT_EQ(stats().upstream_rq_pending_overflow.Get(), 1U);
  a.reset();
  EXPECT_EQ(Acquire()->result, AcquireResult::kOk);
}

TEST_F(PoolTest, WithoutAConnectionCreditARequestWaitsForAFreeConnection) {
  Set({1});
  Limits(1, 1, 1024);
  auto a = Acquire();
  auto b = Acquire();
  EXPECT_FALSE(b->result.has_value());
  EXPECT_EQ(stats().upstream_rq_pending_active.Get(), 1);
  auto c = Acquire();
  EXPECT_EQ(c->result, AcquireResult::kOverflow);
  a->attempt->Finish(true);
  Turn();
  EXPECT_EQ(b->result, AcquireResult::kOk);
  EXPECT_TRUE(b->attempt->connection().reused());
  EXPECT_EQ(stats().upstream_rq_pending_active.Get(), 0);
}

TEST_F(PoolTest, AHostWithoutAnyConnectionMayAlwaysHaveOne) {
  Set({1});
  Limits(0, 0, 1024);
  EXPECT_EQ(Acquire()->result, AcquireResult::kOk);
  EXPECT_EQ(stats().upstream_cx_overflow.Get(), 1U);
  EXPECT_EQ(breaker_->connections.taken(), 0U);
}

TEST_F(PoolTest, CloseEndsAWait) {
  Set({1});
  Limits(1, 1, 1024);
  auto a = Acquire();
  auto b = Acquire();
  b->attempt->Close();
  Turn();
  EXPECT_EQ(b->result, AcquireResult::kClosed);
  EXPECT_EQ(stats().upstream_rq_cancelled.Get(), 1U);
}

TEST_F(PoolTest, NoHostIsNoHealthyHost) {
  Set(std::vector<std::uint16_t>{});
  EXPECT_EQ(Acquire()->result, AcquireResult::kNoHealthyHost);
  EXPECT_EQ(stats().upstream_cx_none_healthy.Get(), 1U);
}

TEST_F(PoolTest, UnknownHostsAreWaitedFor) {
  Set(std::shared_ptr<const HostSet>());
  auto a = Acquire();
  EXPECT_FALSE(a->result.has_value());
  clusters_->SetHosts("c", Hosts({1}));
  Turn();
  EXPECT_EQ(a->result, AcquireResult::kOk);
}

TEST_F(PoolTest, AnEqualClusterKeepsItsConnections) {
  Set({1});
  auto a = Acquire();
  a->attempt->Finish(true);
  a.reset();
  Set({1});
  Attempt b(*clusters_->Find("c"));
  EXPECT_TRUE(b.TryAcquireIdle());
}

TEST_F(PoolTest, AChangedClusterDrainsTheOldOnes) {
  Set({1});
  auto idle = Acquire();
  auto busy = Acquire();
  idle->attempt->Finish(true);
  idle.reset();
  config_.connect_timeout_ms = 77;
  Set({1});
  EXPECT_EQ(stats().upstream_cx_active.Get(), 1);  // The busy one goes on,
  busy->attempt->Finish(true);
  EXPECT_EQ(stats().upstream_cx_active.Get(), 0);  // but is not kept.
}

TEST_F(PoolTest, AHostThatLeftLosesItsIdleConnectionsOnly) {
  Set({1, 2});
  auto one = Acquire();
  auto two = Acquire();
  const std::uint16_t stays = one->attempt->host()->address.port();
  two->attempt->Finish(true);
  two.reset();
  clusters_->SetHosts("c", Hosts({stays}));
  EXPECT_EQ(stats().upstream_cx_active.Get(), 1);
  clusters_->SetHosts("c", Hosts({9}));
  EXPECT_TRUE(one->attempt->acquired());
  one->attempt->Finish(true);
  EXPECT_EQ(stats().upstream_cx_active.Get(), 0);
}

TEST_F(PoolTest, ARemovedClusterLetsItsExchangeFinish) {
  Set({1});
  auto idle = Acquire();
  auto busy = Acquire();
  idle->attempt->Finish(true);
  idle.reset();
  clusters_->Remove("c");
  EXPECT_EQ(clusters_->Find("c"), nullptr);
  EXPECT_FALSE(busy->attempt->connection().stream().closed());
  busy->attempt->Finish(true);
  busy.reset();
  EXPECT_EQ(clusters_->size(), 0U);
}

TEST_F(PoolTest, RequestsPerConnectionAreCounted) {
  config_.requests_per_connection_max = 2;
  Set({1});
  for (int i = 0; i < 4; ++i) {
    auto each = Acquire();
    each->attempt->Finish(true);
  }
  EXPECT_EQ(far_ends_.size(), 2U);
  EXPECT_EQ(stats().upstream_cx_max_requests.Get(), 2U);
}

}  // namespace
}  // namespace sluice::upstream
