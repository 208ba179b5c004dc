#pragma once
// Compiled clusters and endpoint assignments. Values; any thread may read. envoy-behaviour.md 3.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "config/config_source.h"
#include "config/http2.h"
#include "config/load_balancing.h"
#include "config/matchers.h"
#include "config/proxy_protocol.h"
#include "config/tls.h"
#include "http/h2_session.h"

namespace sluice::config {

struct Endpoint {
  enum class Health : std::uint8_t {
    kUnknown,
    kHealthy,
    kUnhealthy,
    kDraining,
    kTimeout,
    kDegraded
  };
  base::Address address;  // Family kNone: `dns_name` is to be resolved (DNS clusters).
  std::string dns_name;
  std::uint16_t dns_port = 0;
  std::string hostname;  // endpoint.hostname, or dns_name; for auto_host_rewrite.
  std::uint32_t weight = 1;
  Health health = Health::kUnknown;
  std::uint32_t priority = 0;
  std::uint32_t locality = 0;         // Which entry of `endpoints` it came in.
  std::uint32_t locality_weight = 0;  // Of that entry.

  bool operator==(const Endpoint&) const = default;
};

// One ClusterLoadAssignment, localities flattened.
struct Assignment {
  std::string cluster_name;
  std::vector<Endpoint> endpoints;
  std::uint32_t overprovisioning_percent = 140;
  std::uint32_t drop_percent_millionths = 0;

  bool operator==(const Assignment&) const = default;
};

struct UpstreamTls {
  std::string sni;     // "": none.
  std::string ca_pem;  // "": the system's CAs.
  bool verify = true;  // False only with trust_chain_verification ACCEPT_UNTRUSTED.
  // DNS names, URIs and IP addresses, any of which will do, as exact texts or URI prefixes. Empty:
  // the name in `sni` must match. One of the two is set when `verify` is.
  std::vector<StringMatcher> subject_alt_names;
  std::string certificate_pem;  // Client certificate, optional.
  std::string private_key_pem;
  int version_min = 0x0303;  // TLS1_2_VERSION
  int version_max = 0x0304;
  std::vector<std::string> alpn;
  TlsParameters parameters;  // Ciphers and curves beside the versions above.
  TlsValidation rules;       // Pins, revocation lists, dates and depth beside what is above.

  bool operator==(const UpstreamTls&) const = default;
};

struct BreakerLimits {
  std::uint32_t connections_max = 1024;
  std::uint32_t pending_max = 1024;
  std::uint32_t requests_max = 1024;
  std::uint32_t retries_max = 3;
  // Set: retries in flight may be this part (in millionths) of the requests, but `retries_min` in
  // any case, instead of retries_max.
  std::optional<std::uint32_t> retry_budget_millionths;
  std::uint32_t retries_min = 3;
  bool operator==(const BreakerLimits&) const = default;
};

struct TcpKeepalive {
  std::uint32_t probes = 0;  // 0: the system's.
  std::uint32_t time_s = 0;
  std::uint32_t interval_s = 0;
  bool operator==(const TcpKeepalive&) const = default;
};

struct DnsOptions {
  enum class Family : std::uint8_t { kAuto, kV4Only, kV6Only, kV4Preferred, kAll };
  Family family = Family::kAuto;
  std::uint64_t refresh_ms = 5000;
  bool respect_ttl = false;
  std::uint64_t failure_base_ms = 5000;
  std::uint64_t failure_max_ms = 50000;
  bool operator==(const DnsOptions&) const = default;
};

struct Cluster {
  enum class Type : std::uint8_t { kStatic, kStrictDns, kLogicalDns, kEds };
  std::string name;
  std::string stat_name;  // alt_stat_name, else name with ':' as '_'.
  Type type = Type::kStatic;
  std::string eds_service_name;  // kEds: the assignment's name.
  ConfigSourceRef eds_source;
  std::uint64_t eds_fetch_timeout_ms = 15000;
  Assignment assignment;  // All but kEds.
  DnsOptions dns;

  std::uint64_t connect_timeout_ms = 5000;  // TCP connect and TLS handshake together.
  std::uint32_t connection_buffer_limit_bytes = 64 * 1024;
  std::uint32_t panic_threshold_percent = 50;
  LoadBalancing balancing;
  std::array<BreakerLimits, 2> breakers;  // DEFAULT, HIGH.
  std::optional<UpstreamTls> tls;
  // Before everything else on a connection, which then is one client's alone.
  ProxyProtocolOut proxy_protocol = ProxyProtocolOut::kNone;
  std::optional<TcpKeepalive> keepalive;
  std::uint64_t idle_timeout_ms = 3'600'000;  // Of a pooled connection.
  std::uint32_t requests_per_connection_max = 0;
  std::uint32_t response_fields_max = 100;
  std::uint32_t response_head_bytes_max = 60 * 1024;
  // kAlpn: as the handshake chooses. kDownstream: what the client speaks.
  enum class Protocol : std::uint8_t { kHttp1, kHttp2, kAlpn, kDownstream };
  Protocol protocol = Protocol::kHttp1;
  http::H2Options h2;
  H2Keepalive h2_keepalive;
  std::uint64_t http2_keepalive_interval_ms = 30'000;  // Pings of the channel of xDS.
  std::uint64_t http2_keepalive_timeout_ms = 5'000;

  bool operator==(const Cluster&) const = default;
};

}  // namespace sluice::config
