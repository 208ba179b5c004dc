// A static bootstrap, served: what clients and origins see of routes, headers and CORS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

constexpr char kRoutes[] = R"yaml(- name: other
  domains: [other.example.com, "*.other.example.com"]
  routes:
  - match: { prefix: / }
    direct_response: { status: 200, body: { inline_string: other } }
- name: all
  domains: ["*"]
  response_headers_to_add: [ { header: { key: x-level, value: host } } ]
  routes:
  - match: { path: /exact }
    direct_response: { status: 200, body: { inline_string: exact } }
  - match: { path_separated_prefix: /separated }
    direct_response: { status: 200, body: { inline_string: separated } }
  - match: { safe_regex: { regex: "/v[0-9]+/.*" } }
    direct_response: { status: 200, body: { inline_string: regex } }
  - match: { prefix: /header, headers: [ { name: x-kind, string_match: { exact: special } } ] }
    direct_response: { status: 200, body: { inline_string: header } }
  - match: { prefix: /query, query_parameters: [ { name: k, string_match: { exact: v } } ] }
    direct_response: { status: 200, body: { inline_string: query } }
  - match: { prefix: /method, headers: [ { name: ":method", string_match: { exact: PUT } } ] }
    direct_response: { status: 200, body: { inline_string: method } }
  - match: { path: /teapot }
    direct_response: { status: 418 }
  - match: { path: /old }
    redirect: { path_redirect: /new, response_code: FOUND }
  - match: { prefix: /moved/ }
    redirect: { host_redirect: new.example.com, prefix_rewrite: /here/, strip_query: true }
  - match: { path: /secure }
    redirect: { https_redirect: true }
  - match: { prefix: /api/ }
    route: { cluster: app, prefix_rewrite: / }
  - match: { safe_regex: { regex: "/user/[0-9]+" } }
    route:
      cluster: app
      regex_rewrite: { pattern: { regex: "/user/([0-9]+)" }, substitution: "/u?id=\\1" }
  - match: { prefix: /host }
    route: { cluster: app, host_rewrite_literal: inner.example.com }
  - match: { prefix: /changed }
    route: { cluster: app }
    request_headers_to_add:
    - { header: { key: x-added, value: "%REQ(x-in)%-%PROTOCOL%" } }
    - { header: { key: x-over, value: new }, append_action: OVERWRITE_IF_EXISTS_OR_ADD }
    request_headers_to_remove: [x-secret]
    response_headers_to_add: [ { header: { key: x-level, value: route } } ]
    response_headers_to_remove: [x-inner]
  - match: { prefix: /split }
    route: { weighted_clusters: { clusters: [ { name: app, weight: 50 }, { name: two, weight: 50 } ] } }
  - match: { prefix: /slow }
    route: { cluster: app, timeout: 0.2s }
  - match: { prefix: /nowhere }
    route: { cluster: missing }
  - match: { prefix: /refusing }
    route: { cluster: refusing }
  - match: { prefix: /app }
    route: { cluster: app }
)yaml";

std::uint16_t RefusedPort() { return Socket::Listen().local_port(); }

class Static : public testing::Test {
 protected:
  Static() {
    app_.On("/changed", [](OriginConnection& connection, OriginRequest&) {
      connection.Reply(200, "changed", "x-inner: 1\r\nserver: inner\r\n");
    });
    app_.On("/slow", [this](OriginConnection& connection, OriginRequest&) {
      slow_.Wait();
      connection.Close();
    });
    two_.On("/split", 200, "two");
    YamlParts parts;
    parts.virtual_hosts = kRoutes;
    parts.clusters = {{"app", app_.port()}, {"two", two_.port()}, {"refusing", RefusedPort()}};
    parts.table =
        "validate_clusters: false\n"
        "response_headers_to_add: [ { header: { key: x-level, value: table } } ]\n";
    parts.manager = "via: sluice-test\n";
    proxy_ = std::make_unique<Proxy>(YamlBootstrap(parts));
    client_ = std::make_unique<Client>(proxy_->Port());
  }
  ~Static() override { slow_.Open(); }

  Response Get(std::string_view target, std::string_view extra = "") {
    return client_->Get(target, extra);
  }

  Gate slow_;
  FakeUpstream app_;
  FakeUpstream two_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Client> client_;
};

TEST_F(Static, EveryKindOfMatchFindsItsRoute) {
  EXPECT_EQ(Get("/exact").body, "exact");
  EXPECT_EQ(Get("/exact?q=1").body, "exact");
  EXPECT_EQ(Get("/exact/").status, 404);
  EXPECT_EQ(Get("/separated/x").body, "separated");
  EXPECT_EQ(Get("/separatedx").status, 404);
  EXPECT_EQ(Get("/v12/x").body, "regex");
  EXPECT_EQ(Get("/vx/x").status, 404);
  EXPECT_EQ(Get("/header", "x-kind: special\r\n").body, "header");
  EXPECT_EQ(Get("/header", "x-kind: plain\r\n").status, 404);
  EXPECT_EQ(Get("/query?a=b&k=v").body, "query");
  EXPECT_EQ(Get("/query?k=w").status, 404);
  EXPECT_EQ(client_->Request("PUT", "/method").body, "method");
  EXPECT_EQ(Get("/method").status, 404);
  client_->Send("GET / HTTP/1.1\r\nhost: a.other.example.com\r\n\r\n");
  EXPECT_EQ(client_->Read().body, "other");
}

TEST_F(Static, DirectResponsesAndRedirects) {
  EXPECT_EQ(Get("/teapot").status, 418);
  EXPECT_EQ(Get("/old").status, 302);
  EXPECT_EQ(Get("/old?q=1").Header("location"), "http://test/new?q=1");
  EXPECT_EQ(Get("/moved/x?q=1").Header("location"), "http://new.example.com/here/x");
  EXPECT_EQ(Get("/secure?q=1").Header("location"), "https://test/secure?q=1");
}

TEST_F(Static, RewritesReachTheOrigin) {
  EXPECT_EQ(Get("/api/x?q=1").status, 200);
  EXPECT_EQ(app_.LastRequest().target, "/x?q=1");
  EXPECT_EQ(app_.LastRequest().Header("x-envoy-original-path"), "/api/x?q=1");
  EXPECT_EQ(Get("/user/42").status, 200);
  EXPECT_EQ(app_.LastRequest().target, "/u?id=42");
  EXPECT_EQ(Get("/host").status, 200);
  EXPECT_EQ(app_.LastRequest().Header("host"), "inner.example.com");
}

TEST_F(Static, HeadersAreAddedAndRemovedOnEveryLevel) {
  const Response response =
      Get("/changed", "x-in: 7\r\nx-secret: s\r\nx-over: old\r\nvia: 1.1 before\r\n");
  const OriginRequest seen = app_.LastRequest();
  EXPECT_EQ(seen.Header("x-added"), "7-HTTP/1.1");
  EXPECT_EQ(seen.Header("x-over"), "new");
  EXPECT_EQ(seen.Count("x-secret"), 0U);
  EXPECT_EQ(seen.Header("via"), "1.1 before, sluice-test");
  EXPECT_EQ(seen.Header("x-forwarded-proto"), "http");
  EXPECT_EQ(seen.Header("x-request-id").size(), 36U);
  EXPECT_EQ(response.Count("x-inner"), 0U);
  std::vector<std::string> levels;
  for (const auto& [name, value] : response.headers) {
    if (name == "x-level") levels.push_back(value);
  }
  EXPECT_THAT(levels, testing::ElementsAre("route", "host", "table"));
  EXPECT_NE(response.Header("server"), "inner");
  EXPECT_EQ(response.Count("date"), 1U);
  EXPECT_EQ(response.Count("x-envoy-upstream-service-time"), 1U);
}

TEST_F(Static, WeightedClustersShareTheirRequests) {
  int app = 0;
  int two = 0;
  for (int i = 0; i < 200; ++i) ++(Get("/split").body == "two" ? two : app);
  EXPECT_GT(app, 50);
  EXPECT_GT(two, 50);
}

TEST_F(Static, FailuresSayWhatHappened) {
  EXPECT_EQ(Get("/none").status, 404);
  EXPECT_EQ(Get("/nowhere").status, 503);
  const Response refused = Get("/refusing");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("remote connection failure"));
  const Response slow = Get("/slow");
  EXPECT_EQ(slow.status, 504);
  EXPECT_EQ(slow.body, "upstream request timeout");
  EXPECT_EQ(Get("/exact").body, "exact") << "the client's connection survives all of them";
  EXPECT_TRUE(proxy_->WaitForStat("cluster.app.upstream_rq_timeout", 1));
  EXPECT_TRUE(proxy_->WaitForStat("cluster.refusing.upstream_cx_connect_fail", 1));
  EXPECT_TRUE(proxy_->WaitForStat("http.in.no_route", 1));
}

TEST_F(Static, ReadyAndStatisticsAnswer) {
  EXPECT_EQ(proxy_->Admin("GET", "/ready").body, "LIVE\n");
  const std::uint64_t before = proxy_->Stat("http.in.downstream_rq_2xx").value_or(0);
  EXPECT_EQ(Get("/exact").status, 200);
  EXPECT_TRUE(proxy_->WaitForStat("http.in.downstream_rq_2xx", before + 1));
  EXPECT_EQ(proxy_->Admin("GET", "/quitquitquit").status, 405);
}

TEST(StaticCors, PreflightsAreAnsweredAndTheAppsOwnHeadersReplaced) {
  FakeUpstream app;
  app.On("/", [](OriginConnection& connection, OriginRequest&) {
    connection.Reply(200, "ok", "access-control-allow-origin: *\r\n");
  });
  YamlParts parts;
  parts.filters = R"(- name: envoy.filters.http.cors
  typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors }
)";
  parts.virtual_hosts = R"(- name: all
  domains: ["*"]
  typed_per_filter_config:
    envoy.filters.http.cors:
      "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
      allow_origin_string_match: [ { exact: "https://front.example.com" } ]
      allow_methods: "GET, POST"
      allow_headers: content-type
      max_age: "600"
      allow_credentials: true
  routes:
  - match: { prefix: / }
    route: { cluster: app }
)";
  parts.clusters = {{"app", app.port()}};
  Proxy proxy(YamlBootstrap(parts));
  Client client(proxy.Port());
  const std::string good = "origin: https://front.example.com\r\n";
  const Response preflight =
      client.Request("OPTIONS", "/", good + "access-control-request-method: POST\r\n");
  EXPECT_EQ(preflight.status, 200);
  EXPECT_EQ(preflight.Header("access-control-allow-origin"), "https://front.example.com");
  EXPECT_EQ(preflight.Header("access-control-allow-methods"), "GET, POST");
  EXPECT_EQ(preflight.Header("access-control-allow-headers"), "content-type");
  EXPECT_EQ(preflight.Header("access-control-max-age"), "600");
  EXPECT_EQ(preflight.Header("access-control-allow-credentials"), "true");
  EXPECT_EQ(app.requests(), 0);
  const Response answer = client.Get("/", good);
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "https://front.example.com");
  EXPECT_EQ(answer.Count("access-control-allow-origin"), 1U);
  EXPECT_THAT(answer.Header("vary"), testing::ContainsRegex("[Oo]rigin"));
  const Response foreign = client.Get("/", "origin: https://evil.example.com\r\n");
  EXPECT_NE(foreign.Header("access-control-allow-origin"), "https://evil.example.com");
}

TEST(StaticStart, ABadFileIsRefusedWithEveryErrorAndItsLine) {
  const std::string file = MakeDirectory() + "/bad.yaml";
  YamlParts parts;
  parts.virtual_hosts =
      "- name: all\n  domains: [\"*\"]\n  routes:\n  - match: { prefix: / }\n"
      "    route: { cluster: app, no_such_field: 1, timeout: tomorrow }\n";
  WriteFile(file, YamlBootstrap(parts));
  const auto result = RunSluice({"--mode", "validate", "-c", file});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->exit_code, 1);
  EXPECT_THAT(result->err, HasSubstr("no_such_field"));
  EXPECT_THAT(result->err, HasSubstr("timeout"));
  EXPECT_THAT(result->err, HasSubstr("bad.yaml:"));
}

TEST(StaticStart, ATakenPortIsSaidAndFatal) {
  const Socket taken = Socket::Listen();
  const std::string file = MakeDirectory() + "/taken.yaml";
  std::string text = YamlBootstrap(
      {"- { name: all, domains: [\"*\"], routes: [ { match: { prefix: / }, direct_response: { "
       "status: 200 } } ] }\n",
       {},
       "",
       "",
       ""});
  const std::string wanted = "port_value: 0 } }\n    filter_chains";
  text.replace(text.find(wanted), wanted.size(),
               base::Cat("port_value: ", taken.local_port(), " } }\n    filter_chains"));
  WriteFile(file, text);
  const auto result = RunSluice({"-c", file, "--concurrency", "1"});
  ASSERT_TRUE(result.has_value()) << "it should have given up";
  EXPECT_NE(result->exit_code, 0);
  EXPECT_THAT(result->err, HasSubstr(base::Cat("127.0.0.1:", taken.local_port())));
}

}  // namespace
}  // namespace sluice::harness
