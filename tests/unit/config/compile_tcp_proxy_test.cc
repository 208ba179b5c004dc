#include "config/compile_tcp_proxy.h"

#include "base/strings.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/compile_proxy_protocol.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "google/protobuf/any.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

template <typename Proto>
google::protobuf::Any AnyOf(std::string_view text) {
  google::protobuf::Any any;
  any.PackFrom(FromText<Proto>(text));
  return any;
}

using TcpProto = envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

std::shared_ptr<const TcpProxy> Compile(std::string_view text, base::FieldErrors& errors) {
  return CompileTcpProxy(AnyOf<TcpProto>(text), {}, errors);
}

TEST(CompileTcpProxy, DefaultsAreEnvoys) {
  base::FieldErrors errors;
  const auto tcp = Compile("stat_prefix: 't' cluster: 'c'", errors);
  ASSERT_EQ(errors.Text(), "");
  TcpProxy want;
  want.stat_prefix = "t";
  want.clusters = {{"c", 1}};
  EXPECT_TRUE(*tcp == want);
  EXPECT_EQ(tcp->idle_timeout_ms, 3'600'000U);
}

TEST(CompileTcpProxy, ReadsEverything) {
  base::FieldErrors errors;
  const auto tcp = Compile(R"(
      stat_prefix: "t"
      weighted_clusters { clusters { name: "a" weight: 3 } clusters { name: "b" weight: 1 } }
      idle_timeout { seconds: 0 } max_connect_attempts { value: 4 }
      backoff_options { base_interval { nanos: 5000000 } max_interval { seconds: 1 } }
      hash_policy { source_ip {} }
      max_downstream_connection_duration { seconds: 2 }
      max_downstream_connection_duration_jitter_percentage { value: 10 }
      access_log_options { access_log_flush_interval { seconds: 3 }
        flush_access_log_on_connected: true flush_access_log_on_start: true })",
                           errors);
  ASSERT_EQ(errors.Text(), "");
  EXPECT_TRUE((tcp->clusters == std::vector<TcpProxy::WeightedCluster>{{"a", 3}, {"b", 1}}));
  EXPECT_EQ(tcp->weight_sum, 4U);
  EXPECT_EQ(tcp->idle_timeout_ms, 0U);
  EXPECT_EQ(tcp->connect_attempts, 4U);
  EXPECT_EQ(tcp->backoff_base_ms, 5U);
  EXPECT_EQ(tcp->backoff_max_ms, 1000U);
  EXPECT_TRUE(tcp->hash_source_ip);
  EXPECT_EQ(tcp->max_duration_ms, 2000U);
  EXPECT_EQ(tcp->duration_jitter_percent, 10U);
  EXPECT_EQ(tcp->log_interval_ms, 3000U);
  EXPECT_TRUE(tcp->log_on_connected);
  EXPECT_TRUE(tcp->log_on_start);
}

TEST(CompileTcpProxy, TellsWhatIsWrong) {
  const auto with = [](std::string_view more) {
    return base::Cat("stat_prefix: 't' cluster: 'c' ", more);
  };
  const std::vector<BadCase> cases = {
      {"nothing", "", {"stat_prefix: needed", ": no destination"}},
      {"no name", "stat_prefix: 't' cluster: ''", {"cluster: needed"}},
      {"no weight",
       "stat_prefix: 't' weighted_clusters { clusters { name: 'a' } }",
       {"weighted_clusters.clusters[0].weight: must be at least 1"}},
      {"no clusters",
       "stat_prefix: 't' weighted_clusters {}",
       {"weighted_clusters.clusters: empty"}},
      {"no attempts", with("max_connect_attempts {}"), {"max_connect_attempts: must be"}},
      {"two hashes",
       with("hash_policy { source_ip {} } hash_policy { source_ip {} }"),
       {"hash_policy: more than one"}},
      {"empty hash", with("hash_policy {}"), {"hash_policy[0]: empty"}},
      {"tunnel", with("tunneling_config {}"), {"tunneling_config: not supported"}},
      {"on demand", with("on_demand {}"), {"on_demand: not supported"}},
      {"late connect",
       with("upstream_connect_mode: ON_DOWNSTREAM_DATA"),
       {"upstream_connect_mode: "}},
      {"jitter of nothing",
       with("max_downstream_connection_duration_jitter_percentage { value: 1 }"),
       {"max_downstream_connection_duration_jitter_percentage: of nothing"}},
      {"both spellings",
       with("flush_access_log_on_connected: true access_log_options {}"),
       {"access_log_options: not beside"}},
      {"back-off upside down",
       with("backoff_options { base_interval { seconds: 2 } max_interval { seconds: 1 } }"),
       {"backoff_options.max_interval: below"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

using FilterProto = envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;

TEST(CompileProxyProtocol, ReadsTheListenerFilter) {
  base::FieldErrors errors;
  const auto plain = CompileProxyProtocol(AnyOf<FilterProto>(""), {}, errors);
  EXPECT_TRUE(std::get<ProxyProtocolFilter>(*plain) == ProxyProtocolFilter{});
  const auto full = CompileProxyProtocol(
      AnyOf<FilterProto>("allow_requests_without_proxy_protocol: true disallowed_versions: V1 "
                         "stat_prefix: 'p'"),
      {}, errors);
  EXPECT_TRUE((std::get<ProxyProtocolFilter>(*full) ==
               ProxyProtocolFilter{
                   .optional = true, .allow_v1 = false, .allow_v2 = true, .stat_prefix = "p"}));
  EXPECT_EQ(errors.Text(), "");
  CompileProxyProtocol(AnyOf<FilterProto>("disallowed_versions: [V1, V2] rules {}"), {}, errors);
  EXPECT_THAT(Lines(errors),
              testing::UnorderedElementsAre(testing::StartsWith("disallowed_versions: every"),
                                            testing::StartsWith("rules: not supported")));
}

using UpstreamProto =
    envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;

TEST(CompileProxyProtocol, ReadsTheTransportSocket) {
  const std::string raw =
      "transport_socket { typed_config { "
      "[type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer] {} } }";
  base::FieldErrors errors;
  Cluster cluster;
  CompileUpstreamProxyProtocol(AnyOf<UpstreamProto>(raw), {}, cluster, errors);
  EXPECT_EQ(cluster.proxy_protocol, ProxyProtocolOut::kV1);
  Cluster second;
  CompileUpstreamProxyProtocol(AnyOf<UpstreamProto>("config { version: V2 } " + raw), {}, second,
                               errors);
  EXPECT_EQ(second.proxy_protocol, ProxyProtocolOut::kV2);
  EXPECT_EQ(errors.Text(), "");
  CompileUpstreamProxyProtocol(AnyOf<UpstreamProto>(raw), {}, second, errors);
  Cluster third;
  CompileUpstreamProxyProtocol(AnyOf<UpstreamProto>(""), {}, third, errors);
  EXPECT_THAT(Lines(errors), testing::ElementsAre(testing::HasSubstr("a PROXY header inside"),
                                                  testing::StartsWith("transport_socket: needed")));
}

}  // namespace
}  // namespace sluice::config
