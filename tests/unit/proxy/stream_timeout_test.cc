// What a route's timeouts mean for responses that last, and gRPC's own deadline.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kEvents =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kCall =
    "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n";

class StreamTimeouts : public Serve {
 protected:
  config::ForwardAction& forward() {
    return std::get<config::ForwardAction>(fixture_.host().routes.back().action);
  }
  void Open(std::string_view request) {
    client_ = fixture_.Connect();
    client_->Send(request);
    fixture_.Settle();
    ASSERT_FALSE(fixture_.upstreams().empty());
  }
  std::shared_ptr<Peer> client_;
};

TEST_F(StreamTimeouts, TheDefaultBoundsTheHeadOfAStreamAlone) {
  fixture_.Publish();
  Open(kGet);
  upstream().Send(kEvents);
  fixture_.Settle();
  fixture_.Pass(60'000);
  upstream().Send("3\r\nabc\r\n");
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("3\r\nabc\r\n"));
  EXPECT_FALSE(client_->ended());
  upstream().Send("0\r\n\r\n");
  fixture_.Settle();
  EXPECT_EQ(fixture_.logged().at(0).flags, "-");
  // The time to the head is bounded all the same.
  client_->TakeReceived();
  client_->Send(kGet);
  fixture_.Settle();
  fixture_.Pass(15'100);
  EXPECT_TRUE(client_->received().starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
  fixture_.ExpectAllGone();
}

TEST_F(StreamTimeouts, AWrittenOneEndsAStream) {
  forward().timeout_spares_streams = false;
  fixture_.Publish();
  Open(kGet);
  upstream().Send(kEvents);
  fixture_.Settle();
  fixture_.Pass(15'100);
  EXPECT_TRUE(client_->ended());
  EXPECT_EQ(fixture_.logged().at(0).flags, "UT");
  fixture_.ExpectAllGone();
}

TEST_F(StreamTimeouts, TheDefaultSparesGrpcStreams) {
  fixture_.Publish();
  Open(base::Cat(kCall, "\r\n"));
  upstream().Send(
      "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n");
  fixture_.Settle();
  fixture_.Pass(20'000);
  EXPECT_FALSE(client_->ended());
  fixture_.ExpectAllGone();
}

TEST_F(StreamTimeouts, ATryTimeoutEndsWithTheHeadOfATunnel) {
  forward().upgrades = {{"websocket", true}};
  config::TryPolicy policy;
  policy.retry.emplace();
  policy.retry->on = config::ParseRetryOn("5xx");
  policy.retry->per_try_timeout_ms = 500;
  policy.retry->per_try_idle_timeout_ms = 400;
  forward().tries = config::SharedTryPolicy(policy);
  forward().timeout_spares_streams = false;
  fixture_.Publish();
  Open("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  upstream().Send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  fixture_.Settle();
  for (int i = 0; i < 20; ++i) fixture_.Pass(1000);
  upstream().Send("late");
  fixture_.Settle();
  EXPECT_TRUE(client_->received().ends_with("late")) << client_->received();
  EXPECT_FALSE(client_->ended());
  upstream().Close();
  fixture_.ExpectAllGone();
}

class GrpcDeadlines : public StreamTimeouts {
 protected:
  // A call with `timeout` on a route that listens to it; after how long it was answered.
  std::string Answer(std::string_view timeout, std::uint64_t most_ms, std::uint64_t after_ms) {
    forward().grpc_timeout_max_ms = most_ms;
    forward().grpc_timeout_offset_ms = 100;
    fixture_.Publish();
    Open(base::Cat(kCall, "grpc-timeout: ", timeout, "\r\n\r\n"));
    fixture_.Pass(after_ms - 50);
    EXPECT_EQ(client_->received(), "") << timeout;
    fixture_.Pass(70);
    return client_->received();
  }
};

TEST_F(GrpcDeadlines, TakeTheRoutesPlaceLessAnOffset) {
  const std::string got = Answer("2S", 0, 1900);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_NE(got.find("grpc-status: 4\r\n"), std::string::npos) << got;
  EXPECT_TRUE(got.ends_with("\r\n\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).flags, "UMSDR");
  fixture_.ExpectAllGone();
}

TEST_F(GrpcDeadlines, HaveABound) {
  EXPECT_NE(Answer("10H", 3000, 2900).find("grpc-status: 4\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(GrpcDeadlines, MayBeLongerThanTheRoutesTimeout) {
  EXPECT_NE(Answer("60S", 0, 59'900).find("grpc-status: 4\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(GrpcDeadlines, AreNotHeardWithoutAMaximum) {
  fixture_.Publish();
  Open(base::Cat(kCall, "grpc-timeout: 1S\r\n\r\n"));
  fixture_.Pass(2000);
  EXPECT_EQ(client_->received(), "");
  fixture_.Pass(13'100);
  // UNAVAILABLE, as 504 maps to.
  EXPECT_NE(client_->received().find("grpc-status: 14\r\n"), std::string::npos);
  EXPECT_NE(client_->received().find("grpc-message: upstream request timeout\r\n"),
            std::string::npos);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
