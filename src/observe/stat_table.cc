#include "observe/stat_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <new>
#include <span>

#include "base/check.h"
#include "base/strings.h"
#include "observe/tls_stats.h"

namespace sluice::observe {
namespace {

// A block fills whole cache lines, so that two owners never share one.
template <typename Block>
struct alignas(64) Lines {
  Block block;
};

constexpr StatRow Row(std::string_view name, StatRow::Kind kind, std::size_t offset) {
  StatRow row{name, kind, offset, name, ""};
  const bool is_class =
      name.size() > 7 && name.ends_with("xx") && name.substr(0, name.size() - 3).ends_with("_rq_");
  if (is_class) {
    row.family = name.starts_with("upstream") ? "upstream_rq_xx" : "downstream_rq_xx";
    row.class_value = name.substr(name.size() - 3, 1);
  }
  if (kind == StatRow::Kind::kCodes) row.family = "upstream_rq";
  return row;
}

template <typename Block>
struct Rows;

// NOLINTBEGIN(bugprone-macro-parentheses)
#define SLUICE_ROW_C(name) Row(#name, StatRow::Kind::kCounter, offsetof(Block, name)),
#define SLUICE_ROW_G(name) Row(#name, StatRow::Kind::kGauge, offsetof(Block, name)),
#define SLUICE_ROW_H(name) Row(#name, StatRow::Kind::kHistogram, offsetof(Block, name)),
#define SLUICE_ROWS(Type, LIST, ...)                                                   \
  template <>                                                                          \
  struct Rows<Type> {                                                                  \
    using Block = Type;                                                                \
    static constexpr StatRow kRows[] = {LIST(SLUICE_ROW_C, SLUICE_ROW_G, SLUICE_ROW_H) \
                                            __VA_ARGS__};                              \
  }

SLUICE_ROWS(ClusterStats, SLUICE_CLUSTER_STATS,
            Row("upstream_rq_", StatRow::Kind::kCodes, offsetof(Block, upstream_rq_code)));
SLUICE_ROWS(ClusterMainStats, SLUICE_CLUSTER_MAIN_STATS,
            Row("ring_hash_lb.size", StatRow::Kind::kGauge, offsetof(Block, ring_hash_lb_size)),
            Row("ring_hash_lb.min_hashes_per_host", StatRow::Kind::kGauge,
                offsetof(Block, ring_hash_lb_min_hashes_per_host)),
            Row("ring_hash_lb.max_hashes_per_host", StatRow::Kind::kGauge,
                offsetof(Block, ring_hash_lb_max_hashes_per_host)),
            Row("maglev_lb.min_entries_per_host", StatRow::Kind::kGauge,
                offsetof(Block, maglev_lb_min_entries_per_host)),
            Row("maglev_lb.max_entries_per_host", StatRow::Kind::kGauge,
                offsetof(Block, maglev_lb_max_entries_per_host)));
SLUICE_ROWS(HttpStats, SLUICE_HTTP_STATS, );
SLUICE_ROWS(ListenerStats, SLUICE_LISTENER_STATS,
            Row("server_ssl_socket_factory.downstream_context_secrets_not_ready",
                StatRow::Kind::kCounter, offsetof(Block, downstream_context_secrets_not_ready)));
SLUICE_ROWS(TlsInspectorStats, SLUICE_TLS_INSPECTOR_STATS, );
SLUICE_ROWS(ProxyProtoStats, SLUICE_PROXY_PROTO_STATS,
            Row("versions.v1.found", StatRow::Kind::kCounter, offsetof(Block, v1.found)),
            Row("versions.v1.disallowed", StatRow::Kind::kCounter, offsetof(Block, v1.disallowed)),
            Row("versions.v1.error", StatRow::Kind::kCounter, offsetof(Block, v1.error)),
            Row("versions.v2.found", StatRow::Kind::kCounter, offsetof(Block, v2.found)),
            Row("versions.v2.disallowed", StatRow::Kind::kCounter, offsetof(Block, v2.disallowed)),
            Row("versions.v2.error", StatRow::Kind::kCounter, offsetof(Block, v2.error)));
SLUICE_ROWS(TcpStats, SLUICE_TCP_STATS, );
SLUICE_ROWS(CorsStats, SLUICE_CORS_STATS, );
SLUICE_ROWS(ListenerManagerStats, SLUICE_LISTENER_MANAGER_STATS, );
SLUICE_ROWS(ClusterManagerStats, SLUICE_CLUSTER_MANAGER_STATS, );
SLUICE_ROWS(SubscriptionStats, SLUICE_SUBSCRIPTION_STATS, );
SLUICE_ROWS(ControlPlaneStats, SLUICE_CONTROL_PLANE_STATS, );
SLUICE_ROWS(ServerStats, SLUICE_SERVER_STATS, );
SLUICE_ROWS(RuntimeStats, SLUICE_RUNTIME_STATS, );
SLUICE_ROWS(StateFileStats, SLUICE_STATE_FILE_STATS, );
SLUICE_ROWS(WorkerStats, SLUICE_WORKER_STATS, );
SLUICE_ROWS(AccessLogStats, SLUICE_ACCESS_LOG_STATS, );
SLUICE_ROWS(Http2Stats, SLUICE_HTTP2_STATS, );

template <std::size_t kCount>
constexpr void AddNamed(std::span<StatRow> rows, std::size_t& at,
                        const std::string_view (&names)[kCount], std::size_t offset) {
  for (std::size_t i = 0; i < kCount; ++i) {
    rows[at++] = Row(names[i], StatRow::Kind::kCounter, offset + i * sizeof(Counter));
  }
}

template <>
struct Rows<TlsStats> {
  using Block = TlsStats;
  static constexpr StatRow kPlain[] = {SLUICE_TLS_STATS(SLUICE_ROW_C, SLUICE_ROW_G, SLUICE_ROW_H)};
  static constexpr std::size_t kCount =
      std::size(kPlain) + Block::kCiphers + Block::kVersions + Block::kCurves + Block::kSignatures;
  static constexpr std::array<StatRow, kCount> kRows = [] {
    std::array<StatRow, kCount> rows{};
    std::copy(std::begin(kPlain), std::end(kPlain), rows.begin());
    std::size_t at = std::size(kPlain);
    AddNamed(rows, at, kTlsCipherRows, offsetof(Block, ciphers));
    AddNamed(rows, at, kTlsVersionRows, offsetof(Block, versions));
    AddNamed(rows, at, kTlsCurveRows, offsetof(Block, curves));
    AddNamed(rows, at, kTlsSignatureRows, offsetof(Block, signatures));
    return rows;
  }();
};
#undef SLUICE_ROW_C
#undef SLUICE_ROW_G
#undef SLUICE_ROW_H
#undef SLUICE_ROWS
// NOLINTEND(bugprone-macro-parentheses)

template <typename Block>
constexpr BlockType kBlockType = {
    Rows<Block>::kRows,
    []() -> void* { return new Lines<Block>; },
    [](void* block) { delete static_cast<Lines<Block>*>(block); },
};

// Names come from the control plane: a line feed would forge a line of /stats, and what is no UTF-8
// breaks Prometheus. ':' becomes '_' as in Envoy.
std::string Clean(std::string_view name) {
  std::string out(name);
  bool ascii = true;
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == ':') c = '_';
    ascii = ascii && byte < 0x80;
  }
  if (ascii) return out;
  std::string json;
  base::AppendJsonString(json, out);  // Puts U+FFFD where the UTF-8 is bad.
  if (json.find("\\ufffd") == std::string::npos && json.find("\xEF\xBF\xBD") == std::string::npos) {
    return out;
  }
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '_';
  }
  return out;
}

ScopeNames Tagged(std::string_view before, std::string_view tag, const std::string& value,
                  std::string_view after = "") {
  return {base::Cat(before, value, ".", after), base::Cat(before, after), {{tag, value}}};
}

// `prefix` is the whole "http.ingress.rds.local_route.".
ScopeNames SubscriptionNames(const std::string& prefix) {
  const std::string_view view = prefix;
  const auto inner = [&](std::size_t start) {
    return std::string(view.substr(start, view.size() - start - 1));
  };
  if (!view.ends_with('.')) return {prefix + ".", prefix + ".", {}};
  if (view.starts_with("cluster.") && view.size() > 9) {
    return Tagged("cluster.", "envoy_cluster_name", inner(8));
  }
  if (view.starts_with("sds.") && view.size() > 5) {
    return Tagged("sds.", "envoy_secret_name", inner(4));
  }
  const std::size_t rds = view.find(".rds.");
  if (view.starts_with("http.") && rds != std::string_view::npos && rds >= 5) {
    return {prefix,
            "http.rds.",
            {{"envoy_http_conn_manager_prefix", std::string(view.substr(5, rds - 5))},
             {"envoy_rds_route_config", inner(rds + 5)}}};
  }
  return {prefix, prefix, {}};
}

}  // namespace

template <typename Block>
const BlockType& BlockTypeFor() {
  return kBlockType<Block>;
}
template const BlockType& BlockTypeFor<ClusterStats>();
template const BlockType& BlockTypeFor<ClusterMainStats>();
template const BlockType& BlockTypeFor<HttpStats>();
template const BlockType& BlockTypeFor<ListenerStats>();
template const BlockType& BlockTypeFor<TlsStats>();
template const BlockType& BlockTypeFor<TlsInspectorStats>();
template const BlockType& BlockTypeFor<ProxyProtoStats>();
template const BlockType& BlockTypeFor<TcpStats>();
template const BlockType& BlockTypeFor<CorsStats>();
template const BlockType& BlockTypeFor<ListenerManagerStats>();
template const BlockType& BlockTypeFor<ClusterManagerStats>();
template const BlockType& BlockTypeFor<SubscriptionStats>();
template const BlockType& BlockTypeFor<ControlPlaneStats>();
template const BlockType& BlockTypeFor<ServerStats>();
template const BlockType& BlockTypeFor<RuntimeStats>();
template const BlockType& BlockTypeFor<StateFileStats>();
template const BlockType& BlockTypeFor<WorkerStats>();
template const BlockType& BlockTypeFor<AccessLogStats>();
template const BlockType& BlockTypeFor<Http2Stats>();

const BlockType& BlockTypeOf(Scope scope) {
  switch (scope) {
    case Scope::kCluster:
      return kBlockType<ClusterStats>;
    case Scope::kClusterMain:
      return kBlockType<ClusterMainStats>;
    case Scope::kHttp:
      return kBlockType<HttpStats>;
    case Scope::kListener:
      return kBlockType<ListenerStats>;
    case Scope::kListenerTls:
    case Scope::kClusterTls:
      return kBlockType<TlsStats>;
    case Scope::kTlsInspector:
      return kBlockType<TlsInspectorStats>;
    case Scope::kProxyProto:
      return kBlockType<ProxyProtoStats>;
    case Scope::kTcp:
      return kBlockType<TcpStats>;
    case Scope::kCors:
      return kBlockType<CorsStats>;
    case Scope::kListenerManager:
      return kBlockType<ListenerManagerStats>;
    case Scope::kClusterManager:
      return kBlockType<ClusterManagerStats>;
    case Scope::kSubscription:
      return kBlockType<SubscriptionStats>;
    case Scope::kControlPlane:
      return kBlockType<ControlPlaneStats>;
    case Scope::kServer:
      return kBlockType<ServerStats>;
    case Scope::kRuntime:
      return kBlockType<RuntimeStats>;
    case Scope::kStateFile:
      return kBlockType<StateFileStats>;
    case Scope::kWorker:
      return kBlockType<WorkerStats>;
    case Scope::kAccessLog:
      return kBlockType<AccessLogStats>;
    case Scope::kHttp2:
      return kBlockType<Http2Stats>;
  }
  SLUICE_CHECK(false);
  return kBlockType<ServerStats>;
}

ScopeNames NamesOf(Scope scope, std::string_view name) {
  const auto fixed = [&](std::string_view prefix) {
    return ScopeNames{std::string(prefix), std::string(prefix), {}};
  };
  switch (scope) {
    case Scope::kCluster:
    case Scope::kClusterMain:
      return Tagged("cluster.", "envoy_cluster_name", Clean(name));
    case Scope::kHttp:
      return Tagged("http.", "envoy_http_conn_manager_prefix", Clean(name));
    case Scope::kProxyProto:
      if (name.empty()) return fixed("proxy_proto.");
      return Tagged("proxy_proto.", "envoy_proxy_protocol_prefix", Clean(name));
    case Scope::kTcp:
      return Tagged("tcp.", "envoy_tcp_prefix", Clean(name));
    case Scope::kCors:
      return Tagged("http.", "envoy_http_conn_manager_prefix", Clean(name), "cors.");
    case Scope::kListener:
      return Tagged("listener.", "envoy_listener_address", Clean(name));
    case Scope::kSubscription:
      return SubscriptionNames(Clean(name));
    case Scope::kListenerTls:
      return Tagged("listener.", "envoy_listener_address", Clean(name), "ssl.");
    case Scope::kClusterTls:
      return Tagged("cluster.", "envoy_cluster_name", Clean(name), "ssl.");
    case Scope::kTlsInspector:
      return fixed("tls_inspector.");
    case Scope::kListenerManager:
      return fixed("listener_manager.");
    case Scope::kClusterManager:
      return fixed("cluster_manager.");
    case Scope::kControlPlane:
      return fixed("control_plane.");
    case Scope::kServer:
      return fixed("server.");
    case Scope::kRuntime:
      return fixed("runtime.");
    case Scope::kStateFile:
      return fixed("state_file.");
    case Scope::kWorker:
      return fixed("worker.");
    case Scope::kAccessLog:
      return fixed("filesystem.");
    case Scope::kHttp2:
      if (name.empty()) return fixed("http2.");
      return Tagged("cluster.", "envoy_cluster_name", Clean(name), "http2.");
  }
  SLUICE_CHECK(false);
  return fixed("");
}

}  // namespace sluice::observe
