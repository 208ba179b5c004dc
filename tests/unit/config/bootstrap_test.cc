// Bootstrap files: whole ones, and every mistake with its line.

#include "config/bootstrap.h"

#include "base/strings.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "google/protobuf/struct.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

std::unique_ptr<Bootstrap> Load(std::string_view text, base::FieldErrors& errors,
                                const BootstrapOverrides& overrides = {}) {
  return LoadBootstrap(text, "b.yaml", overrides, {}, errors);
}

std::unique_ptr<Bootstrap> Good(std::string_view text, const BootstrapOverrides& overrides = {}) {
  base::FieldErrors errors;
  auto bootstrap = Load(text, errors, overrides);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  EXPECT_NE(bootstrap, nullptr);
  return bootstrap == nullptr ? std::make_unique<Bootstrap>() : std::move(bootstrap);
}

// "file:line: path: message".
std::vector<std::string> Located(std::string_view text, const BootstrapOverrides& overrides = {}) {
  base::FieldErrors errors;
  EXPECT_EQ(Load(text, errors, overrides), nullptr);
  std::vector<std::string> lines;
  for (const base::FieldError& error : errors.errors()) {
    lines.push_back(base::Cat(error.location, ": ", error.path, ": ", error.message));
  }
  return lines;
}

constexpr std::string_view kXdsCluster = R"(
static_resources:
  clusters:
  - name: xds
    type: STRICT_DNS
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config:
          http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 5s}}
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: xds.local, port_value: 18000}}}}]}]
)";
constexpr std::string_view kDynamic = R"(
node: {id: n1, cluster: c1, locality: {region: r, zone: z, sub_zone: s}, metadata: {b: 1, a: x}}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services:
    - envoy_grpc: {cluster_name: xds, authority: control}
      initial_metadata: [{key: X-Token, value: t}]
  lds_config: {resource_api_version: V3, initial_fetch_timeout: 0s, ads: {}}
  cds_config: {resource_api_version: V3, ads: {}}
)";

TEST(LoadBootstrap, ReadsADynamicOne) {
  const auto bootstrap = Good(base::Cat(
      kDynamic, "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}",
      kXdsCluster));
  EXPECT_EQ(bootstrap->node.id, "n1");
  EXPECT_EQ(bootstrap->node.cluster, "c1");
  EXPECT_EQ(bootstrap->node.region, "r");
  EXPECT_EQ(bootstrap->node.zone, "z");
  EXPECT_EQ(bootstrap->node.sub_zone, "s");
  google::protobuf::Struct metadata;
  ASSERT_TRUE(metadata.ParseFromString(bootstrap->node.metadata_bytes));
  EXPECT_EQ(metadata.fields().at("a").string_value(), "x");
  ASSERT_TRUE(bootstrap->admin_address.has_value());
  EXPECT_EQ(bootstrap->admin_address->ToString(), "127.0.0.1:9901");
  ASSERT_TRUE(bootstrap->ads.has_value());
  ApiSource want;
  want.aggregated = true;
  want.set_node_on_first_message_only = true;
  GrpcService& service = want.services.emplace_back();
  service.cluster_name = "xds";
  service.authority = "control";
  service.initial_metadata = {{"x-token", "t"}};
  EXPECT_EQ(*bootstrap->ads, want);
  ASSERT_TRUE(bootstrap->lds);
  ASSERT_TRUE(bootstrap->cds);
  EXPECT_EQ(bootstrap->lds->fetch_timeout_ms, 0U);
  EXPECT_EQ(bootstrap->cds->fetch_timeout_ms, 15'000U);
  ASSERT_EQ(bootstrap->clusters.size(), 1U);
  EXPECT_EQ(bootstrap->clusters[0].value->protocol, Cluster::Protocol::kHttp2);
  envoy::config::cluster::v3::Cluster original;
  ASSERT_TRUE(original.ParseFromString(bootstrap->clusters[0].proto_bytes));
  EXPECT_EQ(original.name(), "xds");
  envoy::config::bootstrap::v3::Bootstrap whole;
  ASSERT_TRUE(whole.ParseFromString(bootstrap->proto_bytes));
  EXPECT_EQ(whole.node().id(), "n1");
}

TEST(LoadBootstrap, BytesAreTheSameEachTime) {
  const std::string text = base::Cat(kDynamic, kXdsCluster);
  EXPECT_EQ(Good(text)->proto_bytes, Good(text)->proto_bytes);
  EXPECT_EQ(Good(text)->node, Good(text)->node);
}

TEST(LoadBootstrap, AnEmptyOneIsFine) {
  const auto bootstrap = Good("{}");
  EXPECT_FALSE(bootstrap->ads.has_value());
  EXPECT_FALSE(bootstrap->admin_address.has_value());
  EXPECT_FALSE(bootstrap->lds);
}

TEST(LoadBootstrap, FlagsOverrideTheFile) {
  BootstrapOverrides overrides;
  overrides.service_node = "flag-node";
  overrides.service_cluster = "flag-cluster";
  overrides.service_zone = "flag-zone";
  const auto bootstrap = Good(base::Cat(kDynamic, kXdsCluster), overrides);
  EXPECT_EQ(bootstrap->node.id, "flag-node");
  EXPECT_EQ(bootstrap->node.cluster, "flag-cluster");
  EXPECT_EQ(bootstrap->node.zone, "flag-zone");
  EXPECT_EQ(bootstrap->node.region, "r");
}

TEST(LoadBootstrap, UnknownFieldsAreErrorsUnlessAllowed) {
  EXPECT_THAT(Located("node:\n  idd: x\n"),
              testing::ElementsAre(testing::StartsWith("b.yaml:2: ")));
  BootstrapOverrides overrides;
  overrides.allow_unknown_static_fields = true;
  CompileOptions options;
  std::vector<std::string> unknown;
  options.on_unknown_field = [&unknown](std::string_view field) { unknown.emplace_back(field); };
  base::FieldErrors errors;
  EXPECT_NE(LoadBootstrap("node:\n  idd: x\n", "b.yaml", overrides, options, errors), nullptr);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  EXPECT_EQ(unknown.size(), 1U);
}

TEST(LoadBootstrap, AdminLogsInBothSpellings) {
  const auto bootstrap = Good(R"(
admin:
  access_log_path: /dev/null
  access_log:
  - name: a
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
  address: {pipe: {path: /run/admin.sock}}
)");
  ASSERT_EQ(bootstrap->admin_access_logs.size(), 2U);
  EXPECT_EQ(bootstrap->admin_access_logs[0].sink, AccessLog::Sink::kStdout);
  EXPECT_EQ(bootstrap->admin_access_logs[1].path, "/dev/null");
  EXPECT_EQ(bootstrap->admin_address->ToString(), "/run/admin.sock");
}

TEST(LoadBootstrap, TellsEveryErrorOfEveryResourceWithItsLine) {
  const auto lines = Located(R"(
admin: {address: {socket_address: {address: localhost, port_value: 1}}}
static_resources:
  clusters:
  - name: a
    lb_policy: CLUSTER_PROVIDED
  - name: a
    connect_timeout: nonsense
    type: LOGICAL_DNS
  listeners:
  - name: in
    address: {socket_address: {address: 0.0.0.0, port_value: 80}}
    filter_chains:
    - filters:
      - name: rbac
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC
overload_manager: {}
)");
  EXPECT_THAT(
      lines,
      testing::UnorderedElementsAre(
          testing::StartsWith("b.yaml:2: admin.address.socket_address.address: malformed IP"),
          testing::StartsWith("b.yaml:6: static_resources.clusters[0].lb_policy: CLUSTER_PROVIDED"),
          testing::StartsWith("b.yaml:7: static_resources.clusters[1].name: cluster manager: "
                              "duplicate cluster 'a'"),
          testing::StartsWith("b.yaml:8: static_resources.clusters[1].connect_timeout: "),
          testing::StartsWith("b.yaml:7: static_resources.clusters[1].load_assignment.endpoints: "
                              "LOGICAL_DNS"),
          testing::StartsWith("b.yaml:16: static_resources.listeners[0].filter_chains[0]"
                              ".filters[0].typed_config: Didn't find a registered implementation "
                              "for 'rbac'"),
          testing::StartsWith("b.yaml:18: overload_manager: not supported")));
}

TEST(LoadBootstrap, TextThatIsNoYaml) {
  EXPECT_THAT(Located("a: [1, 2\nb: }"), testing::ElementsAre(testing::StartsWith("b.yaml:")));
  EXPECT_THAT(Located("- a\n- b\n"), testing::ElementsAre(testing::StartsWith("b.yaml:1")));
}

TEST(LoadBootstrap, ErrorsBeyondTheLimitAreCounted) {
  std::string text = "static_resources:\n  clusters:\n";
  for (int i = 0; i < 150; ++i)
    base::Append(text, "  - {name: c", i, ", lb_policy: CLUSTER_PROVIDED}\n");
  base::FieldErrors errors;
  EXPECT_EQ(Load(text, errors), nullptr);
  EXPECT_EQ(errors.errors().size(), base::FieldErrors::kErrorsMax);
  EXPECT_GT(errors.size(), base::FieldErrors::kErrorsMax);
}

struct DynamicCase {
  std::string_view name, from, to, want;
};

TEST(LoadBootstrap, RefusesBadDynamicResources) {
  const std::string good = base::Cat(kDynamic, kXdsCluster);
  const std::vector<DynamicCase> cases = {
      {"no version", "    transport_api_version: V3\n", "",
       "dynamic_resources.ads_config.transport_api_version: V2 (and AUTO) xDS transport protocol "
       "versions are deprecated; use V3"},
      {"unknown cluster", "{cluster_name: xds, ", "{cluster_name: nobody, ",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: Unknown gRPC "
       "client cluster 'nobody'"},
      {"no cluster", "{cluster_name: xds, authority: control}", "{}",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: needed"},
      {"no node", "id: n1, ", "",
       "node: node 'id' and 'cluster' are required. Set it either in 'node' config or via "
       "--service-node and --service-cluster options"},
      {"our own fields", "id: n1, ", "id: n1, user_agent_name: envoy, ",
       "node.user_agent_name: filled in when it is sent; leave it out"},
      {"lds from a file of no format", "initial_fetch_timeout: 0s, ads: {}}", "path: /x}",
       "dynamic_resources.lds_config.path: '/x' is of no known format; use a name that ends in "
       ".yaml"},
      {"lds from itself", "initial_fetch_timeout: 0s, ads: {}}", "self: {}}",
       "dynamic_resources.lds_config.self: there is nothing it could mean here; write ads: {}"},
      {"lds from a server that is not there", "initial_fetch_timeout: 0s, ads: {}}",
       "api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: {envoy_grpc: "
       "{cluster_name: none}}}}",
       "dynamic_resources.lds_config.api_config_source.grpc_services[0].envoy_grpc.cluster_name: "
       "Unknown gRPC client cluster 'none'"},
      {"REST from a cluster of HTTP/2", "initial_fetch_timeout: 0s, ads: {}}",
       "api_config_source: {api_type: REST, transport_api_version: V3, cluster_names: [xds], "
       "refresh_delay: 1s}}",
       "dynamic_resources.lds_config.api_config_source.cluster_names[0]: REST cannot poll "
       "static_resources.clusters[0], which speaks HTTP/2"},
      {"a rate of nothing", "    transport_api_version: V3\n",
       "    transport_api_version: V3\n    rate_limit_settings: {max_tokens: 0}\n",
       "dynamic_resources.ads_config.rate_limit_settings.max_tokens: must be at least 1"},
      {"no source", "initial_fetch_timeout: 0s, ads: {}}", "}",
       "dynamic_resources.lds_config: no source of configuration; write ads: {}"},
      {"not HTTP/2", "http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 5s}}",
       "http_protocol_options: {}",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: gRPC needs HTTP/2"},
      {"limits of a channel", "    connect_timeout: 1s\n",
       "    connect_timeout: 1s\n    circuit_breakers: {}\n",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name: the channel of xDS "
       "cannot honour static_resources.clusters[0].circuit_breakers"},
      {"metadata", "key: X-Token", "key: 'x y'",
       "dynamic_resources.ads_config.grpc_services[0].initial_metadata[0].key: no name"},
      {"an empty server", "    grpc_services:\n", "    grpc_services:\n    - {}\n",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc: needed"},
      {"google_grpc", "envoy_grpc: {cluster_name: xds, authority: control}",
       "google_grpc: {stat_prefix: x}",
       "dynamic_resources.ads_config.grpc_services[0].google_grpc.target_uri: needed"},
      {"a token in the clear", "envoy_grpc: {cluster_name: xds, authority: control}",
       "google_grpc: {stat_prefix: x, target_uri: y, call_credentials: {access_token: z}}",
       "dynamic_resources.ads_config.grpc_services[0].google_grpc.call_credentials[0].access_token"
       ": a token is not sent in the clear"},
      {"back-off", "authority: control}",
       "authority: control, retry_policy: {retry_back_off: {base_interval: 2s, max_interval: 1s}}}",
       "dynamic_resources.ads_config.grpc_services[0].envoy_grpc.retry_policy.retry_back_off."
       "max_interval: too short"},
  };
  Good(good);
  for (const DynamicCase& bad : cases) {
    SCOPED_TRACE(bad.name);
    std::string text = good;
    const std::size_t at = text.find(bad.from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, bad.from.size(), bad.to);
    base::FieldErrors errors;
    EXPECT_EQ(Load(text, errors), nullptr);
    // What is refused is absent, too: then a second error says what is missing.
    ASSERT_LE(errors.size(), bad.want.find(": not supported") == std::string_view::npos ? 1U : 2U)
        << errors.Text("\n");
    EXPECT_THAT(Lines(errors), testing::Contains(testing::StartsWith(bad.want)));
    for (const base::FieldError& error : errors.errors()) {
      EXPECT_THAT(error.location, testing::StartsWith("b.yaml:"));
      EXPECT_TRUE(HasHint(error.message)) << error.message;
    }
  }
}

TEST(LoadBootstrap, BackOffIsRead) {
  std::string text = base::Cat(kDynamic, kXdsCluster);
  text.replace(text.find("authority: control"), 18,
               "retry_policy: {retry_back_off: {base_interval: 2s}}");
  const auto bootstrap = Good(text);
  EXPECT_EQ(bootstrap->ads->services[0].backoff_base_ms, 2000U);
  EXPECT_EQ(bootstrap->ads->services[0].backoff_max_ms, 20'000U);
}

TEST(LoadBootstrap, ResourcesOverAdsNeedAnAdsServer) {
  EXPECT_THAT(Located("dynamic_resources: {cds_config: {ads: {}}}"),
              testing::ElementsAre(testing::HasSubstr("there is no ADS server")));
  EXPECT_THAT(Located("static_resources:\n  clusters:\n"
                      "  - {name: a, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}\n"),
              testing::ElementsAre(testing::StartsWith(
                  "b.yaml:3: static_resources.clusters[0].eds_cluster_config: there is no ADS")));
}

std::string Listener(std::string_view name, int port, std::string_view routes) {
  return base::Cat("  - name: ", name,
                   "\n    address: {socket_address: {address: 127.0.0.1, port_value: ", port,
                   R"(}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
)",
                   routes, R"(
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
)");
}

TEST(LoadBootstrap, StaticRoutesNameStaticClusters) {
  const std::string route = "              - {match: {prefix: /}, route: {cluster: app}}\n";
  const std::string weighted =
      "              - {match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: app, "
      "weight: 1}, {name: other, weight: 1}]}}}\n";
  const std::string clusters = "  clusters: [{name: app}]\n";
  Good(base::Cat("static_resources:\n  listeners:\n", Listener("a", 80, route), clusters));
  EXPECT_THAT(
      Located(base::Cat("static_resources:\n  listeners:\n", Listener("a", 80, route))),
      testing::ElementsAre(testing::AllOf(
          testing::StartsWith("b.yaml:16: static_resources.listeners[0].filter_chains[0]"
                              ".filters[0].typed_config.route_config.virtual_hosts[0].routes[0]"
                              ".route.cluster: route: unknown cluster 'app'"),
          testing::HasSubstr("validate_clusters: false"))));
  EXPECT_THAT(Located(base::Cat("static_resources:\n  listeners:\n", Listener("a", 80, weighted),
                                clusters)),
              testing::ElementsAre(testing::HasSubstr(
                  "weighted_clusters.clusters[1].name: route: unknown cluster 'other'")));
  std::string unchecked = Listener("a", 80, route);
  unchecked.replace(unchecked.find("            virtual_hosts:"), 0,
                    "            validate_clusters: false\n");
  Good(base::Cat("static_resources:\n  listeners:\n", unchecked));
}

TEST(LoadBootstrap, ListenersDoNotShareNamesOrAddresses) {
  const std::string route =
      "              - {match: {prefix: /}, direct_response: {status: 200}}\n";
  EXPECT_THAT(Located(base::Cat("static_resources:\n  listeners:\n", Listener("a", 80, route),
                                Listener("a", 81, route))),
              testing::ElementsAre(testing::HasSubstr("'a' names two listeners")));
  EXPECT_THAT(Located(base::Cat("static_resources:\n  listeners:\n", Listener("a", 80, route),
                                Listener("b", 80, route))),
              testing::ElementsAre(testing::HasSubstr(
                  "error adding listener: 'b' has duplicate address '127.0.0.1:80' as existing "
                  "listener")));
  EXPECT_EQ(Good(base::Cat("static_resources:\n  listeners:\n", Listener("a", 0, route),
                           Listener("b", 0, route)))
                ->listeners.size(),
            2U);
}

}  // namespace
}  // namespace sluice::config
