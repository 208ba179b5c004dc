// Connections: keep-alive, pipelining, Expect, limits, timeouts, draining.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class Serve : public testing::Test {
 protected:
  Serve() {
    config::Route& direct = fixture_.AddRoute("/direct");
    direct.action = config::DirectResponse{200, "fine\n"};
    fixture_.AddRoute("/");
  }
  // Answers every request head that an upstream receives.
  void AnswerAll(std::string_view response = kOk) {
    fixture_.on_turn = [this, response] {
      for (const auto& upstream : fixture_.upstreams()) {
        if (upstream->received().find("\r\n\r\n") != std::string::npos) {
          last_request_ = upstream->TakeReceived();
          upstream->Send(response);
        }
      }
    };
  }
  Peer& upstream(std::size_t i = 0) { return *fixture_.upstreams().at(i); }

  ProxyFixture fixture_;
  std::string last_request_;
};

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
  EXPECT_TRUE(fixture_.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n")
                  .ends_with("fine\n"));
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

// ---- timeouts

TEST_F(Serve, HeadTimeoutAnswersOnlyWhoBegan) {
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

TEST_F(Serve, IdleConnectionsClose) {
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

TEST_F(Serve, RouteTimeoutIs504) {
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

TEST_F(Serve, RouteTimeoutInTheBodyCutsIt) {
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

TEST_F(Serve, IdleStreamsEnd) {
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

TEST_F(Serve, RequestTimeoutEndsWithTheRequest) {
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

TEST_F(Serve, StreamsHaveAMaximalDuration) {
  fixture_.http().max_stream_duration_ms = 4000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(4100);
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).flags, "DT");
  EXPECT_EQ(fixture_.stats().downstream_rq_max_duration_reached.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, RoutesHaveTheirOwnDurationAndIdleTimeout) {
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

TEST_F(Serve, ConnectionsHaveAMaximalDuration) {
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

// ---- draining

TEST_F(Serve, DrainingClosesIdleConnectionsAndMarksResponses) {
  fixture_.Publish();
  auto idle = fixture_.Connect();
  fixture_.Ask(*idle, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto busy = fixture_.Connect();
  busy->Send(kGet);
  auto fresh = fixture_.Connect();
  fixture_.Settle();
  fixture_.context().BeginDrain();
  fixture_.Settle();
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(busy->ended());
  EXPECT_FALSE(fresh->ended());
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_NE(busy->received().find("connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(busy->ended());
  const std::string got = fixture_.Ask(*fresh, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(got.find("connection: close\r\n"), std::string::npos);
  auto late = fixture_.Connect();
  const std::string last = fixture_.Ask(*late, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(last.find("connection: close\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.stats().downstream_cx_drain_close.Get(), 4U);
  EXPECT_EQ(fixture_.context().active(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, DrainingAnotherListenerChangesNothing) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  fixture_.context().BeginDrain("other");
  const std::string got = fixture_.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(got.find("connection: close"), std::string::npos);
  EXPECT_FALSE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Serve, CloseAllEndsEverythingAndTells) {
  fixture_.Publish();
  auto idle = fixture_.Connect();
  auto busy = fixture_.Connect();
  busy->Send(kGet);
  fixture_.Settle();
  int told = 0;
  fixture_.context().set_on_idle([](void* count) { ++*static_cast<int*>(count); }, &told);
  fixture_.context().CloseAll();
  fixture_.Settle();
  EXPECT_TRUE(idle->ended());
  EXPECT_TRUE(busy->ended());
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.context().active(), 0U);
  EXPECT_EQ(told, 1);
  fixture_.ExpectAllGone();
}

// ---- back-pressure

TEST_F(Serve, ASlowClientHoldsTheUpstreamBack) {
  fixture_.Publish();
  fixture_.client_bytes_per_turn = 0;
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  constexpr std::size_t kBytes = 4 * 1024 * 1024;
  upstream().Send(base::Cat("HTTP/1.1 200 OK\r\nContent-Length: ", kBytes, "\r\n\r\n"));
  upstream().Send(std::string(kBytes, 'x'));
  std::size_t in_use = 0;
  for (int i = 0; i < 20; ++i) {
    fixture_.Settle();
    in_use = std::max(in_use, fixture_.buffers().bytes_in_use());
  }
  EXPECT_TRUE(upstream().unsent());
  EXPECT_LE(in_use, 2 * net::BufferPool::kBlockBytes);
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_paused_reading_total.Get(), 1U);
  fixture_.client_bytes_per_turn = ~std::size_t{0};
  for (int i = 0; i < 100 && fixture_.logged().empty(); ++i) fixture_.Settle();
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].sent, kBytes);
  EXPECT_GE(client->received().size(), kBytes);
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_resumed_reading_total.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ALargeUploadArrivesWhole) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  constexpr std::size_t kBytes = 1024 * 1024;
  client->Send(base::Cat("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ", kBytes,
                         "\r\n\r\n"));
  std::string body(kBytes, 'x');
  for (std::size_t i = 0; i < kBytes; ++i) body[i] = static_cast<char>('a' + i % 23);
  client->Send(body);
  for (int i = 0; i < 100; ++i) {
    fixture_.Settle();
    if (upstream().received().size() > kBytes) break;
  }
  EXPECT_TRUE(upstream().received().ends_with(body));
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_EQ(fixture_.logged().at(0).received, kBytes);
  EXPECT_LE(fixture_.buffers().bytes_in_use(), 2 * net::BufferPool::kBlockBytes);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, ManyOneByteChunksPass) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string all;
  for (int i = 0; i < 5000; ++i) all += "1\r\nx\r\n";
  upstream().Send(all);
  upstream().Send("0\r\n\r\n");
  for (int i = 0; i < 20; ++i) fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("1\r\nx\r\n0\r\n\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).sent, 5000U);
  fixture_.ExpectAllGone();
}

// ---- failures of the way up

TEST_F(Serve, ARefusedConnectionIs503) {
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

TEST_F(Serve, TheKeepAliveRaceIsReplayedOnce) {
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

TEST_F(Serve, AReplayCarriesTheWholeBody) {
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

TEST_F(Serve, APostThatMayHaveArrivedIsNotReplayed) {
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
  const std::string got = fixture_.Ask(
      *client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabcde");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << got;
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(fixture_.logged().at(1).flags, "UC");
  EXPECT_EQ(fixture_.cluster_stats().upstream_rq_rx_reset.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Serve, AFreshConnectionThatClosesIsNotReplayed) {
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
