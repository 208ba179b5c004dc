// Clusters and endpoint assignments: what is read and what is refused.

#include "base/strings.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/compile_address.h"
#include "config/defaults.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

using Proto = envoy::config::cluster::v3::Cluster;
using AssignmentProto = envoy::config::endpoint::v3::ClusterLoadAssignment;

std::string SocketAddress(std::string_view address, int port) {
  return base::Cat("address { socket_address { address: \"", address, "\" port_value: ", port,
                   " } } ");
}

// One entry of lb_endpoints.
std::string Lb(std::string_view address, int port, std::string_view more = "") {
  return base::Cat("lb_endpoints { endpoint { ", SocketAddress(address, port), "} ", more, " } ");
}

std::string Load(std::string_view lb) {
  return base::Cat(R"(load_assignment { cluster_name: "c" endpoints { )", lb, "} } ");
}

std::string Options(std::string_view inside) {
  return base::Cat(R"(typed_extension_protocol_options {
      key: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" value {
      [type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions] { )",
                   inside, " } } } ");
}

std::shared_ptr<const Cluster> Compile(std::string_view text, base::FieldErrors& errors,
                                       const CompileOptions& options = {}) {
  return CompileCluster(FromText<Proto>(text), options, errors);
}

Cluster Good(std::string_view text, const CompileOptions& options = {}) {
  base::FieldErrors errors;
  const auto cluster = Compile(text, errors, options);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  return *cluster;
}

TEST(CompileCluster, AbsentFieldsHaveTheModesDefaults) {
  for (const Defaults defaults : {Defaults::kSafe, Defaults::kEnvoy}) {
    CompileOptions options;
    options.defaults = defaults;
    Cluster want = DefaultCluster(defaults);
    want.name = want.stat_name = want.assignment.cluster_name = "c";
    want.dns.failure_max_ms = defaults == Defaults::kSafe ? 50'000 : 5'000;
    EXPECT_TRUE(Good(R"(name: "c")", options) == want);
  }
}

TEST(CompileCluster, ReadsStaticEndpoints) {
  const Cluster cluster =
      Good(base::Cat(R"(name: "a:b" )", Load(base::Cat(Lb("10.0.0.1", 80), Lb("::1", 81),
                                                       R"(lb_endpoints { endpoint { address {
                                                     pipe { path: "@x" } } } })"))));
  EXPECT_EQ(cluster.type, Cluster::Type::kStatic);
  EXPECT_EQ(cluster.stat_name, "a_b");
  ASSERT_EQ(cluster.assignment.endpoints.size(), 3U);
  EXPECT_EQ(cluster.assignment.endpoints[0].address.ToString(), "10.0.0.1:80");
  EXPECT_EQ(cluster.assignment.endpoints[1].address.ToString(), "[::1]:81");
  EXPECT_EQ(cluster.assignment.endpoints[2].address.family(), base::Address::Family::kUnix);
  EXPECT_EQ(Good(R"(name: "c" alt_stat_name: "x:y")").stat_name, "x_y");
}

TEST(CompileCluster, ReadsDnsClusters) {
  const Cluster cluster = Good(base::Cat(
      R"(name: "c" type: STRICT_DNS dns_lookup_family: V4_ONLY dns_refresh_rate { seconds: 1 }
         respect_dns_ttl: true
         dns_failure_refresh_rate { base_interval { seconds: 2 } } )",
      Load(base::Cat(Lb("App.Example.com", 80), Lb("127.0.0.1", 81)))));
  EXPECT_EQ(cluster.type, Cluster::Type::kStrictDns);
  ASSERT_EQ(cluster.assignment.endpoints.size(), 2U);
  EXPECT_EQ(cluster.assignment.endpoints[0].dns_name, "app.example.com");
  EXPECT_EQ(cluster.assignment.endpoints[0].dns_port, 80);
  EXPECT_EQ(cluster.assignment.endpoints[0].hostname, "app.example.com");
  EXPECT_EQ(cluster.assignment.endpoints[0].address.family(), base::Address::Family::kNone);
  EXPECT_EQ(cluster.assignment.endpoints[1].address.ToString(), "127.0.0.1:81");
  EXPECT_TRUE((cluster.dns == DnsOptions{DnsOptions::Family::kV4Only, 1000, true, 2000, 20'000}));
  EXPECT_EQ(Good(base::Cat(R"(name: "c" type: LOGICAL_DNS )", Load(Lb("a.b", 1)))).type,
            Cluster::Type::kLogicalDns);
}

TEST(CompileCluster, ReadsEds) {
  const Cluster cluster = Good(R"(name: "c" type: EDS eds_cluster_config {
      service_name: "s" eds_config { ads {} initial_fetch_timeout { seconds: 0 } } })");
  EXPECT_EQ(cluster.type, Cluster::Type::kEds);
  EXPECT_EQ(cluster.eds_service_name, "s");
  EXPECT_EQ(cluster.eds_fetch_timeout_ms, 0U);
  const Cluster plain = Good(R"(name: "c" type: EDS eds_cluster_config { eds_config { ads {} } })");
  EXPECT_EQ(plain.eds_service_name, "c");
  EXPECT_EQ(plain.eds_fetch_timeout_ms, 15'000U);
}

TEST(CompileCluster, ReadsLimitsAndProtocolOptions) {
  const Cluster cluster = Good(base::Cat(
      R"(name: "c" connect_timeout { nanos: 1000000 }
         per_connection_buffer_limit_bytes { value: 4096 }
         common_lb_config { healthy_panic_threshold { value: 0 } }
         circuit_breakers {
           thresholds { max_connections { value: 1 } max_pending_requests { value: 2 }
                        max_requests { value: 3 } max_retries { value: 4 } }
           thresholds { priority: HIGH max_requests { value: 9 } } }
         upstream_connection_options { tcp_keepalive {
           keepalive_probes { value: 3 } keepalive_time { value: 60 } } } )",
      Options(R"(common_http_protocol_options { idle_timeout { seconds: 4 }
                   max_requests_per_connection { value: 5 } max_headers_count { value: 6 }
                   max_response_headers_kb { value: 7 } }
                 explicit_http_config { http_protocol_options {} })")));
  EXPECT_EQ(cluster.connect_timeout_ms, 1U);
  EXPECT_EQ(cluster.connection_buffer_limit_bytes, 4096U);
  EXPECT_EQ(cluster.panic_threshold_percent, 0U);
  EXPECT_TRUE((cluster.breakers[0] == BreakerLimits{1, 2, 3, 4, {}}));
  EXPECT_TRUE((cluster.breakers[1] == BreakerLimits{1024, 1024, 9, 3, {}}));
  ASSERT_TRUE(cluster.keepalive.has_value());
  EXPECT_TRUE((*cluster.keepalive == TcpKeepalive{3, 60, 0}));
  EXPECT_EQ(cluster.idle_timeout_ms, 4000U);
  EXPECT_EQ(cluster.requests_per_connection_max, 5U);
  EXPECT_EQ(cluster.response_fields_max, 6U);
  EXPECT_EQ(cluster.response_head_bytes_max, 7U * 1024);
  EXPECT_EQ(cluster.protocol, Cluster::Protocol::kHttp1);
  EXPECT_FALSE(cluster.tls.has_value());
}

TEST(CompileCluster, MarksHttp2) {
  const Cluster cluster =
      Good(base::Cat(R"(name: "c" )", Options(R"(explicit_http_config { http2_protocol_options {
          connection_keepalive { interval { seconds: 9 } timeout { seconds: 2 } } } })")));
  EXPECT_EQ(cluster.protocol, Cluster::Protocol::kHttp2);
  EXPECT_EQ(cluster.h2_keepalive.interval_ms, 9000U);
  EXPECT_EQ(cluster.http2_keepalive_interval_ms, 9000U);
  EXPECT_EQ(cluster.http2_keepalive_timeout_ms, 2000U);
  EXPECT_EQ(Good(R"(name: "c" http2_protocol_options {})").protocol, Cluster::Protocol::kHttp2);
}

TEST(CompileCluster, ChoosesTheProtocol) {
  const auto protocol = [](std::string_view options) {
    return Good(base::Cat(R"(name: "c" )", Options(options))).protocol;
  };
  EXPECT_EQ(protocol("use_downstream_protocol_config { http_protocol_options {} }"),
            Cluster::Protocol::kDownstream);
  const Cluster cluster = Good(base::Cat(
      R"(name: "c" )", Options(R"(use_downstream_protocol_config { http2_protocol_options {
          max_concurrent_streams { value: 7 } initial_stream_window_size { value: 70000 } } })")));
  EXPECT_EQ(cluster.h2.streams_max, 7U);
  EXPECT_EQ(cluster.h2.stream_window_bytes, 70'000U);
}

TEST(CompileCluster, RefusesBadClusters) {
  const auto named = [](std::string_view more) { return base::Cat(R"(name: "c" )", more); };
  const auto options_error = [](std::string_view path) {
    return base::Cat(
        "typed_extension_protocol_options[\"envoy.extensions.upstreams.http.v3."
        "HttpProtocolOptions\"].",
        path);
  };
  const std::string http1 = "explicit_http_config { http_protocol_options {} } ";
  const std::vector<BadCase> cases = {
      {"no name", "", {"name: needed"}},
      {"original destination", named("type: ORIGINAL_DST"), {"type: ORIGINAL_DST is not"}},
      {"cluster type", named("cluster_type {}"), {"cluster_type: not supported"}},
      {"name in a static cluster",
       named(Load(Lb("a.example.com", 80))),
       {"load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
        "malformed IP address: a.example.com. Consider setting resolver_name or setting cluster "
        "type to 'STRICT_DNS' or 'LOGICAL_DNS'"}},
      {"nonsense as a name",
       named(base::Cat("type: STRICT_DNS ", Load(Lb("http://x", 80)))),
       {"load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
        "'http://x' is neither"}},
      {"pipe to resolve",
       named(base::Cat("type: STRICT_DNS ",
                       Load("lb_endpoints { endpoint { address { pipe { path: '/x' } } } } "))),
       {"load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.pipe: not in"}},
      {"two logical names",
       named(base::Cat("type: LOGICAL_DNS ", Load(base::Cat(Lb("a.b", 1), Lb("c.d", 1))))),
       {"load_assignment.endpoints: LOGICAL_DNS clusters must have a single "
        "locality_lb_endpoint and a single lb_endpoint"}},
      {"the same logical name twice",
       named(base::Cat("type: LOGICAL_DNS ", Load(base::Cat(Lb("a.b", 1), Lb("a.b", 1))))),
       {"load_assignment.endpoints: LOGICAL_DNS clusters must have a single"}},
      {"no logical name",
       named("type: LOGICAL_DNS"),
       {"load_assignment.endpoints: LOGICAL_DNS clusters must have a single"}},
      {"EDS without config",
       named("type: EDS"),
       {"eds_cluster_config.eds_config: cannot create an EDS cluster without an EDS config"}},
      {"EDS from a file",
       named("type: EDS eds_cluster_config { eds_config { path_config_source {} } }"),
       {"eds_cluster_config.eds_config.path_config_source.path: needed; write the name of a file"}},
      {"REST without a pace",
       named("type: EDS eds_cluster_config { eds_config { api_config_source { api_type: REST "
             "transport_api_version: V3 cluster_names: \"rest\" } } }"),
       {"eds_cluster_config.eds_config.api_config_source.refresh_delay: needed by REST; write 5s"}},
      {"EDS of a URL",
       named(
           "type: EDS eds_cluster_config { service_name: \"xdstp://a/b\" eds_config { ads {} } }"),
       {"eds_cluster_config.service_name: xdstp:// names are not supported; use a plain name"}},
      {"EDS with endpoints",
       named(base::Cat("type: EDS eds_cluster_config { eds_config { ads {} } } ",
                       Load(Lb("1.2.3.4", 1)))),
       {"load_assignment: not in an EDS cluster"}},
      {"EDS config elsewhere",
       named("eds_cluster_config { eds_config { ads {} } }"),
       {"eds_cluster_config: eds_cluster_config set in a non-EDS cluster"}},
      {"no time to connect", named("connect_timeout {}"), {"connect_timeout: too short"}},
      {"negative time to connect",
       named("connect_timeout { seconds: -1 }"),
       {"connect_timeout: out of range"}},
      {"refresh too often",
       named("dns_refresh_rate { nanos: 1000000 }"),
       {"dns_refresh_rate: too short"}},
      {"no base",
       named("dns_failure_refresh_rate {}"),
       {"dns_failure_refresh_rate.base_interval: needed"}},
      {"base above maximum",
       named("dns_failure_refresh_rate { base_interval { seconds: 2 } max_interval { seconds: 1 "
             "} }"),
       {"dns_failure_refresh_rate.max_interval: below base_interval"}},
      {"balancer",
       named("lb_policy: CLUSTER_PROVIDED"),
       {"lb_policy: CLUSTER_PROVIDED is not supported; use ROUND_ROBIN"}},
      {"balancer by extension",
       named("load_balancing_policy {}"),
       {"load_balancing_policy.policies: empty; write one"}},
      {"panic",
       named("common_lb_config { healthy_panic_threshold { value: 101 } }"),
       {"common_lb_config.healthy_panic_threshold: no percentage"}},
      {"panic that is no number",
       named("common_lb_config { healthy_panic_threshold { value: nan } }"),
       {"common_lb_config.healthy_panic_threshold: no percentage"}},
      {"priority twice",
       named("circuit_breakers { thresholds {} thresholds {} }"),
       {"circuit_breakers.thresholds[1].priority: listed twice"}},
      {"keepalive",
       named("upstream_connection_options { tcp_keepalive { keepalive_time { value: 0 } } }"),
       {"upstream_connection_options.tcp_keepalive.keepalive_time: 0 is out of range"}},
      {"health checks", named("health_checks {}"), {"health_checks: not supported"}},
      {"outliers", named("outlier_detection {}"), {"outlier_detection: not supported"}},
      {"small buffer",
       named("per_connection_buffer_limit_bytes { value: 1 }"),
       {"per_connection_buffer_limit_bytes: 1 is too small"}},
      {"unknown socket",
       named(R"(transport_socket { name: "t" typed_config { type_url: "x/not.ours" } })"),
       {"transport_socket.typed_config: Didn't find a registered implementation for 't' with "
        "type URL: 'x/not.ours'"}},
      {"options under a wrong key",
       named(R"(typed_extension_protocol_options { key: "http" value {
         [type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions] {
           explicit_http_config { http_protocol_options {} } } } })"),
       {"typed_extension_protocol_options[\"http\"]: Didn't find a registered network or http "
        "filter or protocol options implementation for name: 'http'; use the key envoy."}},
      {"options of another type",
       named(R"(typed_extension_protocol_options { key: "x" value { type_url: "a/not.ours" } })"),
       {"typed_extension_protocol_options[\"x\"]: Didn't find a registered implementation for "
        "'x'"}},
      {"no protocol", named(Options("")), {options_error("explicit_http_config: needed")}},
      {"empty protocol",
       named(Options("explicit_http_config {}")),
       {options_error("explicit_http_config: no protocol")}},
      {"HTTP/3",
       named(Options("explicit_http_config { http3_protocol_options {} }")),
       {options_error("explicit_http_config.http3_protocol_options: not supported")}},
      {"options of listeners",
       named(Options("explicit_http_config { http_protocol_options { accept_http_10: true "
                     "enable_trailers: true allow_absolute_url {} default_host_for_http_10: 'x' } "
                     "}")),
       {options_error("explicit_http_config.http_protocol_options.accept_http_10: an option of "),
        options_error("explicit_http_config.http_protocol_options.enable_trailers: an option of "),
        options_error("explicit_http_config.http_protocol_options.allow_absolute_url: an option"),
        options_error("explicit_http_config.http_protocol_options.default_host_for_http_10: an "
                      "option")}},
      {"bad common options",
       named(Options(http1 + "common_http_protocol_options { max_headers_count { value: 0 } "
                             "max_response_headers_kb { value: 9000 } max_connection_duration {} "
                             "max_stream_duration {} "
                             "headers_with_underscores_action: DROP_HEADER }")),
       {options_error("common_http_protocol_options.max_headers_count: must be"),
        options_error("common_http_protocol_options.max_response_headers_kb: 9000 is out"),
        options_error("common_http_protocol_options.max_connection_duration: not supported"),
        options_error("common_http_protocol_options.max_stream_duration: not supported"),
        options_error("common_http_protocol_options.headers_with_underscores_action: an ")}},
      {"keepalive without timeout",
       named("http2_protocol_options { connection_keepalive { interval { seconds: 1 } } }"),
       {"http2_protocol_options.connection_keepalive.timeout: needed"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

// ---- assignments
// ---------------------------------------------------------------------------------

Assignment GoodAssignment(std::string_view text) {
  base::FieldErrors errors;
  const auto assignment = CompileAssignment(FromText<AssignmentProto>(text), {}, errors);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  return *assignment;
}

TEST(CompileAssignment, FlattensLocalitiesAndDropsDuplicates) {
  const Assignment assignment = GoodAssignment(base::Cat(
      R"(cluster_name: "c" endpoints { locality { zone: "a" } load_balancing_weight { value: 3 } )",
      Lb("10.0.0.1", 80, "health_status: DRAINING load_balancing_weight { value: 7 }"),
      Lb("10.0.0.1", 80), "} endpoints { ", Lb("10.0.0.1", 81, "health_status: DEGRADED"),
      Lb("10.0.0.1", 80), "}"));
  EXPECT_EQ(assignment.cluster_name, "c");
  ASSERT_EQ(assignment.endpoints.size(), 2U);
  EXPECT_EQ(assignment.endpoints[0].weight, 7U);
  EXPECT_EQ(assignment.endpoints[0].health, Endpoint::Health::kDraining);
  EXPECT_EQ(assignment.endpoints[1].address.ToString(), "10.0.0.1:81");
  EXPECT_EQ(assignment.endpoints[1].health, Endpoint::Health::kDegraded);
  EXPECT_EQ(assignment.endpoints[1].weight, 1U);
}

TEST(CompileAssignment, ReadsEveryHealthStatusAndHostname) {
  const std::vector<std::pair<std::string_view, Endpoint::Health>> cases = {
      {"UNKNOWN", Endpoint::Health::kUnknown},     {"HEALTHY", Endpoint::Health::kHealthy},
      {"UNHEALTHY", Endpoint::Health::kUnhealthy}, {"DRAINING", Endpoint::Health::kDraining},
      {"TIMEOUT", Endpoint::Health::kTimeout},     {"DEGRADED", Endpoint::Health::kDegraded}};
  for (const auto& [name, health] : cases) {
    const Assignment assignment = GoodAssignment(base::Cat(
        R"(cluster_name: "c" endpoints { lb_endpoints { health_status: )", name,
        R"( endpoint { hostname: "h.example.com" )", SocketAddress("1.2.3.4", 5), "} } }"));
    ASSERT_EQ(assignment.endpoints.size(), 1U);
    EXPECT_EQ(assignment.endpoints[0].health, health) << name;
    EXPECT_EQ(assignment.endpoints[0].hostname, "h.example.com");
  }
}

TEST(CompileAssignment, AddsDropsUpInMillionths) {
  const auto drops = [](std::string_view list) {
    return GoodAssignment(base::Cat(R"(cluster_name: "c" policy { )", list, "}"))
        .drop_percent_millionths;
  };
  const auto drop = [](int numerator, std::string_view denominator) {
    return base::Cat(R"(drop_overloads { category: "x" drop_percentage { numerator: )", numerator,
                     " denominator: ", denominator, "} } ");
  };
  EXPECT_EQ(drops(""), 0U);
  EXPECT_EQ(drops(drop(5, "HUNDRED")), 50'000U);
  EXPECT_EQ(drops(drop(5, "TEN_THOUSAND")), 500U);
  EXPECT_EQ(drops(base::Cat(drop(5, "MILLION"), drop(1, "HUNDRED"))), 10'005U);
  EXPECT_EQ(drops(base::Cat(drop(60, "HUNDRED"), drop(60, "HUNDRED"))), 1'000'000U);
}

TEST(CompileAssignment, RefusesBadAssignments) {
  const auto one = [](std::string_view lb) {
    return base::Cat(R"(cluster_name: "c" endpoints { )", lb, "}");
  };
  const std::string at = "endpoints[0].lb_endpoints[0].";
  const std::vector<BadCase> cases = {
      {"no name", "", {"cluster_name: needed"}},
      {"DNS name over EDS",
       one(Lb("a.example.com", 80)),
       {at + "endpoint.address.socket_address.address: malformed IP address: a.example.com"}},
      {"port 0",
       one(Lb("1.2.3.4", 0)),
       {at + "endpoint.address.socket_address.port_value: nothing can be reached at port 0"}},
      {"no endpoint", one("lb_endpoints {}"), {at + "endpoint: needed"}},
      {"endpoint by name",
       one("lb_endpoints { endpoint_name: 'x' }"),
       {at + "endpoint_name: not supported"}},
      {"no address", one("lb_endpoints { endpoint {} }"), {at + "endpoint.address: needed"}},
      {"weight 0",
       one(Lb("1.2.3.4", 1, "load_balancing_weight {}")),
       {at + "load_balancing_weight: must be at least 1"}},
      {"weights overflow",
       one(base::Cat(Lb("1.2.3.4", 1, "load_balancing_weight { value: 4294967295 }"),
                     Lb("1.2.3.4", 2))),
       {"endpoints: the sum of load_balancing_weight exceeds"}},
      {"priority out of range",
       one(base::Cat("priority: 129 ", Lb("1.2.3.4", 1))),
       {"endpoints[0].priority: 129 is out of range"}},
      {"weightless locality",
       one(base::Cat("load_balancing_weight {} ", Lb("1.2.3.4", 1))),
       {"endpoints[0].load_balancing_weight: must be at least 1"}},
      {"hostname that splits headers",
       one(base::Cat(R"(lb_endpoints { endpoint { hostname: "a\r\nb" )",
                     SocketAddress("1.2.3.4", 5), "} }")),
       {at + "endpoint.hostname: no host name"}},
      {"more than everything",
       R"(cluster_name: "c" policy { drop_overloads { category: "x" drop_percentage {
          numerator: 101 } } })",
       {"policy.drop_overloads[0].drop_percentage: more than everything"}},
      {"no category",
       R"(cluster_name: "c" policy { drop_overloads { drop_percentage { numerator: 1 } } })",
       {"policy.drop_overloads[0].category: needed"}},
      {"overprovisioning",
       R"(cluster_name: "c" policy { overprovisioning_factor {} })",
       {"policy.overprovisioning_factor: must be at least 1"}},
      {"two addresses",
       one(base::Cat("lb_endpoints { endpoint { ", SocketAddress("1.2.3.4", 5),
                     "additional_addresses {} } }")),
       {at + "endpoint.additional_addresses: not supported"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    CompileAssignment(FromText<AssignmentProto>(bad.input), {}, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileAssignment, ErrorsOfManyEndpointsAreBounded) {
  std::string many;
  for (int i = 0; i < 1000; ++i) many += Lb("nonsense", 1);
  base::FieldErrors errors;
  CompileAssignment(
      FromText<AssignmentProto>(base::Cat(R"(cluster_name: "c" endpoints { )", many, "}")), {},
      errors);
  EXPECT_EQ(errors.size(), 1000U);
  EXPECT_EQ(errors.errors().size(), base::FieldErrors::kErrorsMax);
}

TEST(IsDnsName, TakesNamesOnly) {
  for (const std::string_view good : {"a", "a.b", "A-1._x", "a.b.", "xn--bcher-kva.example"}) {
    EXPECT_TRUE(IsDnsName(good)) << good;
  }
  const std::string label(63, 'a');
  EXPECT_TRUE(IsDnsName(base::Cat(label, ".", label, ".", label, ".", std::string(61, 'a'))));
  EXPECT_FALSE(IsDnsName(base::Cat(label, ".", label, ".", label, ".", std::string(62, 'a'))));
  EXPECT_FALSE(IsDnsName(std::string(64, 'a')));
  for (const std::string_view bad :
       {"", ".", "a..b", ".a", "a b", "a:80", "a/b", "[::1]", "a@b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsDnsName(bad)) << bad;
  }
}

}  // namespace
}  // namespace sluice::config
