#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "google/protobuf/any.pb.h"
#include "tests/unit/config/compile_testing.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ProtoTable = envoy::config::route::v3::RouteConfiguration;

// One virtual host with one route; `route` is its text form without the match.
ProtoTable WithRoute(std::string_view route) {
  return FromText<ProtoTable>(base::Cat(
      "name: \"t\" virtual_hosts { name: \"h\" domains: \"*\" routes { match { prefix: \"/\" } ",
      route, " } }"));
}

ProtoTable WithMatch(std::string_view match) {
  return FromText<ProtoTable>(
      base::Cat("name: \"t\" virtual_hosts { name: \"h\" domains: \"*\" routes { match { ", match,
                " } route { cluster: \"c\" } } }"));
}

std::vector<std::string> ErrorsOf(const ProtoTable& proto) {
  base::FieldErrors errors;
  EXPECT_EQ(CompileRouteTable(proto, {}, errors) == nullptr, !errors.empty());
  return Lines(errors);
}

Route Only(const ProtoTable& proto) {
  base::FieldErrors errors;
  const auto table = CompileRouteTable(proto, {}, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  return table == nullptr ? Route{} : table->virtual_hosts.at(0)->routes.at(0);
}

TEST(CompileRouteTable, EveryBadFieldOfMatches) {
  struct Case {
    std::string_view match;
    std::string_view want;  // Below "virtual_hosts[0].routes[0].match".
  };
  const Case cases[] = {
      {"", ": no path; write prefix, path, path_separated_prefix or safe_regex"},
      {"prefix: '/a?b'", ".prefix: '/a?b' holds ? or #"},
      {"path: '/a#b'", ".path: '/a#b' holds ? or #"},
      {"path_separated_prefix: '/a/'", ".path_separated_prefix: '/a/': write a path"},
      {"path_separated_prefix: '/'", ".path_separated_prefix: '/': write a path"},
      {"path_separated_prefix: '/a?b'", ".path_separated_prefix: '/a?b' holds"},
      {"safe_regex { regex: '(' }", ".safe_regex.regex: not a valid RE2 expression"},
      {"safe_regex { }", ".safe_regex.regex: an empty regular expression"},
      {"prefix: '/' runtime_fraction { }", ".runtime_fraction.default_value: is required"},
      {"prefix: '/' headers { name: '' }", ".headers[0].name: '' is no header name"},
      {"prefix: '/' headers { name: 'a b' }", ".headers[0].name: 'a b' is no header name"},
      {"prefix: '/' headers { name: 'a' prefix_match: '' }", ".headers[0].prefix_match: is empty"},
      {"prefix: '/' headers { name: 'a' suffix_match: '' }", ".headers[0].suffix_match: is empty"},
      {"prefix: '/' headers { name: 'a' contains_match: '' }",
       ".headers[0].contains_match: is empty"},
      {"prefix: '/' headers { name: 'a' safe_regex_match { regex: '*' } }",
       ".headers[0].safe_regex_match.regex: not a valid RE2 expression"},
      {"prefix: '/' headers { name: 'a' string_match { } }",
       ".headers[0].string_match: no pattern; write exact"},
      {"prefix: '/' headers { name: 'a' string_match { prefix: '' } }",
       ".headers[0].string_match.prefix: is empty"},
      {"prefix: '/' headers { name: 'a' string_match { custom { } } }",
       ".headers[0].string_match.custom: "},
      {"prefix: '/' query_parameters { }", ".query_parameters[0].name: has 0 bytes"},
      {"prefix: '/' query_parameters { name: 'a' string_match { safe_regex { regex: '[' } } }",
       ".query_parameters[0].string_match.safe_regex.regex: not a valid"},
      {"prefix: '/' cookies { name: 'a' }", ".cookies[0].string_match: is required"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(
        ErrorsOf(WithMatch(c.match)),
        ElementsAre(testing::StartsWith(base::Cat("virtual_hosts[0].routes[0].match", c.want))))
        << c.match;
  }
}

TEST(CompileRouteTable, EveryBadFieldOfActions) {
  struct Case {
    std::string_view route;
    std::string_view want;  // Below "virtual_hosts[0].routes[0]".
  };
  const Case cases[] = {
      {"", ": no action; write route, redirect or direct_response"},
      {"filter_action { }", ".filter_action: "},
      {"route { }", ".route: no destination; write cluster"},
      {"route { cluster: '' }", ".route.cluster: is empty"},
      {"route { cluster_header: 'a b' }", ".route.cluster_header: 'a b' is no header name"},
      {"route { weighted_clusters { } }", ".route.weighted_clusters.clusters: is empty"},
      {"route { weighted_clusters { clusters { name: 'a' weight { } } } }",
       ".route.weighted_clusters.clusters: Sum of weights"},
      {"route { weighted_clusters { clusters { name: 'a' } clusters { name: 'b' weight { value: 1 "
       "} } } }",
       ".route.weighted_clusters.clusters[0].weight: is required"},
      {"route { weighted_clusters { clusters { weight { value: 1 } } } }",
       ".route.weighted_clusters.clusters[0].name: is required"},
      {"route { weighted_clusters { clusters { name: 'a' weight { value: 4294967295 } } clusters { "
       "name: 'b' weight { value: 1 } } } }",
       ".route.weighted_clusters.clusters: the weights sum to 4294967296"},
      {"route { weighted_clusters { clusters { name: 'a' weight { value: 1 } } total_weight { "
       "value: 2 } } }",
       ".route.weighted_clusters.total_weight: is 2, but the weights sum to 1"},
      {"route { cluster: 'c' cluster_not_found_response_code: 7 }",
       ".route.cluster_not_found_response_code: "},
      {"route { cluster: 'c' prefix_rewrite: '/x' regex_rewrite { pattern { regex: 'a' } } }",
       ".route: Specify only one of prefix_rewrite, regex_rewrite"},
      {"route { cluster: 'c' prefix_rewrite: '/x\\r\\n' }",
       ".route.prefix_rewrite: '/x\\x0d\\x0a'"},
      {"route { cluster: 'c' regex_rewrite { substitution: 'x' } }",
       ".route.regex_rewrite.pattern: is required"},
      {"route { cluster: 'c' regex_rewrite { pattern { regex: 'a' } substitution: '\\\\1' } }",
       ".route.regex_rewrite.substitution: not a valid substitution"},
      {"route { cluster: 'c' host_rewrite_literal: 'a b' }",
       ".route.host_rewrite_literal: 'a b' is no host"},
      {"route { cluster: 'c' timeout { seconds: -1 } }", ".route.timeout: out of range"},
      {"route { cluster: 'c' idle_timeout { nanos: -1 } }", ".route.idle_timeout: out of range"},
      {"route { cluster: 'c' max_stream_duration { max_stream_duration { seconds: -1 } } }",
       ".route.max_stream_duration.max_stream_duration: out of range"},
      {"route { cluster: 'c' upgrade_configs { } }",
       ".route.upgrade_configs[0].upgrade_type: '' is no protocol"},
      {"route { cluster: 'c' upgrade_configs { upgrade_type: 'CONNECT' } }",
       ".route.upgrade_configs[0].upgrade_type: 'connect' is not tunnelled"},
      {"route { cluster: 'c' upgrade_configs { upgrade_type: 'h2c' } }",
       ".route.upgrade_configs[0].upgrade_type: 'h2c' is not tunnelled"},
      {"route { cluster: 'c' upgrade_configs { upgrade_type: 'a' } upgrade_configs { upgrade_type: "
       "'A' } }",
       ".route.upgrade_configs[1].upgrade_type: 'a' is there twice"},
      {"route { cluster: 'c' retry_policy_typed_config { } }",
       ".route.retry_policy_typed_config: "},
      {"redirect { }", ".redirect: leads back to where it came from"},
      {"redirect { https_redirect: true response_code: 9 }", ".redirect.response_code: "},
      {"redirect { scheme_redirect: 'ht tp' }", ".redirect.scheme_redirect: 'ht tp' is no scheme"},
      {"redirect { host_redirect: 'a/b' }", ".redirect.host_redirect: 'a/b' is no host"},
      {"redirect { port_redirect: 65536 }", ".redirect.port_redirect: 65536 is no port"},
      {"redirect { port_redirect: 1 host_redirect: 'a:2' }",
       ".redirect.port_redirect: stands beside"},
      {"redirect { path_redirect: '/a\\n' }", ".redirect.path_redirect: '/a\\x0a'"},
      {"redirect { regex_rewrite { pattern { regex: ')' } } }",
       ".redirect.regex_rewrite.pattern.regex: not a valid"},
      {"direct_response { status: 199 }", ".direct_response.status: 199 is no final status"},
      {"direct_response { status: 600 }", ".direct_response.status: 600 is no final status"},
      {"direct_response { status: 200 body { } }", ".direct_response.body: no source"},
      {"direct_response { status: 200 body { filename: '/nonexistent/x' } }",
       ".direct_response.body.filename: cannot read '/nonexistent/x'"},
      {"direct_response { status: 200 body { filename: '/dev/zero' } }",
       ".direct_response.body.filename: cannot read '/dev/zero': it is no regular file"},
      {"direct_response { status: 200 body { environment_variable: 'SLUICE_NOT_SET' } }",
       ".direct_response.body.environment_variable: 'SLUICE_NOT_SET' is not set"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ErrorsOf(WithRoute(c.route)),
                ElementsAre(testing::StartsWith(base::Cat("virtual_hosts[0].routes[0]", c.want))))
        << c.route;
  }
}

TEST(CompileRouteTable, EveryBadFieldOfHeaderMutations) {
  struct Case {
    std::string_view mutations;
    std::string_view want;  // Below "virtual_hosts[0].routes[0]".
  };
  const Case cases[] = {
      {"request_headers_to_add { }", ".request_headers_to_add[0].header: is required"},
      {"request_headers_to_add { header { } }", ".request_headers_to_add[0].header.key: is empty"},
      {"request_headers_to_add { header { key: ':path' } }",
       ".request_headers_to_add[0].header.key: ':path': :-prefixed or host headers may not be "
       "modified"},
      {"request_headers_to_add { header { key: 'Host' } }",
       ".request_headers_to_add[0].header.key: 'Host': :-prefixed or host headers"},
      {"request_headers_to_remove: 'host'",
       ".request_headers_to_remove[0]: 'host': :-prefixed or host headers"},
      {"response_headers_to_remove: ':status'",
       ".response_headers_to_remove[0]: ':status': :-prefixed or host headers"},
      {"response_headers_to_remove: ''", ".response_headers_to_remove[0]: is empty"},
      {"response_headers_to_add { header { key: 'a b' } }",
       ".response_headers_to_add[0].header.key: 'a b' is no header name"},
      {"response_headers_to_add { header { key: 'Content-Length' } }",
       ".response_headers_to_add[0].header.key: 'content-length' may not be modified"},
      {"request_headers_to_remove: 'transfer-encoding'",
       ".request_headers_to_remove[0]: 'transfer-encoding' may not be modified"},
      {"request_headers_to_add { header { key: 'connection' } }",
       ".request_headers_to_add[0].header.key: 'connection' may not be added"},
      {"request_headers_to_add { header { key: 'a' value: 'x\\r\\ny: z' } }",
       ".request_headers_to_add[0].header.value: 'x\\x0d\\x0ay: z' may not hold NUL, CR or LF"},
      {"request_headers_to_add { header { key: 'a' value: 'x\\000' } }",
       ".request_headers_to_add[0].header.value: 'x\\x00' may not hold"},
      {"request_headers_to_add { header { key: 'a' value: '%FOO%' } }",
       ".request_headers_to_add[0].header.value: Not supported field in StreamInfo: FOO"},
      {"request_headers_to_add { header { key: 'a' raw_value: 'x' } }",
       ".request_headers_to_add[0].header.raw_value: "},
      {"request_headers_to_add { header { key: 'a' } append { value: true } append_action: "
       "ADD_IF_ABSENT }",
       ".request_headers_to_add[0].append: cannot stand beside append_action"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ErrorsOf(WithRoute(base::Cat("route { cluster: 'c' } ", c.mutations))),
                ElementsAre(testing::StartsWith(base::Cat("virtual_hosts[0].routes[0]", c.want))))
        << c.mutations;
  }
  ProtoTable proto = WithRoute("route { cluster: 'c' }");
  for (int i = 0; i < 1001; ++i) proto.add_request_headers_to_add()->mutable_header()->set_key("a");
  EXPECT_THAT(ErrorsOf(proto), ElementsAre("request_headers_to_add: has 1001 entries; at most 1000 "
                                           "are allowed"));
  proto = WithRoute("route { cluster: 'c' }");
  proto.add_request_headers_to_remove(std::string(20'000, 'a'));
  EXPECT_THAT(ErrorsOf(proto),
              ElementsAre("request_headers_to_remove[0]: has 20000 bytes; at most 16384 are "
                          "allowed"));
}

TEST(CompileRouteTable, EveryBadFieldOfHosts) {
  EXPECT_THAT(
      ErrorsOf(FromText<ProtoTable>(
          "virtual_hosts { } virtual_hosts { name: 'a' domains: '' domains: 'a*b' domains: "
          "'*a*' domains: 'a b' domains: 'a/b' require_tls: 5 } vhds { } "
          "internal_only_headers: ':x'")),
      testing::UnorderedElementsAre(
          testing::StartsWith("vhds.config_source: no source"),
          testing::StartsWith("virtual_hosts[1].require_tls"),
          "internal_only_headers[0]: ':x' is no header name", "virtual_hosts[0].name: is required",
          testing::StartsWith("virtual_hosts[0].domains: is empty"),
          testing::StartsWith("virtual_hosts[1].domains[0]: is empty"),
          testing::StartsWith("virtual_hosts[1].domains[1]: 'a*b'"),
          testing::StartsWith("virtual_hosts[1].domains[2]: '*a*'"),
          testing::StartsWith("virtual_hosts[1].domains[3]: 'a b' is no host name"),
          testing::StartsWith("virtual_hosts[1].domains[4]: 'a/b' is no host name")));
  EXPECT_THAT(
      ErrorsOf(FromText<ProtoTable>("name: 't' virtual_hosts { name: 'a' domains: 'X.com' } "
                                    "virtual_hosts { name: 'b' domains: 'x.COM' }")),
      ElementsAre("virtual_hosts[1].domains[0]: Only unique values for domains are "
                  "permitted. Duplicate entry of domain x.com in route t: in virtual hosts "
                  "'a' and 'b'"));
}

TEST(CompileRouteTable, DirectBodiesHaveALimit) {
  ProtoTable proto = WithRoute("direct_response { status: 200 }");
  auto* route = proto.mutable_virtual_hosts(0)->mutable_routes(0);
  route->mutable_direct_response()->mutable_body()->set_inline_string(std::string(4097, 'x'));
  EXPECT_THAT(
      ErrorsOf(proto),
      ElementsAre("virtual_hosts[0].routes[0].direct_response.body: has 4097 bytes; at most "
                  "4096 are allowed"));
  proto.mutable_max_direct_response_body_size_bytes()->set_value(4097);
  EXPECT_EQ(std::get<DirectResponse>(Only(proto).action).body.size(), 4097U);
}

TEST(CompileRouteTable, PerFilterConfigsAreFoundByType) {
  const std::string head = "route { cluster: 'c' } typed_per_filter_config { key: 'f' value { ";
  const std::string at = "virtual_hosts[0].routes[0].typed_per_filter_config[\"f\"]";
  EXPECT_THAT(ErrorsOf(WithRoute(head + "type_url: 'type.googleapis.com/a.B' } }")),
              ElementsAre(testing::StartsWith(
                  at + ": Didn't find a registered implementation for 'f' with type URL: "
                       "'type.googleapis.com/a.B'")));
  // The filter itself is no per-route configuration.
  EXPECT_THAT(
      ErrorsOf(WithRoute(
          head + "[type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors] { } } }")),
      ElementsAre(testing::StartsWith(at + ": Didn't find a registered implementation")));
  EXPECT_THAT(ErrorsOf(WithRoute(head + "type_url: "
                                        "'type.googleapis.com/"
                                        "envoy.extensions.filters.http.cors.v3.CorsPolicy' value: "
                                        "'\\377' } }")),
              ElementsAre(testing::StartsWith(at + ": the bytes are no ")));
  const std::string wrapper = head + "[type.googleapis.com/envoy.config.route.v3.FilterConfig] { ";
  EXPECT_THAT(ErrorsOf(WithRoute(wrapper + "} } }")), ElementsAre(at + ".config: is required"));
  const auto switched = [&](std::string_view text) {
    return std::get<FilterSwitch>(
               Only(WithRoute(base::Cat(wrapper, text, " } } }"))).per_filter.at(0).config)
        .disabled;
  };
  EXPECT_TRUE(switched("config { type_url: 'x/a.B' } disabled: true"));
  EXPECT_FALSE(switched("config { }"));
  EXPECT_THAT(ErrorsOf(WithRoute(wrapper + "config { type_url: 'x/a.B' } } } }")),
              ElementsAre(testing::StartsWith(at + ".config: Didn't find")));
  EXPECT_TRUE(Only(WithRoute(wrapper + "is_optional: true config { type_url: 'x/a.B' } } } }"))
                  .per_filter.empty());
}

TEST(CompileRouteTable, CorsPolicies) {
  const std::string head =
      "route { cluster: 'c' } typed_per_filter_config { key: 'envoy.filters.http.cors' value { "
      "[type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy] { ";
  const std::string at =
      "virtual_hosts[0].routes[0].typed_per_filter_config[\"envoy.filters.http.cors\"]";
  const auto policy = [&](std::string_view text) {
    const Route route = Only(WithRoute(base::Cat(head, text, " } } }")));
    EXPECT_EQ(route.per_filter.size(), 1U);
    return route.per_filter.empty() ? CorsPolicy{}
                                    : std::get<CorsPolicy>(route.per_filter[0].config);
  };
  CorsPolicy want;
  EXPECT_EQ(policy(""), want);
  EXPECT_TRUE(want.forward_not_matching_preflights);
  want.allow_origins.resize(1);
  want.allow_origins[0].kind = StringMatcher::Kind::kSuffix;
  want.allow_origins[0].text = ".example.com";
  want.allow_origins[0].ignore_case = true;
  want.allow_methods = "GET, POST";
  want.allow_headers = "x-a";
  want.expose_headers = "x-b";
  want.max_age = "600";
  want.allow_credentials = true;
  want.allow_private_network_access = true;
  want.forward_not_matching_preflights = false;
  EXPECT_EQ(policy("allow_origin_string_match { suffix: '.Example.com' ignore_case: true } "
                   "allow_methods: 'GET, POST' allow_headers: 'x-a' expose_headers: 'x-b' max_age: "
                   "'600' allow_credentials { value: true } allow_private_network_access { value: "
                   "true } forward_not_matching_preflights { } filter_enabled { default_value { "
                   "numerator: 100 } }"),
            want);
  EXPECT_FALSE(
      policy("filter_enabled { default_value { numerator: 0 } }").enabled.Enabled(nullptr, 0));
  const RuntimeFraction part =
      policy(
          "filter_enabled { default_value { numerator: 5000 denominator: TEN_THOUSAND } "
          "runtime_key: 'cors.part' }")
          .enabled;
  EXPECT_TRUE(part.Enabled(nullptr, 4999));
  EXPECT_FALSE(part.Enabled(nullptr, 5000));
  EXPECT_EQ(part.key, "cors.part");
  const auto error = [&](std::string_view text) {
    return ErrorsOf(WithRoute(base::Cat(head, text, " } } }")));
  };
  EXPECT_THAT(error("filter_enabled { default_value { numerator: 101 } }"),
              ElementsAre(at + ".filter_enabled.default_value: 101 of 100 is more than all; write "
                               "at most that"));
  EXPECT_THAT(error("shadow_enabled { }"),
              ElementsAre(testing::StartsWith(at + ".shadow_enabled")));
  EXPECT_THAT(error("allow_origin_string_match { } expose_headers: 'a\\nb'"),
              ElementsAre(testing::StartsWith(at + ".allow_origin_string_match[0]: no pattern"),
                          testing::StartsWith(at + ".expose_headers: ")));
}

TEST(CompileRouteTable, AppendIsTheOlderSpellingOfAppendAction) {
  using Action = HeaderAddition::Action;
  const Route route = Only(
      WithRoute("route { cluster: 'c' } request_headers_to_add { header { key: 'A' } append { } } "
                "request_headers_to_add { header { key: 'b' } append { value: true } } "
                "request_headers_to_add { header { key: 'c' } append_action: ADD_IF_ABSENT } "
                "request_headers_to_add { header { key: 'd' } append_action: "
                "OVERWRITE_IF_EXISTS_OR_ADD } request_headers_to_add { header { key: 'e' } "
                "append_action: OVERWRITE_IF_EXISTS keep_empty_value: true }"));
  std::vector<std::pair<std::string, Action>> got;
  for (const HeaderAddition& add : route.mutations.request.add)
    got.emplace_back(add.name, add.action);
  EXPECT_THAT(got,
              ElementsAre(std::pair("a", Action::kOverwrite), std::pair("b", Action::kAppend),
                          std::pair("c", Action::kAddIfAbsent), std::pair("d", Action::kOverwrite),
                          std::pair("e", Action::kOverwriteIfExists)));
  EXPECT_TRUE(route.mutations.request.add[4].keep_empty);
}

TEST(CompileRouteTable, ValidateClustersDefaultsToWhereItCameFrom) {
  base::FieldErrors errors;
  CompileOptions from_file;
  from_file.is_static = true;
  ProtoTable proto = WithRoute("route { cluster: 'c' }");
  EXPECT_FALSE(CompileRouteTable(proto, {}, errors)->validate_clusters);
  EXPECT_TRUE(CompileRouteTable(proto, from_file, errors)->validate_clusters);
  proto.mutable_validate_clusters()->set_value(false);
  EXPECT_FALSE(CompileRouteTable(proto, from_file, errors)->validate_clusters);
}

TEST(VisitClusters, NamesEachClusterOfEachRoute) {
  base::FieldErrors errors;
  const auto table = CompileRouteTable(
      FromText<ProtoTable>(
          "virtual_hosts { name: 'h' domains: '*' routes { match { prefix: '/a' } route { cluster: "
          "'a' } } routes { match { prefix: '/b' } redirect { https_redirect: true } } routes { "
          "match { prefix: '/c' } route { weighted_clusters { clusters { name: 'b' weight { value: "
          "1 } } clusters { name: 'c' weight { value: 0 } } } } } }"),
      {}, errors);
  std::vector<std::string> names;
  VisitClusters(*table, [&](const VirtualHost&, const Route&, std::string_view name) {
    names.emplace_back(name);
  });
  EXPECT_THAT(names, ElementsAre("a", "b", "c"));
}

}  // namespace
}  // namespace sluice::config
