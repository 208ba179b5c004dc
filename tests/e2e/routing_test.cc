// Routing in full, over real sockets: what decides, where it goes, and what is answered here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

constexpr char kRoutes[] = R"yaml(- name: all
  domains: ["*"]
  routes:
  - match:
      path_match_policy:
        name: t
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig
          path_template: "/api/{version}/users/{id}"
    route:
      cluster: app
      path_rewrite_policy:
        name: r
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig
          path_template_rewrite: "/{id}/of/{version}"
  - match: { prefix: /never, runtime_fraction: { default_value: { numerator: 0 } } }
    direct_response: { status: 200, body: { inline_string: never } }
  - match: { prefix: /never }
    direct_response: { status: 200, body: { inline_string: always } }
  - match: { prefix: /half, runtime_fraction: { default_value: { numerator: 50 } } }
    direct_response: { status: 200, body: { inline_string: half } }
  - match: { prefix: /half }
    direct_response: { status: 200, body: { inline_string: rest } }
  - match: { prefix: /cookie, cookies: [ { name: beta, string_match: { exact: "1" } } ] }
    direct_response: { status: 200, body: { inline_string: beta } }
  - match: { prefix: /cookie, tls_context: { presented: true } }
    direct_response: { status: 200, body: { inline_string: certificate } }
  - match: { prefix: /cookie }
    direct_response: { status: 200, body: { inline_string: plain } }
  - match: { prefix: /by-header }
    route: { cluster_header: x-cluster }
  - match: { prefix: /number }
    route:
      weighted_clusters:
        header_name: x-number
        clusters: [ { name: app, weight: 10 }, { name: two, weight: 10 } ]
  - match: { prefix: /host-header }
    route: { cluster: app, host_rewrite_header: x-host, append_x_forwarded_host: true }
  - match: { prefix: /host-path/ }
    route:
      cluster: app
      host_rewrite_path_regex:
        pattern: { regex: "^/host-path/([^/]+).*$" }
        substitution: "\\1.internal"
  - match: { prefix: /formats }
    route: { cluster: app, path_rewrite: "/new%PATH(NQ)%", host_rewrite: "%REQ(X-Host)%.internal" }
  - match: { prefix: /sticky }
    route:
      cluster: app
      hash_policy: [ { cookie: { name: sticky, ttl: 60s, path: / } } ]
  - match: { prefix: /answer }
    direct_response:
      status: 503
      body: { inline_string: closed }
      body_format: { json_format: { why: "%LOCAL_REPLY_BODY%", path: "%REQ(:PATH)%" } }
  - match: { prefix: /unchanged }
    direct_response: { status: 200, body: { inline_string: hello } }
    typed_per_filter_config:
      change: { "@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }
  - match: { prefix: /grpc-timeout }
    route:
      cluster: app
      max_stream_duration: { grpc_timeout_header_max: 2s, grpc_timeout_header_offset: 0.5s }
  - match: { prefix: /refusing }
    route: { cluster: refusing }
  - match: { prefix: /app }
    route: { cluster: app }
)yaml";

constexpr char kManager[] = R"yaml(early_header_mutation_extensions:
- name: early
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation
    mutations:
    - remove_on_match: { key_matcher: { prefix: x-debug- } }
    - append: { header: { key: x-early, value: "1" } }
local_reply_config:
  mappers:
  - filter: { status_code_filter: { comparison: { op: EQ, value: { default_value: 404, runtime_key: x } } } }
    status_code: 410
    headers_to_add: [ { header: { key: x-mapped, value: "%RESPONSE_FLAGS%" } } ]
    body_format_override: { text_format: "gone: %REQ(:PATH)%", content_type: text/html }
proxy_status_config: { literal_proxy_name: edge }
http_protocol_options: { header_key_format: { proper_case_words: {} } }
)yaml";

constexpr char kFilters[] = R"yaml(- name: change
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
    mutations:
      request_mutations: [ { append: { header: { key: x-changed, value: "%REQ(x-early)%" } } } ]
      response_mutations: [ { append: { header: { key: x-filter, value: "yes" } } } ]
)yaml";

class Routing : public testing::Test {
 protected:
  Routing() {
    two_.On("/number", 200, "two");
    two_.On("/by-header", 200, "two");
    YamlParts parts;
    parts.virtual_hosts = kRoutes;
    parts.clusters = {
        {"app", app_.port()}, {"two", two_.port()}, {"refusing", Socket::Listen().local_port()}};
    parts.manager = kManager;
    parts.filters = kFilters;
    proxy_ = std::make_unique<Proxy>(YamlBootstrap(parts));
    client_ = std::make_unique<Client>(proxy_->Port());
  }
  Response Get(std::string_view target, std::string_view extra = "") {
    return client_->Get(target, extra);
  }

  FakeUpstream app_;
  FakeUpstream two_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Client> client_;
};

TEST_F(Routing, TemplatesMatchAndRewrite) {
  EXPECT_EQ(Get("/api/v2/users/joe?x=1").status, 200);
  EXPECT_EQ(app_.LastRequest().target, "/joe/of/v2?x=1");
  EXPECT_EQ(app_.LastRequest().Header("x-envoy-original-path"), "/api/v2/users/joe?x=1");
  EXPECT_EQ(Get("/api/v2/users/joe/x").status, 410);
}

TEST_F(Routing, FractionsCookiesAndCertificatesDecide) {
  EXPECT_EQ(Get("/never").body, "always");
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(Get("/half").body);
  EXPECT_THAT(seen, testing::ElementsAre("half", "rest"));
  EXPECT_EQ(Get("/cookie", "cookie: a=b; beta=1\r\n").body, "beta");
  EXPECT_EQ(Get("/cookie", "cookie: beta=2\r\n").body, "plain");
}

TEST_F(Routing, HeadersNameClustersAndHosts) {
  EXPECT_EQ(Get("/by-header", "x-cluster: two\r\n").body, "two");
  EXPECT_EQ(Get("/by-header", "x-cluster: none\r\n").status, 503);
  EXPECT_EQ(Get("/by-header").status, 503);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Get("/number", "x-number: 35\r\n").body, "two");
  EXPECT_EQ(Get("/host-header", "x-host: inner.example.com\r\n").status, 200);
  EXPECT_EQ(app_.LastRequest().Header("host"), "inner.example.com");
  EXPECT_EQ(app_.LastRequest().Header("x-forwarded-host"), "test");
  Get("/host-header", "x-host: a b\r\n");
  EXPECT_EQ(app_.LastRequest().Header("host"), "test") << "what is no host is not sent as one";
  Get("/host-path/tenant/x");
  EXPECT_EQ(app_.LastRequest().Header("host"), "tenant.internal");
  Get("/formats?q=1", "x-host: joe\r\n");
  EXPECT_EQ(app_.LastRequest().Header("host"), "joe.internal");
  EXPECT_EQ(app_.LastRequest().target, "/new/formats?q=1");
}

TEST_F(Routing, AStickyCookieIsMadeOnce) {
  const std::string line = Get("/sticky").Header("set-cookie");
  EXPECT_THAT(line, testing::MatchesRegex("sticky=\"[0-9a-f]{16}\"; Max-Age=60; Path=/; HttpOnly"));
  const std::string pair = line.substr(0, line.find(';'));
  EXPECT_EQ(Get("/sticky", "cookie: " + pair + "\r\n").Count("set-cookie"), 0U);
}

TEST_F(Routing, OurOwnAnswersHaveTheFormThatIsConfigured) {
  const Response answer = Get("/answer?x");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "{\"path\":\"/answer?x\",\"why\":\"closed\"}\n");
  EXPECT_EQ(answer.Header("content-type"), "application/json");
  const Response gone = Get("/none");
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ(gone.body, "gone: /none");
  EXPECT_EQ(gone.Header("content-type"), "text/html");
  EXPECT_EQ(gone.Header("x-mapped"), "NR");
  EXPECT_EQ(gone.Header("proxy-status"),
            "edge; error=destination_not_found; details=\"route_not_found; NR\"");
  EXPECT_THAT(Get("/refusing").Header("proxy-status"),
              HasSubstr("edge; error=connection_refused; details=\"upstream_reset_before"));
  EXPECT_EQ(Get("/app").Count("proxy-status"), 0U);
}

TEST_F(Routing, HeaderMutationFilterAndItsSwitch) {
  const Response response = Get("/app", "x-debug-a: 1\r\nx-kept: 2\r\n");
  EXPECT_EQ(app_.LastRequest().Header("x-changed"), "1") << "early headers are there by then";
  EXPECT_EQ(app_.LastRequest().Count("x-debug-a"), 0U);
  EXPECT_EQ(app_.LastRequest().Header("x-kept"), "2");
  EXPECT_EQ(response.Header("x-filter"), "yes");
  EXPECT_EQ(Get("/unchanged").Count("x-filter"), 0U);
}

TEST_F(Routing, NamesAreWrittenInProperCase) {
  const std::string head = Get("/app").head;
  EXPECT_THAT(head, HasSubstr("\r\nX-Envoy-Upstream-Service-Time: "));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Length: "));
  EXPECT_THAT(head, HasSubstr("\r\nX-Filter: yes\r\n"));
}

TEST_F(Routing, GrpcTimeoutsAreCappedAndShortened) {
  constexpr std::string_view kGrpc = "content-type: application/grpc\r\ngrpc-timeout: ";
  Get("/grpc-timeout", std::string(kGrpc) + "10S\r\n");
  EXPECT_EQ(app_.LastRequest().Header("grpc-timeout"), "1500m");
  EXPECT_EQ(app_.LastRequest().Count("x-envoy-expected-rq-timeout-ms"), 0U);
  Get("/grpc-timeout", std::string(kGrpc) + "5400m\r\n");
  EXPECT_EQ(app_.LastRequest().Header("grpc-timeout"), "1500m");
  Get("/grpc-timeout", "grpc-timeout: 10S\r\n");
  EXPECT_EQ(app_.LastRequest().Header("grpc-timeout"), "10S") << "it is no call";
}

}  // namespace
}  // namespace sluice::harness
