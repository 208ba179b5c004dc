#include "net/tls_context.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <utility>

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

BioPtr Reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::Status Refused(std::string_view what) {
  const std::string why = TakeTlsErrors();
  return base::InvalidArgument(base::Cat(what, why.empty() ? "" : ": ", why));
}

// The certificates of `pem`, each handed to `take`; none at all is an error.
template <typename Take>
absl::Status ReadCertificates(const std::string& pem, std::string_view what, const Take& take) {
  if (pem.size() > kPemBytesMax) return base::InvalidArgument(base::Cat(what, " is too large"));
  const BioPtr reader = Reader(pem);
  bool any = false;
  ERR_clear_error();
  for (;;) {
    const CertificatePtr certificate(
        PEM_read_bio_X509(reader.get(), nullptr, &NoPassphrase, nullptr));
    if (certificate == nullptr) break;
    if (!take(certificate.get())) return Refused(base::Cat(what, " has a certificate of no use"));
    any = true;
  }
  const unsigned long error = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (!at_end) return Refused(base::Cat(what, " is not valid PEM"));
  ERR_clear_error();
  if (!any) return base::InvalidArgument(base::Cat(what, " holds no certificate"));
  return absl::OkStatus();
}

absl::Status UseAuthorities(SSL_CTX* context, const std::string& ca_pem) {
  if (ca_pem.empty()) {
    // A directory of hashed names on most systems: files are read when a chain needs them.
    if (SSL_CTX_set_default_verify_paths(context) == 1) return absl::OkStatus();
    return Refused("the system's certificate authorities cannot be read");
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  return ReadCertificates(ca_pem, "trusted_ca",
                          [store](X509* ca) { return X509_STORE_add_cert(store, ca) == 1; });
}

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
  const BioPtr reader = Reader(options.private_key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(reader.get(), nullptr, &NoPassphrase, nullptr));
  if (key == nullptr) return Refused("private_key cannot be read");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return Refused("private_key does not match certificate_chain");
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
  return Refused("alpn_protocols cannot be set");
}

}  // namespace

TlsClientContext::~TlsClientContext() { SSL_CTX_free(context_); }

absl::StatusOr<std::shared_ptr<const TlsClientContext>> NewTlsClientContext(
    const TlsClientOptions& options) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return Refused("TLS is not available");
  SSL_CTX* raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, options.version_min) != 1 ||
      SSL_CTX_set_max_proto_version(raw, options.version_max) != 1) {
    return Refused("TLS versions cannot be set");
  }
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(raw, 1);  // One call to the socket per flight instead of two per record.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (options.verify) {
    if (absl::Status status = UseAuthorities(raw, options.ca_pem); !status.ok()) return status;
  }
  SSL_CTX_set_verify(raw, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (absl::Status status = UseOwnCertificate(raw, options); !status.ok()) return status;
  if (absl::Status status = UseAlpn(raw, options.alpn); !status.ok()) return status;
  return std::make_shared<const TlsClientContext>(context.release());
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

bool AnyNameAccepted(x509_st* certificate, bool (*accept)(void*, std::string_view), void* owner) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool accepted = false;
  for (int i = 0; names != nullptr && !accepted && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS || name->type == GEN_URI) {
      const ASN1_IA5STRING* text =
          name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
      const auto* bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
      const std::string_view san(bytes, static_cast<std::size_t>(ASN1_STRING_length(text)));
      // A NUL inside would let a certificate claim one name and match another.
      accepted = san.find('\0') == san.npos && accept(owner, san);
    } else if (name->type == GEN_IPADD) {
      const ASN1_OCTET_STRING* ip = name->d.iPAddress;
      const unsigned char* bytes = ASN1_STRING_get0_data(ip);
      sockaddr_storage storage = {};
      auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
      auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
      if (ASN1_STRING_length(ip) == 4) {
        v4->sin_family = AF_INET;
        std::memcpy(&v4->sin_addr, bytes, 4);
      } else if (ASN1_STRING_length(ip) == 16) {
        v6->sin6_family = AF_INET6;
        std::memcpy(&v6->sin6_addr, bytes, 16);
      } else {
        continue;
      }
      const std::string text =
          base::Address::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage), sizeof(storage))
              .IpText();
      accepted = accept(owner, text);
    }
  }
  GENERAL_NAMES_free(names);
  return accepted;
}

}  // namespace sluice::net
