#pragma once
// Everything that is known about one exchange: what access logs, header operators and statistics
// read. Filled by proxy/exchange.cc as things happen. One worker; lives with the exchange.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/clock.h"
#include "http/head.h"

namespace sluice::observe {

// In the order Envoy prints them. The tables of short and long names are in response_flags.cc.
enum class ResponseFlag : std::uint8_t {
  kFailedLocalHealthCheck,
  kNoHealthyUpstream,
  kUpstreamRequestTimeout,
  kLocalReset,
  kUpstreamRemoteReset,
  kUpstreamConnectionFailure,
  kUpstreamConnectionTermination,
  kUpstreamOverflow,
  kNoRouteFound,
  kDelayInjected,
  kFaultInjected,
  kRateLimited,
  kUnauthorizedExternalService,
  kRateLimitServiceError,
  kDownstreamConnectionTermination,
  kUpstreamRetryLimitExceeded,
  kStreamIdleTimeout,
  kInvalidEnvoyRequestHeaders,
  kDownstreamProtocolError,
  kUpstreamMaxStreamDurationReached,
  kResponseFromCacheFilter,
  kNoFilterConfigFound,
  kDurationTimeout,
  kUpstreamProtocolError,
  kNoClusterFound,
  kOverloadManager,
  kDnsResolutionFailed,
  kDropOverload,
  kDownstreamRemoteReset,
  kUnconditionalDropOverload,
  kCount
};

using ResponseFlags = std::uint64_t;  // Bit i: ResponseFlag i.
constexpr ResponseFlags FlagBit(ResponseFlag flag) {
  return ResponseFlags{1} << static_cast<unsigned>(flag);
}
// "UF,URX" or "UpstreamConnectionFailure,..."; "-" for none.
void AppendFlags(ResponseFlags flags, bool long_names, std::string& out);
// The bit of a short name ("UF"), 0 when there is none such.
ResponseFlags ParseFlag(std::string_view short_name);

struct TlsInfo;

struct StreamInfo {
  // Downstream connection.
  const base::Address* direct_remote = nullptr;  // The peer.
  const base::Address* local = nullptr;
  base::Address remote;  // The client after XFF trust; family kNone: peer.
  std::uint64_t connection_id = 0;
  std::uint64_t stream_id = 0;
  std::string_view filter_chain_name;
  std::string_view requested_server_name;
  // The client's TLS, made when it is asked for; null: plain text.
  const TlsInfo* (*tls)(void* owner) = nullptr;
  void* tls_owner = nullptr;
  const TlsInfo* DownstreamTls() const { return tls == nullptr ? nullptr : tls(tls_owner); }

  // Request and response as the client sees them; null until there is one.
  const http::RequestHead* request = nullptr;
  const http::ResponseHead* response = nullptr;
  const http::Fields* response_trailers = nullptr;
  std::string_view original_path;  // Before rewriting; "" when not rewritten.
  bool is_tcp = false;             // No HTTP: there is no protocol to name.
  http::Version protocol = http::Version::kHttp11;
  std::uint64_t request_head_bytes = 0;
  std::uint64_t response_head_bytes = 0;
  std::uint64_t response_trailer_bytes = 0;
  std::uint64_t bytes_received = 0;  // Body bytes.
  std::uint64_t bytes_sent = 0;

  // What happened.
  int response_code = 0;              // 0: none was sent.
  std::string response_code_details;  // "via_upstream", "route_not_found", ...
  std::string_view connection_termination_details;
  ResponseFlags flags = 0;
  std::string_view route_name;
  std::string_view cluster;  // Of the last try; "" for none.
  std::string_view local_reply_body;
  std::uint32_t attempts = 0;

  // Upstream, of the last try.
  base::Address upstream_remote;  // Family kNone: none.
  base::Address upstream_local;
  std::string upstream_hostname;
  std::string upstream_transport_failure;
  http::Version upstream_protocol = http::Version::kHttp11;
  bool upstream_connected = false;

  // Times; a default-constructed value means "did not happen".
  base::WallTime start_wall;
  base::Monotonic start;
  base::Monotonic request_end;           // Last request byte received.
  base::Monotonic upstream_ready;        // A connection was assigned.
  base::Monotonic upstream_request_end;  // Last request byte sent upstream.
  base::Monotonic response_begin;        // First response byte from upstream.
  base::Monotonic upstream_response_end;
  base::Monotonic end;  // Last response byte sent.
};

}  // namespace sluice::observe
