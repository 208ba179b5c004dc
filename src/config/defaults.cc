#include "config/defaults.h"

#include <string_view>
#include <vector>

#include "base/strings.h"

namespace sluice::config {
namespace {

// ---- values as an operator writes them
// -----------------------------------------------------------

std::string Ms(std::uint64_t ms) {
  if (ms == 0) return "off";
  return ms % 1000 == 0 ? base::Cat(ms / 1000, "s") : base::Cat(ms, "ms");
}

std::string Bytes(std::uint64_t bytes) {
  if (bytes % (1 << 20) == 0) return base::Cat(bytes >> 20, " MiB");
  return bytes % 1024 == 0 ? base::Cat(bytes >> 10, " KiB") : base::Cat(bytes);
}

std::string Bool(bool value) { return value ? "true" : "false"; }

std::string Count(std::uint64_t value) { return value == 0 ? "no limit" : base::Cat(value); }

std::string Text(HttpConnectionManager::Underscores action) {
  switch (action) {
    case HttpConnectionManager::Underscores::kAllow:
      return "ALLOW";
    case HttpConnectionManager::Underscores::kReject:
      return "REJECT_REQUEST";
    case HttpConnectionManager::Underscores::kDrop:
      return "DROP_HEADER";
  }
  return "";
}

std::string Version(int version) { return version == 0x0304 ? "TLSv1_3" : "TLSv1_2"; }

void UseEnvoys(http::H2Options& h2) {
  h2.streams_max = 1024;
  h2.stream_window_bytes = 16 * 1024 * 1024;
  h2.connection_window_bytes = 24 * 1024 * 1024;
}

HttpConnectionManager Hcm(Defaults d) { return DefaultHttpConnectionManager(d); }

// ---- the table
// -----------------------------------------------------------------------------------

struct Row {
  std::string_view field;
  std::string (*show)(Defaults);
  std::string_view reason;  // "": ours is Envoy's.
};

const std::vector<Row>& ListenerRows() {
  static const auto* const rows = new std::vector<Row>{
      {"per_connection_buffer_limit_bytes",
       [](Defaults d) { return Bytes(DefaultListener(d).connection_buffer_limit_bytes); },
       "bounds what slow readers hold: 1 MiB for each of 10,000 clients is 10 GB"},
      {"tcp_backlog_size", [](Defaults d) { return base::Cat(DefaultListener(d).tcp_backlog); },
       ""},
  };
  return *rows;
}

const std::vector<Row>& HcmRows() {
  static const auto* const rows = new std::vector<Row>{
      {"normalize_path", [](Defaults d) { return Bool(Hcm(d).path.normalize); },
       "a prefix that access rules hang on must not be escaped with /../"},
      {"request_headers_timeout", [](Defaults d) { return Ms(Hcm(d).request_headers_timeout_ms); },
       "a client that sends its head a byte at a time holds a connection for ever"},
      {"common_http_protocol_options.headers_with_underscores_action",
       [](Defaults d) { return Text(Hcm(d).underscores); },
       "many applications read x_user as x-user, which a proxy in front has checked"},
      {"http_protocol_options.accept_http_10",
       [](Defaults d) { return Bool(Hcm(d).h1.accept_http_10); },
       "old health checkers speak it; Envoy answers 426"},
      {"stream_idle_timeout (of tunnels)",
       [](Defaults d) { return Ms(Hcm(d).tunnel_idle_timeout_ms); },
       "a WebSocket that is quiet for 5 minutes is no error"},
      {"stream_idle_timeout", [](Defaults d) { return Ms(Hcm(d).stream_idle_timeout_ms); }, ""},
      {"request_timeout", [](Defaults d) { return Ms(Hcm(d).request_timeout_ms); }, ""},
      {"drain_timeout", [](Defaults d) { return Ms(Hcm(d).drain_timeout_ms); }, ""},
      {"delayed_close_timeout", [](Defaults d) { return Ms(Hcm(d).delayed_close_timeout_ms); }, ""},
      {"max_request_headers_kb", [](Defaults d) { return Bytes(Hcm(d).h1.head_bytes_max); }, ""},
      {"common_http_protocol_options.idle_timeout",
       [](Defaults d) { return Ms(Hcm(d).idle_timeout_ms); }, ""},
      {"common_http_protocol_options.max_headers_count",
       [](Defaults d) { return Count(Hcm(d).h1.fields_max); }, ""},
      {"common_http_protocol_options.max_connection_duration",
       [](Defaults d) { return Ms(Hcm(d).max_connection_duration_ms); }, ""},
      {"common_http_protocol_options.max_stream_duration",
       [](Defaults d) { return Ms(Hcm(d).max_stream_duration_ms); }, ""},
      {"common_http_protocol_options.max_requests_per_connection",
       [](Defaults d) { return Count(Hcm(d).requests_per_connection_max); }, ""},
      {"http_protocol_options.allow_absolute_url",
       [](Defaults d) { return Bool(Hcm(d).h1.allow_absolute_url); }, ""},
      {"http_protocol_options.enable_trailers",
       [](Defaults d) { return Bool(Hcm(d).h1.keep_trailers); }, ""},
      {"http2_protocol_options.max_concurrent_streams",
       [](Defaults d) { return base::Cat(Hcm(d).h2.streams_max); },
       "no browser opens more, and each may hold a request's work"},
      {"http2_protocol_options.initial_stream_window_size",
       [](Defaults d) { return Bytes(Hcm(d).h2.stream_window_bytes); },
       "what a slow upstream lets pile up for each request"},
      {"http2_protocol_options.initial_connection_window_size",
       [](Defaults d) { return Bytes(Hcm(d).h2.connection_window_bytes); },
       "what slow upstreams let pile up for each client"},
      {"merge_slashes", [](Defaults d) { return Bool(Hcm(d).path.merge_slashes); }, ""},
      {"use_remote_address", [](Defaults d) { return Bool(Hcm(d).use_remote_address); }, ""},
      {"generate_request_id", [](Defaults d) { return Bool(Hcm(d).generate_request_id); }, ""},
      {"server_name", [](Defaults d) { return Hcm(d).server_name; }, ""},
      {"rds.config_source.initial_fetch_timeout",
       [](Defaults d) { return Ms(Hcm(d).rds_fetch_timeout_ms); }, ""},
  };
  return *rows;
}

const std::vector<Row>& ClusterRows() {
  static const auto* const rows = new std::vector<Row>{
      {"per_connection_buffer_limit_bytes",
       [](Defaults d) { return Bytes(DefaultCluster(d).connection_buffer_limit_bytes); },
       "bounds what slow upstreams hold"},
      {"dns_failure_refresh_rate.max_interval",
       [](Defaults d) { return Ms(DefaultDnsFailureMaxMs(d, DefaultCluster(d).dns.refresh_ms)); },
       "a resolver in trouble is asked less and less"},
      {"connect_timeout", [](Defaults d) { return Ms(DefaultCluster(d).connect_timeout_ms); }, ""},
      {"dns_refresh_rate", [](Defaults d) { return Ms(DefaultCluster(d).dns.refresh_ms); }, ""},
      {"common_lb_config.healthy_panic_threshold",
       [](Defaults d) { return base::Cat(DefaultCluster(d).panic_threshold_percent, " %"); }, ""},
      {"circuit_breakers max_connections",
       [](Defaults d) { return base::Cat(DefaultCluster(d).breakers[0].connections_max); }, ""},
      {"circuit_breakers max_pending_requests",
       [](Defaults d) { return base::Cat(DefaultCluster(d).breakers[0].pending_max); }, ""},
      {"circuit_breakers max_requests",
       [](Defaults d) { return base::Cat(DefaultCluster(d).breakers[0].requests_max); }, ""},
      {"circuit_breakers max_retries",
       [](Defaults d) { return base::Cat(DefaultCluster(d).breakers[0].retries_max); }, ""},
      {"HttpProtocolOptions idle_timeout",
       [](Defaults d) { return Ms(DefaultCluster(d).idle_timeout_ms); }, ""},
      {"HttpProtocolOptions max_headers_count",
       [](Defaults d) { return Count(DefaultCluster(d).response_fields_max); }, ""},
      {"HttpProtocolOptions max_response_headers_kb",
       [](Defaults d) { return Bytes(DefaultCluster(d).response_head_bytes_max); }, ""},
      {"eds_cluster_config.eds_config.initial_fetch_timeout",
       [](Defaults d) { return Ms(DefaultCluster(d).eds_fetch_timeout_ms); }, ""},
  };
  return *rows;
}

const std::vector<Row>& TlsRows() {
  static const auto* const rows = new std::vector<Row>{
      {"validation_context",
       [](Defaults d) {
         return std::string(DefaultUpstreamTls(d).verify ? "the system's CAs" : "not verified");
       },
       "TLS to nobody in particular protects nothing; ACCEPT_UNTRUSTED switches it off"},
      {"tls_params.tls_minimum_protocol_version",
       [](Defaults d) { return Version(DefaultUpstreamTls(d).version_min); }, ""},
      {"tls_params.tls_maximum_protocol_version",
       [](Defaults d) { return Version(DefaultUpstreamTls(d).version_max); }, ""},
  };
  return *rows;
}

void AppendTable(std::string_view title, const std::vector<Row>& rows, std::string& out) {
  base::Append(out, "\n## ", title,
               "\n\n| field | Envoy, `--defaults envoy` | Sluice | reason |\n|---|---|---|---|\n");
  for (const Row& row : rows) {
    const std::string envoy = row.show(Defaults::kEnvoy);
    const std::string ours = row.show(Defaults::kSafe);
    base::Append(out, "| `", row.field, "` | ", envoy, " | ", envoy == ours ? "same" : ours, " | ",
                 row.reason, " |\n");
  }
}

constexpr std::string_view kHead =
    "# Defaults\n\n"
    "What a field means when it is not set. The tables are printed from the code\n"
    "(`src/config/defaults.cc`); a test compares them. A field that is set always wins.\n\n"
    "Two fields cannot tell their zero from unset when another program than `sluice-control`\n"
    "sends them: `accept_http_10: false` and `headers_with_underscores_action: ALLOW` hold in\n"
    "files, but over the xDS of others the default is taken. `--defaults envoy` gives Envoy's.\n";

constexpr std::string_view kBothModes =
    "\n## Unlike Envoy in both modes\n\n"
    "| what | Envoy | Sluice | reason |\n|---|---|---|---|\n"
    "| name in an upstream's certificate | checked if `match_typed_subject_alt_names` is set | "
    "`sni`, or `match_typed_subject_alt_names`; one of them is needed to verify | a CA vouches "
    "for many names |\n"
    "| HTTP/2 pings of the xDS cluster | off | every 30s, 5s to answer | a peer that is gone "
    "without a word is noticed |\n"
    "| HTTP/1 framing | lenient in places | strict | two parsers that disagree let requests be "
    "smuggled |\n";

}  // namespace

Listener DefaultListener(Defaults defaults) {
  Listener out;
  if (defaults == Defaults::kEnvoy) out.connection_buffer_limit_bytes = 1 << 20;
  return out;
}

HttpConnectionManager DefaultHttpConnectionManager(Defaults defaults) {
  HttpConnectionManager out;
  if (defaults == Defaults::kEnvoy) {
    out.path.normalize = false;
    out.request_headers_timeout_ms = 0;
    out.underscores = HttpConnectionManager::Underscores::kAllow;
    out.h1.accept_http_10 = false;
    UseEnvoys(out.h2);
    out.tunnel_idle_timeout_ms = out.stream_idle_timeout_ms;
  }
  return out;
}

Cluster DefaultCluster(Defaults defaults) {
  Cluster out;
  if (defaults == Defaults::kEnvoy) {
    out.connection_buffer_limit_bytes = 1 << 20;
    UseEnvoys(out.h2);
  }
  return out;
}

UpstreamTls DefaultUpstreamTls(Defaults defaults) {
  UpstreamTls out;
  out.verify = defaults == Defaults::kSafe;
  return out;
}

std::uint64_t DefaultDnsFailureMaxMs(Defaults defaults, std::uint64_t refresh_ms) {
  return defaults == Defaults::kEnvoy ? refresh_ms : 10 * refresh_ms;
}

std::string DefaultsDocument() {
  std::string out(kHead);
  AppendTable("Listener", ListenerRows(), out);
  AppendTable("HttpConnectionManager", HcmRows(), out);
  AppendTable("Cluster", ClusterRows(), out);
  AppendTable("UpstreamTlsContext", TlsRows(), out);
  out += kBothModes;
  return out;
}

}  // namespace sluice::config
