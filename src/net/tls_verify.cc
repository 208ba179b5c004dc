// Judging a peer's certificate, for both sides.

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "net/tls_names.h"
#include "net/tls_stream.h"

namespace sluice::net {
namespace {

std::string DigestOf(const unsigned char* bytes, std::size_t size) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(bytes, size, digest);
  return {reinterpret_cast<const char*>(digest), sizeof(digest)};
}

bool Holds(const std::vector<std::string>& digests, unsigned char* der, int size) {
  if (der == nullptr || size <= 0) return false;
  const std::string digest = DigestOf(der, static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return std::find(digests.begin(), digests.end(), digest) != digests.end();
}

bool IsPinned(const TlsVerification& rules, X509* leaf) {
  if (!rules.certificate_sha256.empty()) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(leaf, &der);
    if (Holds(rules.certificate_sha256, der, size)) return true;
  }
  if (rules.spki_sha256.empty()) return false;
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
  return Holds(rules.spki_sha256, der, size);
}

bool HasPins(const TlsVerification& rules) {
  return !rules.spki_sha256.empty() || !rules.certificate_sha256.empty();
}

// What OpenSSL holds against the chain; whether it is let through all the same.
bool Forgiven(const TlsVerification& rules, int error, TlsStream& stream) {
  if (rules.accept_untrusted) {
    stream.set_untrusted();
    return true;
  }
  const bool dated = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
  if (dated && rules.allow_expired) return true;
  // A pin alone says whom to trust, where no authority is asked.
  return rules.ca_pem.empty() && !rules.system_cas && HasPins(rules);
}

int Refuse(X509_STORE_CTX* store, TlsStream& stream, int error, TlsFailure kind) {
  X509_STORE_CTX_set_error(store, error);
  stream.set_failure_kind(kind);
  return 0;
}

}  // namespace

// Runs per certificate of the chain, after OpenSSL's own judgement; the leaf comes last.
int JudgeCertificate(int good, X509_STORE_CTX* store) {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& stream = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  static const TlsVerification kPlain;
  const auto* own = static_cast<const TlsVerification*>(
      SSL_CTX_get_app_data(SSL_get_SSL_CTX(const_cast<SSL*>(ssl))));
  const TlsVerification& rules = own != nullptr ? *own : kPlain;
  if (good != 1) {
    const int error = X509_STORE_CTX_get_error(store);
    if (!Forgiven(rules, error, stream)) {
      const bool name =
          error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
      stream.set_failure_kind(name ? TlsFailure::kName : TlsFailure::kUntrusted);
      return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
  }
  if (X509_STORE_CTX_get_error_depth(store) != 0 || rules.accept_untrusted) return 1;
  X509* leaf = X509_STORE_CTX_get_current_cert(store);
  const bool named = rules.accept_san == nullptr ||
                     AnySan(leaf, [&](TlsVerification::SanKind kind, std::string_view name) {
                       return rules.accept_san(kind, name);
                     });
  if (!named || !stream.AcceptNames(leaf)) {
    return Refuse(store, stream, X509_V_ERR_HOSTNAME_MISMATCH, TlsFailure::kName);
  }
  if (HasPins(rules) && !IsPinned(rules, leaf)) {
    return Refuse(store, stream, X509_V_ERR_APPLICATION_VERIFICATION, TlsFailure::kPin);
  }
  return 1;
}

}  // namespace sluice::net
