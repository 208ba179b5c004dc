// What a route does to an exchange: rewrites, weights, TLS required, mutations, CORS, gRPC.

#include "config/matchers.h"
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

class Routes : public testing::Test {
 protected:
  config::ForwardAction& Forward() {
    return std::get<config::ForwardAction>(fixture_.AddRoute("/").action);
  }
  std::string AskUpstream(std::string_view request) {
    client_ = fixture_.Connect();
    client_->Send(request);
    fixture_.Settle();
    return fixture_.upstreams().empty() ? "" : fixture_.upstreams().back()->received();
  }
  static config::HeaderMutations Stamp(std::string_view name, std::string_view value) {
    config::HeaderAddition addition;
    addition.name = name;
    addition.value.items.push_back({config::Operator::kLiteral, std::string(value), "", {}});
    config::HeaderMutations mutations;
    mutations.add.push_back(addition);
    return mutations;
  }
  ProxyFixture fixture_;
  std::shared_ptr<Peer> client_;
};

TEST_F(Routes, PathAndHostAreRewritten) {
  config::ForwardAction& forward = Forward();
  fixture_.host().routes.back().match.path = "/app";
  forward.prefix_rewrite = "/v2";
  forward.host_rewrite = "inner.test";
  forward.append_x_forwarded_host = true;
  fixture_.Publish();
  const std::string got = AskUpstream("GET /app/x?q=1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(got.starts_with("GET /v2/x?q=1 HTTP/1.1\r\nhost: inner.test\r\n")) << got;
  EXPECT_NE(got.find("x-forwarded-host: a.test\r\n"), std::string::npos);
  EXPECT_NE(got.find("x-envoy-original-path: /app/x?q=1\r\n"), std::string::npos);
  client_->Close();
  fixture_.ExpectAllGone();
}

TEST_F(Routes, TheEndpointsNameCanBeTheHost) {
  Forward().auto_host_rewrite = true;
  fixture_.Publish();
  EXPECT_NE(AskUpstream(kGet).find("host: upstream.test\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, EnvoyFieldsCanBeSuppressed) {
  Forward();
  std::get<config::RouterFilter>(fixture_.http().filters.back().config).suppress_envoy_headers =
      true;
  fixture_.Publish();
  EXPECT_EQ(AskUpstream(kGet).find("x-envoy"), std::string::npos);
  fixture_.upstreams()[0]->Send(kOk);
  fixture_.Settle();
  EXPECT_EQ(client_->received().find("x-envoy"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, WeightsDecideAndTheirMutationsApply) {
  config::ForwardAction& forward = Forward();
  forward.cluster = "";
  config::WeightedCluster none;
  none.cluster = "nobody";
  none.weight = 0;
  config::WeightedCluster all;
  all.cluster = "c";
  all.weight = 5;
  all.mutations.request = Stamp("x-weighted", "yes");
  all.host_rewrite = "weighted.test";
  forward.weighted = {none, all};
  forward.weight_total = 5;
  fixture_.Publish();
  for (int i = 0; i < 10; ++i) {
    const std::string got = AskUpstream(kGet);
    EXPECT_NE(got.find("x-weighted: yes\r\n"), std::string::npos) << got;
    EXPECT_NE(got.find("host: weighted.test\r\n"), std::string::npos);
  }
  fixture_.ExpectAllGone();
}

TEST_F(Routes, TlsCanBeRequired) {
  Forward();
  fixture_.host().require_tls = config::VirtualHost::RequireTls::kAll;
  fixture_.Publish();
  client_ = fixture_.Connect();
  const std::string got = fixture_.Ask(*client_, "GET /x?y HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 301 Moved Permanently\r\n"));
  EXPECT_NE(got.find("location: https://a.test/x?y\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.stats().rq_redirect.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, ResponsesAreMutatedOursToo) {
  config::Route& direct = fixture_.AddRoute("/direct");
  direct.action = config::DirectResponse{200, "x", {}};
  direct.mutations.response = Stamp("x-level", "route");
  fixture_.host().mutations.response = Stamp("x-level", "host");
  fixture_.table().mutations.response = Stamp("x-level", "table");
  fixture_.Publish();
  client_ = fixture_.Connect();
  const std::string got = fixture_.Ask(*client_, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(got.find("x-level: route\r\nx-level: host\r\nx-level: table\r\n"), std::string::npos)
      << got;
  EXPECT_EQ(fixture_.stats().rq_direct_response.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, ABodysTypeIsPlainOnlyWhenNothingElseIsSaid) {
  config::Route& json = fixture_.AddRoute("/json");
  json.action = config::DirectResponse{200, "{}", {}};
  json.mutations.response = Stamp("content-type", "application/json");
  config::Route& plain = fixture_.AddRoute("/plain");
  plain.action = config::DirectResponse{200, "text", {}};
  fixture_.Publish();
  client_ = fixture_.Connect();
  const std::string typed = fixture_.Ask(*client_, "GET /json HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(typed.find("content-type: application/json\r\n"), std::string::npos);
  EXPECT_EQ(typed.find("text/plain"), std::string::npos);
  EXPECT_NE(fixture_.Ask(*client_, "GET /plain HTTP/1.1\r\nHost: a.test\r\n\r\n")
                .find("content-type: text/plain\r\n"),
            std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, AdditionsSeeTheUpstreamsStatus) {
  Forward();
  config::HeaderMutations mutations = Stamp("x-status", "");
  mutations.add[0].value.items = {{config::Operator::kResponseCode, "", "", {}}};
  fixture_.host().routes.back().mutations.response = mutations;
  fixture_.Publish();
  AskUpstream(kGet);
  fixture_.upstreams()[0]->Send("HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n");
  fixture_.Settle();
  EXPECT_NE(client_->received().find("x-status: 418\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, AResponseThatBreaksOffSaysSoInTheLog) {
  Forward();
  fixture_.Publish();
  AskUpstream(kGet);
  fixture_.upstreams()[0]->Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  fixture_.Settle();
  fixture_.upstreams()[0]->Close();
  fixture_.Settle();
  EXPECT_TRUE(client_->ended());
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].flags, "UC");
  EXPECT_EQ(fixture_.logged()[0].details,
            "upstream_reset_after_response_started{connection_termination}");
  fixture_.ExpectAllGone();
}

TEST_F(Routes, NormalisationRedirects) {
  Forward();
  fixture_.http().path.escaped_slashes = http::EscapedSlashes::kRedirect;
  fixture_.Publish();
  client_ = fixture_.Connect();
  const std::string got = fixture_.Ask(*client_, "GET /a%2Fb HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 307 "));
  EXPECT_NE(got.find("location: /a/b\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.stats().downstream_rq_redirected_with_normalized_path.Get(), 1U);
  const std::string bad = fixture_.Ask(*client_, "GET /a%00b HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_TRUE(bad.starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(fixture_.stats().downstream_rq_failed_path_normalization.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Routes, MissingClusterIsCounted) {
  Forward().cluster = "nobody";
  std::get<config::ForwardAction>(fixture_.host().routes.back().action).cluster_not_found_status =
      404;
  fixture_.Publish();
  client_ = fixture_.Connect();
  EXPECT_TRUE(fixture_.Ask(*client_, kGet).starts_with("HTTP/1.1 404 "));
  EXPECT_EQ(fixture_.stats().no_cluster.Get(), 1U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "NC");
  fixture_.ExpectAllGone();
}

TEST_F(Routes, CorsAnswersPreflightsAndMarksResponsesOursToo) {
  Forward();
  config::CorsPolicy policy;
  config::StringMatcher origin;
  origin.text = "https://front.test";
  policy.allow_origins = {origin};
  policy.allow_methods = "GET,POST";
  policy.allow_headers = "x-a";
  policy.max_age = "600";
  policy.expose_headers = "x-b";
  policy.allow_credentials = true;
  fixture_.host().per_filter = {{"cors", policy}};
  fixture_.http().filters.insert(fixture_.http().filters.begin(),
                                 {"cors", false, config::CorsFilter{}});
  fixture_.Publish();
  client_ = fixture_.Connect();
  const std::string preflight =
      fixture_.Ask(*client_,
                   "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://front.test\r\n"
                   "Access-Control-Request-Method: POST\r\n\r\n");
  EXPECT_TRUE(
      preflight.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"
                            "access-control-allow-origin: https://front.test\r\n"
                            "access-control-allow-credentials: true\r\n"
                            "access-control-allow-methods: GET,POST\r\n"
                            "access-control-allow-headers: x-a\r\n"
                            "access-control-max-age: 600\r\nvary: Origin\r\n"))
      << preflight;
  EXPECT_TRUE(fixture_.upstreams().empty());
  client_->Send("GET / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://front.test\r\n\r\n");
  fixture_.Settle();
  fixture_.upstreams().at(0)->Send(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n"
      "Vary: Accept\r\n\r\nok");
  fixture_.Settle();
  const std::string got = client_->TakeReceived();
  EXPECT_EQ(got.find("access-control-allow-origin: *"), std::string::npos);
  EXPECT_NE(got.find("access-control-allow-origin: https://front.test\r\n"), std::string::npos);
  EXPECT_NE(got.find("vary: Accept, Origin\r\n"), std::string::npos);
  EXPECT_NE(got.find("access-control-expose-headers: x-b\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.cors_stats().origin_valid.Get(), 2U);

  fixture_.upstreams().at(0)->Close();
  fixture_.refuse_connections = true;
  fixture_.Settle();
  const std::string error = fixture_.Ask(
      *client_, "GET / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://front.test\r\n\r\n");
  EXPECT_TRUE(error.starts_with("HTTP/1.1 503 "));
  EXPECT_NE(error.find("access-control-allow-origin: https://front.test\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
