// Connections: keep-alive, pipelining, Expect, limits, bodies nobody reads.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

TEST_F(Serve, ReusesBothConnections) {
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("\r\n\r\nok"));
  }
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(fixture_.stats().downstream_rq_completed.Get(), 5U);
  EXPECT_EQ(fixture_.stats().downstream_rq_2xx.Get(), 5U);
  EXPECT_EQ(fixture_.stats().downstream_cx_total.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_2xx.Get(), 5U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_total.Get(), 5U);
  EXPECT_GT(fixture_.stats().downstream_cx_rx_bytes_total.Get(), 5 * kGet.size() - 1);
  EXPECT_GT(fixture_.cluster_stats().upstream_cx_rx_bytes_total.Get(), 5 * kOk.size() - 1);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, PipelinedRequestsAreAnsweredInOrder) {
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  const std::string two = base::Cat(kGet, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n", kGet);
  client->Send(two);
  fixture_.Settle();
  fixture_.Settle();
  const std::string& got = client->received();
  const std::size_t first = got.find("\r\n\r\nok");
  const std::size_t second = got.find("fine\n");
  const std::size_t third = got.rfind("\r\n\r\nok");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ContinueIsAnsweredHere) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  EXPECT_EQ(fixture_.Ask(*client,
                         "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n"
                         "Content-Length: 3\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(upstream().received().find("\r\nexpect:"), std::string::npos);
  client->Send("abc");
  fixture_.Settle();
  EXPECT_TRUE(upstream().received().ends_with("\r\n\r\nabc"));
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_FALSE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ContinueIsForwardedWhenAsked) {
  fixture_.http().proxy_100_continue = true;
  fixture_.Publish();
  auto client = fixture_.Connect();
  EXPECT_EQ(fixture_.Ask(*client,
                         "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n"
                         "Content-Length: 3\r\n\r\n"),
            "");
  EXPECT_NE(upstream().received().find("expect: 100-continue"), std::string::npos);
  upstream().Send("HTTP/1.1 100 Continue\r\n\r\n");
  fixture_.Settle();
  EXPECT_EQ(client->TakeReceived(), "HTTP/1.1 100 Continue\r\n\r\n");
  client->Send("abc");
  fixture_.Settle();
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ARefusedExpectationEndsTheConnection) {
  // Whether the client sends the body of an answered request cannot be known.
  fixture_.Publish();
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(
      *client,
      "POST /direct HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_NE(got.find("connection: close\r\n"), std::string::npos) << got;
  EXPECT_TRUE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Serve, TooManyInterimResponsesAreAProtocolError) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  for (int i = 0; i < 17; ++i) upstream().Send("HTTP/1.1 102 Processing\r\n\r\n");
  fixture_.Settle();
  EXPECT_NE(client->received().find("HTTP/1.1 502 Bad Gateway"), std::string::npos);
  EXPECT_EQ(fixture_.cluster_stats().upstream_cx_protocol_error.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ExtraBytesAfterAResponseAreNotTheNextAnswer) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send(base::Cat(kOk, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
  fixture_.Settle();
  EXPECT_TRUE(client->TakeReceived().ends_with("ok"));
  client->Send(kGet);
  fixture_.Settle();
  ASSERT_EQ(fixture_.upstreams().size(), 2U);
  upstream(1).Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  fixture_.ExpectAllGone();
}

TEST_F(Serve, AnEarlyResponseIsForwardedAndTheRestOfTheBodyRead) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  fixture_.Settle();
  upstream().Send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
  fixture_.Settle();
  EXPECT_TRUE(client->TakeReceived().ends_with("\r\n\r\nno"));
  EXPECT_FALSE(client->ended());
  EXPECT_TRUE(upstream().ended()) << "half a request was written: not for reuse";
  EXPECT_EQ(fixture_.stats().downstream_rq_response_before_rq_complete.Get(), 1U);
  client->Send("defghij");
  fixture_.Settle();
  EXPECT_TRUE(
      fixture_.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n").ends_with("fine\n"));
  fixture_.ExpectAllGone();
}

TEST_F(Serve, AnUnreadBodyThatDoesNotComeEndsTheConnection) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(
      *client, "POST /direct HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(got.ends_with("fine\n"));
  EXPECT_FALSE(client->ended());
  fixture_.Pass(1100);
  EXPECT_TRUE(client->ended());
  EXPECT_FALSE(client->broken());
  fixture_.Pass(1100);
  EXPECT_EQ(fixture_.context().active(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ALargeUnwantedBodyIsNotReadForEver) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send("POST /direct HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n");
  fixture_.Settle();
  for (int i = 0; i < 20 && !client->ended(); ++i) {
    client->Send(std::string(16 * 1024, 'x'));
    fixture_.Settle();
  }
  EXPECT_TRUE(client->ended());
  EXPECT_NE(client->received().find("fine\n"), std::string::npos);
  fixture_.Pass(3000);
  EXPECT_EQ(fixture_.context().active(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ABrokenChunkIsA400) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  fixture_.Settle();
  client->Send("zz\r\n");
  fixture_.Settle();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(client->ended());
  EXPECT_TRUE(upstream().ended());
  EXPECT_TRUE(upstream().received().ends_with("\r\n3\r\nabc\r\n")) << "no last chunk";
  EXPECT_EQ(fixture_.logged().at(0).flags, "DPE");
  EXPECT_EQ(fixture_.stats().downstream_cx_protocol_error.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, AClientThatLeftCancelsTheTry) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  ASSERT_EQ(fixture_.upstreams().size(), 1U);
  client->ShutdownWrite();
  fixture_.Settle();
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.context().active(), 0U);
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].flags, "DC");
  EXPECT_EQ(fixture_.logged()[0].code, 0);
  EXPECT_EQ(fixture_.logged()[0].details, "downstream_remote_disconnect");
  EXPECT_EQ(fixture_.stats().downstream_rq_rx_reset.Get(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_tx_reset.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, HeadTooLargeIs431) {
  fixture_.http().h1.head_bytes_max = 1024;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(base::Cat("GET / HTTP/1.1\r\nHost: a.test\r\nX: ", std::string(4000, 'x')));
  fixture_.Settle();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.stats().downstream_rq_too_large.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, RequestsPerConnectionAreLimited) {
  fixture_.http().requests_per_connection_max = 2;
  fixture_.Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  EXPECT_EQ(fixture_.Ask(*client, kGet).find("connection: close"), std::string::npos);
  EXPECT_NE(fixture_.Ask(*client, kGet).find("connection: close"), std::string::npos);
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_max_requests_reached.Get(), 1U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
