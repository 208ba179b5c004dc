#pragma once
// The statistics Sluice keeps, with Envoy's names: one struct of cells per scope, and the lists
// that rendering walks. A line here is a statistic; there is no other place to add one.
//
// Blocks are owned by the registry; a worker writes only the block it asked for itself.

#include "observe/cells.h"

namespace sluice::observe {

// C(name) counter, G(name) gauge, H(name) histogram. envoy-behaviour.md 6.
// clang-format off
#define SLUICE_CLUSTER_STATS(C, G, H)                                                             \
  C(upstream_cx_total) C(upstream_cx_http1_total) C(upstream_cx_http2_total)                      \
  C(upstream_cx_connect_fail)                                                                     \
  C(upstream_cx_connect_timeout) C(upstream_cx_idle_timeout) C(upstream_cx_overflow)              \
  C(upstream_cx_destroy) C(upstream_cx_destroy_local) C(upstream_cx_destroy_remote)               \
  C(upstream_cx_destroy_with_active_rq) C(upstream_cx_destroy_local_with_active_rq)               \
  C(upstream_cx_destroy_remote_with_active_rq) C(upstream_cx_close_notify)                        \
  C(upstream_cx_connect_attempts_exceeded) C(upstream_cx_protocol_error) C(upstream_cx_max_requests) C(upstream_cx_none_healthy)           \
  C(upstream_cx_rx_bytes_total) C(upstream_cx_tx_bytes_total)                                     \
  C(upstream_rq_total) C(upstream_rq_completed) C(upstream_rq_pending_total)                      \
  C(upstream_rq_pending_overflow) C(upstream_rq_pending_failure_eject) C(upstream_rq_cancelled)   \
  C(upstream_rq_timeout) C(upstream_rq_rx_reset) C(upstream_rq_tx_reset) C(upstream_rq_retry)     \
  C(upstream_rq_retry_success) C(upstream_rq_retry_overflow) C(upstream_rq_retry_limit_exceeded)  \
  C(upstream_rq_retry_backoff_exponential) C(upstream_rq_retry_backoff_ratelimited)               \
  C(upstream_internal_redirect_succeeded_total) C(upstream_internal_redirect_failed_total)        \
  C(retry_or_shadow_abandoned) C(upstream_rq_per_try_timeout)                                     \
  C(upstream_rq_per_try_idle_timeout) C(upstream_rq_max_duration_reached)                         \
  C(upstream_rq_1xx) C(upstream_rq_2xx) C(upstream_rq_3xx) C(upstream_rq_4xx) C(upstream_rq_5xx)  \
  C(lb_healthy_panic) C(upstream_flow_control_paused_reading_total)                               \
  C(upstream_flow_control_resumed_reading_total)                                                  \
  G(upstream_cx_active) G(upstream_rq_active) G(upstream_rq_pending_active)                       \
  H(upstream_cx_connect_ms) H(upstream_cx_length_ms) H(upstream_rq_time)

// Written by main only: one block per cluster.
#define SLUICE_CLUSTER_MAIN_STATS(C, G, H)                                                        \
  C(membership_change) C(update_attempt) C(update_success) C(update_failure) C(update_rejected)   \
  C(update_empty) C(update_no_rebuild) C(init_fetch_timeout)                                      \
  G(membership_total) G(membership_healthy) G(membership_degraded) G(max_host_weight) G(version)

#define SLUICE_HTTP_STATS(C, G, H)                                                                \
  C(downstream_cx_total) C(downstream_cx_http1_total) C(downstream_cx_http2_total)                \
  C(downstream_cx_destroy) C(downstream_rq_http2_total)                                           \
  C(downstream_rq_too_many_premature_resets) G(downstream_cx_http2_active)                        \
  C(downstream_cx_destroy_local) C(downstream_cx_destroy_remote)                                  \
  C(downstream_cx_destroy_active_rq) C(downstream_cx_destroy_local_active_rq)                     \
  C(downstream_cx_destroy_remote_active_rq) C(downstream_cx_protocol_error)                       \
  C(downstream_cx_idle_timeout) C(downstream_cx_max_duration_reached)                             \
  C(downstream_cx_drain_close) C(downstream_cx_delayed_close_timeout)                             \
  C(downstream_cx_upgrades_total) C(downstream_cx_max_requests_reached)                           \
  C(downstream_cx_rx_bytes_total) C(downstream_cx_tx_bytes_total)                                 \
  C(downstream_rq_total) C(downstream_rq_http1_total) C(downstream_rq_completed)                  \
  C(downstream_rq_1xx) C(downstream_rq_2xx) C(downstream_rq_3xx) C(downstream_rq_4xx)             \
  C(downstream_rq_5xx) C(downstream_rq_rx_reset) C(downstream_rq_tx_reset)                        \
  C(downstream_rq_timeout) C(downstream_rq_header_timeout) C(downstream_rq_idle_timeout)          \
  C(downstream_rq_max_duration_reached) C(downstream_rq_non_relative_path)                        \
  C(downstream_rq_too_large) C(downstream_rq_failed_path_normalization)                           \
  C(downstream_rq_response_before_rq_complete)                                                    \
  C(downstream_rq_ws_on_non_ws_route) C(downstream_rq_redirected_with_normalized_path)            \
  C(passthrough_internal_redirect_bad_location) C(passthrough_internal_redirect_unsafe_scheme)    \
  C(passthrough_internal_redirect_too_many_redirects) C(passthrough_internal_redirect_no_route)   \
  C(passthrough_internal_redirect_predicate)                                                      \
  C(no_route) C(no_cluster) C(rq_direct_response) C(rq_redirect) C(rq_total)                      \
  C(rq_reset_after_downstream_response_started) C(downstream_flow_control_paused_reading_total)   \
  C(downstream_flow_control_resumed_reading_total)                                                \
  G(downstream_cx_active) G(downstream_cx_http1_active) G(downstream_cx_upgrades_active)          \
  G(downstream_rq_active)                                                                         \
  H(downstream_cx_length_ms) H(downstream_rq_time)

#define SLUICE_LISTENER_STATS(C, G, H)                                                            \
  C(downstream_cx_total) C(downstream_cx_destroy) C(downstream_global_cx_overflow)                \
  C(downstream_pre_cx_timeout) C(downstream_listener_filter_remote_close)                         \
  C(downstream_listener_filter_error) C(no_filter_chain_match)                                    \
  C(downstream_cx_transport_socket_connect_timeout)                                               \
  G(downstream_cx_active) H(downstream_cx_length_ms)

// Of a listener's clients, or of a cluster's upstreams, under "ssl.".
#define SLUICE_TLS_STATS(C, G, H)                                                                 \
  C(connection_error) C(handshake) C(session_reused) C(no_certificate) C(fail_verify_no_cert)     \
  C(fail_verify_error) C(fail_verify_san) C(fail_verify_cert_hash)

// The listener filter; of all listeners together.
#define SLUICE_TLS_INSPECTOR_STATS(C, G, H)                                                       \
  C(client_hello_too_large) C(tls_found) C(tls_not_found) C(alpn_found) C(alpn_not_found)         \
  C(sni_found) C(sni_not_found) H(bytes_processed)

// Of the listener filter, by its stat_prefix; rows of their own in stat_table.cc for the versions.
#define SLUICE_PROXY_PROTO_STATS(C, G, H) C(not_found_allowed) C(not_found_disallowed)

#define SLUICE_TCP_STATS(C, G, H)                                                                 \
  C(downstream_cx_total) C(downstream_cx_no_route) C(downstream_cx_rx_bytes_total)                \
  C(downstream_cx_tx_bytes_total) C(downstream_flow_control_paused_reading_total)                 \
  C(downstream_flow_control_resumed_reading_total) C(idle_timeout)                                \
  C(max_downstream_connection_duration)                                                           \
  G(downstream_cx_rx_bytes_buffered) G(downstream_cx_tx_bytes_buffered)

#define SLUICE_CORS_STATS(C, G, H) C(origin_valid) C(origin_invalid)

#define SLUICE_LISTENER_MANAGER_STATS(C, G, H)                                                    \
  C(listener_added) C(listener_modified) C(listener_removed) C(listener_stopped)                  \
  C(listener_create_success) C(listener_create_failure) C(listener_in_place_updated)              \
  G(total_listeners_active) G(total_listeners_warming) G(workers_started)

#define SLUICE_CLUSTER_MANAGER_STATS(C, G, H)                                                     \
  C(cluster_added) C(cluster_modified) C(cluster_removed) C(cluster_updated) G(active_clusters)   \
  G(warming_clusters)

// Per subscription: cluster_manager.cds, listener_manager.lds, http.<p>.rds.<name>, cluster.<c> EDS.
#define SLUICE_SUBSCRIPTION_STATS(C, G, H)                                                        \
  C(update_attempt) C(update_success) C(update_failure) C(update_rejected) C(config_reload)       \
  C(init_fetch_timeout) G(version) G(update_time) G(rejected_resources) H(update_duration)

#define SLUICE_CONTROL_PLANE_STATS(C, G, H)                                                       \
  C(stream_opened) C(stream_failed) C(rate_limit_enforced) G(connected_state)                     \
  G(pending_requests)

#define SLUICE_SERVER_STATS(C, G, H)                                                              \
  G(uptime) G(live) G(state) G(concurrency) G(memory_allocated) G(memory_heap_size)               \
  G(memory_physical_size) G(total_connections) G(days_until_first_cert_expiring) G(version)   \
  G(config_age_seconds)                                                                           \
  C(dynamic_unknown_fields) H(main_loop_lag_us) H(initialization_time_ms)

#define SLUICE_RUNTIME_STATS(C, G, H)                                                             \
  C(load_success) C(load_error) C(override_dir_exists) C(override_dir_not_exists)                 \
  G(num_keys) G(num_layers) G(admin_overrides_active)

// The file of --state-dir.
#define SLUICE_STATE_FILE_STATS(C, G, H) C(loaded) C(rejected) C(written) C(write_failed)

#define SLUICE_WORKER_STATS(C, G, H)                                                              \
  C(access_log_written) C(access_log_dropped) C(accept_paused) H(loop_lag_us) G(connections)      \
  C(tunnel_spliced_bytes) C(tunnel_copied_bytes) G(tunnel_pipes_in_use)

// Of the HTTP/2 codec: under "http2." for clients, "cluster.<name>.http2." for upstreams.
#define SLUICE_HTTP2_STATS(C, G, H)                                                               \
  C(header_overflow) C(headers_cb_no_stream) C(inbound_empty_frames_flood)                        \
  C(inbound_priority_frames_flood) C(inbound_window_update_frames_flood) C(outbound_flood)        \
  C(outbound_control_flood) C(rx_messaging_error) C(stream_refused_errors) C(goaway_sent)         \
  C(rx_reset) C(tx_reset) C(trailers) C(keepalive_timeout) G(streams_active)

// Under "filesystem.", as Envoy's; written by the log thread only. write_dropped: records that were
// read from a ring but never reached a file.
#define SLUICE_ACCESS_LOG_STATS(C, G, H)                                                          \
  C(write_buffered) C(write_completed) C(write_failed) C(write_dropped) C(flushed_by_timer)       \
  C(reopen_failed) G(write_total_buffered)
// clang-format on

#define SLUICE_CELL_C(name) Counter name;
#define SLUICE_CELL_G(name) Gauge name;
#define SLUICE_CELL_H(name) Histogram name;

struct ClusterStats {
  SLUICE_CLUSTER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
  CodeCounters upstream_rq_code;  // upstream_rq_200 and so on.
};
struct ClusterMainStats {
  SLUICE_CLUSTER_MAIN_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
  // ring_hash_lb.size and so on: rows of their own in stat_table.cc.
  Gauge ring_hash_lb_size, ring_hash_lb_min_hashes_per_host, ring_hash_lb_max_hashes_per_host;
  Gauge maglev_lb_min_entries_per_host, maglev_lb_max_entries_per_host;
};
struct HttpStats {
  SLUICE_HTTP_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct TlsStats {
  SLUICE_TLS_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
  // By what handshakes settled; the names are in tls_stats.h.
  static constexpr std::size_t kCiphers = 13;
  static constexpr std::size_t kVersions = 2;
  static constexpr std::size_t kCurves = 4;
  static constexpr std::size_t kSignatures = 10;
  Counter ciphers[kCiphers];
  Counter versions[kVersions];
  Counter curves[kCurves];
  Counter signatures[kSignatures];
};
struct ListenerStats {
  SLUICE_LISTENER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
  Counter downstream_context_secrets_not_ready;  // Under "server_ssl_socket_factory.".
  TlsStats* ssl = nullptr;  // The same owner's block of the same listener; null: no TLS yet.
};
struct TlsInspectorStats {
  SLUICE_TLS_INSPECTOR_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct ProxyProtoStats {
  SLUICE_PROXY_PROTO_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
  struct Version {
    Counter found, disallowed, error;
  };
  Version v1, v2;  // versions.v1.found and so on.
};
struct TcpStats {
  SLUICE_TCP_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct CorsStats {
  SLUICE_CORS_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct ListenerManagerStats {
  SLUICE_LISTENER_MANAGER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct ClusterManagerStats {
  SLUICE_CLUSTER_MANAGER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct SubscriptionStats {
  SLUICE_SUBSCRIPTION_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct ControlPlaneStats {
  SLUICE_CONTROL_PLANE_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct ServerStats {
  SLUICE_SERVER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct RuntimeStats {
  SLUICE_RUNTIME_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct StateFileStats {
  SLUICE_STATE_FILE_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct WorkerStats {
  SLUICE_WORKER_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct Http2Stats {
  SLUICE_HTTP2_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};
struct AccessLogStats {
  SLUICE_ACCESS_LOG_STATS(SLUICE_CELL_C, SLUICE_CELL_G, SLUICE_CELL_H)
};

#undef SLUICE_CELL_C
#undef SLUICE_CELL_G
#undef SLUICE_CELL_H

}  // namespace sluice::observe
