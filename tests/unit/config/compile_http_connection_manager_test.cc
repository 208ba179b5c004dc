// HTTP connection managers: what is read and what is refused.

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

// In the text form they are there, as in files and from our own control plane.
TEST(CompileHttpConnectionManager, AWrittenZeroWinsToo) {
  const auto hcm = GoodHcm(R"(
      common_http_protocol_options { headers_with_underscores_action: ALLOW }
      http_protocol_options { accept_http_10: false })");
  EXPECT_EQ(hcm.underscores, HttpConnectionManager::Underscores::kAllow);
  EXPECT_FALSE(hcm.h1.accept_http_10);
  const auto unset = GoodHcm("common_http_protocol_options {} http_protocol_options {}");
  EXPECT_EQ(unset.underscores, HttpConnectionManager::Underscores::kReject);
  EXPECT_TRUE(unset.h1.accept_http_10);
}

TEST(CompileHttpConnectionManager, ReadsHttp2Options) {
  const auto hcm = GoodHcm(R"(
      codec_type: HTTP2
      http2_protocol_options {
        hpack_table_size { value: 1 } max_concurrent_streams { value: 2 }
        initial_stream_window_size { value: 65535 }
        initial_connection_window_size { value: 65536 } allow_connect: true
        max_outbound_frames { value: 3 } max_outbound_control_frames { value: 4 }
        max_consecutive_inbound_frames_with_empty_payload { value: 5 }
        max_inbound_priority_frames_per_stream { value: 6 }
        max_inbound_window_update_frames_per_data_frame_sent { value: 7 }
        override_stream_error_on_invalid_http_message { value: true }
        custom_settings_parameters { identifier { value: 99 } value { value: 8 } }
        connection_keepalive { interval { seconds: 9 } timeout { seconds: 10 }
          interval_jitter { value: 11 } connection_idle_interval { seconds: 12 } } })");
  EXPECT_EQ(hcm.codec, HttpConnectionManager::Codec::kHttp2);
  http::H2Options want;
  want.hpack_table_bytes = 1;
  want.streams_max = 2;
  want.stream_window_bytes = 65535;
  want.connection_window_bytes = 65536;
  want.allow_connect = true;
  want.outbound_frames_max = 3;
  want.outbound_control_frames_max = 4;
  want.empty_frames_max = 5;
  want.priority_frames_per_stream_max = 6;
  want.window_updates_per_data_frame_max = 7;
  want.stream_error_on_invalid_message = true;
  want.custom_settings = {{99, 8}};
  EXPECT_EQ(hcm.h2, want);
  EXPECT_EQ(hcm.h2_keepalive, (H2Keepalive{9000, 10'000, 11, 12'000}));
  EXPECT_TRUE(GoodHcm(R"(upgrade_configs { upgrade_type: "websocket" })").h2.allow_connect);
  EXPECT_FALSE(GoodHcm("").h2.allow_connect);
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
      {"router first",
       listener(base::Cat(router, cors)),
       {kHcmPath + "http_filters[0]: Error: terminal filter named router of type "
                   "envoy.extensions.filters.http.router.v3.Router must be the last filter in a "
                   "http filter chain",
        kHcmPath + "http_filters[1]: Error: non-terminal filter named cors of type "
                   "envoy.extensions.filters.http.cors.v3.Cors is the last filter in a http "
                   "filter chain"}},
      {"two routers",
       listener(router + router),
       {kHcmPath + "http_filters[0]: Error: terminal filter",
        kHcmPath + "http_filters[1].name: 'router' names two filters"}},
      {"same name twice",
       listener(base::Cat(cors, cors, router)),
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
      {"no config",
       listener(router + R"(http_filters { name: "x" })"),
       {kHcmPath + "http_filters[1].typed_config: Didn't find a registered implementation for 'x'",
        kHcmPath + "http_filters[0]: Error: terminal filter",
        kHcmPath + "http_filters[1]: Error: non-terminal filter"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    CompileText(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileHttpConnectionManager, RefusesBadOptions) {
  const auto routes = [](std::string_view specifier) {
    return base::Cat(R"(name: "l" )", kAddress,
                     Chain(HcmFilter(base::Cat(R"(stat_prefix: "s" )", specifier, kRouter))));
  };
  const std::vector<BadCase> cases = {
      {"HTTP/3", WithHcm("codec_type: HTTP3"), {kHcmPath + "codec_type: not supported; use AUTO"}},
      {"an HTTP/2 window too small",
       WithHcm("http2_protocol_options { initial_stream_window_size { value: 65534 } }"),
       {kHcmPath + "http2_protocol_options.initial_stream_window_size: 65534 is out of range"}},
      {"no HTTP/2 streams",
       WithHcm("http2_protocol_options { max_concurrent_streams { value: 0 } }"),
       {kHcmPath + "http2_protocol_options.max_concurrent_streams: 0 is out of range"}},
      {"a custom setting that is none",
       WithHcm("http2_protocol_options { custom_settings_parameters { identifier { value: 4 } "
               "value { value: 1 } } }"),
       {kHcmPath + "http2_protocol_options.custom_settings_parameters[0].identifier: setting 4"}},
      {"pings without a timeout",
       WithHcm("http2_protocol_options { connection_keepalive { interval { seconds: 1 } } }"),
       {kHcmPath + "http2_protocol_options.connection_keepalive.timeout: needed"}},
      {"no stat_prefix",
       base::Cat(R"(name: "l" )", kAddress, Chain(HcmFilter(base::Cat(kRds, kRouter)))),
       {kHcmPath + "stat_prefix: needed"}},
      {"no routes", routes(""), {kHcmPath.substr(0, kHcmPath.size() - 1) + ": no routes"}},
      {"rds without name",
       routes("rds { config_source { ads {} } }"),
       {kHcmPath + "rds.route_config_name: needed"}},
      {"rds without source",
       routes(R"(rds { route_config_name: "r" })"),
       {kHcmPath + "rds.config_source: no source of configuration"}},
      {"rds from a server of its own",
       routes(R"(rds { route_config_name: "r" config_source { api_config_source {} } })"),
       {kHcmPath + "rds.config_source.api_config_source.api_type: ",
        kHcmPath + "rds.config_source.api_config_source.transport_api_version: ",
        kHcmPath + "rds.config_source.api_config_source.grpc_services: needs an entry"}},
      {"rds from a file",
       routes(R"(rds { route_config_name: "r" config_source { path: "/x" } })"),
       {kHcmPath + "rds.config_source.path: '/x' is of no known format"}},
      {"xDS v2",
       routes(R"(rds { route_config_name: "r" config_source {
           ads {} resource_api_version: V2 } })"),
       {kHcmPath + "rds.config_source.resource_api_version: value 1 is not supported; use V3"}},
      {"scoped routes",
       routes("scoped_routes {}"),
       {kHcmPath + "scoped_routes.name: needed", kHcmPath + "scoped_routes: no scopes",
        kHcmPath + "scoped_routes.scope_key_builder.fragments: is empty"}},
      {"negative time",
       WithHcm("request_timeout { seconds: -1 }"),
       {kHcmPath + "request_timeout: out of range"}},
      {"endless time",
       WithHcm("request_timeout { seconds: 3153600001 }"),
       {kHcmPath + "request_timeout: out of range"}},
      {"bad nanos",
       WithHcm("drain_timeout { nanos: 1000000000 }"),
       {kHcmPath + "drain_timeout: out of range"}},
      {"big heads",
       WithHcm("max_request_headers_kb { value: 8193 }"),
       {kHcmPath + "max_request_headers_kb: 8193 is out of range"}},
      {"no heads",
       WithHcm("max_request_headers_kb { value: 0 }"),
       {kHcmPath + "max_request_headers_kb: 0 is out of range"}},
      {"no fields",
       WithHcm("common_http_protocol_options { max_headers_count { value: 0 } }"),
       {kHcmPath + "common_http_protocol_options.max_headers_count: must be at least 1"}},
      {"option of clusters",
       WithHcm("common_http_protocol_options { max_response_headers_kb { value: 1 } }"),
       {kHcmPath + "common_http_protocol_options.max_response_headers_kb: an option of clusters"}},
      {"bad host",
       WithHcm(R"(http_protocol_options { default_host_for_http_10: "a b" })"),
       {kHcmPath + "http_protocol_options.default_host_for_http_10: no valid host"}},
      {"CONNECT",
       WithHcm(R"(upgrade_configs { upgrade_type: "CONNECT" })"),
       {kHcmPath + "upgrade_configs[0].upgrade_type: CONNECT is not forwarded"}},
      {"h2c",
       WithHcm(R"(upgrade_configs { upgrade_type: "h2c" })"),
       {kHcmPath + "upgrade_configs[0].upgrade_type: HTTP/2 inside a tunnel"}},
      {"no upgrade",
       WithHcm("upgrade_configs {}"),
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
    CompileText(bad.input, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileHttpConnectionManager, HeaderTextsCannotSplitHeaders) {
  for (const std::string_view field : {"server_name", "via"}) {
    base::FieldErrors errors;
    CompileText(WithHcm(base::Cat(field, R"(: "a\r\nx: y")")), errors);
    ASSERT_EQ(errors.size(), 1U) << field;
    EXPECT_EQ(errors.errors()[0].path, kHcmPath + std::string(field));
  }
}

}  // namespace
}  // namespace sluice::config
