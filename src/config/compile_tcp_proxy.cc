#include "config/compile_tcp_proxy.h"

#include <limits>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_access_log.h"
#include "config/proto_values.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace sluice::config {
namespace {

namespace tcpv3 = envoy::extensions::filters::network::tcp_proxy::v3;
using Proto = tcpv3::TcpProxy;

void CompileClusters(const Proto& proto, TcpProxy& out, base::FieldErrors& errors) {
  switch (proto.cluster_specifier_case()) {
    case Proto::kCluster:
      if (proto.cluster().empty()) errors.AddAt("cluster", "needed; write a cluster's name");
      out.clusters.push_back({proto.cluster(), 1});
      return;
    case Proto::kWeightedClusters:
      break;
    case Proto::CLUSTER_SPECIFIER_NOT_SET:
      errors.Add("no destination; write cluster or weighted_clusters");
      return;
  }
  const base::FieldErrors::Scope scope(errors, "weighted_clusters");
  out.weight_sum = 0;
  for (int i = 0; i < proto.weighted_clusters().clusters_size(); ++i) {
    const base::FieldErrors::Scope row(errors, "clusters", static_cast<std::size_t>(i));
    const auto& cluster = proto.weighted_clusters().clusters(i);
    if (cluster.name().empty()) errors.AddAt("name", "needed; write a cluster's name");
    if (cluster.weight() == 0) errors.AddAt("weight", "must be at least 1; leave the cluster out");
    out.clusters.push_back({cluster.name(), cluster.weight()});
    out.weight_sum += cluster.weight();
  }
  if (out.clusters.empty()) errors.AddAt("clusters", "empty; write at least one");
}

void CompileTimes(const Proto& proto, TcpProxy& out, base::FieldErrors& errors) {
  if (proto.has_idle_timeout()) {
    out.idle_timeout_ms = DurationMs(proto.idle_timeout(), "idle_timeout", errors);
  }
  if (proto.has_max_downstream_connection_duration()) {
    out.max_duration_ms = DurationMsAtLeast(proto.max_downstream_connection_duration(),
                                            "max_downstream_connection_duration", 1, errors);
  }
  if (proto.has_max_downstream_connection_duration_jitter_percentage()) {
    const double percent = proto.max_downstream_connection_duration_jitter_percentage().value();
    if (!(percent >= 0 && percent <= 100)) {
      errors.AddAt("max_downstream_connection_duration_jitter_percentage",
                   "no percentage; write 0 to 100");
    } else {
      out.duration_jitter_percent = static_cast<std::uint32_t>(percent);
    }
    if (!proto.has_max_downstream_connection_duration()) {
      errors.AddAt("max_downstream_connection_duration_jitter_percentage",
                   "of nothing; set max_downstream_connection_duration too");
    }
  }
}

void CompileAttempts(const Proto& proto, TcpProxy& out, base::FieldErrors& errors) {
  if (proto.has_max_connect_attempts()) {
    out.connect_attempts = proto.max_connect_attempts().value();
    if (out.connect_attempts == 0) {
      errors.AddAt("max_connect_attempts", "must be at least 1; write 1");
    }
  }
  if (!proto.has_backoff_options()) return;
  const base::FieldErrors::Scope scope(errors, "backoff_options");
  const auto& backoff = proto.backoff_options();
  if (!backoff.has_base_interval()) {
    errors.AddAt("base_interval", "needed; write a duration, as 0.025s");
    return;
  }
  out.backoff_base_ms = DurationMsAtLeast(backoff.base_interval(), "base_interval", 1, errors);
  out.backoff_max_ms = 10 * out.backoff_base_ms;
  if (!backoff.has_max_interval()) return;
  out.backoff_max_ms = DurationMsAtLeast(backoff.max_interval(), "max_interval", 1, errors);
  if (out.backoff_max_ms < out.backoff_base_ms) {
    errors.AddAt("max_interval", "below base_interval; write a duration at or above it");
  }
}

void CompileHashPolicy(const Proto& proto, TcpProxy& out, base::FieldErrors& errors) {
  if (proto.hash_policy_size() > 1) errors.AddAt("hash_policy", "more than one; keep the first");
  for (int i = 0; i < proto.hash_policy_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "hash_policy", static_cast<std::size_t>(i));
    if (proto.hash_policy(i).policy_specifier_case() ==
        envoy::type::v3::HashPolicy::POLICY_SPECIFIER_NOT_SET) {
      errors.Add("empty; write source_ip: {}");
    }
    out.hash_source_ip = out.hash_source_ip || proto.hash_policy(i).has_source_ip();
  }
}

void CompileLogs(const Proto& proto, const CompileOptions& options, TcpProxy& out,
                 base::FieldErrors& errors) {
  out.access_logs = CompileAccessLogs(proto.access_log(), options, errors);
  out.log_on_connected = proto.flush_access_log_on_connected();
  if (proto.has_access_log_flush_interval()) {
    out.log_interval_ms = DurationMsAtLeast(proto.access_log_flush_interval(),
                                            "access_log_flush_interval", 1, errors);
  }
  if (!proto.has_access_log_options()) return;
  if (proto.flush_access_log_on_connected() || proto.has_access_log_flush_interval()) {
    errors.AddAt("access_log_options",
                 "not beside its older spellings; leave access_log_flush_interval and "
                 "flush_access_log_on_connected out");
  }
  const base::FieldErrors::Scope scope(errors, "access_log_options");
  const auto& log = proto.access_log_options();
  out.log_on_connected = log.flush_access_log_on_connected();
  out.log_on_start = log.flush_access_log_on_start();
  if (log.has_access_log_flush_interval()) {
    out.log_interval_ms =
        DurationMsAtLeast(log.access_log_flush_interval(), "access_log_flush_interval", 1, errors);
  }
}

}  // namespace

std::shared_ptr<const TcpProxy> CompileTcpProxy(const google::protobuf::Any& any,
                                                const CompileOptions& options,
                                                base::FieldErrors& errors) {
  Proto proto;
  if (!ParseAny(any, options, proto, errors)) return nullptr;
  auto out = std::make_shared<TcpProxy>();
  out->stat_prefix = proto.stat_prefix();
  if (out->stat_prefix.empty()) {
    errors.AddAt("stat_prefix", "needed; write a name for the statistics, as tcp_in");
  }
  CompileClusters(proto, *out, errors);
  CompileTimes(proto, *out, errors);
  CompileAttempts(proto, *out, errors);
  CompileHashPolicy(proto, *out, errors);
  CompileLogs(proto, options, *out, errors);
  if (proto.upstream_connect_mode() != tcpv3::IMMEDIATE) {
    AddEnumError("upstream_connect_mode", proto.upstream_connect_mode(), "IMMEDIATE", errors);
  }
  return out;
}

}  // namespace sluice::config
