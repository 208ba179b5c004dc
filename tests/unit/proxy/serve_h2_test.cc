// HTTP/2 clients, HTTP/1 upstreams.

#include "proxy/serve_h2.h"

#include <gtest/gtest.h>

#include "h2_client.h"
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

class ServeH2 : public Serve {
 protected:
  observe::Http2Stats& h2_stats() {
    return fixture_.context().options().registry.Get<observe::Http2Stats>(observe::Scope::kHttp2,
                                                                          "", 0);
  }
};

TEST_F(ServeH2, ARequestWithPriorKnowledge) {
  fixture_.Publish();
  AnswerAll();
  {
    H2Client client(fixture_);
    http::DrivenStream& stream = client.Ask("GET", "/x?y=1", true, {{"x-one", "1"}});
    EXPECT_EQ(stream.response_head.status, 200);
    EXPECT_EQ(stream.body, "ok");
    EXPECT_TRUE(stream.peer_ended);
    EXPECT_NE(last_request_.find("GET /x?y=1 HTTP/1.1\r\nhost: a.test\r\n"), std::string::npos)
        << last_request_;
    EXPECT_NE(last_request_.find("x-one: 1"), std::string::npos);
    EXPECT_EQ(fixture_.stats().downstream_cx_http2_total.Get(), 1U);
    EXPECT_EQ(fixture_.stats().downstream_cx_http2_active.Get(), 1);
    EXPECT_EQ(fixture_.stats().downstream_cx_http1_total.Get(), 0U);
    EXPECT_EQ(fixture_.stats().downstream_rq_http2_total.Get(), 1U);
    EXPECT_EQ(fixture_.stats().downstream_rq_http1_total.Get(), 0U);
    EXPECT_EQ(h2_stats().streams_active.Get(), 0);
  }
  fixture_.ExpectAllGone();
  EXPECT_EQ(fixture_.stats().downstream_cx_http2_active.Get(), 0);
}

TEST_F(ServeH2, CodecTypeDecides) {
  fixture_.http().codec = config::HttpConnectionManager::Codec::kHttp1;
  fixture_.Publish();
  H2Client refused(fixture_);
  EXPECT_TRUE(refused.peer().ended());
  fixture_.http().codec = config::HttpConnectionManager::Codec::kHttp2;
  fixture_.Publish();
  H2Client client(fixture_);
  EXPECT_EQ(client.Ask("GET", "/direct").body, "fine\n");
  const std::uint64_t errors = fixture_.stats().downstream_cx_protocol_error.Get();
  auto old = fixture_.Connect();
  EXPECT_EQ(fixture_.Ask(*old, kGet).find("HTTP/1.1"), std::string::npos);
  EXPECT_EQ(fixture_.stats().downstream_cx_protocol_error.Get(), errors + 1);
}

TEST_F(ServeH2, ManyStreamsAtOnce) {
  fixture_.Publish();
  H2Client client(fixture_);
  std::vector<http::DrivenStream*> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(&client.Ask("GET", "/"));
  EXPECT_EQ(h2_stats().streams_active.Get(), 50);
  AnswerAll();
  client.Settle();
  for (http::DrivenStream* stream : streams) EXPECT_EQ(stream->body, "ok");
  EXPECT_EQ(h2_stats().streams_active.Get(), 0);
}

TEST_F(ServeH2, BodiesAndTrailers) {
  fixture_.http().h1.keep_trailers = true;
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("POST", "/", false, {{"te", "trailers"}});
  client.session().SendData(stream, "one", false);
  client.Settle();
  client.session().SendData(stream, "two", false);
  http::Fields trailers;
  trailers.Add("x-end", "yes");
  client.session().SendTrailers(stream, trailers);
  client.Settle();
  const std::string request = upstream().TakeReceived();
  EXPECT_NE(request.find("transfer-encoding: chunked"), std::string::npos);
  EXPECT_NE(request.find("3\r\none\r\n3\r\ntwo\r\n0\r\nx-end: yes\r\n\r\n"), std::string::npos)
      << request;
  upstream().Send(
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\ngrpc-status: "
      "0\r\n\r\n");
  client.Settle();
  EXPECT_TRUE(client.Saw("HTTP/2 103 [link: </a>]")) << client.Text();
  EXPECT_TRUE(client.Saw("data 1 body (4)\ntrailers 1 [grpc-status: 0]")) << client.Text();
}

TEST_F(ServeH2, HeadAndLengths) {
  fixture_.Publish();
  AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
  H2Client client(fixture_);
  http::DrivenStream& head = client.Ask("HEAD", "/");
  EXPECT_EQ(head.response_head.content_length, 1234U);
  EXPECT_TRUE(head.peer_ended);
  AnswerAll("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(client.Ask("GET", "/").response_head.status, 204);
  EXPECT_EQ(client.session().streams(), 0U);
}

TEST_F(ServeH2, LargeResponsesWaitForTheWindow) {
  fixture_.Publish();
  const std::string body(300'000, 'z');
  const std::string response =
      base::Cat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  AnswerAll(response);
  H2Client client(fixture_);
  client.drive().consume = false;
  http::DrivenStream& stream = client.Ask("GET", "/");
  EXPECT_EQ(stream.body.size(), 64U * 1024);
  EXPECT_GT(fixture_.cluster_stats().upstream_flow_control_paused_reading_total.Get(), 0U);
  fixture_.on_turn = nullptr;
  // Others are not held up by it.
  EXPECT_EQ(client.Ask("GET", "/direct").body, "fine\n");
  for (int i = 0; i < 50 && stream.linked; ++i) {
    client.session().Consume(stream, stream.received);
    client.Settle();
  }
  EXPECT_EQ(stream.body, body);
}

TEST_F(ServeH2, LargeRequestsWaitForTheUpstream) {
  ProxyFixture::Options small;
  small.stream_capacity = 4096;
  ProxyFixture fixture(small);
  fixture.AddRoute("/");
  fixture.Publish();
  H2Client client(fixture);
  http::DrivenStream& stream = client.Ask("POST", "/", false);
  const std::string body(400'000, 'u');
  std::string_view rest = body;
  std::string got;
  for (int i = 0; i < 1000 && !rest.empty(); ++i) {
    rest.remove_prefix(client.session().SendData(stream, rest, true));
    client.Settle();
    if (i == 0) {
      EXPECT_GT(rest.size(), 200'000U);
    }
    if (!fixture.upstreams().empty()) got += fixture.upstreams()[0]->TakeReceived();
  }
  client.Settle();
  got += fixture.upstreams()[0]->TakeReceived();
  EXPECT_GT(got.size(), body.size());
  EXPECT_TRUE(got.ends_with("0\r\n\r\n"));
}

TEST_F(ServeH2, AResetCancelsTheTry) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("GET", "/");
  EXPECT_FALSE(upstream().ended());
  client.session().Reset(stream, http::H2Error::kCancel);
  client.Settle();
  EXPECT_TRUE(upstream().ended());
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].flags, "DC");
  EXPECT_EQ(fixture_.stats().downstream_rq_rx_reset.Get(), 1U);
  EXPECT_EQ(h2_stats().rx_reset.Get(), 1U);
  // The connection goes on.
  EXPECT_EQ(client.Ask("GET", "/direct").body, "fine\n");
}

TEST_F(ServeH2, AClientThatLeavesCancelsAll) {
  fixture_.Publish();
  H2Client client(fixture_);
  client.Ask("GET", "/");
  client.Ask("POST", "/", false);
  client.peer().Close();
  fixture_.Settle();
  for (const auto& each : fixture_.upstreams()) EXPECT_TRUE(each->ended());
  EXPECT_EQ(fixture_.logged().size(), 2U);
  fixture_.ExpectAllGone();
}

TEST_F(ServeH2, AnUpstreamThatBreaksOffResetsTheStream) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("GET", "/");
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  client.Settle();
  upstream().Close();
  client.Settle();
  EXPECT_EQ(stream.response_head.status, 200);
  EXPECT_TRUE(client.Saw("reset 1 INTERNAL_ERROR by peer")) << client.Text();
}

TEST_F(ServeH2, AnEarlyAnswerEndsTheUpload) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("POST", "/direct", false);
  EXPECT_EQ(stream.body, "fine\n");
  EXPECT_TRUE(client.Saw("reset 1 NO_ERROR by peer")) << client.Text();
}

TEST_F(ServeH2, DrainsInTwoSteps) {
  fixture_.http().drain_timeout_ms = 1000;
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("GET", "/");
  fixture_.context().BeginDrain();
  // On its way before the client hears of it.
  EXPECT_EQ(client.Ask("GET", "/direct").body, "fine\n");
  EXPECT_TRUE(client.Saw("goaway 2147483647 NO_ERROR"));
  fixture_.Pass(1010);
  client.Settle();
  EXPECT_TRUE(client.Saw("goaway 3 NO_ERROR")) << client.Text();
  EXPECT_FALSE(client.peer().ended());
  upstream().Send(kOk);
  client.Settle();
  EXPECT_EQ(stream.body, "ok");
  EXPECT_TRUE(client.peer().ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_drain_close.Get(), 1U);
  EXPECT_EQ(h2_stats().goaway_sent.Get(), 2U);
}

TEST_F(ServeH2, IdleAndAge) {
  fixture_.http().idle_timeout_ms = 5000;
  fixture_.Publish();
  H2Client client(fixture_);
  client.Ask("GET", "/direct");
  fixture_.Pass(5020);
  client.Settle();
  EXPECT_TRUE(client.Saw("goaway 1 NO_ERROR"));
  EXPECT_TRUE(client.peer().ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_idle_timeout.Get(), 1U);

  fixture_.http().idle_timeout_ms = 0;
  fixture_.http().max_connection_duration_ms = 3000;
  fixture_.Publish();
  H2Client old(fixture_);
  fixture_.Pass(3020);
  old.Settle();
  EXPECT_TRUE(old.Saw("goaway 2147483647 NO_ERROR"));
}

TEST_F(ServeH2, APrefaceInDribbles) {
  fixture_.http().codec = config::HttpConnectionManager::Codec::kHttp2;
  fixture_.http().request_headers_timeout_ms = 1000;
  fixture_.Publish();
  auto client = fixture_.Connect();
  for (int i = 0; i < 10; ++i) {
    client->Send(http::kH2Preface.substr(static_cast<std::size_t>(i), 1));
    fixture_.Pass(110);
  }
  EXPECT_TRUE(client->ended());
}

TEST_F(ServeH2, PingsNoticeADeadPeer) {
  fixture_.http().h2_keepalive = {1000, 500, 0, 0};
  fixture_.Publish();
  H2Client client(fixture_);
  fixture_.Pass(1020);
  client.Settle();  // Answers.
  fixture_.Pass(520);
  EXPECT_FALSE(client.peer().ended());
  fixture_.Pass(500);
  fixture_.Pass(520);
  EXPECT_TRUE(client.peer().ended());
  EXPECT_EQ(h2_stats().keepalive_timeout.Get(), 1U);
}

TEST_F(ServeH2, RequestsPerConnection) {
  fixture_.http().requests_per_connection_max = 2;
  fixture_.Publish();
  H2Client client(fixture_);
  client.Ask("GET", "/direct");
  EXPECT_FALSE(client.Saw("goaway"));
  client.Ask("GET", "/direct");
  EXPECT_TRUE(client.Saw("goaway"));
  EXPECT_EQ(fixture_.stats().downstream_cx_max_requests_reached.Get(), 1U);
}

TEST_F(ServeH2, RapidResetEndsTheConnection) {
  fixture_.Publish();
  H2Client client(fixture_);
  for (int i = 0; i < 600 && !client.peer().ended(); ++i) {
    http::DrivenStream& stream = client.Ask("GET", "/");
    client.session().Reset(stream, http::H2Error::kCancel);
    client.Settle();
  }
  EXPECT_TRUE(client.peer().ended());
  EXPECT_TRUE(client.Saw("ENHANCE_YOUR_CALM"));
  EXPECT_EQ(fixture_.stats().downstream_rq_too_many_premature_resets.Get(), 1U);
  EXPECT_LE(fixture_.logged().size(), 510U);
}

TEST_F(ServeH2, MadeToResetCountsTheSame) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(base::Cat(http::kH2Preface, http::Settings()));
  std::uint32_t id = 1;
  for (; id < 1300 && !client->ended(); id += 2) {
    client->Send(http::Headers(id, http::Get()) + http::WindowUpdate(id, 0));
    fixture_.Settle();
  }
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.stats().downstream_rq_too_many_premature_resets.Get(), 1U);
  EXPECT_LE(id, 1100U);
}

TEST_F(ServeH2, ClientsThatCancelNowAndThenStay) {
  fixture_.Publish();
  H2Client client(fixture_);
  for (int i = 0; i < 600; ++i) {
    http::DrivenStream& stream = client.Ask("GET", i % 3 == 0 ? "/" : "/direct");
    if (i % 3 == 0) client.session().Reset(stream, http::H2Error::kCancel);
    client.Settle();
  }
  EXPECT_FALSE(client.peer().ended());
}

TEST_F(ServeH2, WebSocketOverExtendedConnect) {
  fixture_.http().upgrades.push_back({"websocket", true});
  fixture_.http().h2.allow_connect = true;
  fixture_.Publish();
  H2Client client(fixture_);
  EXPECT_TRUE(client.session().peer_allows_connect());
  http::DrivenStream& stream = client.Upgrade("websocket", "/chat");
  const std::string request = upstream().TakeReceived();
  EXPECT_NE(request.find("GET /chat HTTP/1.1"), std::string::npos) << request;
  EXPECT_NE(request.find("upgrade: websocket"), std::string::npos);
  EXPECT_NE(request.find("connection: upgrade"), std::string::npos);
  EXPECT_NE(request.find("sec-websocket-key: "), std::string::npos);
  upstream().Send(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
      "sec-websocket-accept: abc\r\n\r\nhello");
  client.Settle();
  EXPECT_EQ(stream.response_head.status, 101);  // 200 on the wire.
  EXPECT_EQ(stream.body, "hello");
  EXPECT_FALSE(stream.response_head.fields.Get("sec-websocket-accept").has_value());
  client.session().SendData(stream, "ping", false);
  client.Settle();
  EXPECT_EQ(upstream().TakeReceived(), "ping");
  client.session().SendData(stream, "", true);
  client.Settle();
  EXPECT_TRUE(upstream().ended());
  upstream().Send("bye");
  upstream().ShutdownWrite();
  client.Settle();
  EXPECT_EQ(stream.body, "hellobye");
  EXPECT_TRUE(stream.peer_ended);
}

TEST_F(ServeH2, MalformedRequestsReachNobody) {
  fixture_.Publish();
  H2Client client(fixture_);
  client.SendRaw(http::Headers(1, http::Get({{"transfer-encoding", "chunked"}})));
  EXPECT_TRUE(client.peer().ended());
  EXPECT_TRUE(client.Saw("goaway 1 PROTOCOL_ERROR")) << client.Text();
  EXPECT_TRUE(fixture_.upstreams().empty());
  EXPECT_EQ(h2_stats().rx_messaging_error.Get(), 1U);
  EXPECT_EQ(fixture_.stats().downstream_cx_protocol_error.Get(), 1U);
}

}  // namespace
}  // namespace sluice::proxy
