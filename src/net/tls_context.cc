#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <memory>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "base/strings.h"
#include "net/tls.h"

namespace sluice::net {
namespace {

template <typename T, void (*kFree)(T*)>
struct Freer {
  void operator()(T* object) const { kFree(object); }
};
struct BioFreer {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFreer>;
using CertificatePtr = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;

constexpr std::size_t kPemBytesMax = 16 * 1024 * 1024;

// Never asks a terminal for the passphrase of an encrypted key.
int NoPassphrase(char*, int, int, void*) { return 0; }
int GivePassphrase(char* space, int size, int, void* passphrase) {
  const auto& text = *static_cast<const std::string*>(passphrase);
  if (text.size() > static_cast<std::size_t>(size)) return 0;
  text.copy(space, text.size());
  return static_cast<int>(text.size());
}

BioPtr Reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

}  // namespace

absl::Status TlsRefused(std::string_view what) {
  const std::string why = TakeTlsErrors();
  return base::InvalidArgument(base::Cat(what, why.empty() ? "" : ": ", why));
}

evp_pkey_st* ReadPrivateKey(const std::string& pem, const std::string& password) {
  const BioPtr reader = Reader(pem);
  return PEM_read_bio_PrivateKey(reader.get(), nullptr, &GivePassphrase,
                                 const_cast<std::string*>(&password));
}

absl::Status ReadCertificates(const std::string& pem, std::string_view what,
                              const std::function<bool(x509_st*)>& take) {
  if (pem.size() > kPemBytesMax) return base::InvalidArgument(base::Cat(what, " is too large"));
  const BioPtr reader = Reader(pem);
  bool any = false;
  ERR_clear_error();
  for (;;) {
    const CertificatePtr certificate(
        PEM_read_bio_X509(reader.get(), nullptr, &NoPassphrase, nullptr));
    if (certificate == nullptr) break;
    if (!take(certificate.get()))
      return TlsRefused(base::Cat(what, " has a certificate of no use"));
    any = true;
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return TlsRefused(base::Cat(what, " is not valid PEM"));
  ERR_clear_error();
  if (!any) return base::InvalidArgument(base::Cat(what, " holds no certificate"));
  return absl::OkStatus();
}

absl::Status UseVerification(ssl_ctx_st* context, const TlsVerification& verification) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (!verification.ca_pem.empty()) {
    absl::Status status = ReadCertificates(verification.ca_pem, "trusted_ca", [store](X509* ca) {
      return X509_STORE_add_cert(store, ca) == 1;
    });
    if (!status.ok()) return status;
  } else if (verification.system_cas && SSL_CTX_set_default_verify_paths(context) != 1) {
    // A directory of hashed names on most systems: files are read when a chain needs them.
    return TlsRefused("the system's certificate authorities cannot be read");
  }
  X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_depth(parameters, verification.depth_max);
  if (!verification.ca_pem.empty()) {
    // An intermediate that is trusted is trusted, whoever signed it.
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (verification.crl_pem.empty()) return absl::OkStatus();
  const BioPtr reader = Reader(verification.crl_pem);
  while (X509_CRL* crl = PEM_read_bio_X509_CRL(reader.get(), nullptr, &NoPassphrase, nullptr)) {
    const bool added = X509_STORE_add_crl(store, crl) == 1;
    X509_CRL_free(crl);
    if (!added) return TlsRefused("crl has a list of no use");
  }
  ERR_clear_error();
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK);
  if (!verification.only_leaf_crl) {
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_CRL_CHECK_ALL);
  }
  return absl::OkStatus();
}

void UseCommonOptions(ssl_ctx_st* context) {
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(context, 1);  // One call to the socket per flight, not two per record.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

namespace {

absl::Status UseOwnCertificate(SSL_CTX* context, const TlsClientOptions& options) {
  if (options.certificate_pem.empty() && options.private_key_pem.empty()) {
    return absl::OkStatus();
  }
  bool first = true;
  const absl::Status chain = ReadCertificates(
      options.certificate_pem, "certificate_chain", [&first, context](X509* certificate) {
        if (std::exchange(first, false)) return SSL_CTX_use_certificate(context, certificate) == 1;
        return SSL_CTX_add1_chain_cert(context, certificate) == 1;
      });
  if (!chain.ok()) return chain;
  const KeyPtr key(ReadPrivateKey(options.private_key_pem, ""));
  if (key == nullptr) return TlsRefused("private_key cannot be read");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return TlsRefused("private_key does not match certificate_chain");
  }
  return absl::OkStatus();
}

absl::Status UseAlpn(SSL_CTX* context, const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      return base::InvalidArgument("alpn_protocols: a name has 1 to 255 bytes");
    }
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  if (wire.empty()) return absl::OkStatus();
  const auto* bytes = reinterpret_cast<const unsigned char*>(wire.data());
  // Zero is success here.
  if (SSL_CTX_set_alpn_protos(context, bytes, static_cast<unsigned>(wire.size())) == 0) {
    return absl::OkStatus();
  }
  return TlsRefused("alpn_protocols cannot be set");
}

void FreeVerification(void*, void* verification, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TlsVerification*>(verification);
}

}  // namespace

TlsClientContext::TlsClientContext(ssl_ctx_st* context, const TlsVerification& verification)
    : context_(context) {
  static const int kIndex =
      SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &FreeVerification);
  auto copy = std::make_unique<TlsVerification>(verification);
  SSL_CTX_set_app_data(context_, copy.get());
  SLUICE_CHECK(SSL_CTX_set_ex_data(context_, kIndex, copy.get()) == 1);
  static_cast<void>(copy.release());
}

TlsClientContext::~TlsClientContext() { SSL_CTX_free(context_); }

absl::StatusOr<std::shared_ptr<const TlsClientContext>> NewTlsClientContext(
    const TlsClientOptions& options) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return TlsRefused("TLS is not available");
  SSL_CTX* raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, options.version_min) != 1 ||
      SSL_CTX_set_max_proto_version(raw, options.version_max) != 1) {
    return TlsRefused("TLS versions cannot be set");
  }
  UseCommonOptions(raw);
  const auto set = [raw](const std::string& list, auto use) {
    return list.empty() || use(raw, list.c_str()) == 1;
  };
  if (!set(options.ciphers,
           [](SSL_CTX* c, const char* l) { return SSL_CTX_set_cipher_list(c, l); }) ||
      !set(options.curves,
           [](SSL_CTX* c, const char* l) { return SSL_CTX_set1_groups_list(c, l); }) ||
      !set(options.signature_algorithms,
           [](SSL_CTX* c, const char* l) { return SSL_CTX_set1_sigalgs_list(c, l); })) {
    return TlsRefused("tls_params cannot be used");
  }
  TlsVerification verification = options.verification;
  if (verification.ca_pem.empty()) verification.ca_pem = options.ca_pem;
  if (verification.ca_pem.empty()) verification.system_cas = true;
  if (options.verify) {
    if (absl::Status status = UseVerification(raw, verification); !status.ok()) return status;
  }
  SSL_CTX_set_verify(raw, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (absl::Status status = UseOwnCertificate(raw, options); !status.ok()) return status;
  if (absl::Status status = UseAlpn(raw, options.alpn); !status.ok()) return status;
  return std::make_shared<const TlsClientContext>(context.release(), verification);
}

std::string TakeTlsErrors(const std::string& detail) {
  std::string text;
  bool first = true;
  while (const unsigned long error = ERR_get_error()) {
    if (text.size() > 1024) continue;  // Empties the queue all the same.
    const char* library = ERR_lib_error_string(error);
    const char* reason = ERR_reason_error_string(error);
    std::string words = reason != nullptr ? reason : "unknown";
    for (char& c : words) {
      if (c == ' ') c = '_';
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    base::Append(text, "|", error, ":", library != nullptr ? library : "lib",
                 ":OPENSSL_internal:", words);
    if (std::exchange(first, false) && !detail.empty()) base::Append(text, ":", detail);
  }
  return text.empty() ? text : base::Cat("TLS_error:", text, ":TLS_error_end");
}

}  // namespace sluice::net
