#pragma once
// TLS on top of a socket, client side for now. OpenSSL 3, a bare SSL* with released buffers.
//
// A context is immutable once made and shared by threads; a stream belongs to one loop.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/stream.h"

namespace sluice::net {

struct TlsClientOptions {
  std::string ca_pem;  // "": the system's CAs.
  bool verify = true;
  std::string certificate_pem;  // Own certificate chain and key, optional.
  std::string private_key_pem;
  int version_min = 0x0303;
  int version_max = 0x0304;
  std::vector<std::string> alpn;
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
// What ALPN chose; empty before the handshake, without ALPN, and for streams without TLS.
std::string_view NegotiatedProtocol(const Stream& tls_stream);

}  // namespace sluice::net
