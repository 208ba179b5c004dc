#pragma once
// What TLS streams of one kind share: an SSL_CTX, immutable once made. Only src/net includes this.

#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct x509_st;

namespace sluice::net {

class TlsClientContext {
 public:
  explicit TlsClientContext(ssl_ctx_st* context) : context_(context) {}  // Takes the reference.
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;
  ssl_ctx_st* get() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

// Empties this thread's queue of OpenSSL errors into Envoy's form, "" when there is none:
// "TLS_error:|167772427:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end". With
// `detail`, it follows the first reason.
std::string TakeTlsErrors(const std::string& detail = {});

// True when `accept` takes one of the certificate's DNS, URI or IP subject alternative names.
bool AnyNameAccepted(x509_st* certificate, bool (*accept)(void*, std::string_view), void* owner);

}  // namespace sluice::net
