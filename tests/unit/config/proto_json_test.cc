// Messages as JSON in the look of /config_dump.

#include "config/proto_json.h"

#include <limits>
#include <string>

#include "base/field_errors.h"
#include "config/yaml_to_proto.h"
#include "envoy/admin/v3/config_dump.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace sluice::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using envoy::config::cluster::v3::Cluster;
using envoy::config::route::v3::RouteConfiguration;
using google::protobuf::util::MessageDifferencer;

template <typename M>
M FromYaml(std::string_view text) {
  M message;
  base::FieldErrors errors;
  EXPECT_TRUE(YamlToProto(text, "f.yaml", {}, &message, errors)) << errors.Text("\n");
  return message;
}

constexpr std::string_view kCluster = R"(
name: python
type: STRICT_DNS
connect_timeout: 0.25s
per_connection_buffer_limit_bytes: 32768
respect_dns_ttl: true
common_lb_config: {healthy_panic_threshold: {value: 12.5}}
circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 7}, {}]}
metadata: {filter_metadata: {a: {b: [1, "2", true, null, {}, 1.5]}}}
load_assignment:
  cluster_name: python
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9000}}}
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http_protocol_options: {}}
)";

constexpr std::string_view kTable = R"(
name: t
virtual_hosts:
- name: h
  domains: ["*"]
  routes:
  - match: {prefix: /, headers: [{name: a, range_match: {start: -5, end: 9007199254740993}}]}
    route: {cluster: c, timeout: 15s}
  - match: {path: /b}
    direct_response: {status: 200, body: {inline_bytes: AAEC/w==}}
  typed_per_filter_config:
    envoy.filters.http.cors:
      "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
      allow_credentials: false
)";

std::string Theirs(const google::protobuf::Message& message, bool whitespace) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = whitespace;
  options.preserve_proto_field_names = true;
  std::string out;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &out, options).ok());
  return out;
}

TEST(ToJson, LooksLikeProtobufsOwnPrinter) {
  const auto cluster = FromYaml<Cluster>(kCluster);
  EXPECT_EQ(ToJson(cluster), Theirs(cluster, true));
  EXPECT_EQ(ToJson(cluster, {.whitespace = false}), Theirs(cluster, false));
  const auto table = FromYaml<RouteConfiguration>(kTable);
  EXPECT_EQ(ToJson(table), Theirs(table, true));
  EXPECT_EQ(ToJson(table, {.whitespace = false}), Theirs(table, false));
  EXPECT_EQ(ToJson(Cluster()), Theirs(Cluster(), true));
}

TEST(ToJson, PrintsMapsInTheOrderOfTheirKeys) {
  const auto table = FromYaml<RouteConfiguration>(R"(
typed_per_filter_config:
  b: {"@type": type.googleapis.com/google.protobuf.Duration, value: 3s}
  a: {}
  c: {}
)");
  EXPECT_EQ(ToJson(table, {.whitespace = false}),
            R"({"typed_per_filter_config":{"a":{},"b":{"@type":)"
            R"("type.googleapis.com/google.protobuf.Duration","value":"3s"},"c":{}}})");
}

TEST(ToJson, ComesBackAsTheSameMessage) {
  const auto cluster = FromYaml<Cluster>(kCluster);
  EXPECT_TRUE(MessageDifferencer::Equals(FromYaml<Cluster>(ToJson(cluster)), cluster));
  const auto table = FromYaml<RouteConfiguration>(kTable);
  EXPECT_TRUE(MessageDifferencer::Equals(FromYaml<RouteConfiguration>(ToJson(table)), table));
}

TEST(ToJson, PrintsOddNumbersAsProtobufDoes) {
  for (const double value :
       {0.1, 1e300, -1e-300, 1e15, 123456789012345678.0, 0.0, -0.0, -0.5, 1.0 / 3,
        std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    envoy::type::v3::Percent percent;
    percent.set_value(value);
    envoy::type::v3::Percent back;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ToJson(percent), &back).ok())
        << ToJson(percent);
    EXPECT_TRUE(MessageDifferencer::Equals(percent, back) || value != value) << ToJson(percent);
  }
}

TEST(ToJson, KeepsAnAnyThatItCannotRead) {
  google::protobuf::Any any;
  any.set_type_url("type.googleapis.com/foo.Bar");
  any.set_value("\x01\x02");
  EXPECT_EQ(ToJson(any),
            "{\n \"@type\": \"type.googleapis.com/foo.Bar\",\n \"value\": \"AQI=\"\n}\n");
  any.set_type_url("type.googleapis.com/envoy.config.cluster.v3.Cluster");
  any.set_value("\xff\xff");
  EXPECT_THAT(ToJson(any), HasSubstr("\"value\": \"//8=\""));
  EXPECT_EQ(ToJson(google::protobuf::Any()), "{}\n");
}

TEST(ToJson, GoesOnAfterAnAnyThatItCannotRead) {
  envoy::admin::v3::ClustersConfigDump dump;
  dump.add_static_clusters()->mutable_cluster()->set_type_url("x/no.Such");
  dump.add_static_clusters()->mutable_cluster()->PackFrom(FromYaml<Cluster>("name: second"));
  EXPECT_THAT(ToJson(dump), HasSubstr("\"name\": \"second\""));
}

TEST(ToJson, NeverPrintsASecret) {
  const auto secret = FromYaml<envoy::extensions::transport_sockets::tls::v3::Secret>(R"(
name: server
tls_certificate:
  certificate_chain: {inline_string: PUBLIC}
  private_key: {inline_string: TOPSECRET}
  password: {inline_bytes: VE9QU0VDUkVU}
)");
  const std::string json = ToJson(secret);
  EXPECT_THAT(json, Not(HasSubstr("TOPSECRET")));
  EXPECT_THAT(json, Not(HasSubstr("VE9QU0VDUkVU")));
  EXPECT_THAT(json, HasSubstr("\"inline_string\": \"[redacted]\""));
  EXPECT_THAT(json, HasSubstr("\"inline_bytes\": \"[redacted]\""));
  EXPECT_THAT(json, HasSubstr("PUBLIC"));

  google::protobuf::Any any;
  any.PackFrom(secret);
  EXPECT_THAT(ToJson(any), Not(HasSubstr("TOPSECRET")));

  const auto generic = FromYaml<envoy::extensions::transport_sockets::tls::v3::Secret>(
      "generic_secret: {secrets: {a: {inline_string: TOPSECRET}}}");
  EXPECT_THAT(ToJson(generic), Not(HasSubstr("TOPSECRET")));
}

TEST(ToJson, StopsAtADepthOfAnysInAnys) {
  google::protobuf::Any any;
  any.PackFrom(FromYaml<Cluster>("name: inner"));
  for (int i = 0; i < 500; ++i) {
    google::protobuf::Any outer;
    outer.PackFrom(any);
    any = outer;
  }
  const std::string json = ToJson(any);
  EXPECT_THAT(json, Not(HasSubstr("inner")));
  EXPECT_THAT(json, HasSubstr("\"value\": \""));
}

TEST(ToJson, StopsAtADepthOfValues) {
  google::protobuf::Value value;
  google::protobuf::Value* inner = &value;
  for (int i = 0; i < 1000; ++i) inner = inner->mutable_list_value()->add_values();
  inner->set_string_value("inner");
  const std::string json = ToJson(value, {.whitespace = false});
  EXPECT_THAT(json, Not(HasSubstr("inner")));
  EXPECT_THAT(json, HasSubstr("null"));
}

TEST(ToJson, PrintsWhatIsInvalidWithoutFailing) {
  Cluster cluster;
  cluster.mutable_connect_timeout()->set_seconds(std::numeric_limits<std::int64_t>::min());
  cluster.set_type(static_cast<Cluster::DiscoveryType>(77));
  cluster.set_name("\x01\"\\");
  const std::string json = ToJson(cluster, {.whitespace = false});
  EXPECT_THAT(json, HasSubstr("\"type\":77"));
  EXPECT_THAT(json, HasSubstr("\"connect_timeout\":{\"seconds\":\"-9223372036854775808\"}"));
  EXPECT_THAT(json, HasSubstr(R"("name":"\u0001\"\\")"));
}

TEST(AppendAnyJson, IndentsUnderWhatIsAround) {
  const auto cluster = FromYaml<Cluster>("name: x");
  std::string out = "  ";
  AppendAnyJson("t/envoy.config.cluster.v3.Cluster", cluster.SerializeAsString(), {.level = 2},
                out);
  EXPECT_EQ(out,
            "  {\n   \"@type\": \"t/envoy.config.cluster.v3.Cluster\",\n   \"name\": \"x\"\n  }");
}

}  // namespace
}  // namespace sluice::config
