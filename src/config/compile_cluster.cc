#include "config/compile_cluster.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_assignment.h"
#include "config/compile_config_source.h"
#include "config/compile_load_balancing.h"
#include "config/defaults.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"

namespace sluice::config {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace corev3 = envoy::config::core::v3;
using Proto = clusterv3::Cluster;

// ---- where endpoints come from
// -------------------------------------------------------------------

void CompileType(const Proto& proto, Cluster& out, base::FieldErrors& errors) {
  switch (proto.type()) {
    case Proto::STATIC:
      out.type = Cluster::Type::kStatic;
      return;
    case Proto::STRICT_DNS:
      out.type = Cluster::Type::kStrictDns;
      return;
    case Proto::LOGICAL_DNS:
      out.type = Cluster::Type::kLogicalDns;
      return;
    case Proto::EDS:
      out.type = Cluster::Type::kEds;
      return;
    case Proto::ORIGINAL_DST:
      errors.AddAt("type",
                   "ORIGINAL_DST is not supported; use STATIC, STRICT_DNS, LOGICAL_DNS or "
                   "EDS");
      return;
    default:
      return;  // Refused by the field policy.
  }
}

void CompileEds(const Proto& proto, const CompileOptions& options, Cluster& out,
                base::FieldErrors& errors) {
  if (proto.has_load_assignment()) {
    errors.AddAt("load_assignment",
                 "not in an EDS cluster, whose endpoints come over xDS; leave "
                 "it out or use type STATIC");
  }
  const base::FieldErrors::Scope scope(errors, "eds_cluster_config");
  const auto& config = proto.eds_cluster_config();
  if (!config.has_eds_config()) {
    errors.AddAt("eds_config", "cannot create an EDS cluster without an EDS config; write ads: {}");
    return;
  }
  out.eds_service_name = config.service_name().empty() ? proto.name() : config.service_name();
  if (!config.service_name().empty()) {
    CheckResourceName(config.service_name(), "service_name", errors);
  }
  const base::FieldErrors::Scope source(errors, "eds_config");
  ConfigSource from = CompileConfigSource(config.eds_config(), options, errors);
  out.eds_fetch_timeout_ms = from.fetch_timeout_ms;
  out.eds_source = ConfigSourceRef(std::move(from));
}

void CompileEndpoints(const Proto& proto, const CompileOptions& options, Cluster& out,
                      base::FieldErrors& errors) {
  if (out.type == Cluster::Type::kEds) {
    CompileEds(proto, options, out, errors);
    return;
  }
  if (proto.has_eds_cluster_config()) {
    errors.AddAt("eds_cluster_config",
                 "eds_cluster_config set in a non-EDS cluster; use type: "
                 "EDS, or leave it out");
  }
  const base::FieldErrors::Scope scope(errors, "load_assignment");
  AssignmentRules rules;
  rules.single_endpoint = out.type == Cluster::Type::kLogicalDns;
  rules.names_allowed = rules.single_endpoint || out.type == Cluster::Type::kStrictDns;
  out.assignment = CompileAssignmentWith(proto.load_assignment(), rules, errors);
  if (out.assignment.cluster_name.empty()) out.assignment.cluster_name = proto.name();
}

void CompileDns(const Proto& proto, const CompileOptions& options, DnsOptions& out,
                base::FieldErrors& errors) {
  constexpr std::uint64_t kLeastMs = 2;  // More than 1 ms.
  switch (proto.dns_lookup_family()) {
    case Proto::V4_ONLY:
      out.family = DnsOptions::Family::kV4Only;
      break;
    case Proto::V6_ONLY:
      out.family = DnsOptions::Family::kV6Only;
      break;
    case Proto::V4_PREFERRED:
      out.family = DnsOptions::Family::kV4Preferred;
      break;
    case Proto::ALL:
      out.family = DnsOptions::Family::kAll;
      break;
    default:
      out.family = DnsOptions::Family::kAuto;
      break;
  }
  if (proto.has_dns_refresh_rate()) {
    out.refresh_ms =
        DurationMsAtLeast(proto.dns_refresh_rate(), "dns_refresh_rate", kLeastMs, errors);
  }
  out.respect_ttl = proto.respect_dns_ttl();
  out.failure_base_ms = out.refresh_ms;
  out.failure_max_ms = DefaultDnsFailureMaxMs(options.defaults, out.refresh_ms);
  if (!proto.has_dns_failure_refresh_rate()) return;
  const base::FieldErrors::Scope scope(errors, "dns_failure_refresh_rate");
  const auto& rate = proto.dns_failure_refresh_rate();
  if (!rate.has_base_interval()) {
    errors.AddAt("base_interval", "needed; write a duration, as 1s");
    return;
  }
  out.failure_base_ms = DurationMsAtLeast(rate.base_interval(), "base_interval", kLeastMs, errors);
  out.failure_max_ms = 10 * out.failure_base_ms;
  if (!rate.has_max_interval()) return;
  out.failure_max_ms = DurationMsAtLeast(rate.max_interval(), "max_interval", kLeastMs, errors);
  if (out.failure_max_ms < out.failure_base_ms) {
    errors.AddAt("max_interval", "below base_interval; write a duration at or above it");
  }
}

// ---- limits
// --------------------------------------------------------------------------------------

void CompileRetryBudget(const clusterv3::CircuitBreakers::Thresholds::RetryBudget& proto,
                        BreakerLimits& limits, base::FieldErrors& errors) {
  const double percent = proto.has_budget_percent() ? proto.budget_percent().value() : 20.0;
  if (!(percent >= 0.0 && percent <= 100.0)) {
    errors.AddAt("budget_percent", "is out of range; write 0 to 100");
    return;
  }
  limits.retry_budget_millionths = static_cast<std::uint32_t>(percent * 10'000.0);
  if (proto.has_min_retry_concurrency()) limits.retries_min = proto.min_retry_concurrency().value();
}

void CompileBreakers(const clusterv3::CircuitBreakers& proto, Cluster& out,
                     base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "circuit_breakers");
  std::array<bool, 2> seen{};
  for (int i = 0; i < proto.thresholds_size(); ++i) {
    const base::FieldErrors::Scope row(errors, "thresholds", static_cast<std::size_t>(i));
    const auto& thresholds = proto.thresholds(i);
    const auto priority = static_cast<std::size_t>(thresholds.priority());
    if (priority >= seen.size()) continue;  // Refused by the field policy.
    if (seen[priority]) errors.AddAt("priority", "listed twice; keep one row for each priority");
    seen[priority] = true;
    BreakerLimits& limits = out.breakers[priority];
    if (thresholds.has_max_connections()) {
      limits.connections_max = thresholds.max_connections().value();
    }
    if (thresholds.has_max_pending_requests()) {
      limits.pending_max = thresholds.max_pending_requests().value();
    }
    if (thresholds.has_max_requests()) limits.requests_max = thresholds.max_requests().value();
    if (thresholds.has_max_retries()) limits.retries_max = thresholds.max_retries().value();
    if (thresholds.has_retry_budget()) {
      const base::FieldErrors::Scope budget_scope(errors, "retry_budget");
      CompileRetryBudget(thresholds.retry_budget(), limits, errors);
    }
  }
}

void CompileKeepalive(const clusterv3::UpstreamConnectionOptions& proto, Cluster& out,
                      base::FieldErrors& errors) {
  if (!proto.has_tcp_keepalive()) return;
  const base::FieldErrors::Scope scope(errors, "upstream_connection_options");
  const base::FieldErrors::Scope keepalive_scope(errors, "tcp_keepalive");
  constexpr std::uint32_t kMost = 32767;  // What Linux takes.
  TcpKeepalive keepalive;
  const auto read = [&errors, kMost](bool set, std::uint32_t value, std::string_view field,
                                     std::uint32_t& target) {
    if (!set) return;
    target = value;
    if (value < 1 || value > kMost) {
      errors.AddAt(field, base::Cat(value, " is out of range; write 1 to ", kMost));
    }
  };
  const auto& tcp = proto.tcp_keepalive();
  read(tcp.has_keepalive_probes(), tcp.keepalive_probes().value(), "keepalive_probes",
       keepalive.probes);
  read(tcp.has_keepalive_time(), tcp.keepalive_time().value(), "keepalive_time", keepalive.time_s);
  read(tcp.has_keepalive_interval(), tcp.keepalive_interval().value(), "keepalive_interval",
       keepalive.interval_s);
  out.keepalive = keepalive;
}

// ---- protocols
// -----------------------------------------------------------------------------------

void CompileHttp2(const corev3::Http2ProtocolOptions& proto, Cluster& out,
                  base::FieldErrors& errors) {
  CompileHttp2Options(proto, out.h2, out.h2_keepalive, errors);
  if (!proto.has_connection_keepalive()) return;
  if (out.h2_keepalive.interval_ms != 0) {
    out.http2_keepalive_interval_ms = out.h2_keepalive.interval_ms;
  }
  out.http2_keepalive_timeout_ms = out.h2_keepalive.timeout_ms;
}

// Everything in this message concerns requests that come in.
void RefuseHttp1Options(const corev3::Http1ProtocolOptions& proto, base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "http_protocol_options");
  constexpr std::string_view kText =
      "an option of listeners; write it in http_protocol_options of the connection manager";
  if (proto.has_allow_absolute_url()) errors.AddAt("allow_absolute_url", kText);
  if (proto.has_accept_http_10()) errors.AddAt("accept_http_10", kText);
  if (!proto.default_host_for_http_10().empty()) errors.AddAt("default_host_for_http_10", kText);
  if (proto.enable_trailers()) errors.AddAt("enable_trailers", kText);
  if (proto.has_header_key_format()) errors.AddAt("header_key_format", kText);
}

void CompileCommonOptions(const corev3::HttpProtocolOptions& proto, Cluster& out,
                          base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "common_http_protocol_options");
  if (proto.has_idle_timeout()) {
    out.idle_timeout_ms = DurationMs(proto.idle_timeout(), "idle_timeout", errors);
  }
  if (proto.has_max_requests_per_connection()) {
    out.requests_per_connection_max = proto.max_requests_per_connection().value();
  }
  if (proto.has_max_headers_count()) {
    out.response_fields_max = proto.max_headers_count().value();
    if (out.response_fields_max == 0) {
      errors.AddAt("max_headers_count", "must be at least 1; write 100");
    }
  }
  if (proto.has_max_response_headers_kb()) {
    const std::uint32_t kb = proto.max_response_headers_kb().value();
    if (kb < 1 || kb > 8192) {
      errors.AddAt("max_response_headers_kb", base::Cat(kb, " is out of range; write 1 to 8192"));
    } else {
      out.response_head_bytes_max = kb * 1024;
    }
  }
  if (proto.has_max_connection_duration()) {
    errors.AddAt("max_connection_duration",
                 "not supported for upstreams; use max_requests_per_connection or idle_timeout");
  }
  if (proto.has_max_stream_duration()) {
    errors.AddAt("max_stream_duration",
                 "not supported for upstreams; use max_stream_duration of the route");
  }
  if (proto.headers_with_underscores_action() != corev3::HttpProtocolOptions::ALLOW) {
    errors.AddAt("headers_with_underscores_action",
                 "an option of listeners; write it in common_http_protocol_options of the "
                 "connection manager");
  }
}

void CompileProtocolExtensions(const Proto& proto, const CompileOptions& options, Cluster& out,
                               base::FieldErrors& errors) {
  if (proto.has_http2_protocol_options()) {
    out.protocol = Cluster::Protocol::kHttp2;
    CompileHttp2(proto.http2_protocol_options(), out, errors);
  }
  std::vector<const std::string*> keys;  // In an order that does not change.
  for (const auto& [key, any] : proto.typed_extension_protocol_options()) keys.push_back(&key);
  std::sort(keys.begin(), keys.end(), [](auto* a, auto* b) { return *a < *b; });
  for (const std::string* key : keys) {
    const auto& any = proto.typed_extension_protocol_options().at(*key);
    const base::FieldErrors::Scope scope(
        errors, base::Cat("typed_extension_protocol_options[\"", base::Printable(*key), "\"]"));
    const Extension* extension = FindExtension(ExtensionCategory::kProtocolOptions, any);
    if (extension == nullptr) {
      AddUnknownExtension(ExtensionCategory::kProtocolOptions, *key, any, errors);
      continue;
    }
    if (extension->name != *key) {
      errors.Add(
          base::Cat("Didn't find a registered network or http filter or protocol options "
                    "implementation for name: '",
                    base::Printable(*key), "'; use the key ", extension->name));
      continue;
    }
    std::get<CompileIntoCluster>(extension->compile)(any, options, out, errors);
  }
}

void CompileTransportSocket(const Proto& proto, const CompileOptions& options, Cluster& out,
                            base::FieldErrors& errors) {
  if (!proto.has_transport_socket()) return;
  const base::FieldErrors::Scope scope(errors, "transport_socket");
  const base::FieldErrors::Scope config_scope(errors, "typed_config");
  const google::protobuf::Any& any = proto.transport_socket().typed_config();
  constexpr auto kCategory = ExtensionCategory::kUpstreamTransportSocket;
  const Extension* extension = FindExtension(kCategory, any);
  if (extension == nullptr) {
    AddUnknownExtension(kCategory, proto.transport_socket().name(), any, errors);
    return;
  }
  std::get<CompileIntoCluster>(extension->compile)(any, options, out, errors);
}

// The handshake says what will be spoken.
void CompleteAlpn(Cluster& out, base::FieldErrors& errors) {
  if (out.protocol == Cluster::Protocol::kAlpn) {
    if (!out.tls) {
      errors.AddAt("transport_socket",
                   "auto_config chooses by ALPN, which needs TLS; write an UpstreamTlsContext, or "
                   "explicit_http_config");
      return;
    }
    if (out.tls->alpn.empty()) out.tls->alpn = {"h2", "http/1.1"};
  }
  if (out.protocol == Cluster::Protocol::kHttp2 && out.tls && out.tls->alpn.empty()) {
    out.tls->alpn = {"h2"};
  }
}

}  // namespace

void CompileHttpProtocolOptions(const google::protobuf::Any& any, const CompileOptions& options,
                                Cluster& cluster, base::FieldErrors& errors) {
  using envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
  HttpProtocolOptions proto;
  if (!ParseAny(any, options, proto, errors)) return;
  if (proto.has_common_http_protocol_options()) {
    CompileCommonOptions(proto.common_http_protocol_options(), cluster, errors);
  }
  if (proto.upstream_protocol_options_case() ==
      HttpProtocolOptions::UPSTREAM_PROTOCOL_OPTIONS_NOT_SET) {
    errors.AddAt("explicit_http_config", "needed; write {http_protocol_options: {}}");
  }
  // Both protocols' options, where either may be spoken.
  const auto compile_both = [&](const auto& both, std::string_view field,
                                Cluster::Protocol protocol) {
    const base::FieldErrors::Scope both_scope(errors, std::string(field));
    cluster.protocol = protocol;
    if (both.has_http_protocol_options()) RefuseHttp1Options(both.http_protocol_options(), errors);
    if (both.has_http2_protocol_options()) {
      CompileHttp2(both.http2_protocol_options(), cluster, errors);
    }
  };
  if (proto.has_use_downstream_protocol_config()) {
    compile_both(proto.use_downstream_protocol_config(), "use_downstream_protocol_config",
                 Cluster::Protocol::kDownstream);
  }
  if (proto.has_auto_config()) {
    compile_both(proto.auto_config(), "auto_config", Cluster::Protocol::kAlpn);
  }
  if (!proto.has_explicit_http_config()) return;
  const base::FieldErrors::Scope scope(errors, "explicit_http_config");
  using Explicit = HttpProtocolOptions::ExplicitHttpConfig;
  const Explicit& config = proto.explicit_http_config();
  switch (config.protocol_config_case()) {
    case Explicit::kHttpProtocolOptions:
      RefuseHttp1Options(config.http_protocol_options(), errors);
      return;
    case Explicit::kHttp2ProtocolOptions:
      cluster.protocol = Cluster::Protocol::kHttp2;
      CompileHttp2(config.http2_protocol_options(), cluster, errors);
      return;
    case Explicit::PROTOCOL_CONFIG_NOT_SET:
      errors.Add("no protocol; write http_protocol_options: {}");
      return;
    default:
      return;  // Refused by the field policy.
  }
}

std::shared_ptr<const Cluster> CompileCluster(const Proto& proto, const CompileOptions& options,
                                              base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  auto out = std::make_shared<Cluster>(DefaultCluster(options.defaults));
  out->name = proto.name();
  if (out->name.empty()) errors.AddAt("name", "needed; write a name for the cluster");
  out->stat_name = proto.alt_stat_name().empty() ? proto.name() : proto.alt_stat_name();
  std::replace(out->stat_name.begin(), out->stat_name.end(), ':', '_');
  CompileType(proto, *out, errors);
  CompileEndpoints(proto, options, *out, errors);
  CompileDns(proto, options, out->dns, errors);
  if (proto.has_connect_timeout()) {
    out->connect_timeout_ms =
        DurationMsAtLeast(proto.connect_timeout(), "connect_timeout", 1, errors);
  }
  if (proto.has_per_connection_buffer_limit_bytes()) {
    out->connection_buffer_limit_bytes =
        BufferLimit(proto.per_connection_buffer_limit_bytes().value(), errors);
  }
  CompileLoadBalancing(proto, options, *out, errors);
  CompileBreakers(proto.circuit_breakers(), *out, errors);
  CompileKeepalive(proto.upstream_connection_options(), *out, errors);
  CompileProtocolExtensions(proto, options, *out, errors);
  CompileTransportSocket(proto, options, *out, errors);
  CompleteAlpn(*out, errors);
  if (out->protocol != Cluster::Protocol::kHttp1 &&
      out->proxy_protocol != ProxyProtocolOut::kNone) {
    errors.AddAt("transport_socket",
                 "a PROXY header tells one client, HTTP/2 connections carry many; use "
                 "explicit_http_config: {http_protocol_options: {}}");
  }
  return out;
}

}  // namespace sluice::config
