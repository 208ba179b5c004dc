// Listeners and their connection managers: what is read, and what must never be served.

#include "config/compile.h"

#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/unit/config/compile_testing.h"
#include "config/defaults.h"
#include "config/listener.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::config {
namespace {

using Proto = envoy::config::listener::v3::Listener;

constexpr std::string_view kAddress =
    R"(address { socket_address { address: "127.0.0.1" port_value: 8000 } } )";
constexpr std::string_view kRouter =
    R"(http_filters { name: "router" typed_config {
         [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} } } )";
constexpr std::string_view kRds =
    R"(rds { route_config_name: "r" config_source { ads {} resource_api_version: V3 } } )";

std::string HcmFilter(std::string_view hcm) {
  return base::Cat(R"(filters { name: "hcm" typed_config {
    [type.googleapis.com/)"
                   "envoy.extensions.filters.network.http_connection_manager.v3."
                   "HttpConnectionManager] { ",
                   hcm, " } } } ");
}

std::string Chain(std::string_view inside) {
  return base::Cat("filter_chains { ", inside, " } ");
}

// A listener that is right but for what `hcm` adds to its connection manager.
std::string WithHcm(std::string_view hcm) {
  return base::Cat(R"(name: "l" )", kAddress,
                   Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter, hcm))));
}

// A listener that is right but for what `listener` adds.
std::string With(std::string_view listener) { return base::Cat(WithHcm(""), listener); }

std::shared_ptr<const Listener> Compile(std::string_view text, base::FieldErrors& errors,
                                        const CompileOptions& options = {}) {
  return CompileListener(FromText<Proto>(text), options, errors);
}

Listener Good(std::string_view text, const CompileOptions& options = {}) {
  base::FieldErrors errors;
  const auto listener = Compile(text, errors, options);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  return listener == nullptr ? Listener() : *listener;
}

HttpConnectionManager GoodHcm(std::string_view hcm, const CompileOptions& options = {}) {
  const Listener listener = Good(WithHcm(hcm), options);
  if (listener.filter_chains.size() != 1 || listener.filter_chains[0].http == nullptr) {
    ADD_FAILURE() << "no connection manager";
    return {};
  }
  return *listener.filter_chains[0].http;
}

const std::string kHcmPath = "filter_chains[0].filters[0].typed_config.";

TEST(CompileListener, ReadsAddressesAndOptions) {
  const Listener listener = Good(With(R"(
      additional_addresses { address { socket_address { address: "::1" port_value: 0 } } }
      additional_addresses { address { pipe { path: "/run/in.sock" } } }
      stat_prefix: "front" per_connection_buffer_limit_bytes { value: 32768 }
      tcp_backlog_size { value: 128 } enable_reuse_port { value: false })"));
  EXPECT_EQ(listener.name, "l");
  EXPECT_EQ(listener.address.ToString(), "127.0.0.1:8000");
  ASSERT_EQ(listener.additional_addresses.size(), 2U);
  EXPECT_EQ(listener.additional_addresses[0].ToString(), "[::1]:0");
  EXPECT_EQ(listener.additional_addresses[1].ToString(), "/run/in.sock");
  EXPECT_EQ(listener.stat_prefix, "front");
  EXPECT_EQ(listener.connection_buffer_limit_bytes, 32768U);
  EXPECT_EQ(listener.tcp_backlog, 128U);
  EXPECT_FALSE(listener.reuse_port);
}

TEST(CompileListener, DualStackWildcard) {
  const Listener listener = Good(base::Cat(
      R"(name: "l" address { socket_address { address: "::" port_value: 80 ipv4_compat: true } } )",
      Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)))));
  EXPECT_TRUE(listener.ipv4_compat);
}

TEST(CompileListener, NameIsTheAddressWhenStaticAndUnnamed) {
  const std::string text = base::Cat(
      kAddress, Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter))));
  CompileOptions options;
  options.is_static = true;
  EXPECT_EQ(Good(text, options).name, "127.0.0.1:8000");
  base::FieldErrors errors;
  Compile(text, errors);
  EXPECT_THAT(Lines(errors), testing::ElementsAre(testing::StartsWith("name: needed")));
}

TEST(CompileListener, RawBufferIsTheSameAsNone) {
  EXPECT_EQ(Good(base::Cat(R"(name: "l" )", kAddress,
                           Chain(base::Cat(
                               HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)),
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
  const std::string_view tls =
      "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
  const auto listener = [](std::string_view chain) {
    return base::Cat(R"(name: "l" )", kAddress, Chain(chain));
  };
  const std::vector<BadCase> cases = {
      {"HTTP RBAC",
       listener(HcmFilter(base::Cat(R"(stat_prefix: "s" http_filters { name: "rbac" )",
                                    any(rbac_http), "} ", kRds, kRouter))),
       {kHcmPath + "http_filters[0].typed_config: Didn't find a registered implementation for "
                   "'rbac' with type URL: 'type.googleapis.com/" +
        std::string(rbac_http) + "'"}},
      {"network RBAC",
       listener(base::Cat(R"(filters { name: "rbac" )", any(rbac_network), "} ", hcm)),
       {"filter_chains[0].filters[0].typed_config: Didn't find a registered implementation"}},
      {"TLS",
       listener(base::Cat(hcm, R"(transport_socket { name: "envoy.transport_sockets.tls" )",
                          any(tls), "}")),
       {"filter_chains[0].transport_socket.typed_config: Didn't find a registered "
        "implementation"}},
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
      {"proxy protocol",
       With(base::Cat(R"(listener_filters { name: "pp" )",
                      any("envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"),
                      "}")),
       {"listener_filters[0]: Didn't find a registered implementation for 'pp'"}},
      {"chain match",
       listener(base::Cat(hcm, R"(filter_chain_match { server_names: "a.example.com" })")),
       {"filter_chains[0].filter_chain_match.server_names: not supported"}},
      {"two chains", With(Chain(hcm)), {"filter_chains[1]: one chain is supported"}},
      {"default chain", With("default_filter_chain {}"),
       {"default_filter_chain: not supported"}},
      {"not bound", With("bind_to_port { value: false }"),
       {"bind_to_port: false is not supported"}},
      {"drain type", With("drain_type: MODIFY_ONLY"),
       {"drain_type: value 1 is not supported; use DEFAULT"}},
      {"local reply mapping", WithHcm("local_reply_config {}"),
       {kHcmPath + "local_reply_config: not supported"}},
      {"client certificates", WithHcm("forward_client_cert_details: 2"),
       {kHcmPath + "forward_client_cert_details: not supported"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileListener, BytesThatAreNoConnectionManagerAreAnError) {
  base::FieldErrors errors;
  Proto proto = FromText<Proto>(WithHcm(""));
  proto.mutable_filter_chains(0)->mutable_filters(0)->mutable_typed_config()->set_value("\x0f\xff");
  CompileListener(proto, {}, errors);
  EXPECT_THAT(Lines(errors),
              testing::ElementsAre(testing::StartsWith(
                  "filter_chains[0].filters[0].typed_config: the bytes are no envoy.")));
}

TEST(CompileListener, UnknownFieldsAreToldOrRefused) {
  Proto proto = FromText<Proto>(WithHcm(""));
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
  const std::string chain =
      Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)));
  const auto addressed = [&chain](std::string_view address) {
    return base::Cat(R"(name: "l" address { )", address, " } ", chain);
  };
  const std::vector<BadCase> cases = {
      {"no chain", base::Cat(R"(name: "l" )", kAddress),
       {"filter_chains: no filter chains specified"}},
      {"empty chain", base::Cat(R"(name: "l" )", kAddress, "filter_chains {}"),
       {"filter_chains[0].filters: empty"}},
      {"two managers",
       base::Cat(R"(name: "l" )", kAddress,
                 Chain(base::Cat(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter)),
                                 HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, kRouter))))),
       {"filter_chains[0].filters[0]: Error: terminal filter named hcm"}},
      {"no address", base::Cat(R"(name: "l" )", chain), {"address: needed"}},
      {"name as address", addressed(R"(socket_address { address: "localhost" port_value: 1 })"),
       {"address.socket_address.address: malformed IP address: localhost"}},
      {"no port", addressed(R"(socket_address { address: "1.2.3.4" })"),
       {"address.socket_address.port_value: needed"}},
      {"big port", addressed(R"(socket_address { address: "1.2.3.4" port_value: 65536 })"),
       {"address.socket_address.port_value: 65536 is no port"}},
      {"UDP", addressed(R"(socket_address { protocol: UDP address: "1.2.3.4" port_value: 1 })"),
       {"address.socket_address.protocol: UDP is not supported"}},
      {"ipv4_compat on IPv4",
       addressed(R"(socket_address { address: "0.0.0.0" port_value: 1 ipv4_compat: true })"),
       {"address.socket_address.ipv4_compat: only for the IPv6 wildcard"}},
      {"empty pipe", addressed("pipe {}"), {"address.pipe.path: empty"}},
      {"long pipe", addressed(base::Cat("pipe { path: \"", std::string(108, 'a'), "\" }")),
       {"address.pipe.path: empty, or longer"}},
      {"pipe mode", addressed(R"(pipe { path: "/a" mode: 384 })"), {"address.pipe.mode: not"}},
      {"internal", addressed("envoy_internal_address {}"),
       {"address.envoy_internal_address: not supported"}},
      {"same address twice", With(base::Cat("additional_addresses { ", kAddress, "}")),
       {"additional_addresses[0].address: 127.0.0.1:8000 is listed twice"}},
      {"no backlog", With("tcp_backlog_size { value: 0 }"), {"tcp_backlog_size: out of range"}},
      {"small buffer", With("per_connection_buffer_limit_bytes { value: 0 }"),
       {"per_connection_buffer_limit_bytes: 0 is too small"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileHttpConnectionManager, DefaultsAreThoseOfTheMode) {
  for (const Defaults defaults : {Defaults::kSafe, Defaults::kEnvoy}) {
    CompileOptions options;
    options.defaults = defaults;
    HttpConnectionManager want = DefaultHttpConnectionManager(defaults);
    want.stat_prefix = "s";
    want.rds_name = "r";
    want.filters = {{"router", false, RouterFilter{}}};
    EXPECT_TRUE(GoodHcm("", options) == want);
    Listener listener = DefaultListener(defaults);
    EXPECT_EQ(Good(WithHcm(""), options).connection_buffer_limit_bytes,
              listener.connection_buffer_limit_bytes);
  }
}

TEST(CompileHttpConnectionManager, AFieldThatIsSetWinsInBothModes) {
  for (const Defaults defaults : {Defaults::kSafe, Defaults::kEnvoy}) {
    CompileOptions options;
    options.defaults = defaults;
    const auto hcm = GoodHcm(R"(
        normalize_path { value: false } request_headers_timeout { seconds: 3 }
        stream_idle_timeout { seconds: 7 }
        common_http_protocol_options { headers_with_underscores_action: DROP_HEADER }
        http_protocol_options { accept_http_10: true })",
                             options);
    EXPECT_FALSE(hcm.path.normalize);
    EXPECT_EQ(hcm.request_headers_timeout_ms, 3000U);
    EXPECT_EQ(hcm.stream_idle_timeout_ms, 7000U);
    EXPECT_EQ(hcm.tunnel_idle_timeout_ms, 7000U);
    EXPECT_EQ(hcm.underscores, HttpConnectionManager::Underscores::kDrop);
    EXPECT_TRUE(hcm.h1.accept_http_10);
  }
}

TEST(CompileHttpConnectionManager, ReadsEveryOption) {
  const auto hcm = GoodHcm(R"(
      codec_type: HTTP1 server_name: "me" server_header_transformation: PASS_THROUGH via: "v"
      use_remote_address { value: true } xff_num_trusted_hops: 2 skip_xff_append: true
      append_x_forwarded_port: true generate_request_id { value: false }
      preserve_external_request_id: true always_set_request_id_in_response: true
      proxy_100_continue: true merge_slashes: true strip_any_host_port: true
      strip_trailing_host_dot: true path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT
      max_request_headers_kb { value: 8 } request_timeout { nanos: 1 } drain_timeout {}
      delayed_close_timeout { seconds: 2 nanos: 500000000 }
      upgrade_configs { upgrade_type: "WebSocket" }
      upgrade_configs { upgrade_type: "other" enabled { value: false } }
      common_http_protocol_options {
        idle_timeout { seconds: 1 } max_connection_duration { seconds: 2 }
        max_stream_duration { seconds: 3 } max_headers_count { value: 50 }
        max_requests_per_connection { value: 9 } headers_with_underscores_action: REJECT_REQUEST }
      http_protocol_options { allow_absolute_url { value: false } enable_trailers: true
                              default_host_for_http_10: "old.example.com" })");
  EXPECT_EQ(hcm.server_name, "me");
  EXPECT_EQ(hcm.server_header, HttpConnectionManager::ServerHeader::kPassThrough);
  EXPECT_EQ(hcm.via, "v");
  EXPECT_TRUE(hcm.use_remote_address);
  EXPECT_EQ(hcm.xff_trusted_hops, 2U);
  EXPECT_TRUE(hcm.skip_xff_append);
  EXPECT_TRUE(hcm.append_x_forwarded_port);
  EXPECT_FALSE(hcm.generate_request_id);
  EXPECT_TRUE(hcm.preserve_external_request_id);
  EXPECT_TRUE(hcm.request_id_in_response);
  EXPECT_TRUE(hcm.proxy_100_continue);
  EXPECT_TRUE(hcm.path.merge_slashes);
  EXPECT_EQ(hcm.path.escaped_slashes, http::EscapedSlashes::kRedirect);
  EXPECT_EQ(hcm.host.strip_port, http::HostOptions::StripPort::kAny);
  EXPECT_TRUE(hcm.host.strip_trailing_dot);
  EXPECT_EQ(hcm.h1.head_bytes_max, 8192U);
  EXPECT_EQ(hcm.h1.trailer_bytes_max, 8192U);
  EXPECT_EQ(hcm.request_timeout_ms, 1U) << "a part of a millisecond must not turn into off";
  EXPECT_EQ(hcm.drain_timeout_ms, 0U);
  EXPECT_EQ(hcm.delayed_close_timeout_ms, 2500U);
  EXPECT_THAT(hcm.upgrades, testing::ElementsAre(UpgradeConfig{"websocket", true},
                                                 UpgradeConfig{"other", false}));
  EXPECT_EQ(hcm.idle_timeout_ms, 1000U);
  EXPECT_EQ(hcm.max_connection_duration_ms, 2000U);
  EXPECT_EQ(hcm.max_stream_duration_ms, 3000U);
  EXPECT_EQ(hcm.h1.fields_max, 50U);
  EXPECT_EQ(hcm.requests_per_connection_max, 9U);
  EXPECT_FALSE(hcm.h1.allow_absolute_url);
  EXPECT_TRUE(hcm.h1.keep_trailers);
  EXPECT_EQ(hcm.h1.default_host_for_http_10, "old.example.com");
}

TEST(CompileHttpConnectionManager, OptionalUnknownFiltersAreSkipped) {
  const Listener listener = Good(base::Cat(
      R"(name: "l" )", kAddress,
      Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" http_filters { name: "x" is_optional: true
          typed_config { type_url: "type.googleapis.com/not.ours" } } )",
                                kRds, kRouter)))));
  ASSERT_EQ(listener.filter_chains.size(), 1U);
  EXPECT_EQ(listener.filter_chains[0].http->filters.size(), 1U);
}

TEST(CompileHttpConnectionManager, RefusesBadFilterChains) {
  const std::string_view cors = R"(http_filters { name: "cors" typed_config {
      [type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors] {} } } )";
  const auto listener = [](const std::string& filters) {
    return base::Cat(R"(name: "l" )", kAddress,
                     Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", kRds, filters))));
  };
  const std::string router(kRouter);
  const std::vector<BadCase> cases = {
      {"none", listener(""), {kHcmPath + "http_filters: empty"}},
      {"router first", listener(base::Cat(router, cors)),
       {kHcmPath + "http_filters[0]: Error: terminal filter named router of type "
                   "envoy.extensions.filters.http.router.v3.Router must be the last filter in a "
                   "http filter chain",
        kHcmPath + "http_filters[1]: Error: non-terminal filter named cors of type "
                   "envoy.extensions.filters.http.cors.v3.Cors is the last filter in a http "
                   "filter chain"}},
      {"two routers", listener(router + router),
       {kHcmPath + "http_filters[0]: Error: terminal filter",
        kHcmPath + "http_filters[1].name: 'router' names two filters"}},
      {"same name twice", listener(base::Cat(cors, cors, router)),
       {kHcmPath + "http_filters[1].name: 'cors' names two filters"}},
      {"no name",
       listener(R"(http_filters { typed_config {
           [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} } })"),
       {kHcmPath + "http_filters[0].name: needed"}},
      {"router disabled",
       listener(R"(http_filters { name: "r" disabled: true typed_config {
           [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} } })"),
       {kHcmPath + "http_filters[0].disabled: not for the router"}},
      {"refused router option",
       listener(R"(http_filters { name: "r" typed_config {
           [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {
             strict_check_headers: "x" } } })"),
       {kHcmPath + "http_filters[0].typed_config.strict_check_headers: not supported"}},
      {"no config", listener(router + R"(http_filters { name: "x" })"),
       {kHcmPath + "http_filters[1].typed_config: Didn't find a registered implementation for 'x'",
        kHcmPath + "http_filters[0]: Error: terminal filter",
        kHcmPath + "http_filters[1]: Error: non-terminal filter"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileHttpConnectionManager, RefusesBadOptions) {
  const auto routes = [](std::string_view specifier) {
    return base::Cat(R"(name: "l" )", kAddress,
                     Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", specifier, kRouter))));
  };
  const std::vector<BadCase> cases = {
      {"HTTP/2", WithHcm("codec_type: HTTP2"), {kHcmPath + "codec_type: not supported; use AUTO"}},
      {"no stat_prefix",
       base::Cat(R"(name: "l" )", kAddress, Chain(HcmFilter(base::Cat(kRds, kRouter)))),
       {kHcmPath + "stat_prefix: needed"}},
      {"no routes", routes(""), {kHcmPath.substr(0, kHcmPath.size() - 1) + ": no routes"}},
      {"rds without name", routes("rds { config_source { ads {} } }"),
       {kHcmPath + "rds.route_config_name: needed"}},
      {"rds without source", routes(R"(rds { route_config_name: "r" })"),
       {kHcmPath + "rds.config_source: no source of configuration"}},
      {"rds from a server of its own",
       routes(R"(rds { route_config_name: "r" config_source { api_config_source {} } })"),
       {kHcmPath + "rds.config_source.api_config_source: not supported; use ads"}},
      {"rds from a file",
       routes(R"(rds { route_config_name: "r" config_source { path: "/x" } })"),
       {kHcmPath + "rds.config_source.path: not supported; use ads"}},
      {"xDS v2",
       routes(R"(rds { route_config_name: "r" config_source {
           ads {} resource_api_version: V2 } })"),
       {kHcmPath + "rds.config_source.resource_api_version: value 1 is not supported; use V3"}},
      {"scoped routes", routes("scoped_routes {}"), {kHcmPath + "scoped_routes: not supported"}},
      {"negative time", WithHcm("request_timeout { seconds: -1 }"),
       {kHcmPath + "request_timeout: out of range"}},
      {"endless time", WithHcm("request_timeout { seconds: 3153600001 }"),
       {kHcmPath + "request_timeout: out of range"}},
      {"bad nanos", WithHcm("drain_timeout { nanos: 1000000000 }"),
       {kHcmPath + "drain_timeout: out of range"}},
      {"big heads", WithHcm("max_request_headers_kb { value: 8193 }"),
       {kHcmPath + "max_request_headers_kb: 8193 is out of range"}},
      {"no heads", WithHcm("max_request_headers_kb { value: 0 }"),
       {kHcmPath + "max_request_headers_kb: 0 is out of range"}},
      {"no fields", WithHcm("common_http_protocol_options { max_headers_count { value: 0 } }"),
       {kHcmPath + "common_http_protocol_options.max_headers_count: must be at least 1"}},
      {"option of clusters",
       WithHcm("common_http_protocol_options { max_response_headers_kb { value: 1 } }"),
       {kHcmPath + "common_http_protocol_options.max_response_headers_kb: an option of clusters"}},
      {"bad host", WithHcm(R"(http_protocol_options { default_host_for_http_10: "a b" })"),
       {kHcmPath + "http_protocol_options.default_host_for_http_10: no valid host"}},
      {"CONNECT", WithHcm(R"(upgrade_configs { upgrade_type: "CONNECT" })"),
       {kHcmPath + "upgrade_configs[0].upgrade_type: CONNECT is not forwarded"}},
      {"h2c", WithHcm(R"(upgrade_configs { upgrade_type: "h2c" })"),
       {kHcmPath + "upgrade_configs[0].upgrade_type: HTTP/2 inside a tunnel"}},
      {"no upgrade", WithHcm("upgrade_configs {}"),
       {kHcmPath + "upgrade_configs[0].upgrade_type: no protocol name"}},
      {"upgrade twice",
       WithHcm(R"(upgrade_configs { upgrade_type: "a" } upgrade_configs { upgrade_type: "A" })"),
       {kHcmPath + "upgrade_configs[1].upgrade_type: Error: multiple upgrade configs with the "
                   "same name: 'a'"}},
      {"two ways to strip",
       WithHcm("strip_matching_host_port: true strip_any_host_port: true"),
       {kHcmPath + "strip_matching_host_port: not beside strip_any_host_port"}},
      {"after framing errors",
       WithHcm("stream_error_on_invalid_http_message { value: true }"),
       {kHcmPath + "stream_error_on_invalid_http_message: not supported"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileHttpConnectionManager, HeaderTextsCannotSplitHeaders) {
  for (const std::string_view field : {"server_name", "via"}) {
    base::FieldErrors errors;
    Compile(WithHcm(base::Cat(field, R"(: "a\r\nx: y")")), errors);
    ASSERT_EQ(errors.size(), 1U) << field;
    EXPECT_EQ(errors.errors()[0].path, kHcmPath + std::string(field));
  }
}

TEST(CompileListener, TellsAllErrorsAtOnce) {
  base::FieldErrors errors;
  Compile(base::Cat(Chain(HcmFilter("codec_type: HTTP3 local_reply_config {}")),
                    "tcp_backlog_size { value: 0 }"),
          errors);
  std::vector<std::string> paths;
  for (const auto& error : errors.errors()) paths.push_back(error.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre(
                         "name", "address", "tcp_backlog_size", kHcmPath + "local_reply_config",
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
