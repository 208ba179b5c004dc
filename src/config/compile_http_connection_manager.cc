#include "config/compile_http_connection_manager.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_access_log.h"
#include "config/compile_config_source.h"
#include "config/compile_filter_discovery.h"
#include "config/compile_headers.h"
#include "config/compile_replies.h"
#include "config/compile_scoped_routes.h"
#include "config/defaults.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::config {
namespace {

namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;
using Proto = hcmv3::HttpConnectionManager;
using Hcm = HttpConnectionManager;

ClientCertHeader CompileClientCert(const Proto& proto, base::FieldErrors& errors) {
  using Mode = ClientCertHeader::Mode;
  ClientCertHeader out;
  switch (proto.forward_client_cert_details()) {
    case Proto::FORWARD_ONLY:
      out.mode = Mode::kForwardOnly;
      break;
    case Proto::APPEND_FORWARD:
      out.mode = Mode::kAppendForward;
      break;
    case Proto::SANITIZE_SET:
      out.mode = Mode::kSanitizeSet;
      break;
    case Proto::ALWAYS_FORWARD_ONLY:
      out.mode = Mode::kAlwaysForwardOnly;
      break;
    default:
      break;  // SANITIZE; other numbers are refused by the field policy.
  }
  if (!proto.has_set_current_client_cert_details()) return out;
  if (out.mode != Mode::kAppendForward && out.mode != Mode::kSanitizeSet) {
    errors.AddAt("set_current_client_cert_details",
                 "says nothing with this forward_client_cert_details; write APPEND_FORWARD or "
                 "SANITIZE_SET there, or leave it out");
  }
  const auto& details = proto.set_current_client_cert_details();
  out.subject = details.subject().value();
  out.cert = details.cert();
  out.chain = details.chain();
  out.dns = details.dns();
  out.uri = details.uri();
  return out;
}

constexpr std::string_view kRouterType = "envoy.extensions.filters.http.router.v3.Router";

// ---- the chain of HTTP filters
// -------------------------------------------------------------------

// Whether each filter that stays in the chain ends it, and where: Envoy's two complaints.
void CheckTerminal(const Proto& proto, const std::vector<std::pair<int, bool>>& kept,
                   base::FieldErrors& errors) {
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const bool last = i + 1 == kept.size();
    const bool terminal = kept[i].second;
    if (terminal == last) continue;
    const hcmv3::HttpFilter& filter = proto.http_filters(kept[i].first);
    const base::FieldErrors::Scope scope(errors, "http_filters",
                                         static_cast<std::size_t>(kept[i].first));
    const std::string_view url = filter.typed_config().type_url();
    const std::string name = base::Cat("filter named ", base::Printable(filter.name()), " of type ",
                                       base::Printable(url.substr(url.rfind('/') + 1)));
    if (terminal) {
      errors.Add(base::Cat("Error: terminal ", name,
                           " must be the last filter in a http filter chain; move it to the end, "
                           "and use it once"));
    } else {
      errors.Add(base::Cat("Error: non-terminal ", name,
                           " is the last filter in a http filter chain; add ", kRouterType,
                           " after it"));
    }
  }
  if (kept.empty()) {
    errors.AddAt("http_filters", base::Cat("empty; add a filter whose @type is ", kRouterType));
  }
}

void CompileFilters(const Proto& proto, const CompileOptions& options, Hcm& out,
                    base::FieldErrors& errors) {
  absl::flat_hash_set<std::string> names;
  std::vector<std::pair<int, bool>> kept;  // Index and whether it is terminal.
  for (int i = 0; i < proto.http_filters_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "http_filters", static_cast<std::size_t>(i));
    const hcmv3::HttpFilter& filter = proto.http_filters(i);
    const bool discovered = filter.has_config_discovery();
    const Extension* extension =
        FindExtension(ExtensionCategory::kHttpFilter, filter.typed_config());
    if (extension == nullptr && !discovered && filter.is_optional()) continue;
    if (filter.name().empty()) errors.AddAt("name", "needed; write a name for the filter");
    if (!names.insert(filter.name()).second) {
      // typed_per_filter_config could not tell them apart.
      errors.AddAt("name", base::Cat("'", base::Printable(filter.name()),
                                     "' names two filters; give each its own"));
    }
    const bool terminal = extension != nullptr && extension->type == kRouterType;
    if (terminal && filter.disabled()) {
      errors.AddAt("disabled", "not for the router, which every request needs; leave it out");
    }
    kept.emplace_back(i, terminal);
    if (discovered) {
      const base::FieldErrors::Scope config_scope(errors, "config_discovery");
      auto discovery = CompileFilterDiscovery(filter.config_discovery(), options, errors);
      out.filters.push_back(
          {filter.name(), filter.disabled(), MissingFilter{}, std::move(discovery)});
      continue;
    }
    const base::FieldErrors::Scope config_scope(errors, "typed_config");
    if (extension == nullptr) {
      AddUnknownExtension(ExtensionCategory::kHttpFilter, filter.name(), filter.typed_config(),
                          errors);
      continue;
    }
    auto config =
        std::get<CompileHttpFilter>(extension->compile)(filter.typed_config(), options, errors);
    if (config) out.filters.push_back({filter.name(), filter.disabled(), *std::move(config)});
  }
  CheckTerminal(proto, kept, errors);
}

// ---- routes
// --------------------------------------------------------------------------------------

void CompileRoutes(const Proto& proto, const CompileOptions& options, Hcm& out,
                   base::FieldErrors& errors) {
  switch (proto.route_specifier_case()) {
    case Proto::kRouteConfig: {
      const base::FieldErrors::Scope scope(errors, "route_config");
      out.inline_routes = CompileRouteTable(proto.route_config(), options, errors);
      return;
    }
    case Proto::kRds: {
      const base::FieldErrors::Scope scope(errors, "rds");
      out.rds_name = proto.rds().route_config_name();
      CheckResourceName(out.rds_name, "route_config_name", errors);
      const base::FieldErrors::Scope source(errors, "config_source");
      ConfigSource from = CompileConfigSource(proto.rds().config_source(), options, errors);
      out.rds_fetch_timeout_ms = from.fetch_timeout_ms;
      out.rds_source = ConfigSourceRef(std::move(from));
      return;
    }
    case Proto::kScopedRoutes: {
      const base::FieldErrors::Scope scope(errors, "scoped_routes");
      CompiledScopedRoutes scoped = CompileScopedRoutes(proto.scoped_routes(), options, errors);
      out.scoped = std::move(scoped.routes);
      out.rds_fetch_timeout_ms = scoped.tables.fetch_timeout_ms;
      out.rds_source = ConfigSourceRef(std::move(scoped.tables));
      return;
    }
    case Proto::ROUTE_SPECIFIER_NOT_SET:
      errors.Add("no routes; write rds, route_config or scoped_routes");
      return;
    default:
      return;  // Refused by the field policy.
  }
}

// ---- limits, times and protocol options
// ----------------------------------------------------------

void CompileCommonOptions(const envoy::config::core::v3::HttpProtocolOptions& proto, Hcm& out,
                          base::FieldErrors& errors) {
  using envoy::config::core::v3::HttpProtocolOptions;
  const base::FieldErrors::Scope scope(errors, "common_http_protocol_options");
  if (proto.has_idle_timeout()) {
    out.idle_timeout_ms = DurationMs(proto.idle_timeout(), "idle_timeout", errors);
  }
  if (proto.has_max_connection_duration()) {
    out.max_connection_duration_ms =
        DurationMs(proto.max_connection_duration(), "max_connection_duration", errors);
  }
  if (proto.has_max_stream_duration()) {
    out.max_stream_duration_ms =
        DurationMs(proto.max_stream_duration(), "max_stream_duration", errors);
  }
  if (proto.has_max_headers_count()) {
    out.h1.fields_max = proto.max_headers_count().value();
    if (out.h1.fields_max == 0) errors.AddAt("max_headers_count", "must be at least 1; write 100");
  }
  if (proto.has_max_response_headers_kb()) {
    errors.AddAt("max_response_headers_kb",
                 "an option of clusters; write it in "
                 "HttpProtocolOptions of the cluster");
  }
  if (proto.has_max_requests_per_connection()) {
    out.requests_per_connection_max = proto.max_requests_per_connection().value();
  }
  if (!proto.has_headers_with_underscores_action()) return;
  switch (proto.headers_with_underscores_action()) {
    case HttpProtocolOptions::ALLOW:
      out.underscores = Hcm::Underscores::kAllow;
      break;
    case HttpProtocolOptions::REJECT_REQUEST:
      out.underscores = Hcm::Underscores::kReject;
      break;
    case HttpProtocolOptions::DROP_HEADER:
      out.underscores = Hcm::Underscores::kDrop;
      break;
    default:
      break;  // Refused by the field policy.
  }
}

void CompileHttp1Options(const envoy::config::core::v3::Http1ProtocolOptions& proto, Hcm& out,
                         base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "http_protocol_options");
  if (proto.has_allow_absolute_url()) {
    out.h1.allow_absolute_url = proto.allow_absolute_url().value();
  }
  if (proto.has_accept_http_10()) out.h1.accept_http_10 = proto.accept_http_10();
  out.h1.keep_trailers = proto.enable_trailers();
  out.proper_case_fields = proto.header_key_format().has_proper_case_words();
  out.h1.default_host_for_http_10 = proto.default_host_for_http_10();
  if (!out.h1.default_host_for_http_10.empty() &&
      !http::ParseAuthority(out.h1.default_host_for_http_10)) {
    errors.AddAt("default_host_for_http_10", "no valid host; write one, as www.example.com");
  }
}

void CompileCodec(const Proto& proto, Hcm& out, base::FieldErrors& errors) {
  switch (proto.codec_type()) {
    case Proto::AUTO:
      break;
    case Proto::HTTP1:
      out.codec = Hcm::Codec::kHttp1;
      break;
    case Proto::HTTP2:
      out.codec = Hcm::Codec::kHttp2;
      break;
    default:
      errors.AddAt("codec_type", "not supported; use AUTO, HTTP1 or HTTP2");
      break;
  }
  if (proto.has_http2_protocol_options()) {
    CompileHttp2Options(proto.http2_protocol_options(), out.h2, out.h2_keepalive, errors);
  }
}

void CompileLimits(const Proto& proto, Hcm& out, base::FieldErrors& errors) {
  if (proto.has_common_http_protocol_options()) {
    CompileCommonOptions(proto.common_http_protocol_options(), out, errors);
  }
  if (proto.has_http_protocol_options()) {
    CompileHttp1Options(proto.http_protocol_options(), out, errors);
  }
  if (proto.has_max_request_headers_kb()) {
    const std::uint32_t kb = proto.max_request_headers_kb().value();
    if (kb < 1 || kb > 8192) {
      errors.AddAt("max_request_headers_kb", base::Cat(kb, " is out of range; write 1 to 8192"));
    } else {
      out.h1.head_bytes_max = std::size_t{kb} * 1024;
      out.h1.trailer_bytes_max = out.h1.head_bytes_max;
    }
  }
  const auto read = [&errors](bool set, const google::protobuf::Duration& value,
                              std::string_view field, std::uint64_t& ms) {
    if (set) ms = DurationMs(value, field, errors);
  };
  read(proto.has_stream_idle_timeout(), proto.stream_idle_timeout(), "stream_idle_timeout",
       out.stream_idle_timeout_ms);
  // Tunnels have a default of their own, but what is set holds for every stream.
  if (proto.has_stream_idle_timeout()) out.tunnel_idle_timeout_ms = out.stream_idle_timeout_ms;
  read(proto.has_request_timeout(), proto.request_timeout(), "request_timeout",
       out.request_timeout_ms);
  read(proto.has_request_headers_timeout(), proto.request_headers_timeout(),
       "request_headers_timeout", out.request_headers_timeout_ms);
  read(proto.has_drain_timeout(), proto.drain_timeout(), "drain_timeout", out.drain_timeout_ms);
  read(proto.has_delayed_close_timeout(), proto.delayed_close_timeout(), "delayed_close_timeout",
       out.delayed_close_timeout_ms);
}

// ---- requests and responses
// ----------------------------------------------------------------------

void CompileUpgrades(const Proto& proto, Hcm& out, base::FieldErrors& errors) {
  for (int i = 0; i < proto.upgrade_configs_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "upgrade_configs", static_cast<std::size_t>(i));
    const auto& upgrade = proto.upgrade_configs(i);
    const std::string type = base::Lowercase(upgrade.upgrade_type());
    if (!IsHeaderName(type) || type.front() == ':') {
      errors.AddAt("upgrade_type", "no protocol name; write one, as websocket");
    } else if (type == "connect" || type == "connect-udp") {
      errors.AddAt("upgrade_type", "CONNECT is not forwarded; leave it out");
    } else if (type == "h2c") {
      // The peer would speak HTTP/2 past every check made on HTTP/1 (request smuggling).
      errors.AddAt("upgrade_type", "HTTP/2 inside a tunnel would escape routing; leave it out");
    }
    for (const UpgradeConfig& other : out.upgrades) {
      if (other.type != type) continue;
      errors.AddAt("upgrade_type",
                   base::Cat("Error: multiple upgrade configs with the same name: '",
                             base::Printable(type), "'; keep one"));
    }
    out.upgrades.push_back({type, !upgrade.has_enabled() || upgrade.enabled().value()});
  }
}

void CompilePathAndHost(const Proto& proto, Hcm& out, base::FieldErrors& errors) {
  if (proto.has_normalize_path()) out.path.normalize = proto.normalize_path().value();
  out.path.merge_slashes = proto.merge_slashes();
  switch (proto.path_with_escaped_slashes_action()) {
    case Proto::REJECT_REQUEST:
      out.path.escaped_slashes = http::EscapedSlashes::kReject;
      break;
    case Proto::UNESCAPE_AND_REDIRECT:
      out.path.escaped_slashes = http::EscapedSlashes::kRedirect;
      break;
    case Proto::UNESCAPE_AND_FORWARD:
      out.path.escaped_slashes = http::EscapedSlashes::kUnescape;
      break;
    default:
      break;
  }
  if (proto.strip_matching_host_port() && proto.strip_any_host_port()) {
    errors.AddAt("strip_matching_host_port",
                 "not beside strip_any_host_port; leave one of them "
                 "out");
  }
  if (proto.strip_any_host_port()) {
    out.host.strip_port = http::HostOptions::StripPort::kAny;
  } else if (proto.strip_matching_host_port()) {
    out.host.strip_port = http::HostOptions::StripPort::kMatching;
  }
  out.host.strip_trailing_dot = proto.strip_trailing_host_dot();
}

void CompileHeaders(const Proto& proto, Hcm& out, base::FieldErrors& errors) {
  if (!proto.server_name().empty()) out.server_name = proto.server_name();
  CheckHeaderValue(out.server_name, "server_name", errors);
  switch (proto.server_header_transformation()) {
    case Proto::APPEND_IF_ABSENT:
      out.server_header = Hcm::ServerHeader::kAppendIfAbsent;
      break;
    case Proto::PASS_THROUGH:
      out.server_header = Hcm::ServerHeader::kPassThrough;
      break;
    default:
      break;
  }
  out.via = proto.via();
  CheckHeaderValue(out.via, "via", errors);
  if (proto.has_use_remote_address()) {
    out.use_remote_address = proto.use_remote_address().value();
  }
  out.xff_trusted_hops = proto.xff_num_trusted_hops();
  out.skip_xff_append = proto.skip_xff_append();
  out.append_x_forwarded_port = proto.append_x_forwarded_port();
  out.client_cert = CompileClientCert(proto, errors);
  if (proto.has_generate_request_id()) {
    out.generate_request_id = proto.generate_request_id().value();
  }
  out.preserve_external_request_id = proto.preserve_external_request_id();
  out.request_id_in_response = proto.always_set_request_id_in_response();
  out.proxy_100_continue = proto.proxy_100_continue();
}

}  // namespace

std::shared_ptr<const HttpConnectionManager> CompileHttpConnectionManager(
    const google::protobuf::Any& any, const CompileOptions& options, base::FieldErrors& errors) {
  Proto proto;
  // Refused fields do not keep the rest from being read: all errors are told at once.
  if (!ParseAny(any, options, proto, errors)) return nullptr;
  auto out = std::make_shared<Hcm>(DefaultHttpConnectionManager(options.defaults));
  CompileCodec(proto, *out, errors);
  out->stat_prefix = proto.stat_prefix();
  if (out->stat_prefix.empty()) {
    errors.AddAt("stat_prefix", "needed; write a name for the statistics, as ingress_http");
  }
  if (proto.stream_error_on_invalid_http_message().value()) {
    errors.AddAt("stream_error_on_invalid_http_message",
                 "not supported, as nothing after a framing error can be trusted; leave it out");
  }
  CompileRoutes(proto, options, *out, errors);
  CompileFilters(proto, options, *out, errors);
  out->access_logs = CompileAccessLogs(proto.access_log(), options, errors);
  CompileLimits(proto, *out, errors);
  CompileUpgrades(proto, *out, errors);
  // HTTP/2 clients can ask for an upgrade only when it was offered.
  if (!out->upgrades.empty()) out->h2.allow_connect = true;
  CompilePathAndHost(proto, *out, errors);
  CompileHeaders(proto, *out, errors);
  CompileReplies(proto, *out, errors);
  CompileRequestExtensions(proto, options, *out, errors);
  return out;
}

}  // namespace sluice::config
