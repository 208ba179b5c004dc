#pragma once
// TLS of clients: what a filter chain needs to shake hands, and streams that did.
//
// A context is immutable once made and shared by the workers; a stream belongs to one loop and
// keeps its context alive. Several certificates: chosen by the name the client asks for, and among
// those by the kinds of keys that it takes. Sessions are resumed by tickets alone: no cache.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/stream.h"
#include "net/tls.h"

namespace sluice::net {

struct TlsServerCertificate {
  std::string chain_pem;
  std::string key_pem;
  std::string key_password;  // "": none.
  std::string ocsp_staple;   // DER; "": none.
};

struct TlsServerOptions {
  enum class Ocsp : std::uint8_t { kLenient, kStrict, kMustStaple };

  int version_min = 0x0303;
  int version_max = 0x0304;
  std::string ciphers;  // As OpenSSL's lists; "" for its defaults.
  std::string curves;
  std::string signature_algorithms;
  std::vector<TlsServerCertificate> certificates;
  TlsVerification verification;  // Of clients, where `ask_for_certificate`.
  bool ask_for_certificate = false;
  bool require_certificate = false;
  bool require_sni = false;
  bool full_scan_on_sni_mismatch = false;
  bool prefer_client_ciphers = false;
  std::vector<std::string> alpn;  // In our order of preference.
  bool tickets = true;
  std::vector<std::string> ticket_keys;  // 80 bytes each; empty: keys of the process.
  std::uint64_t session_timeout_s = 7200;
  Ocsp ocsp = Ocsp::kLenient;
  // Sessions made under one text are not resumed under another.
  std::string session_context;
};

class TlsServerContext;  // SSL_CTX inside.

absl::StatusOr<std::shared_ptr<const TlsServerContext>> NewTlsServerContext(
    const TlsServerOptions& options);

// Wraps an accepted stream. Handshake() (tls.h) drives it; HandshakeStep() does one flight.
std::unique_ptr<Stream> NewTlsServerStream(Loop& loop, std::unique_ptr<Stream> socket,
                                           std::shared_ptr<const TlsServerContext> context);

}  // namespace sluice::net
