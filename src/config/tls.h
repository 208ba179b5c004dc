#pragma once
// Compiled TLS settings, of listeners and of clusters. Values; any thread may read.
//
// Certificates and validation are references to secrets (secret.h), so that a rotated secret
// changes no listener. envoy-behaviour.md 4.5; proto/envoy/extensions/transport_sockets/tls/v3.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/secret.h"

namespace sluice::config {

// In OpenSSL's words.
struct TlsParameters {
  int version_min = 0x0303;  // TLS1_2_VERSION
  int version_max = 0x0304;
  std::string ciphers;               // Of TLS 1.2, "A:B"; "": kDefaultTlsCiphers.
  std::string curves;                // "X25519:P-256"; "": that.
  std::string signature_algorithms;  // "": OpenSSL's defaults.
  bool operator==(const TlsParameters&) const = default;
};

// Forward secrecy and AEAD only. TLS 1.3 has its own three, which are all fine.
inline constexpr const char* kDefaultTlsCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
inline constexpr const char* kDefaultTlsCurves = "X25519:P-256";

// How the peer is judged: by the secret alone, or (combined_validation_context) by both merged:
// what the secret sets wins, lists are concatenated.
struct ValidationRef {
  std::optional<SecretRef> secret;    // Of a TlsValidation,
  std::optional<SecretRef> defaults;  // as this, which is always inline.
  bool operator==(const ValidationRef&) const = default;
};

struct DownstreamTls {
  enum class OcspPolicy : std::uint8_t { kLenient, kStrict, kMustStaple };

  TlsParameters parameters;
  std::vector<SecretRef> certificates;  // Of TlsCertificates; at least one.
  ValidationRef validation;             // Neither: client certificates are not asked for.
  std::vector<std::string> alpn;        // In our order of preference.
  bool require_client_certificate = false;
  bool require_sni = false;
  std::optional<SecretRef> ticket_keys;  // Of TlsTicketKeys; unset: keys of the process.
  bool session_tickets = true;
  std::uint64_t session_timeout_s = 7200;
  OcspPolicy ocsp_policy = OcspPolicy::kLenient;
  bool full_scan_on_sni_mismatch = false;
  bool prefer_client_ciphers = false;

  bool operator==(const DownstreamTls&) const = default;
};

}  // namespace sluice::config
