// HTTP/2 upstreams, and both protocols on either side.

#include "proxy/upstream_h2.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "h2_client.h"
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

// The far end of one connection to an upstream.
struct Origin {
  Origin(Peer& p, const http::H2Options& options)
      : peer(p), drive(http::H2Session::Role::kServer, options) {
    drive.Stall();
    drive.ExpectPreface();
    peer.Send(drive.sent());
  }
  void Turn() {
    const std::string received = peer.TakeReceived();
    if (!received.empty()) drive.Feed(received);
    const std::string bytes(drive.session().pending());
    if (bytes.empty()) return;
    drive.session().Sent(bytes.size());
    peer.Send(bytes);
  }
  http::DrivenStream& stream(std::size_t i) { return drive.stream(i); }
  void Answer(std::size_t i, std::string_view body = "ok", int status = 200) {
    http::ResponseHead head;
    head.status = status;
    head.body = {http::BodyFraming::Kind::kLength, body.size()};
    drive.session().SendResponse(stream(i), head, false);
    drive.session().SendData(stream(i), body, true);
  }

  Peer& peer;
  http::H2Drive drive;
};

class UpstreamH2 : public Serve {
 protected:
  UpstreamH2() {
    fixture_.cluster().protocol = config::Cluster::Protocol::kHttp2;
    fixture_.on_turn = [this] {
      while (origins_.size() < fixture_.upstreams().size()) {
        origins_.push_back(
            std::make_unique<Origin>(*fixture_.upstreams()[origins_.size()], origin_options_));
      }
      for (const auto& origin : origins_) origin->Turn();
      if (answering_) AnswerOpen();
    };
  }
  void AnswerOpen() {
    for (const auto& origin : origins_) {
      for (std::size_t i = 0; i < origin->drive.opened(); ++i) {
        http::DrivenStream& stream = origin->stream(i);
        if (stream.linked && stream.peer_ended && !stream.we_ended) origin->Answer(i);
      }
    }
  }
  Origin& origin(std::size_t i = 0) { return *origins_.at(i); }
  observe::ClusterStats& cluster_stats() { return fixture_.cluster_stats(); }
  observe::Http2Stats& h2_stats() {
    return fixture_.context().options().registry.Get<observe::Http2Stats>(observe::Scope::kHttp2,
                                                                          "c", 0);
  }

  http::H2Options origin_options_;
  bool answering_ = false;
  std::deque<std::unique_ptr<Origin>> origins_;
};

TEST_F(UpstreamH2, FromHttp1) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  fixture_.Ask(*client,
               "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nConnection: keep-alive, "
               "x-hop\r\nx-hop: 1\r\nTE: trailers\r\n\r\nhello");
  EXPECT_NE(origin().drive.Text().find("POST /x HTTP/2 host=a.test len=5 [te: trailers]"),
            std::string::npos)
      << origin().drive.Text();
  EXPECT_EQ(origin().stream(0).body, "hello");
  origin().Answer(0);
  fixture_.Settle();
  const std::string got = client->TakeReceived();
  EXPECT_NE(got.find("HTTP/1.1 200 OK\r\n"), std::string::npos) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\nok")) << got;
  EXPECT_EQ(cluster_stats().upstream_cx_http2_total.Get(), 1U);
  EXPECT_EQ(cluster_stats().upstream_cx_http1_total.Get(), 0U);
  EXPECT_EQ(cluster_stats().upstream_rq_2xx.Get(), 1U);
  EXPECT_EQ(h2_stats().streams_active.Get(), 0);
}

TEST_F(UpstreamH2, FromHttp2WithTrailersAndInterims) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& asked = client.Ask("POST", "/pkg.Service/Call", false, {{"te", "trailers"}});
  client.session().SendData(asked, "one", false);
  client.Settle();
  EXPECT_EQ(origin().stream(0).body, "one");  // Flushed message by message.
  http::ResponseHead head;
  head.status = 103;
  origin().drive.session().SendResponse(origin().stream(0), head, false);
  head.status = 200;
  head.body = {http::BodyFraming::Kind::kChunked, 0};
  origin().drive.session().SendResponse(origin().stream(0), head, false);
  origin().drive.session().SendData(origin().stream(0), "reply", false);
  client.Settle();
  EXPECT_TRUE(client.Saw("HTTP/2 103\n"));
  EXPECT_EQ(asked.body, "reply");
  client.session().SendData(asked, "two", true);
  client.Settle();
  EXPECT_EQ(origin().stream(0).body, "onetwo");
  http::Fields trailers;
  trailers.Add("grpc-status", "0");
  origin().drive.session().SendTrailers(origin().stream(0), trailers);
  client.Settle();
  EXPECT_TRUE(client.Saw("trailers 1 [grpc-status: 0]")) << client.Text();
  EXPECT_EQ(fixture_.logged().at(0).code, 200);
}

TEST_F(UpstreamH2, NoBodyAtAllForHttp1) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  http::ResponseHead head;
  head.status = 200;
  origin().drive.session().SendResponse(origin().stream(0), head, true);
  fixture_.Settle();
  EXPECT_NE(client->TakeReceived().find("content-length: 0\r\n"), std::string::npos);
  fixture_.Ask(*client, "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  head.has_content_length = true;
  head.content_length = 77;
  origin().drive.session().SendResponse(origin().stream(1), head, true);
  fixture_.Settle();
  EXPECT_NE(client->TakeReceived().find("content-length: 77\r\n"), std::string::npos);
}

TEST_F(UpstreamH2, OneConnectionForAll) {
  fixture_.Publish();
  std::vector<std::shared_ptr<Peer>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(fixture_.Connect());
    clients.back()->Send(kGet);
  }
  fixture_.Settle();
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(h2_stats().streams_active.Get(), 20);
  answering_ = true;
  fixture_.Settle();
  for (const auto& client : clients) EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_EQ(cluster_stats().upstream_cx_http2_total.Get(), 1U);
  EXPECT_EQ(cluster_stats().upstream_rq_total.Get(), 20U);
}

TEST_F(UpstreamH2, AsManyStreamsAsBothAllow) {
  origin_options_.streams_max = 3;
  fixture_.cluster().h2.streams_max = 2;
  fixture_.Publish();
  H2Client client(fixture_);
  for (int i = 0; i < 5; ++i) client.Ask("GET", "/");
  EXPECT_EQ(fixture_.upstreams().size(), 3U);
  for (const auto& each : origins_) EXPECT_LE(each->drive.session().streams(), 2U);
}

TEST_F(UpstreamH2, AFailedConnectFailsAllWhoWait) {
  fixture_.refuse_connections = true;
  fixture_.Publish();
  auto one = fixture_.Connect();
  auto two = fixture_.Connect();
  one->Send(kGet);
  two->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(100);
  EXPECT_NE(one->received().find("503"), std::string::npos);
  EXPECT_NE(two->received().find("503"), std::string::npos);
}

TEST_F(UpstreamH2, GoawayDrains) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& first = client.Ask("GET", "/");
  origin().drive.session().SendGoaway(true);
  client.Settle();
  EXPECT_EQ(cluster_stats().upstream_cx_close_notify.Get(), 1U);
  client.Ask("GET", "/");
  EXPECT_EQ(fixture_.upstreams().size(), 2U);  // The old one takes nothing new...
  origin(0).Answer(0, "late");
  client.Settle();
  EXPECT_EQ(first.body, "late");  // ...and ends with what it has.
  EXPECT_TRUE(origin(0).peer.ended());
}

TEST_F(UpstreamH2, RequestsPerConnectionAndIdle) {
  fixture_.cluster().requests_per_connection_max = 2;
  fixture_.cluster().idle_timeout_ms = 1000;
  fixture_.Publish();
  answering_ = true;
  H2Client client(fixture_);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Ask("GET", "/").body, "ok");
  EXPECT_EQ(fixture_.upstreams().size(), 2U);
  EXPECT_TRUE(origin(0).peer.ended());
  EXPECT_EQ(cluster_stats().upstream_cx_max_requests.Get(), 1U);
  EXPECT_FALSE(origin(1).peer.ended());
  fixture_.Pass(1020);
  EXPECT_TRUE(origin(1).peer.ended());
  EXPECT_EQ(cluster_stats().upstream_cx_idle_timeout.Get(), 1U);
  EXPECT_EQ(cluster_stats().upstream_cx_active.Get(), 0);
}

TEST_F(UpstreamH2, AResetOfOneStreamLeavesTheOthers) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& one = client.Ask("POST", "/", false);
  http::DrivenStream& two = client.Ask("GET", "/");
  origin().drive.session().Reset(origin().stream(0), http::H2Error::kInternalError);
  client.Settle();
  EXPECT_EQ(one.response_head.status, 503);
  EXPECT_EQ(fixture_.logged().at(0).flags, "UR");
  origin().Answer(1);
  client.Settle();
  EXPECT_EQ(two.body, "ok");
  EXPECT_EQ(h2_stats().rx_reset.Get(), 1U);
}

TEST_F(UpstreamH2, AClientThatLeavesResetsItsStreamAlone) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& one = client.Ask("GET", "/");
  client.Ask("GET", "/");
  client.session().Reset(one, http::H2Error::kCancel);
  client.Settle();
  EXPECT_NE(origin().drive.Text().find("reset 1 CANCEL by peer"), std::string::npos);
  EXPECT_TRUE(origin().stream(1).linked);
  EXPECT_FALSE(origin().peer.ended());
}

TEST_F(UpstreamH2, AConnectionThatBreaksFailsItsStreams) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& one = client.Ask("POST", "/", false);
  http::DrivenStream& two = client.Ask("POST", "/", false);
  origin().peer.Close();
  client.Settle();
  EXPECT_EQ(one.response_head.status, 503);
  EXPECT_EQ(two.response_head.status, 503);
  EXPECT_EQ(cluster_stats().upstream_cx_active.Get(), 0);
}

TEST_F(UpstreamH2, AnOriginThatBreaksTheRules) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("GET", "/");
  origin().peer.Send(http::Headers(1, {{":status", "200"}, {"connection", "close"}}));
  client.Settle();
  EXPECT_EQ(stream.response_head.status, 502);
  EXPECT_EQ(cluster_stats().upstream_cx_protocol_error.Get(), 1U);
  EXPECT_TRUE(origin().peer.ended());
}

TEST_F(UpstreamH2, BigBodiesBothWaysWithBackPressure) {
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& asked = client.Ask("POST", "/", false);
  const std::string body(500'000, 'q');
  std::string_view up = body;
  std::string_view down = body;
  http::ResponseHead head;
  head.status = 200;
  head.body = {http::BodyFraming::Kind::kChunked, 0};
  client.Settle();
  origin().drive.session().SendResponse(origin().stream(0), head, false);
  for (int i = 0; i < 500 && (!up.empty() || !down.empty()); ++i) {
    if (!up.empty()) up.remove_prefix(client.session().SendData(asked, up, true));
    if (!down.empty()) {
      down.remove_prefix(origin().drive.session().SendData(origin().stream(0), down, true));
    }
    client.Settle();
  }
  client.Settle();
  EXPECT_EQ(origin().stream(0).body.size(), body.size());
  EXPECT_EQ(asked.body.size(), body.size());
  EXPECT_TRUE(asked.peer_ended);

  // A client that does not read stops the origin.
  client.drive().consume = false;
  http::DrivenStream& slow = client.Ask("GET", "/");
  origin().drive.session().SendResponse(origin().stream(1), head, false);
  std::size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    sent += origin().drive.session().SendData(origin().stream(1), body, false);
    client.Settle();
  }
  EXPECT_LT(sent, 400'000U);
  EXPECT_EQ(slow.body.size(), 64U * 1024);
}

TEST_F(UpstreamH2, WebSocketFromHttp1) {
  origin_options_.allow_connect = true;
  fixture_.http().upgrades.push_back({"websocket", true});
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(
      "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  fixture_.Settle();
  EXPECT_NE(origin().drive.Text().find("GET /chat HTTP/2 host=a.test upgrade"), std::string::npos)
      << origin().drive.Text();
  http::ResponseHead head;
  head.status = 200;
  head.body = {http::BodyFraming::Kind::kTunnel, 0};
  origin().drive.session().SendResponse(origin().stream(0), head, false);
  origin().drive.session().SendData(origin().stream(0), "hi", false);
  fixture_.Settle();
  const std::string got = client->TakeReceived();
  EXPECT_NE(got.find("HTTP/1.1 101 Switching Protocols"), std::string::npos) << got;
  EXPECT_NE(got.find("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
  EXPECT_TRUE(got.ends_with("hi"));
  client->Send("yo");
  fixture_.Settle();
  EXPECT_EQ(origin().stream(0).body, "yo");
  client->ShutdownWrite();
  fixture_.Settle();
  EXPECT_TRUE(origin().stream(0).peer_ended);
}

TEST_F(UpstreamH2, WhatTheClientSpeaks) {
  fixture_.cluster().protocol = config::Cluster::Protocol::kDownstream;
  answering_ = false;
  fixture_.on_turn = nullptr;
  fixture_.Publish();
  auto old = fixture_.Connect();
  old->Send(kGet);
  fixture_.Settle();
  EXPECT_TRUE(upstream(0).TakeReceived().starts_with("GET / HTTP/1.1"));
  H2Client client(fixture_);
  client.Ask("GET", "/");
  EXPECT_TRUE(upstream(1).TakeReceived().starts_with(http::kH2Preface));
}

TEST_F(UpstreamH2, PingsNoticeADeadPeer) {
  fixture_.cluster().h2_keepalive = {1000, 500, 0, 0};
  fixture_.Publish();
  H2Client client(fixture_);
  http::DrivenStream& stream = client.Ask("GET", "/");
  fixture_.Pass(1020);
  EXPECT_EQ(h2_stats().keepalive_timeout.Get(), 0U);
  fixture_.on_turn = nullptr;  // Answered once; no more.
  // The next one is due within a second, and its answer half a second later.
  for (int i = 0; i < 20 && h2_stats().keepalive_timeout.Get() == 0; ++i) fixture_.Pass(100);
  client.Settle();
  EXPECT_EQ(stream.response_head.status, 503);
  EXPECT_EQ(h2_stats().keepalive_timeout.Get(), 1U);
}

}  // namespace
}  // namespace sluice::proxy
