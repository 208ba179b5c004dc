#include "config/listener.h"

#include <tuple>

#include "config/tcp_proxy.h"

namespace sluice::config {
namespace {

// Every member but the routes, which are compared by value. A member added to the struct does not
// compile here until it is listed.
auto Members(const HttpConnectionManager& hcm) {
  const auto& [stat_prefix, rds_name, inline_routes, scoped, rds_source, rds_fetch_timeout_ms,
               filters, access_logs, upgrades, codec, h1, h2, h2_keepalive, path, host, underscores,
               server_name, server_header, via, use_remote_address, xff_trusted_hops,
               skip_xff_append, append_x_forwarded_port, client_cert, generate_request_id,
               preserve_external_request_id, request_id_in_response, proxy_100_continue, scheme,
               proper_case_fields, early_steps, local_reply, proxy_status, stream_idle_timeout_ms,
               request_timeout_ms, request_headers_timeout_ms, idle_timeout_ms,
               tunnel_idle_timeout_ms, max_connection_duration_ms, max_stream_duration_ms,
               drain_timeout_ms, delayed_close_timeout_ms, requests_per_connection_max] = hcm;
  return std::tie(
      stat_prefix, rds_name, rds_source, rds_fetch_timeout_ms, filters, access_logs, upgrades,
      codec, h1, h2, h2_keepalive, path, host, underscores, server_name, server_header, via,
      use_remote_address, xff_trusted_hops, skip_xff_append, append_x_forwarded_port, client_cert,
      generate_request_id, preserve_external_request_id, request_id_in_response, proxy_100_continue,
      scheme, proper_case_fields, early_steps, local_reply, proxy_status, stream_idle_timeout_ms,
      request_timeout_ms, request_headers_timeout_ms, idle_timeout_ms, tunnel_idle_timeout_ms,
      max_connection_duration_ms, max_stream_duration_ms, drain_timeout_ms,
      delayed_close_timeout_ms, requests_per_connection_max);
}

template <typename T>
bool SameValue(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
  if (a == b) return true;
  return a != nullptr && b != nullptr && *a == *b;
}

}  // namespace

bool HttpConnectionManager::operator==(const HttpConnectionManager& other) const {
  return Members(*this) == Members(other) && SameValue(inline_routes, other.inline_routes) &&
         SameValue(scoped, other.scoped);
}

bool FilterChain::operator==(const FilterChain& other) const {
  return name == other.name && SameValue(http, other.http) && SameValue(tcp, other.tcp) &&
         SameValue(tls, other.tls) && match == other.match && is_default == other.is_default &&
         transport_connect_timeout_ms == other.transport_connect_timeout_ms && key == other.key;
}

const FilterChain* FindFilterChain(const Listener& listener, const ChainFacts& facts) {
  const std::size_t found = listener.chain_index.Find(facts);
  if (found != FilterChainIndex::kNone) return &listener.filter_chains[found];
  if (!listener.filter_chains.empty() && listener.filter_chains.back().is_default) {
    return &listener.filter_chains.back();
  }
  return nullptr;
}

}  // namespace sluice::config
