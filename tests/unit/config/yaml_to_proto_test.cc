// YAML and JSON to messages: what is read, what is refused, with which line.

#include "config/yaml_to_proto.h"

#include <fstream>
#include <iterator>
#include <string>

#include "base/field_errors.h"
#include "config/yaml_value.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/field_comparator.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/unit/config/yaml_testing.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;
using envoy::config::route::v3::RouteConfiguration;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

TEST(YamlToProto, ReadsAClusterAsPeopleWriteIt) {
  const auto cluster = Read<Cluster>(R"(
name: python
type: STRICT_DNS          # by name
connect_timeout: 0.25s
dnsLookupFamily: 1        # camelCase, by number
per_connection_buffer_limit_bytes: 32768
common_lb_config: { healthy_panic_threshold: { value: 12.5 } }
load_assignment:
  cluster_name: python
  endpoints:
  - lb_endpoints:
    - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: "9000" } } }
      load_balancing_weight: 3
)");
  EXPECT_EQ(cluster.name(), "python");
  EXPECT_EQ(cluster.type(), Cluster::STRICT_DNS);
  EXPECT_EQ(cluster.connect_timeout().nanos(), 250'000'000);
  EXPECT_EQ(cluster.dns_lookup_family(), Cluster::V4_ONLY);
  EXPECT_EQ(cluster.per_connection_buffer_limit_bytes().value(), 32768U);
  EXPECT_EQ(cluster.common_lb_config().healthy_panic_threshold().value(), 12.5);
  const auto& endpoint = cluster.load_assignment().endpoints(0).lb_endpoints(0);
  EXPECT_EQ(endpoint.endpoint().address().socket_address().port_value(), 9000U);
  EXPECT_EQ(endpoint.load_balancing_weight().value(), 3U);
}

TEST(YamlToProto, ReadsASingleValueWhereAListIsExpected) {
  const auto table = Read<RouteConfiguration>(R"(
virtual_hosts:
  name: all
  domains: "*"
)");
  ASSERT_EQ(table.virtual_hosts_size(), 1);
  EXPECT_THAT(table.virtual_hosts(0).domains(), ElementsAre("*"));
}

TEST(YamlToProto, ReadsDurationsAsTextAndAsAnObject) {
  EXPECT_EQ(Read<Cluster>("connect_timeout: 5s").connect_timeout().seconds(), 5);
  EXPECT_EQ(Read<Cluster>("connect_timeout: {seconds: 2, nanos: 1}").connect_timeout().nanos(), 1);
  EXPECT_THAT(ErrorsOf<Cluster>("connect_timeout: 5"),
              HasSubstr("f.yaml:1: connect_timeout: must be a duration in seconds such as 1.5s"));
  EXPECT_THAT(ErrorsOf<Cluster>("connect_timeout: 5ms"), HasSubstr("must be a duration"));
  EXPECT_THAT(ErrorsOf<Cluster>("connect_timeout: {seconds: 1, nanos: -1}"),
              HasSubstr("out of range"));
}

struct DurationCase {
  std::string_view text;
  std::optional<DurationValue> want;
};

TEST(ParseDuration, Table) {
  const DurationCase cases[] = {
      {"0s", DurationValue{0, 0}},
      {"1.5s", DurationValue{1, 500'000'000}},
      {"-0.001s", DurationValue{0, -1'000'000}},
      {"1.000000001s", DurationValue{1, 1}},
      {"315576000000s", DurationValue{315'576'000'000, 0}},
      {"315576000001s", std::nullopt},
      {"1.0000000001s", std::nullopt},
      {"s", std::nullopt},
      {"-s", std::nullopt},
      {".5s", std::nullopt},
      {"1.s", std::nullopt},
      {"1", std::nullopt},
      {"+1s", std::nullopt},
      {" 1s", std::nullopt},
      {"1e3s", std::nullopt},
      {"99999999999999999999s", std::nullopt},
      {"", std::nullopt},
  };
  for (const DurationCase& c : cases) EXPECT_EQ(ParseDuration(c.text), c.want) << c.text;
}

TEST(YamlToProto, ReadsAnAnyByItsType) {
  const auto hcm = Read<HttpConnectionManager>(R"(
stat_prefix: in
http_filters:
- name: envoy.filters.http.router
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
    suppress_envoy_headers: true
)");
  envoy::extensions::filters::http::router::v3::Router router;
  ASSERT_TRUE(hcm.http_filters(0).typed_config().UnpackTo(&router));
  EXPECT_TRUE(router.suppress_envoy_headers());
}

TEST(YamlToProto, RefusesAnAnyOfAnUnknownTypeUnlessItsFilterIsOptional) {
  constexpr std::string_view kText = R"(
http_filters:
- name: guard
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules: {}
)";
  EXPECT_EQ(ErrorsOf<HttpConnectionManager>(kText),
            "f.yaml:5: http_filters[0].typed_config: Didn't find a registered implementation for "
            "type URL: 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC'");
  const auto hcm = Read<HttpConnectionManager>(std::string(kText) + "  is_optional: true\n");
  EXPECT_EQ(hcm.http_filters(0).typed_config().type_url(),
            "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC");
}

TEST(YamlToProto, AnAnyNeedsItsType) {
  EXPECT_THAT(ErrorsOf<HttpConnectionManager>("http_filters: [{typed_config: {a: 1}}]"),
              HasSubstr("needs \"@type\""));
  EXPECT_THAT(ErrorsOf<HttpConnectionManager>("http_filters: [{typed_config: x}]"),
              HasSubstr("must be a mapping with \"@type\""));
}

TEST(YamlToProto, NamesARefusedFieldWithItsLineAndHint) {
  EXPECT_EQ(ErrorsOf<RouteConfiguration>("name: t\n"
                                         "virtual_hosts:\n"
                                         "- name: h\n"
                                         "  domains: ['*']\n"
                                         "  rate_limits:\n"
                                         "  - stage: 1\n"
                                         "    anything: [goes, here]\n"),
            "f.yaml:6: virtual_hosts[0].rate_limits: not supported; leave it out: there is no rate "
            "limiting");
}

TEST(YamlToProto, ARefusedFieldMaySayWhatItIsAnyway) {
  Read<HttpConnectionManager>(
      "represent_ipv4_remote_address_as_ipv4_mapped_ipv6: false\n"
      "original_ip_detection_extensions: []\n");
  EXPECT_THAT(
      ErrorsOf<HttpConnectionManager>("represent_ipv4_remote_address_as_ipv4_mapped_ipv6: true"),
      HasSubstr("not supported"));
}

TEST(YamlToProto, WhatHasNoEffectMayHoldAnything) {
  const auto hcm = Read<HttpConnectionManager>("tracing: {provider: {name: x, more: [1, 2]}}");
  EXPECT_TRUE(hcm.has_tracing());
}

TEST(YamlToProto, ReportsEveryErrorNotOnlyTheFirst) {
  const std::string errors = ErrorsOf<Cluster>(
      "nmae: x\n"
      "type: STATICC\n"
      "connect_timeout: soon\n"
      "health_checks: [{}]\n");
  EXPECT_THAT(errors, HasSubstr("f.yaml:1: nmae: unknown field; did you mean \"name\"?"));
  EXPECT_THAT(errors, HasSubstr("f.yaml:2: type: \"STATICC\" is none of STATIC, STRICT_DNS"));
  EXPECT_THAT(errors, HasSubstr("f.yaml:3: connect_timeout: must be a duration"));
  EXPECT_THAT(errors, HasSubstr("f.yaml:4: health_checks: not supported"));
}

TEST(YamlToProto, AsksForTheNameThatWasMeantOnlyWhenItIsNear) {
  EXPECT_EQ(ErrorsOf<Cluster>("wholly_else: 1"), "f.yaml:1: wholly_else: unknown field");
  EXPECT_EQ(ErrorsOf<Cluster>("lb_polcy: ROUND_ROBIN"),
            "f.yaml:1: lb_polcy: unknown field; did you mean \"lb_policy\"?");
}

TEST(YamlToProto, LetsUnknownFieldsPassWhenTold) {
  std::vector<std::string> unknown;
  YamlOptions options;
  options.allow_unknown_fields = true;
  options.unknown = &unknown;
  EXPECT_EQ(ErrorsOf<RouteConfiguration>("virtual_hosts: [{name: a, newer: {x: 1}}]", options), "");
  EXPECT_THAT(unknown, ElementsAre("virtual_hosts[0].newer"));
}

TEST(YamlToProto, AskForQuotesWhereAStringLooksLikeANumber) {
  EXPECT_EQ(ErrorsOf<Cluster>("name: 80"),
            "f.yaml:1: name: must be a string; write \"80\" with the quotes");
  EXPECT_THAT(ErrorsOf<Cluster>("name: true"), HasSubstr("write \"true\" with the quotes"));
  EXPECT_EQ(Read<Cluster>("name: \"80\"").name(), "80");
  EXPECT_EQ(Read<Cluster>("name: 1.2.3").name(), "1.2.3");
  EXPECT_EQ(Read<Cluster>("name: !!str 80").name(), "80");
}

TEST(YamlToProto, RefusesTwoMembersOfOneOneof) {
  EXPECT_THAT(
      ErrorsOf<RouteConfiguration>(
          "virtual_hosts: [{routes: [{match: {prefix: /, path: /x}, redirect: {}}]}]"),
      HasSubstr("virtual_hosts[0].routes[0].match.path: only one of path and prefix may be set"));
}

TEST(YamlToProto, RefusesAFieldUnderBothOfItsNames) {
  EXPECT_THAT(ErrorsOf<Cluster>("alt_stat_name: a\naltStatName: b"),
              HasSubstr("f.yaml:2: alt_stat_name: is set twice"));
}

TEST(YamlToProto, NullIsAbsentButNotInAList) {
  EXPECT_FALSE(Read<Cluster>("load_assignment:\nname: x").has_load_assignment());
  EXPECT_THAT(ErrorsOf<RouteConfiguration>("virtual_hosts: [~]"),
              HasSubstr("virtual_hosts[0]: must not be null here"));
}

TEST(YamlToProto, ReadsStructsAndNulls) {
  const auto bootstrap = Read<Bootstrap>(R"(
node:
  metadata: {a: 1.5, b: "1.5", c: true, d: [x, ~, {e: {}}], f: null, g: 0x10}
)");
  const auto& fields = bootstrap.node().metadata().fields();
  EXPECT_EQ(fields.at("a").number_value(), 1.5);
  EXPECT_EQ(fields.at("b").string_value(), "1.5");
  EXPECT_TRUE(fields.at("c").bool_value());
  EXPECT_EQ(fields.at("d").list_value().values_size(), 3);
  EXPECT_TRUE(fields.at("f").has_null_value());
  EXPECT_EQ(fields.at("g").string_value(), "0x10");
}

TEST(YamlToProto, KeepsTheLinesOfPathsForLaterErrors) {
  LocationMap locations;
  YamlOptions options;
  options.locations = &locations;
  EXPECT_EQ(ErrorsOf<RouteConfiguration>("name: t\n"
                                         "virtual_hosts:\n"
                                         "- name: h\n"
                                         "  routes:\n"
                                         "  - match: {prefix: /}\n"
                                         "    redirect:\n"
                                         "      host_redirect: x\n",
                                         options),
            "");
  EXPECT_EQ(locations.Find("virtual_hosts[0].routes[0].redirect.host_redirect"), 7U);
  EXPECT_EQ(locations.Find("virtual_hosts[0].routes[0].redirect.port_redirect"), 6U);
  EXPECT_EQ(locations.Find("virtual_hosts[0].routes[5]"), 4U);
  EXPECT_EQ(locations.Find("nowhere"), 1U);

  base::FieldErrors found, located;
  {
    const base::FieldErrors::Scope scope(found, "virtual_hosts", 0);
    found.AddAt("name", "is no good");
  }
  AddWithLocations(found, "f.yaml", locations, located);
  EXPECT_EQ(located.Text(), "f.yaml:3: virtual_hosts[0].name: is no good");
}

TEST(YamlToProto, ReadsWholeBootstraps) {
  for (const std::string name : {"bootstrap.yaml", "bootstrap.json"}) {
    std::ifstream file(SLUICE_SOURCE_DIR "/tests/fuzz/corpus/yaml_to_proto/" + name);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(text.empty()) << name;
    EXPECT_GT(Read<Bootstrap>(text).static_resources().clusters_size(), 0) << name;
  }
}

// ---- JSON ----------------------------------------------------------------------------------

TEST(YamlToProto, ReadsJsonEscapesAndTabs) {
  const auto cluster = Read<Cluster>(
      "{\n\t\"name\":\"\\u00e9\\ud83d\\ude00\\\\\\/\\\"\\n\",\n"
      "\t\"alt_stat_name\":\"\\\\ud83d\"\n}");
  EXPECT_EQ(cluster.name(), "\u00e9\U0001F600\\/\"\n");
  EXPECT_EQ(cluster.alt_stat_name(), "\\ud83d");
}

TEST(YamlToProto, RefusesHalfASurrogatePair) {
  EXPECT_NE(ErrorsOf<Cluster>(R"({"name": "\ud83d"})"), "");
  EXPECT_NE(ErrorsOf<Cluster>(R"({"name": "\ude00\ud83d"})"), "");
}

// Both readers agree on what is read and on what is not.
template <typename M>
void Compare(std::initializer_list<std::string_view> documents, int accepted_min) {
  int accepted = 0;
  for (const std::string_view json : documents) {
    M ours, theirs;
    base::FieldErrors errors;
    const bool ours_ok = YamlToProto(json, "f.json", {}, &ours, errors);
    const auto status = google::protobuf::util::JsonStringToMessage(std::string(json), &theirs);
    EXPECT_EQ(ours_ok, status.ok()) << json << "\n" << errors.Text() << "\n" << status.ToString();
    if (!ours_ok || !status.ok()) continue;
    ++accepted;
    google::protobuf::util::DefaultFieldComparator comparator;
    comparator.set_treat_nan_as_equal(true);
    google::protobuf::util::MessageDifferencer differencer;
    differencer.set_field_comparator(&comparator);
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    EXPECT_TRUE(differencer.Compare(ours, theirs)) << json << "\n" << difference;
  }
  EXPECT_GE(accepted, accepted_min);
}

// Where protobuf's reader guesses, ours asks.
TEST(AgainstProtobufsReader, OursIsStricter) {
  for (const std::string_view json : {
           R"({"respect_dns_ttl":"yes"})",
           R"({"load_assignment":{"endpoints":[{"lb_endpoints":[null]}]}})",
           R"({"name":"a","name":"b"})",
           R"({"lb_policy":99})",
           R"({"dns_jitter":"1s"})",
       }) {
    Cluster ours, theirs;
    base::FieldErrors errors;
    EXPECT_FALSE(YamlToProto(json, "f.json", {}, &ours, errors)) << json;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(std::string(json), &theirs).ok())
        << json;
  }
}

TEST(AgainstProtobufsReader, Clusters) {
  Compare<Cluster>(
      {
          R"({})",
          R"({"name":"a","type":"EDS","connect_timeout":"1.5s"})",
          R"({"name":"a","type":3,"connectTimeout":"0.000000001s"})",
          R"({"per_connection_buffer_limit_bytes":10})",
          R"({"per_connection_buffer_limit_bytes":"10"})",
          R"({"per_connection_buffer_limit_bytes":10.0})",
          R"({"per_connection_buffer_limit_bytes":1e3})",
          R"({"per_connection_buffer_limit_bytes":4294967295})",
          R"({"per_connection_buffer_limit_bytes":4294967296})",
          R"({"per_connection_buffer_limit_bytes":-1})",
          R"({"per_connection_buffer_limit_bytes":1.5})",
          R"({"per_connection_buffer_limit_bytes":"x"})",
          R"({"respect_dns_ttl":true})",
          R"({"respect_dns_ttl":"true"})",
          R"({"respect_dns_ttl":1.5})",
          R"({"name":5})",
          R"({"name":true})",
          R"({"name":null,"type":"STATIC"})",
          R"({"name":"\u0000\u001f\u2028"})",
          R"({"type":"static"})",
          R"({"type":"BOGUS"})",
          R"({"connect_timeout":"-3.25s"})",
          R"({"connect_timeout":"315576000000s"})",
          R"({"connect_timeout":"315576000001s"})",
          R"({"connect_timeout":"5"})",
          R"({"connect_timeout":5})",
          R"({"common_lb_config":{"healthy_panic_threshold":{"value":12.25}}})",
          R"({"common_lb_config":{"healthy_panic_threshold":{"value":"12.25"}}})",
          R"({"common_lb_config":{"healthy_panic_threshold":{"value":1e-3}}})",
          R"({"common_lb_config":{"healthy_panic_threshold":{"value":"NaN"}}})",
          R"({"common_lb_config":{"healthy_panic_threshold":{"value":1e999}}})",
          R"({"circuit_breakers":{"thresholds":[{"priority":"HIGH","max_requests":7}]}})",
          R"({"load_assignment":{"endpoints":[{"priority":0,"lb_endpoints":[]}]}})",
          R"({"metadata":{"filter_metadata":{"a":{"b":[1,"2",true,null,{}]}}}})",
          R"({"typed_extension_protocol_options":{"x":{"@type":)"
          R"("type.googleapis.com/google.protobuf.Duration","value":"3s"}}})",
          R"({"typed_extension_protocol_options":{"x":{"@type":)"
          R"("type.googleapis.com/google.protobuf.Struct","value":{"a":1}}}})",
          R"({"typed_extension_protocol_options":{"x":{"@type":)"
          R"("type.googleapis.com/google.protobuf.UInt32Value","value":9}}})",
          R"({"typed_extension_protocol_options":{"x":{"@type":)"
          R"("type.googleapis.com/envoy.type.v3.Percent","value":9}}})",
          R"({"typed_extension_protocol_options":{"x":{"@type":"type.googleapis.com/no.Such"}}})",
          R"({"typed_extension_protocol_options":{"x":{}}})",
          R"({"bogus":1})",
          R"([])",
          R"({"name":"a",})",
          R"({"load_assignment":{"policy":{"drop_overloads":[{"category":"c"}]}}})",
      },
      25);
}

TEST(AgainstProtobufsReader, RouteTables) {
  Compare<RouteConfiguration>(
      {
          R"({"name":"t","virtual_hosts":[{"name":"h","domains":["*"],"routes":[)"
          R"({"match":{"prefix":"/"},"route":{"cluster":"c","timeout":"0s"}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"safe_regex":{"regex":"a\\.b"}},)"
          R"("redirect":{"response_code":"FOUND","port_redirect":8443}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"path":"/"},"direct_response":)"
          R"({"status":200,"body":{"inline_string":"ok\n"}}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"path":"/"},"direct_response":)"
          R"({"status":200,"body":{"inline_bytes":"AAEC/w=="}}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"path":"/"},"direct_response":)"
          R"({"status":200,"body":{"inline_bytes":"AAEC_w"}}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"path":"/"},"direct_response":)"
          R"({"body":{"inline_bytes":"*"}}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"path":"/","prefix":"/"}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"headers":[{"name":":method",)"
          R"("range_match":{"start":"-9223372036854775808","end":"9223372036854775807"}}]}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"headers":[{"name":":method",)"
          R"("range_match":{"start":"9223372036854775808"}}]}}]}]})",
          R"({"virtual_hosts":[{"routes":[{"match":{"headers":[{"name":"a",)"
          R"("present_match":true,"invert_match":true}]}}]}]})",
          R"({"request_headers_to_add":[{"header":{"key":"a","value":"%REQ(x)%"},)"
          R"("append_action":"ADD_IF_ABSENT","append":false}]})",
          R"({"validate_clusters":{"value":true}})",
          R"({"validate_clusters":false,"max_direct_response_body_size_bytes":5})",
          R"({"virtual_hosts":[{"typed_per_filter_config":{"envoy.filters.http.cors":{"@type":)"
          R"("type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",)"
          R"("allow_origin_string_match":[{"exact":"https://a"}],"allow_credentials":true}}}]})",
          R"({"virtual_hosts":{"name":5}})",
      },
      10);
}

}  // namespace
}  // namespace sluice::config
