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
#include "config/config_source.h"
#include "config/filter_chain_match.h"
#include "config/filter_discovery.h"
#include "config/http2.h"
#include "config/proxy_protocol.h"
#include "config/route.h"
#include "config/scoped_routes.h"
#include "config/tls.h"
#include "http/authority.h"
#include "http/h1_codec.h"
#include "http/h2_session.h"
#include "http/path.h"

namespace sluice::config {

// What a response made here becomes.
struct ReplyMapper {
  AccessLogFilter filter;
  std::optional<int> status;
  std::optional<std::string> body;
  std::optional<BodyFormat> format;
  HeaderMutations headers;
  bool operator==(const ReplyMapper&) const = default;
};
struct LocalReplyConfig {
  std::vector<ReplyMapper> mappers;  // The first whose filter matches.
  std::optional<BodyFormat> format;  // Unset: the body as it is.
  bool operator==(const LocalReplyConfig&) const = default;
};

// The proxy-status header, RFC 9209.
struct ProxyStatusConfig {
  std::string name;
  bool details = true;
  bool termination_details = true;
  bool flags = true;
  bool recommended_status = false;
  bool operator==(const ProxyStatusConfig&) const = default;
};

// x-forwarded-client-cert.
struct ClientCertHeader {
  enum class Mode : std::uint8_t {
    kSanitize,
    kForwardOnly,
    kAppendForward,
    kSanitizeSet,
    kAlwaysForwardOnly
  };
  Mode mode = Mode::kSanitize;
  // What is told of the client's certificate, beside its hash.
  bool subject = false, cert = false, chain = false, dns = false, uri = false;
  bool operator==(const ClientCertHeader&) const = default;
};

struct HttpConnectionManager {
  enum class ServerHeader : std::uint8_t { kOverwrite, kAppendIfAbsent, kPassThrough };
  enum class Underscores : std::uint8_t { kAllow, kReject, kDrop };
  enum class Codec : std::uint8_t { kAuto, kHttp1, kHttp2 };

  std::string stat_prefix;
  // One of these three.
  std::string rds_name;                             // "": inline.
  std::shared_ptr<const RouteTable> inline_routes;  // Compared by value.
  std::shared_ptr<const ScopedRoutes> scoped;       // Compared by value.
  ConfigSourceRef rds_source;                       // Also of the tables that scopes name.
  std::uint64_t rds_fetch_timeout_ms = 15000;       // 0: wait for ever.

  std::vector<HttpFilter> filters;  // The router is last.
  std::vector<AccessLog> access_logs;
  std::vector<UpgradeConfig> upgrades;

  Codec codec = Codec::kAuto;
  http::H1Limits h1;
  http::H2Options h2;
  H2Keepalive h2_keepalive;
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
  ClientCertHeader client_cert;
  bool generate_request_id = true;
  bool preserve_external_request_id = false;
  bool request_id_in_response = false;
  bool proxy_100_continue = false;
  std::string scheme;               // "": that of the connection or of who is trusted.
  bool proper_case_fields = false;  // Names in HTTP/1 responses: X-Request-Id.
  HeaderSteps early_steps;          // Before anything else looks at a request.
  LocalReplyConfig local_reply;
  std::optional<ProxyStatusConfig> proxy_status;

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

struct TcpProxy;  // config/tcp_proxy.h

// What a connection runs through. Exactly one of `http` and `tcp`, its terminal network filter, is
// set.
struct FilterChain {
  std::string name;
  std::shared_ptr<const HttpConnectionManager> http = nullptr;
  std::shared_ptr<const TcpProxy> tcp = nullptr;
  std::shared_ptr<const DownstreamTls> tls = nullptr;  // Null: plain text.
  FilterChainMatch match = {};
  bool is_default = false;  // For what no other chain matches. The last of its listener.
  std::uint64_t transport_connect_timeout_ms = 0;  // For the TLS handshake; 0: kHandshakeMs.
  // Names the chain across versions of its listener: its match, or "default".
  std::string key = {};

  bool operator==(const FilterChain& other) const;  // Pointers by value.
};

// A handshake that takes longer holds a connection for nothing.
inline constexpr std::uint64_t kHandshakeTimeoutMs = 10'000;  // Envoy: for ever.

// Looks at the first bytes: is it TLS, and which names does the client ask for?
struct TlsInspectorFilter {
  std::uint32_t hello_bytes_max = 16 * 1024;
  bool close_on_bad_hello = false;
  bool operator==(const TlsInspectorFilter&) const = default;
};

using ListenerFilterConfig = std::variant<TlsInspectorFilter, ProxyProtocolFilter>;
struct ListenerFilter {
  std::string name;
  ListenerFilterConfig config;
  bool operator==(const ListenerFilter&) const = default;
};

struct Listener {
  std::string name;
  base::Address address;
  std::vector<base::Address> additional_addresses;
  std::vector<FilterChain> filter_chains;
  FilterChainIndex chain_index;  // Of all but the default one.
  std::vector<ListenerFilter> listener_filters;
  std::uint64_t listener_filters_timeout_ms = 15'000;  // 0: none.
  bool continue_on_listener_filters_timeout = false;
  std::uint32_t connection_buffer_limit_bytes = 64 * 1024;  // Envoy: 1 MiB.
  std::uint32_t tcp_backlog = 4096;
  bool ipv4_compat = false;
  std::string stat_prefix;  // "": the address.

  bool operator==(const Listener&) const = default;
};

// The chain for a connection, or null: it must be closed. Lives as long as `listener`.
const FilterChain* FindFilterChain(const Listener& listener, const ChainFacts& facts);

}  // namespace sluice::config
