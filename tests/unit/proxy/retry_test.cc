// Ways up that fail, and the clean replay.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

using Retry = Serve;

TEST_F(Retry, ARefusedConnectionIs503) {
  fixture_.Publish();
  fixture_.refuse_connections = true;
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(*client, kGet);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_NE(got.find("reset reason: remote connection failure"), std::string::npos);
  EXPECT_EQ(fixture_.logged().at(0).flags, "UF");
  EXPECT_FALSE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Retry, TheKeepAliveRaceIsReplayedOnce) {
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  fixture_.on_turn = nullptr;
  // The upstream closes just as the second request is on its way.
  client->Send(kGet);
  fixture_.on_turn = [&] {
    if (!upstream(0).received().empty()) {
      upstream(0).TakeReceived();
      upstream(0).Close();
    }
    if (fixture_.upstreams().size() == 2 && !upstream(1).received().empty()) {
      last_request_ = upstream(1).TakeReceived();
      upstream(1).Send(kOk);
    }
  };
  client->TakeReceived();
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok")) << client->received();
  EXPECT_EQ(fixture_.logged().at(1).attempts, 2U);
  EXPECT_EQ(fixture_.logged().at(1).flags, "-");
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_retry.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_retry_success.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Retry, AReplayCarriesTheWholeBody) {
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  const std::string put = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabcde";
  fixture_.on_turn = [&] {
    if (upstream(0).received().ends_with("abcde")) {
      upstream(0).TakeReceived();
      upstream(0).Close();
    }
    if (fixture_.upstreams().size() == 2 && upstream(1).received().ends_with("abcde")) {
      last_request_ = upstream(1).TakeReceived();
      upstream(1).Send(kOk);
    }
  };
  const std::string got = fixture_.Ask(*client, put);
  EXPECT_TRUE(got.ends_with("ok")) << got;
  EXPECT_TRUE(last_request_.starts_with("PUT / HTTP/1.1\r\n"));
  fixture_.ExpectAllGone();
}

TEST_F(Retry, APostThatMayHaveArrivedIsNotReplayed) {
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  fixture_.on_turn = [&] {
    if (upstream(0).received().ends_with("abcde")) {
      upstream(0).TakeReceived();
      upstream(0).Close();
    }
  };
  const std::string got =
      fixture_.Ask(*client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabcde");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << got;
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(fixture_.logged().at(1).flags, "UC");
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_rx_reset.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Retry, AFreshConnectionThatClosesIsNotReplayed) {
  fixture_.Publish();
  fixture_.on_turn = [&] {
    for (const auto& peer : fixture_.upstreams()) {
      if (!peer->received().empty()) peer->Close();
    }
  };
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(*client, kGet);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
