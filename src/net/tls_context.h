#pragma once
// What TLS streams of one kind share: an SSL_CTX, immutable once made. Only src/net includes this.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "net/tls.h"

struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

namespace sluice::net {

class TlsClientContext {
 public:
  // Takes the reference. The SSL_CTX gets a copy of the rules: streams that outlive this need them.
  TlsClientContext(ssl_ctx_st* context, const TlsVerification& verification);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;
  ssl_ctx_st* get() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

// "what: the reasons in OpenSSL's queue".
absl::Status TlsRefused(std::string_view what);
// The certificates of `pem`, each handed to `take`, which borrows; none at all is an error.
absl::Status ReadCertificates(const std::string& pem, std::string_view what,
                              const std::function<bool(x509_st*)>& take);
// Null when `password` does not open it. The caller frees it.
evp_pkey_st* ReadPrivateKey(const std::string& pem, const std::string& password);
// Authorities, revocation lists, depth. The judgement itself is JudgeCertificate (tls_stream.h).
absl::Status UseVerification(ssl_ctx_st* context, const TlsVerification& verification);
// Modes and options of both sides.
void UseCommonOptions(ssl_ctx_st* context);

// Empties this thread's queue of OpenSSL errors into Envoy's form, "" when there is none:
// "TLS_error:|167772427:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end". With
// `detail`, it follows the first reason.
std::string TakeTlsErrors(const std::string& detail = {});

// True when `accept` takes one of the certificate's DNS, URI or IP subject alternative names.
bool AnyNameAccepted(x509_st* certificate, bool (*accept)(void*, std::string_view), void* owner);

}  // namespace sluice::net
