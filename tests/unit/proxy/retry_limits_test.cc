// How long retries take, and how many there may be at once.
#include "retry_fixture.h"

namespace sluice::proxy {
namespace {

TEST_F(RetryPolicy, ASlowTryIsTakenOver) {
  RetryOn("reset", 1);
  retry().per_try_timeout_ms = 300;
  policy_.timeout_retry_header = true;
  Publish();
  Answer({"-", std::string(kOk)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(310);
  Wait();
  EXPECT_TRUE(client->received().ends_with("ok")) << client->received();
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_NE(seen_[0].find("x-envoy-expected-rq-timeout-ms: 300\r\n"), std::string::npos)
      << seen_[0];
  EXPECT_EQ(seen_[0].find("x-envoy-is-timeout-retry"), std::string::npos);
  EXPECT_NE(seen_[1].find("x-envoy-is-timeout-retry: true\r\n"), std::string::npos);
  EXPECT_TRUE(upstream(0).ended());
  EXPECT_EQ(stats().upstream_rq_per_try_timeout.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_timeout.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheLastSlowTryIs504) {
  RetryOn("5xx", 1);
  retry().per_try_timeout_ms = 300;
  Publish();
  Answer({"-"});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  Wait();
  Wait();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).details, "upstream_per_try_timeout");
  EXPECT_EQ(fixture_.logged().at(0).flags, "UT,URX");
  EXPECT_EQ(seen_.size(), 2U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, AnIdleTryIsTakenOver) {
  RetryOn("reset", 1);
  retry().per_try_idle_timeout_ms = 300;
  Publish();
  Answer({"-", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(310);
  for (int i = 0; i < 3; ++i) fixture_.Pass(90);
  EXPECT_TRUE(client->received().ends_with("abc")) << client->received();
  fixture_.Pass(310);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(stats().upstream_rq_per_try_idle_timeout.Get(), 2U);
  EXPECT_EQ(fixture_.logged().at(0).details, "upstream_per_try_idle_timeout");
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheRoutesTimeoutHoldsForAllTriesAndWaits) {
  RetryOn("5xx", 100);
  retry().backoff_base_ms = 400;
  retry().backoff_max_ms = 4000;
  std::get<config::ForwardAction>(fixture_.host().routes.back().action).timeout_ms = 1000;
  Publish();
  Answer({std::string(k503)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  for (int i = 0; i < 11; ++i) fixture_.Pass(100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"))
      << client->received();
  EXPECT_EQ(fixture_.logged().at(0).details, "response_timeout");
  EXPECT_LT(seen_.size(), 11U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, AClientThatLeavesEndsTheWait) {
  RetryOn("5xx", 100);
  retry().backoff_base_ms = retry().backoff_max_ms = 10'000;
  Publish();
  Answer({std::string(k503)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  EXPECT_EQ(fixture_.breaker().retries.taken(), 1U);
  client->Close();
  fixture_.Settle();
  EXPECT_EQ(fixture_.breaker().retries.taken(), 0U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "DC");
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheCircuitBreakerLimitsRetriesInFlight) {
  RetryOn("5xx", 5);
  retry().backoff_base_ms = retry().backoff_max_ms = 1000;
  Publish();
  fixture_.breaker().retries.SetLimit(2);
  Answer({std::string(k503)});
  std::vector<std::shared_ptr<Peer>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(fixture_.Connect());
    clients.back()->Send(kGet);
  }
  fixture_.Settle();
  EXPECT_EQ(fixture_.breaker().retries.taken(), 2U);
  EXPECT_EQ(stats().upstream_rq_retry_overflow.Get(), 3U);
  EXPECT_EQ(stats().upstream_rq_retry.Get(), 2U);
  EXPECT_EQ(fixture_.logged().size(), 3U);
  EXPECT_EQ(fixture_.logged().at(0).code, 503);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, ABudgetIsAShareOfTheRequests) {
  RetryOn("5xx", 5);
  retry().backoff_base_ms = retry().backoff_max_ms = 1000;
  fixture_.cluster().breakers[0].retry_budget_millionths = 250'000;
  fixture_.cluster().breakers[0].retries_min = 1;
  Publish();
  std::vector<std::shared_ptr<Peer>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(fixture_.Connect());
    clients.back()->Send(kGet);
  }
  fixture_.Settle();  // All 12 are under way when the answers come.
  ASSERT_EQ(fixture_.upstreams().size(), 12U);
  Answer({std::string(k503)});
  fixture_.Settle();
  // 3 of 12, and as requests end the share shrinks.
  EXPECT_GE(stats().upstream_rq_retry.Get(), 1U);
  EXPECT_LE(stats().upstream_rq_retry.Get(), 3U);
  EXPECT_EQ(stats().upstream_rq_retry.Get() + stats().upstream_rq_retry_overflow.Get(), 12U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, AResponseMaySayWhenToComeBack) {
  RetryOn("retriable-status-codes", 1);
  retry().statuses = {429};
  retry().reset_headers = {{"x-reset", true}, {"retry-after", false}};
  Publish();
  Answer({RESPONSE("429 Slow", "Retry-After: 2\r\n"), std::string(kOk)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(1990);
  EXPECT_EQ(seen_.size(), 1U);
  fixture_.Pass(1100);
  EXPECT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_EQ(stats().upstream_rq_retry_backoff_ratelimited.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry_backoff_exponential.Get(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, HostsThatWereTriedArePassedOver) {
  RetryOn("connect-failure", 2);
  retry().avoid_previous_hosts = true;
  retry().host_picks_max = 10;
  fixture_.hosts = 3;
  Publish();
  fixture_.refuse_connections = true;
  for (int i = 0; i < 20; ++i) {
    fixture_.connected.clear();
    auto client = fixture_.Connect();
    client->Send(kGet);
    Wait();
    std::vector<std::string> hosts = fixture_.connected;
    ASSERT_EQ(hosts.size(), 3U);
    std::sort(hosts.begin(), hosts.end());
    EXPECT_EQ(hosts, (std::vector<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  }
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
