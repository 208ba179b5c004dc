#pragma once
// TLS on top of a socket. OpenSSL 3, a bare SSL* with released buffers. Servers: tls_server.h.
//
// A context is immutable once made and shared by threads; a stream belongs to one loop.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/stream.h"

namespace sluice::net {

// How a peer's certificate is judged.
struct TlsVerification {
  enum class SanKind : std::uint8_t { kDns, kUri, kEmail, kIp };

  std::string ca_pem;       // "": none.
  bool system_cas = false;  // The system's, where `ca_pem` is "".
  std::string crl_pem;      // "": none.
  bool only_leaf_crl = false;
  std::vector<std::string> spki_sha256;         // Raw digests, any of them,
  std::vector<std::string> certificate_sha256;  // or any of these.
  // Whether one of the certificate's names will do; null: not asked. Any thread.
  std::function<bool(SanKind kind, std::string_view name)> accept_san;
  bool accept_untrusted = false;
  bool allow_expired = false;
  int depth_max = 100;
};

struct TlsClientOptions {
  std::string ca_pem;  // "": that of `verification`, else the system's CAs.
  bool verify = true;
  std::string certificate_pem;  // Own certificate chain and key, optional.
  std::string private_key_pem;
  int version_min = 0x0303;
  int version_max = 0x0304;
  std::vector<std::string> alpn;
  std::string ciphers = "";  // As OpenSSL's lists; "" for its defaults.
  std::string curves = "";
  std::string signature_algorithms = "";
  TlsVerification verification = {};
};

class TlsClientContext;  // SSL_CTX inside.

absl::StatusOr<std::shared_ptr<const TlsClientContext>> NewTlsClientContext(
    const TlsClientOptions& options);

struct TlsPeer {
  std::string sni;          // "": no SNI.
  std::string verify_name;  // DNS name or IP the certificate must carry; "": chain only.
  // Called with every DNS/URI/IP SAN when verify_name is ""; null: not checked.
  bool (*accept_san)(void* owner, std::string_view san) = nullptr;
  void* accept_san_owner = nullptr;
};

// Wraps a connected stream made by StartConnect/NewSocketStream. The handshake runs inside the
// first reads and writes; Handshake() drives it to its end (false: failure() says why).
std::unique_ptr<Stream> NewTlsClientStream(Loop& loop, std::unique_ptr<Stream> socket,
                                           const TlsClientContext& context, const TlsPeer& peer);
Task<bool> Handshake(Stream& tls_stream);
// One flight of a handshake: kWouldBlock: the peer is waited for (*on_write: to read from us).
// Plain streams are done at once.
IoStatus HandshakeStep(Stream& tls_stream, bool* on_write);
// The name the client asked for, as it wrote it; "": none.
std::string_view ServerNameOf(const Stream& tls_stream);
// What ALPN chose; empty before the handshake, without ALPN, and for streams without TLS.
std::string_view NegotiatedProtocol(const Stream& tls_stream);

// Why a handshake failed, for statistics.
enum class TlsFailure : std::uint8_t {
  kNone,
  kProtocol,       // Not TLS, no version or cipher in common, cut off.
  kNoCertificate,  // One was required.
  kUntrusted,      // The chain.
  kName,           // Of no name that is accepted.
  kPin,
};
TlsFailure FailureOf(const Stream& tls_stream);

// What a handshake settled and who the peer is; for logs and headers. Texts are "" where unknown.
struct TlsFacts {
  std::string_view version;  // "TLSv1.3"
  std::string_view cipher;   // "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
  std::string_view curve;    // "X25519", "P-256"
  std::string_view signature_algorithm;  // "ecdsa_secp256r1_sha256"
  std::string server_name;
  std::string session_id;  // Hexadecimal.
  bool resumed = false;
  bool presented = false;  // The peer showed a certificate,
  bool validated = false;  // which was judged and found good.
  // Of the peer's certificate.
  std::string subject;  // RFC 2253
  std::string issuer;
  std::string serial;              // Lower-case hexadecimal.
  std::string fingerprint_sha256;  // Lower-case hexadecimal.
  std::string fingerprint_sha1;
  std::string certificate_pem;
  std::string chain_pem;
  std::vector<std::string> uri_sans, dns_sans, ip_sans, email_sans;
  std::int64_t valid_from_s = 0;  // Unix time; 0: no certificate.
  std::int64_t expires_s = 0;
  // Of our own.
  std::string local_subject;
  std::vector<std::string> local_uri_sans, local_dns_sans;
};
// REQUIRES: the handshake is over. Cheap parts only unless `certificates`.
TlsFacts FactsOf(const Stream& tls_stream, bool certificates);

}  // namespace sluice::net
