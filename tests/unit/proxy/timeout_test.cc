// Every timeout, on a clock that stands still until told.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

using Timeouts = Serve;

TEST_F(Timeouts, HeadTimeoutAnswersOnlyWhoBegan) {
  fixture_.http().request_headers_timeout_ms = 1000;
  fixture_.Publish();
  auto silent = fixture_.Connect();
  auto slow = fixture_.Connect();
  fixture_.Settle();
  slow->Send("GET / HT");
  fixture_.Settle();
  fixture_.Pass(900);
  slow->Send("TP");  // Does not prolong it.
  fixture_.Pass(200);
  EXPECT_TRUE(silent->ended());
  EXPECT_EQ(silent->received(), "");
  EXPECT_TRUE(slow->ended());
  EXPECT_TRUE(slow->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(slow->received().ends_with("request header timeout"));
  EXPECT_EQ(fixture_.stats().downstream_rq_header_timeout.Get(), 1U);
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].details, "request_header_timeout");
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, IdleConnectionsClose) {
  fixture_.http().idle_timeout_ms = 5000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  fixture_.Pass(4900);
  EXPECT_FALSE(client->ended());
  fixture_.Pass(200);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_idle_timeout.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, RouteTimeoutIs504) {
  std::get<config::ForwardAction>(fixture_.host().routes.back().action).timeout_ms = 2000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(2100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_TRUE(client->received().ends_with("upstream request timeout"));
  EXPECT_TRUE(upstream().ended());
  EXPECT_FALSE(client->ended());
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_timeout.Get(), 1U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "UT");
  EXPECT_EQ(fixture_.logged().at(0).details, "response_timeout");
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, RouteTimeoutInTheBodyCutsIt) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  fixture_.Settle();
  fixture_.Pass(15'100);
  EXPECT_TRUE(client->received().ends_with("abc"));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "UT");
  EXPECT_EQ(fixture_.logged().at(0).code, 200);
  EXPECT_EQ(fixture_.stats().downstream_rq_tx_reset.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, IdleStreamsEnd) {
  fixture_.http().stream_idle_timeout_ms = 3000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  fixture_.Settle();
  fixture_.Pass(2900);
  client->Send("d");
  fixture_.Settle();
  fixture_.Pass(2900);
  EXPECT_EQ(client->received(), "");
  fixture_.Pass(200);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).flags, "SI");
  EXPECT_EQ(fixture_.stats().downstream_rq_idle_timeout.Get(), 1U);

  auto complete = fixture_.Connect();
  complete->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(3100);
  EXPECT_TRUE(complete->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, RequestTimeoutEndsWithTheRequest) {
  fixture_.http().request_timeout_ms = 1000;
  fixture_.Publish();
  auto slow = fixture_.Connect();
  auto quick = fixture_.Connect();
  slow->Send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nab");
  quick->Send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
  fixture_.Settle();
  fixture_.Pass(1100);
  EXPECT_TRUE(slow->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(slow->received().ends_with("request timeout"));
  EXPECT_EQ(quick->received(), "");
  EXPECT_EQ(fixture_.stats().downstream_rq_timeout.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, StreamsHaveAMaximalDuration) {
  fixture_.http().max_stream_duration_ms = 4000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(4100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).flags, "DT");
  EXPECT_EQ(fixture_.stats().downstream_rq_max_duration_reached.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, RoutesHaveTheirOwnDurationAndIdleTimeout) {
  auto& forward = std::get<config::ForwardAction>(fixture_.host().routes.back().action);
  forward.timeout_ms = 0;
  forward.max_stream_duration_ms = 4000;
  forward.idle_timeout_ms = 0;
  fixture_.http().stream_idle_timeout_ms = 1000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(3000);
  EXPECT_EQ(client->received(), "");
  fixture_.Pass(1100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).flags, "UMSDR");
  fixture_.ExpectAllGone();
}

// Also when the request leaves on a connection that was idle: nothing else would arm the timer.
TEST_F(Timeouts, RouteIdleTimeoutHoldsWhileTheHeadIsAwaited) {
  auto& forward = std::get<config::ForwardAction>(fixture_.host().routes.back().action);
  forward.timeout_ms = 0;
  forward.idle_timeout_ms = 1000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  fixture_.Settle();
  client->TakeReceived();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(1100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(1).flags, "SI");
  fixture_.ExpectAllGone();
}

TEST_F(Timeouts, HeadsWithoutALimitAreIdleStreams) {
  fixture_.http().request_headers_timeout_ms = 0;
  fixture_.http().stream_idle_timeout_ms = 1000;
  fixture_.Publish();
  auto silent = fixture_.Connect();
  auto slow = fixture_.Connect();
  slow->Send("GET / HT");
  fixture_.Settle();
  fixture_.Pass(1100);
  EXPECT_FALSE(silent->ended());
  EXPECT_TRUE(slow->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(slow->received().ends_with("stream timeout"));
  EXPECT_TRUE(slow->ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "SI");
  EXPECT_EQ(fixture_.stats().downstream_rq_idle_timeout.Get(), 1U);
}

TEST_F(Timeouts, ARequestsTimeBeginsWithItsFirstByte) {
  fixture_.http().request_headers_timeout_ms = 5000;
  fixture_.http().request_timeout_ms = 1000;
  fixture_.Publish();
  auto slow = fixture_.Connect();
  fixture_.Pass(500);
  slow->Send("GET / HT");
  fixture_.Settle();
  fixture_.Pass(600);
  EXPECT_FALSE(slow->ended());
  fixture_.Pass(500);
  EXPECT_TRUE(slow->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(slow->received().ends_with("\r\n\r\nrequest timeout"));
  EXPECT_EQ(fixture_.stats().downstream_rq_timeout.Get(), 1U);
}

TEST_F(Timeouts, ConnectionsHaveAMaximalDuration) {
  fixture_.http().max_connection_duration_ms = 2000;
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  fixture_.Pass(2100);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_max_duration_reached.Get(), 1U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
