// A slow try beside its retry: the first good answer is taken, and nothing is left of the other.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kBad = "HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nbad";
constexpr std::string_view kPut = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";

class Hedge : public Serve {
 protected:
  Hedge() {
    config::TryPolicy policy;
    policy.retry.emplace();
    policy.retry->on = config::ParseRetryOn("5xx,reset");
    policy.retry->retries_max = 2;
    policy.retry->per_try_timeout_ms = 300;
    policy.hedge_on_per_try_timeout = true;
    auto& forward = std::get<config::ForwardAction>(fixture_.host().routes.back().action);
    forward.timeout_ms = 5000;
    forward.tries = config::SharedTryPolicy(policy);
    fixture_.Publish();
  }
  // Two tries are under way.
  void Race(std::string_view request = kPut) {
    client_ = fixture_.Connect();
    client_->Send(request);
    fixture_.Settle();
    fixture_.Pass(310);
    ASSERT_EQ(fixture_.upstreams().size(), 2U);
    EXPECT_EQ(upstream(0).received().ends_with("abc"), upstream(1).received().ends_with("abc"));
  }
  void Wait() {
    for (int i = 0; i < 5; ++i) fixture_.Pass(100);
  }

  std::shared_ptr<Peer> client_;
};

TEST_F(Hedge, TheSecondMayWin) {
  Race();
  upstream(1).Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  EXPECT_TRUE(upstream(0).ended());
  EXPECT_FALSE(upstream(1).ended());
  EXPECT_EQ(fixture_.logged().at(0).attempts, 2U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "-");
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_retry.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_per_try_timeout.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_tx_reset.Get(), 1U);
  // The winner's connection goes on.
  AnswerAll();
  client_->TakeReceived();
  EXPECT_TRUE(fixture_.Ask(*client_, kGet).ends_with("ok"));
  EXPECT_EQ(fixture_.upstreams().size(), 2U);
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, TheFirstMayStillWin) {
  Race();
  upstream(0).Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  EXPECT_TRUE(upstream(1).ended());
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, ABadAnswerWaitsForTheOther) {
  Race();
  upstream(1).Send(kBad);
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "");
  upstream(0).Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, TwoBadAnswersAreTriedAgain) {
  Race();
  upstream(1).Send(kBad);
  upstream(0).Send(kBad);
  fixture_.Settle();
  AnswerAll();
  Wait();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  EXPECT_EQ(fixture_.logged().at(0).attempts, 3U);
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, OneThatFailsLeavesTheOther) {
  Race();
  upstream(0).Close();
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "");
  upstream(1).Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, BothMayFail) {
  Race();
  upstream(0).Close();
  upstream(1).Close();
  AnswerAll();
  Wait();
  EXPECT_TRUE(client_->received().ends_with("ok")) << client_->received();
  EXPECT_EQ(fixture_.logged().at(0).attempts, 3U);
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, BothMayBeTooSlow) {
  Race();
  fixture_.Pass(5000);
  EXPECT_TRUE(client_->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_TRUE(upstream(0).ended());
  EXPECT_TRUE(upstream(1).ended());
  fixture_.ExpectAllGone();
}

TEST_F(Hedge, AClientThatLeavesEndsBoth) {
  Race();
  client_->Close();
  fixture_.Settle();
  EXPECT_TRUE(upstream(0).ended());
  EXPECT_TRUE(upstream(1).ended());
  fixture_.ExpectAllGone();
}

// Any order of anything: one answer, and nothing left.
TEST_F(Hedge, AnyRaceEndsOnce) {
  base::FastRandom random(3);
  for (int round = 0; round < 200; ++round) {
    auto client = fixture_.Connect();
    const std::size_t before = fixture_.logged().size();
    client->Send(kPut);
    fixture_.Settle();
    for (int step = 0; step < 40; ++step) {
      for (const auto& peer : fixture_.upstreams()) {
        if (!peer->received().ends_with("abc") || random.Next() % 6 != 0) continue;
        peer->TakeReceived();
        switch (random.Next() % 4) {
          case 0:
            peer->Send(kOk);
            break;
          case 1:
            peer->Send(kBad);
            break;
          case 2:
            peer->Close();
            break;
          default:
            peer->Send("HTTP/1.1 2");
            break;
        }
      }
      fixture_.Pass(150);
    }
    ASSERT_EQ(fixture_.logged().size(), before + 1) << round;
    EXPECT_EQ(client->received().find("HTTP/1.1 ", 1), std::string::npos) << client->received();
    EXPECT_EQ(fixture_.breaker().retries.taken(), 0U);
    client->Close();
    fixture_.Settle();
    for (const auto& peer : fixture_.upstreams()) peer->TakeReceived();
  }
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
