// tcp_proxy: bytes both ways, half-close, resets, attempts, timeouts, flags, statistics.

#include <gtest/gtest.h>

#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

class Tcp : public testing::Test {
 protected:
  Tcp() {
    fixture_.tcp.emplace();
    config().stat_prefix = "t";
    config().clusters = {{"c", 1}};
  }
  config::TcpProxy& config() { return *fixture_.tcp; }
  void Open() {
    fixture_.Publish();
    client_ = fixture_.Connect();
    fixture_.Settle();
  }
  Peer& upstream(std::size_t index = 0) { return *fixture_.upstreams().at(index); }
  const Logged& logged() {
    EXPECT_EQ(fixture_.logged().size(), 1U);
    return fixture_.logged().back();
  }

  ProxyFixture fixture_;
  std::shared_ptr<Peer> client_;
};

TEST_F(Tcp, ConnectsAtOnceAndCarriesBytesBothWays) {
  Open();
  ASSERT_EQ(fixture_.upstreams().size(), 1U);  // Before any byte: servers may speak first.
  upstream().Send("220 hello\r\n");
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "220 hello\r\n");
  client_->Send("QUIT");
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "QUIT");
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_total.Get(), 1U);
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_rx_bytes_total.Get(), 4U);
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_tx_bytes_total.Get(), 11U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_total.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_http1_total.Get(), 0U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_total.Get(), 0U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_tx_bytes_total.Get(), 4U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_rx_bytes_total.Get(), 11U);
}

TEST_F(Tcp, IdleHoldsNoBuffer) {
  Open();
  client_->Send("x");
  fixture_.Settle();
  EXPECT_EQ(fixture_.buffers().bytes_in_use(), 0U);
}

TEST_F(Tcp, HalfClosePassesOnBothWays) {
  Open();
  client_->Send("request");
  client_->ShutdownWrite();
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "request");
  EXPECT_TRUE(upstream().ended());
  EXPECT_FALSE(client_->ended());
  upstream().Send("answer");
  upstream().ShutdownWrite();
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "answer");
  EXPECT_TRUE(client_->ended());
  EXPECT_FALSE(client_->broken());
  EXPECT_EQ(logged().flags, "-");
  EXPECT_EQ(logged().cluster, "c");
  EXPECT_EQ(logged().received, 7U);
  EXPECT_EQ(logged().sent, 6U);
  EXPECT_EQ(logged().attempts, 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, AResetIsPassedOnAsOne) {
  Open();
  upstream().Send("half of it");
  fixture_.Settle();
  upstream().Close(true);
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "half of it");
  EXPECT_TRUE(client_->ended());
  EXPECT_TRUE(client_->broken());
  EXPECT_EQ(logged().flags, "UC");
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, AClientThatResetsIsToldToTheUpstream) {
  Open();
  client_->Send("half of it");
  fixture_.Settle();
  client_->Close(true);
  fixture_.Settle();
  EXPECT_TRUE(upstream().broken());
  EXPECT_EQ(logged().flags, "DC");
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, BackPressureHoldsTheSenderBack) {
  fixture_.client_bytes_per_turn = 0;
  Open();
  const std::string data(1 << 20, 'x');
  upstream().Send(data);
  fixture_.Settle();
  EXPECT_TRUE(upstream().unsent());
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_paused_reading_total.Get(), 1U);
  EXPECT_GT(fixture_.tcp_stats().downstream_cx_tx_bytes_buffered.Get(), 0);
  fixture_.client_bytes_per_turn = ~std::size_t{0};
  for (int i = 0; i < 50; ++i) fixture_.Settle();
  EXPECT_EQ(client_->received(), data);
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_resumed_reading_total.Get(), 1U);
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_tx_bytes_buffered.Get(), 0);
  upstream().ShutdownWrite();
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, BackPressureOfTheUpstreamIsCountedOfTheClient) {
  Open();
  // More than the streams hold, while nobody reads at the far end.
  const std::string data(1 << 20, 'y');
  fixture_.stuck = &upstream();
  client_->Send(data);
  fixture_.Settle();
  EXPECT_GT(fixture_.tcp_stats().downstream_cx_rx_bytes_buffered.Get(), 0);
  fixture_.stuck = nullptr;
  for (int i = 0; i < 50; ++i) fixture_.Settle();
  EXPECT_EQ(upstream().received(), data);
  EXPECT_GE(fixture_.tcp_stats().downstream_flow_control_paused_reading_total.Get(), 1U);
  EXPECT_GE(fixture_.tcp_stats().downstream_flow_control_resumed_reading_total.Get(), 1U);
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_rx_bytes_buffered.Get(), 0);
}

TEST_F(Tcp, ARefusedConnectionIsTriedAgainAsOftenAsAllowed) {
  config().connect_attempts = 3;
  fixture_.refuse_connections = true;
  Open();
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(logged().flags, "UF,URX");
  EXPECT_EQ(logged().attempts, 3U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_connect_fail.Get(), 3U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_connect_attempts_exceeded.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, BacksOffBetweenAttempts) {
  config().connect_attempts = 2;
  config().backoff_base_ms = config().backoff_max_ms = 100;
  fixture_.refuse_connections = true;
  Open();
  EXPECT_FALSE(client_->ended());
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_connect_fail.Get(), 1U);
  fixture_.refuse_connections = false;
  fixture_.Pass(120);
  ASSERT_EQ(fixture_.upstreams().size(), 1U);
  client_->Send("late");
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "late");
  client_->ShutdownWrite();
  upstream().ShutdownWrite();
  fixture_.Settle();
  EXPECT_EQ(logged().flags, "-");
  EXPECT_EQ(logged().attempts, 2U);
}

TEST_F(Tcp, AbandonedWhileItBacksOff) {
  config().connect_attempts = 2;
  config().backoff_base_ms = config().backoff_max_ms = 100'000;
  fixture_.refuse_connections = true;
  Open();
  fixture_.context().CloseAll();
  fixture_.Settle();
  EXPECT_EQ(fixture_.context().active(), 0U);
}

TEST_F(Tcp, AnUnknownClusterIsNoRoute) {
  config().clusters = {{"nobody", 1}};
  Open();
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(logged().flags, "NC");
  EXPECT_EQ(fixture_.tcp_stats().downstream_cx_no_route.Get(), 1U);
}

TEST_F(Tcp, WithoutAHostNothingIsTried) {
  fixture_.Publish();
  fixture_.clusters().SetHosts("c", upstream::BuildHostSet({}, nullptr, {}));
  client_ = fixture_.Connect();
  fixture_.Settle();
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(logged().flags, "UH");
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_none_healthy.Get(), 1U);
}

TEST_F(Tcp, PastTheLimitOfConnectionsItIsRefused) {
  fixture_.connection_limit(1);
  Open();
  const auto second = fixture_.Connect();
  fixture_.Settle();
  EXPECT_FALSE(client_->ended());
  EXPECT_TRUE(second->ended());
  EXPECT_EQ(logged().flags, "UO");
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_overflow.Get(), 1U);
}

TEST_F(Tcp, IdleConnectionsAreClosedAndBusyOnesAreNot) {
  config().idle_timeout_ms = 1000;
  Open();
  for (int i = 0; i < 5; ++i) {
    fixture_.Pass(700);
    client_->Send("x");
    fixture_.Settle();
  }
  EXPECT_FALSE(client_->ended());
  fixture_.Pass(1100);
  EXPECT_TRUE(client_->ended());
  EXPECT_FALSE(client_->broken());
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.tcp_stats().idle_timeout.Get(), 1U);
  EXPECT_EQ(logged().flags, "-");
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, AMaximumAgeHoldsWhateverIsSent) {
  config().max_duration_ms = 2000;
  Open();
  for (int i = 0; i < 3; ++i) {
    fixture_.Pass(600);
    client_->Send("x");
    fixture_.Settle();
  }
  EXPECT_FALSE(client_->ended());
  fixture_.Pass(300);
  EXPECT_TRUE(client_->ended());
  EXPECT_TRUE(client_->broken());  // It was cut, and must not look complete.
  EXPECT_TRUE(upstream().broken());
  EXPECT_EQ(fixture_.tcp_stats().max_downstream_connection_duration.Get(), 1U);
  EXPECT_EQ(logged().flags, "DT");
  fixture_.ExpectAllGone();
}

TEST_F(Tcp, AJitterOnlyLengthensTheAge) {
  config().max_duration_ms = 1000;
  config().duration_jitter_percent = 100;
  Open();
  fixture_.Pass(990);
  EXPECT_FALSE(client_->ended());
  fixture_.Pass(1100);
  EXPECT_TRUE(client_->ended());
}

TEST_F(Tcp, ClustersAreDrawnByWeight) {
  config().clusters = {{"c", 9}, {"nobody", 1}};
  config().weight_sum = 10;
  fixture_.Publish();
  for (int i = 0; i < 300; ++i) {
    const auto client = fixture_.Connect();
    for (int turn = 0; turn < 3; ++turn) fixture_.loop().RunOnce(0);
  }
  fixture_.Settle();
  EXPECT_NEAR(static_cast<double>(fixture_.tcp_stats().downstream_cx_no_route.Get()), 30, 25);
  EXPECT_GT(fixture_.tcp_stats().downstream_cx_no_route.Get(), 0U);
}

TEST_F(Tcp, HoldsNoConfigurationWhileBytesFlow) {
  Open();
  config().idle_timeout_ms = 1;
  fixture_.Publish();
  fixture_.Publish();
  EXPECT_EQ(fixture_.context().snapshots().alive(), 1U);
  fixture_.Pass(100);
  EXPECT_FALSE(client_->ended());  // It keeps what held when it was accepted.
}

TEST_F(Tcp, ADrainLetsItGoOnUntilItIsClosed) {
  Open();
  fixture_.context().BeginDrain();
  fixture_.Settle();
  client_->Send("still");
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "still");
  fixture_.context().CloseAll();
  fixture_.Settle();
  EXPECT_TRUE(client_->broken());
  EXPECT_TRUE(upstream().broken());
  EXPECT_EQ(fixture_.context().active(), 0U);
}

}  // namespace
}  // namespace sluice::proxy
