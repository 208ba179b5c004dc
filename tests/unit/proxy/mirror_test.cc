// Copies of requests for another cluster: what they carry, and that nobody depends on them.
#include "proxy/mirror.h"

#include "serve_fixture.h"
#include "upstream/host_set.h"

namespace sluice::proxy {
namespace {

TEST(ShadowHost, ComesBeforeThePort) {
  EXPECT_EQ(ShadowHost("a.test"), "a.test-shadow");
  EXPECT_EQ(ShadowHost("a.test:80"), "a.test-shadow:80");
  EXPECT_EQ(ShadowHost("[::1]:80"), "[::1]-shadow:80");
  EXPECT_EQ(ShadowHost("[::1]"), "[::1]-shadow");
}

class Mirrors : public Serve {
 protected:
  Mirrors() {
    config::MirrorPolicy mirror;
    mirror.cluster = "shadow";
    policy_.mirrors = {mirror};
    fixture_.http().h1.keep_trailers = true;
  }
  void Publish() {
    std::get<config::ForwardAction>(fixture_.host().routes.back().action).tries =
        config::SharedTryPolicy(policy_);
    fixture_.Publish();
    auto cluster = std::make_shared<config::Cluster>();
    cluster->name = cluster->stat_name = "shadow";
    config::Endpoint endpoint;
    endpoint.address = *base::Address::ParseIp("10.9.0.1", 80);
    fixture_.clusters().Set(
        {cluster, nullptr, breaker_, upstream::BuildHostSet({endpoint}, nullptr, {})});
  }
  // Index of the connection to `ip`, npos when there is none.
  Peer* To(std::string_view ip) {
    for (std::size_t i = 0; i < fixture_.connected.size(); ++i) {
      if (fixture_.connected[i] == ip) return fixture_.upstreams().at(i).get();
    }
    return nullptr;
  }
  Peer& main() { return *To("10.0.0.1"); }
  Peer* shadow() { return To("10.9.0.1"); }
  observe::ClusterStats& shadow_stats() { return fixture_.cluster_stats("shadow"); }

  config::TryPolicy policy_;
  std::shared_ptr<upstream::SharedBreaker> breaker_ = std::make_shared<upstream::SharedBreaker>();
};

TEST_F(Mirrors, CarryTheWholeRequestAndAreNotWaitedFor) {
  Publish();
  auto client = fixture_.Connect();
  client->Send(
      "POST /p HTTP/1.1\r\nHost: a.test:81\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  fixture_.Settle();
  ASSERT_NE(shadow(), nullptr);
  // Streamed: it has what came so far.
  EXPECT_TRUE(shadow()->received().ends_with("3\r\nabc\r\n")) << shadow()->received();
  EXPECT_NE(shadow()->received().find("host: a.test-shadow:81\r\n"), std::string::npos);
  client->Send("2\r\nde\r\n0\r\nx-t: 1\r\n\r\n");
  fixture_.Settle();
  EXPECT_TRUE(shadow()->received().ends_with("2\r\nde\r\n0\r\nx-t: 1\r\n\r\n"));
  EXPECT_NE(main().received().find("host: a.test:81\r\n"), std::string::npos);
  main().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(shadow_stats().upstream_rq_active.Get(), 1);
  shadow()->Send("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\noops");
  fixture_.Settle();
  EXPECT_EQ(client->received().find("oops"), std::string::npos);
  EXPECT_EQ(shadow_stats().upstream_rq_5xx.Get(), 1U);
  EXPECT_EQ(shadow_stats().upstream_rq_active.Get(), 0);
  // Its connection serves the next copy.
  client->TakeReceived();
  client->Send(kGet);
  fixture_.Settle();
  EXPECT_EQ(shadow_stats().upstream_rq_total.Get(), 2U);
  EXPECT_EQ(shadow_stats().upstream_cx_total.Get(), 1U);
  fixture_.context().CloseAll();
  fixture_.Settle();
  fixture_.ExpectAllGone();
}

TEST_F(Mirrors, AreGivenUpWhenTheirClusterIsSlow) {
  policy_.buffer_bytes_max = 4096;
  Publish();
  auto client = fixture_.Connect();
  const std::string body(300'000, 'b');
  client->Send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 300000\r\n\r\n");
  fixture_.Settle();
  ASSERT_NE(shadow(), nullptr);
  fixture_.stuck = shadow();
  client->Send(body);
  for (int i = 0; i < 20; ++i) fixture_.Settle();
  EXPECT_EQ(main().received().size(), main().received().find("\r\n\r\n") + 4 + body.size());
  EXPECT_EQ(shadow_stats().retry_or_shadow_abandoned.Get(), 1U);
  main().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  fixture_.stuck = nullptr;
  fixture_.ExpectAllGone();
}

TEST_F(Mirrors, EndWithTheirTime) {
  std::get<config::ForwardAction>(fixture_.host().routes.back().action).timeout_ms = 2000;
  Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  main().Send(kOk);
  fixture_.Settle();
  EXPECT_EQ(shadow_stats().upstream_rq_active.Get(), 1);
  fixture_.Pass(2100);
  EXPECT_TRUE(shadow()->ended());
  EXPECT_EQ(shadow_stats().upstream_rq_active.Get(), 0);
  EXPECT_EQ(shadow_stats().upstream_rq_timeout.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Mirrors, OfARequestThatBreaksOffAreCutOff) {
  Publish();
  auto client = fixture_.Connect();
  client->Send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc");
  fixture_.Settle();
  client->Close();
  fixture_.Settle();
  ASSERT_NE(shadow(), nullptr);
  EXPECT_TRUE(shadow()->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Mirrors, AreAFractionByRuntime) {
  policy_.mirrors[0].fraction = {25, 100, "shadow.percent"};
  Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  for (int i = 0; i < 400; ++i) fixture_.Ask(*client, kGet);
  const std::uint64_t quarter = shadow_stats().upstream_rq_total.Get();
  EXPECT_GT(quarter, 60U);
  EXPECT_LT(quarter, 140U);
  fixture_.runtime = std::make_shared<config::Runtime>(
      config::Runtime::Values{{"shadow.percent", {.text = "0", .number = 0, .is_number = true}}});
  Publish();
  for (int i = 0; i < 100; ++i) fixture_.Ask(*client, kGet);
  EXPECT_EQ(shadow_stats().upstream_rq_total.Get(), quarter);
  fixture_.context().CloseAll();
  fixture_.Settle();
  fixture_.ExpectAllGone();
}

TEST_F(Mirrors, ToNobodyDisturbNothing) {
  policy_.mirrors[0].cluster = "missing";
  policy_.mirrors.push_back({.cluster = "", .cluster_header = "x-shadow"});
  Publish();
  AnswerAll();
  auto client = fixture_.Connect();
  EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("ok"));
  EXPECT_EQ(shadow(), nullptr);
  EXPECT_TRUE(fixture_.Ask(*client, "GET / HTTP/1.1\r\nHost: a\r\nX-Shadow: shadow\r\n\r\n")
                  .ends_with("ok"));
  EXPECT_NE(shadow(), nullptr);
  fixture_.context().CloseAll();
  fixture_.Settle();
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
