// Upgrades: bytes both ways, half-close, what is sent before the 101, idleness.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kAsk =
    "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: k\r\n\r\n";
constexpr std::string_view kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: a\r\n\r\n";

class Tunnel : public testing::Test {
 protected:
  Tunnel() {
    fixture_.AddRoute("/");
    fixture_.http().upgrades = {{"websocket", true}};
  }
  void Open() {
    fixture_.Publish();
    client_ = fixture_.Connect();
    client_->Send(kAsk);
    fixture_.Settle();
    ASSERT_EQ(fixture_.upstreams().size(), 1U);
    EXPECT_NE(upstream().received().find("connection: upgrade\r\n"), std::string::npos);
    EXPECT_NE(upstream().received().find("upgrade: websocket\r\n"), std::string::npos);
    upstream().TakeReceived();
    upstream().Send(kSwitch);
    fixture_.Settle();
    EXPECT_TRUE(client_->received().starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
    EXPECT_NE(client_->received().find("connection: upgrade\r\n"), std::string::npos);
    client_->TakeReceived();
  }
  Peer& upstream() { return *fixture_.upstreams().at(0); }

  ProxyFixture fixture_;
  std::shared_ptr<Peer> client_;
};

TEST_F(Tunnel, CarriesBytesBothWaysAndHalfClose) {
  Open();
  EXPECT_EQ(fixture_.stats().downstream_cx_upgrades_total.Get(), 1U);
  EXPECT_EQ(fixture_.stats().downstream_cx_upgrades_active.Get(), 1);
  client_->Send("ping");
  upstream().Send("pong");
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "ping");
  EXPECT_EQ(client_->received(), "pong");
  client_->ShutdownWrite();
  fixture_.Settle();
  EXPECT_TRUE(upstream().ended());
  EXPECT_FALSE(client_->ended());
  upstream().Send("last");
  upstream().ShutdownWrite();
  fixture_.Settle();
  EXPECT_EQ(client_->received(), "ponglast");
  EXPECT_TRUE(client_->ended());
  EXPECT_FALSE(client_->broken());
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].code, 101);
  EXPECT_EQ(fixture_.logged()[0].received, 4U);
  EXPECT_EQ(fixture_.logged()[0].sent, 8U);
  EXPECT_EQ(fixture_.logged()[0].flags, "-");
  EXPECT_EQ(fixture_.stats().downstream_rq_1xx.Get(), 1U);
  EXPECT_EQ(fixture_.context().active(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, NothingIsSentBeforeTheUpstreamAgreed) {
  fixture_.Publish();
  client_ = fixture_.Connect();
  client_->Send(base::Cat(kAsk, "early"));
  fixture_.Settle();
  EXPECT_TRUE(upstream().received().ends_with("\r\n\r\n"));
  upstream().TakeReceived();
  upstream().Send(base::Cat(kSwitch, "soon"));
  fixture_.Settle();
  EXPECT_EQ(upstream().received(), "early");
  EXPECT_TRUE(client_->received().ends_with("\r\n\r\nsoon"));
  upstream().Close();
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, ARefusalIsAnOrdinaryResponse) {
  fixture_.Publish();
  client_ = fixture_.Connect();
  client_->Send(kAsk);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  fixture_.Settle();
  EXPECT_TRUE(client_->TakeReceived().ends_with("no"));
  EXPECT_FALSE(client_->ended());
  EXPECT_EQ(fixture_.stats().downstream_cx_upgrades_total.Get(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, AnotherProtocolThanAskedForIsAnError) {
  fixture_.Publish();
  client_ = fixture_.Connect();
  client_->Send(kAsk);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  fixture_.Settle();
  EXPECT_TRUE(client_->received().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_TRUE(upstream().ended());
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, IdleOnesEnd) {
  fixture_.http().stream_idle_timeout_ms = 1000;
  fixture_.http().tunnel_idle_timeout_ms = 10'000;
  Open();
  fixture_.Pass(9000);  // Neither the stream's idle timeout nor the route's timeout count here.
  client_->Send("x");
  fixture_.Settle();
  fixture_.Pass(9000);
  upstream().Send("y");
  fixture_.Settle();
  fixture_.Pass(9000);
  EXPECT_FALSE(client_->ended());
  fixture_.Pass(1100);
  EXPECT_TRUE(client_->ended());
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "SI");
  fixture_.Pass(20'000);
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, AResetOnOneSideEndsBoth) {
  Open();
  client_->Close(true);
  fixture_.Settle();
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "DC");
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, AnUpstreamsResetEndsBoth) {
  Open();
  upstream().Close(true);
  fixture_.Settle();
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "UC");
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, LargeTransfersPassWhole) {
  Open();
  std::string bytes(300'000, 'x');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  client_->Send(bytes);
  upstream().Send(bytes);
  for (int i = 0; i < 50; ++i) fixture_.Settle();
  EXPECT_EQ(upstream().received(), bytes);
  EXPECT_EQ(client_->received(), bytes);
  upstream().Close();
  fixture_.ExpectAllGone();
}

TEST_F(Tunnel, RouteDecidesOverTheConnectionManager) {
  std::get<config::ForwardAction>(fixture_.host().routes.back().action).upgrades = {
      {"websocket", false}};
  fixture_.Publish();
  client_ = fixture_.Connect();
  EXPECT_TRUE(fixture_.Ask(*client_, kAsk).starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_EQ(fixture_.stats().downstream_rq_ws_on_non_ws_route.Get(), 1U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
