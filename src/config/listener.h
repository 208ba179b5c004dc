#pragma once
// Compiled listeners and their HTTP connection managers. Values; any thread may read.
// envoy-behaviour.md 2.1 and 4.1; defaults of ours against Envoy's: docs/defaults.md.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "config/access_log.h"
#include "config/route.h"
#include "http/authority.h"
#include "http/h1_codec.h"
#include "http/path.h"

namespace sluice::config {

struct RouterFilter {
  bool suppress_envoy_headers = false;
  bool operator==(const RouterFilter&) const = default;
};
struct CorsFilter {
  bool operator==(const CorsFilter&) const = default;
};

using HttpFilterConfig = std::variant<RouterFilter, CorsFilter>;
struct HttpFilter {
  std::string name;
  bool disabled = false;
  HttpFilterConfig config;
  bool operator==(const HttpFilter&) const = default;
};

struct HttpConnectionManager {
  enum class ServerHeader : std::uint8_t { kOverwrite, kAppendIfAbsent, kPassThrough };
  enum class Underscores : std::uint8_t { kAllow, kReject, kDrop };

  std::string stat_prefix;
  // One of these two.
  std::string rds_name;                             // "": inline.
  std::shared_ptr<const RouteTable> inline_routes;  // Compared by value.
  std::uint64_t rds_fetch_timeout_ms = 15000;       // 0: wait for ever.

  std::vector<HttpFilter> filters;  // The router is last.
  std::vector<AccessLog> access_logs;
  std::vector<UpgradeConfig> upgrades;

  http::H1Limits h1;
  http::PathOptions path;
  http::HostOptions host;
  Underscores underscores = Underscores::kReject;  // Envoy: allow.
  std::string server_name = "envoy";
  ServerHeader server_header = ServerHeader::kOverwrite;
  std::string via;
  bool use_remote_address = false;
  std::uint32_t xff_trusted_hops = 0;
  bool skip_xff_append = false;
  bool append_x_forwarded_port = false;
  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  bool request_id_in_response = false;
  bool proxy_100_continue = false;

  // Milliseconds; 0: off.
  std::uint64_t stream_idle_timeout_ms = 300'000;
  std::uint64_t request_timeout_ms = 0;
  std::uint64_t request_headers_timeout_ms = 10'000;  // Envoy: off.
  std::uint64_t idle_timeout_ms = 3'600'000;          // Connection without a request.
  std::uint64_t tunnel_idle_timeout_ms = 3'600'000;
  std::uint64_t max_connection_duration_ms = 0;
  std::uint64_t max_stream_duration_ms = 0;
  std::uint64_t drain_timeout_ms = 5'000;
  std::uint64_t delayed_close_timeout_ms = 1'000;
  std::uint32_t requests_per_connection_max = 0;  // 0: no limit.

  bool operator==(const HttpConnectionManager& other) const;
};

struct FilterChain {
  std::string name;
  std::shared_ptr<const HttpConnectionManager> http;  // The terminal network filter.
  bool operator==(const FilterChain& other) const;    // `http` by value.
};

struct Listener {
  std::string name;
  base::Address address;
  std::vector<base::Address> additional_addresses;
  std::vector<FilterChain> filter_chains;                   // Exactly one for now.
  std::uint32_t connection_buffer_limit_bytes = 64 * 1024;  // Envoy: 1 MiB.
  std::uint32_t tcp_backlog = 4096;
  bool ipv4_compat = false;
  std::string stat_prefix;  // "": the address.

  bool operator==(const Listener&) const = default;
};

}  // namespace sluice::config
