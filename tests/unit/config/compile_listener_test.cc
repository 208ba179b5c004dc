// Listeners: what is read, and what must never be served.

#include <string>
#include <vector>

#include "base/strings.h"
#include "config/compile.h"
#include "config/defaults.h"
#include "config/listener.h"
#include "tests/unit/config/compile_testing.h"
#include "tests/unit/config/listener_samples.h"

namespace sluice::config {
namespace {

TEST(CompileListener, ReadsAddressesAndOptions) {
  const Listener listener = Good(With(R"(
      additional_addresses { address { socket_address { address: "::1" port_value: 0 } } }
      additional_addresses { address { pipe { path: "/run/in.sock" } } }
      stat_prefix: "front" per_connection_buffer_limit_bytes { value: 32768 }
      tcp_backlog_size { value: 128 })"));
  EXPECT_EQ(listener.name, "l");
  EXPECT_EQ(listener.address.ToString(), "127.0.0.1:8000");
  ASSERT_EQ(listener.additional_addresses.size(), 2U);
  EXPECT_EQ(listener.additional_addresses[0].ToString(), "[::1]:0");
  EXPECT_EQ(listener.additional_addresses[1].ToString(), "/run/in.sock");
  EXPECT_EQ(listener.stat_prefix, "front");
  EXPECT_EQ(listener.connection_buffer_limit_bytes, 32768U);
  EXPECT_EQ(listener.tcp_backlog, 128U);
}

TEST(CompileListener, DualStackWildcard) {
  const Listener listener = Good(base::Cat(
      R"(name: "l" address { socket_address { address: "::" port_value: 80 ipv4_compat: true } } )",
      Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)))));
  EXPECT_TRUE(listener.ipv4_compat);
}

TEST(CompileListener, NameIsTheAddressWhenStaticAndUnnamed) {
  const std::string text =
      base::Cat(kAddress, Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter))));
  CompileOptions options;
  options.is_static = true;
  EXPECT_EQ(Good(text, options).name, "127.0.0.1:8000");
  base::FieldErrors errors;
  CompileText(text, errors);
  EXPECT_THAT(Lines(errors), testing::ElementsAre(testing::StartsWith("name: needed")));
}

TEST(CompileListener, RawBufferIsTheSameAsNone) {
  EXPECT_EQ(
      Good(base::Cat(R"(name: "l" )", kAddress,
                     Chain(base::Cat(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)),
                                     R"(transport_socket { name: "x" typed_config {
              [type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer] {}
            } })")))),
      Good(WithHcm("")));
}

// Decisions 1: a listener is never served open for want of something we do not have.
TEST(CompileListener, FailsClosedOnWhatWeDoNotHave) {
  const auto any = [](std::string_view type) {
    return base::Cat(R"(typed_config { type_url: "type.googleapis.com/)", type, R"(" } )");
  };
  const std::string hcm = HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter));
  const std::string_view rbac_network = "envoy.extensions.filters.network.rbac.v3.RBAC";
  const std::string_view rbac_http = "envoy.extensions.filters.http.rbac.v3.RBAC";
  const std::string_view tls = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
  const auto listener = [](std::string_view chain) {
    return base::Cat(R"(name: "l" )", kAddress, Chain(chain));
  };
  const std::vector<BadCase> cases = {
      {"HTTP RBAC",
       listener(HcmFilter(base::Cat(R"(stat_prefix: "s" http_filters { name: "rbac" )",
                                    any(rbac_http), "} ", kRds, kRouter))),
       {kHcmPath +
        "http_filters[0].typed_config: Didn't find a registered implementation for "
        "'rbac' with type URL: 'type.googleapis.com/" +
        std::string(rbac_http) + "'"}},
      {"network RBAC",
       listener(base::Cat(R"(filters { name: "rbac" )", any(rbac_network), "} ", hcm)),
       {"filter_chains[0].filters[0].typed_config: Didn't find a registered implementation"}},
      {"TLS",
       listener(base::Cat(hcm, R"(transport_socket { name: "envoy.transport_sockets.tls" )",
                          any(tls), "}")),
       {"filter_chains[0].transport_socket.typed_config.common_tls_context.tls_certificates: No "
        "TLS "
        "certificates found for server context"}},
      {"TLS in the words of an upstream",
       listener(base::Cat(hcm, R"(transport_socket { name: "tls" )",
                          any("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
                          "}")),
       {"filter_chains[0].transport_socket.typed_config: Didn't find a registered "
        "implementation"}},
      {"transport socket without a type",
       listener(base::Cat(hcm, R"(transport_socket { name: "envoy.transport_sockets.tls" })")),
       {"filter_chains[0].transport_socket.typed_config: Didn't find a registered "
        "implementation"}},
      {"a known type in the wrong place",
       listener(HcmFilter(base::Cat(R"(stat_prefix: "s" http_filters { name: "x" )",
                                    any("envoy.extensions.filters.http.cors.v3.CorsPolicy"), "} ",
                                    kRds, kRouter))),
       {kHcmPath + "http_filters[0].typed_config: Didn't find a registered implementation"}},
      {"original destination",
       With(base::Cat(R"(listener_filters { name: "od" )",
                      any("envoy.extensions.filters.listener.original_dst.v3.OriginalDst"), "}")),
       {"listener_filters[0].typed_config: Didn't find a registered implementation for 'od'"}},
      {"chain match by suffix",
       listener(base::Cat(hcm, R"(filter_chain_match { address_suffix: "1" })")),
       {"filter_chains[0].filter_chain_match.address_suffix: not supported"}},
      {"not bound",
       With("bind_to_port { value: false }"),
       {"bind_to_port: false is not supported"}},
      {"drain type",
       With("drain_type: MODIFY_ONLY"),
       {"drain_type: value 1 is not supported; use DEFAULT"}},
      {"path normalization options",
       WithHcm("path_normalization_options {}"),
       {kHcmPath + "path_normalization_options: not supported"}},
      {"client certificates",
       WithHcm("forward_client_cert_matcher {}"),
       {kHcmPath + "forward_client_cert_matcher: not supported"}},
      {"client certificate details that nobody sends",
       WithHcm("set_current_client_cert_details { uri: true }"),
       {kHcmPath + "set_current_client_cert_details: says nothing"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    CompileText(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileListener, BytesThatAreNoConnectionManagerAreAnError) {
  base::FieldErrors errors;
  ListenerProto proto = FromText<ListenerProto>(WithHcm(""));
  proto.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_value("\x0f\xff");
  CompileListener(proto, {}, errors);
  EXPECT_THAT(Lines(errors),
              testing::ElementsAre(testing::StartsWith(
                  "filter_chains[0].filters[0].typed_config: the bytes are no envoy.")));
}

TEST(CompileListener, UnknownFieldsAreToldOrRefused) {
  ListenerProto proto = FromText<ListenerProto>(WithHcm(""));
  proto.GetReflection()->MutableUnknownFields(&proto)->AddVarint(999, 1);
  std::vector<std::string> told;
  CompileOptions options;
  options.on_unknown_field = [&told](std::string_view field) { told.emplace_back(field); };
  base::FieldErrors errors;
  CompileListener(proto, options, errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_THAT(told, testing::ElementsAre("999"));
  options.reject_unknown_fields = true;
  CompileListener(proto, options, errors);
  EXPECT_THAT(Lines(errors),
              testing::ElementsAre(testing::StartsWith(": unknown field number 999; leave out")));
}

TEST(CompileListener, TellsWhatHasNoEffect) {
  std::vector<std::string> told;
  CompileOptions options;
  options.on_no_effect = [&told](std::string_view field) { told.emplace_back(field); };
  Good(With("traffic_direction: INBOUND"), options);
  Good(WithHcm("tracing {}"), options);
  EXPECT_THAT(told,
              testing::ElementsAre("envoy.config.listener.v3.Listener.traffic_direction",
                                   "envoy.extensions.filters.network.http_connection_manager.v3."
                                   "HttpConnectionManager.tracing"));
}

TEST(CompileListener, RefusesBadListeners) {
  const std::string chain = Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)));
  const auto addressed = [&chain](std::string_view address) {
    return base::Cat(R"(name: "l" address { )", address, " } ", chain);
  };
  const std::vector<BadCase> cases = {
      {"no chain",
       base::Cat(R"(name: "l" )", kAddress),
       {"filter_chains: no filter chains specified"}},
      {"empty chain",
       base::Cat(R"(name: "l" )", kAddress, "filter_chains {}"),
       {"filter_chains[0].filters: empty"}},
      {"two managers",
       base::Cat(R"(name: "l" )", kAddress,
                 Chain(base::Cat(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)),
                                 HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter))))),
       {"filter_chains[0].filters[0]: Error: terminal filter named hcm"}},
      {"no address", base::Cat(R"(name: "l" )", chain), {"address: needed"}},
      {"name as address",
       addressed(R"(socket_address { address: "localhost" port_value: 1 })"),
       {"address.socket_address.address: malformed IP address: localhost"}},
      {"no port",
       addressed(R"(socket_address { address: "1.2.3.4" })"),
       {"address.socket_address.port_value: needed"}},
      {"big port",
       addressed(R"(socket_address { address: "1.2.3.4" port_value: 65536 })"),
       {"address.socket_address.port_value: 65536 is no port"}},
      {"UDP",
       addressed(R"(socket_address { protocol: UDP address: "1.2.3.4" port_value: 1 })"),
       {"address.socket_address.protocol: UDP is not supported"}},
      {"ipv4_compat on IPv4",
       addressed(R"(socket_address { address: "0.0.0.0" port_value: 1 ipv4_compat: true })"),
       {"address.socket_address.ipv4_compat: only for the IPv6 wildcard"}},
      {"empty pipe", addressed("pipe {}"), {"address.pipe.path: empty"}},
      {"long pipe",
       addressed(base::Cat("pipe { path: \"", std::string(108, 'a'), "\" }")),
       {"address.pipe.path: empty, or longer"}},
      {"pipe mode", addressed(R"(pipe { path: "/a" mode: 384 })"), {"address.pipe.mode: not"}},
      {"internal",
       addressed("envoy_internal_address {}"),
       {"address.envoy_internal_address: not supported"}},
      {"same address twice",
       With(base::Cat("additional_addresses { ", kAddress, "}")),
       {"additional_addresses[0].address: 127.0.0.1:8000 is listed twice"}},
      {"no backlog", With("tcp_backlog_size { value: 0 }"), {"tcp_backlog_size: out of range"}},
      {"small buffer",
       With("per_connection_buffer_limit_bytes { value: 0 }"),
       {"per_connection_buffer_limit_bytes: 0 is too small"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    CompileText(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileListener, TellsAllErrorsAtOnce) {
  base::FieldErrors errors;
  CompileText(base::Cat(Chain(HcmFilter("codec_type: HTTP3 path_normalization_options {}")),
                        "tcp_backlog_size { value: 0 }"),
              errors);
  std::vector<std::string> paths;
  for (const auto& error : errors.errors()) paths.push_back(error.path);
  EXPECT_THAT(paths,
              testing::UnorderedElementsAre(
                  "name", "address", "tcp_backlog_size", kHcmPath + "path_normalization_options",
                  kHcmPath + "codec_type", kHcmPath + "stat_prefix",
                  kHcmPath.substr(0, kHcmPath.size() - 1), kHcmPath + "http_filters"));
}

TEST(ListenerEquality, IsByValueAlsoBehindPointers) {
  const std::string inline_routes = base::Cat(
      R"(name: "l" )", kAddress,
      Chain(HcmFilter(base::Cat(
          R"(stat_prefix: "s" route_config { name: "r" virtual_hosts { name: "v" domains: "*"
             routes { match { prefix: "/" } direct_response { status: 200 } } } } )",
          kRouter))));
  EXPECT_TRUE(Good(inline_routes) == Good(inline_routes));
  std::string other = inline_routes;
  other.replace(other.find("200"), 3, "201");
  EXPECT_FALSE(Good(inline_routes) == Good(other));
  EXPECT_FALSE(Good(inline_routes) == Good(WithHcm("")));
  for (const std::string_view change :
       {"merge_slashes: true", "proxy_100_continue: true", "via: 'x'", "drain_timeout {}",
        "xff_num_trusted_hops: 1", "upgrade_configs { upgrade_type: 'a' }",
        "http_protocol_options { enable_trailers: true }", "strip_trailing_host_dot: true",
        "common_http_protocol_options { max_requests_per_connection { value: 1 } }"}) {
    EXPECT_FALSE(Good(WithHcm(change)) == Good(WithHcm(""))) << change;
    EXPECT_TRUE(Good(WithHcm(change)) == Good(WithHcm(change))) << change;
  }
}

}  // namespace
}  // namespace sluice::config
