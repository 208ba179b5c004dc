// What a handshake settled, in words.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>

#include "base/strings.h"
#include "net/tls_names.h"
#include "net/tls_stream.h"

namespace sluice::net {
namespace {

std::string Hex(const unsigned char* bytes, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < size; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

template <typename Print>
std::string Printed(Print print) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (bio == nullptr) return "";
  print(bio);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string out(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

std::string NameText(const X509_NAME* name) {
  return Printed([name](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

std::string Fingerprint(const X509& certificate, const EVP_MD* kind) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, kind, digest, &size) != 1) return "";
  return Hex(digest, size);
}

std::int64_t Seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

std::string Serial(X509& certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get_serialNumber(&certificate), nullptr);
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string out = hex == nullptr ? "" : base::Lowercase(std::string_view(hex));
  OPENSSL_free(hex);
  BN_free(number);
  return out;
}

std::string_view CurveName(SSL* ssl) {
  switch (SSL_get_negotiated_group(ssl)) {
    case NID_X25519:
      return "X25519";
    case NID_X9_62_prime256v1:
      return "P-256";
    case NID_secp384r1:
      return "P-384";
    case NID_secp521r1:
      return "P-521";
    default:
      return "";
  }
}

std::string_view SignatureName(SSL* ssl) {
  int type = 0;
  int digest = 0;
  if (SSL_get_peer_signature_type_nid(ssl, &type) != 1) return "";
  SSL_get_peer_signature_nid(ssl, &digest);
  const int size = digest == NID_sha256   ? 0
                   : digest == NID_sha384 ? 1
                   : digest == NID_sha512 ? 2
                                          : 3;
  if (type == NID_ED25519) return "ed25519";
  if (size == 3) return "";
  static constexpr std::string_view kEcdsa[] = {"ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384",
                                                "ecdsa_secp521r1_sha512"};
  static constexpr std::string_view kPss[] = {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384",
                                              "rsa_pss_rsae_sha512"};
  static constexpr std::string_view kPkcs[] = {"rsa_pkcs1_sha256", "rsa_pkcs1_sha384",
                                               "rsa_pkcs1_sha512"};
  if (type == NID_X9_62_id_ecPublicKey) return kEcdsa[size];
  if (type == NID_rsassaPss) return kPss[size];
  return type == NID_rsaEncryption ? kPkcs[size] : "";
}

std::string Pem(X509* certificate) {
  return Printed([certificate](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

void DescribePeer(SSL* ssl, X509& peer, TlsFacts& out) {
  out.subject = NameText(X509_get_subject_name(&peer));
  out.issuer = NameText(X509_get_issuer_name(&peer));
  out.serial = Serial(peer);
  out.fingerprint_sha256 = Fingerprint(peer, EVP_sha256());
  out.fingerprint_sha1 = Fingerprint(peer, EVP_sha1());
  out.valid_from_s = Seconds(X509_get0_notBefore(&peer));
  out.expires_s = Seconds(X509_get0_notAfter(&peer));
  out.certificate_pem = Pem(&peer);
  AnySan(&peer, [&out](TlsVerification::SanKind kind, std::string_view name) {
    using Kind = TlsVerification::SanKind;
    (kind == Kind::kUri   ? out.uri_sans
     : kind == Kind::kDns ? out.dns_sans
     : kind == Kind::kIp  ? out.ip_sans
                          : out.email_sans)
        .emplace_back(name);
    return false;
  });
  // A server's view of the chain is without the leaf; Envoy's is with it.
  out.chain_pem = out.certificate_pem;
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    X509* each = sk_X509_value(chain, i);
    if (X509_cmp(each, &peer) != 0) out.chain_pem += Pem(each);
  }
}

void DescribeOwn(const X509& own, TlsFacts& out) {
  out.local_subject = NameText(X509_get_subject_name(&own));
  AnySan(&own, [&out](TlsVerification::SanKind kind, std::string_view name) {
    if (kind == TlsVerification::SanKind::kUri) out.local_uri_sans.emplace_back(name);
    if (kind == TlsVerification::SanKind::kDns) out.local_dns_sans.emplace_back(name);
    return false;
  });
}

}  // namespace

std::string_view ServerNameOf(const Stream& tls_stream) {
  const auto* tls = dynamic_cast<const TlsStream*>(&tls_stream);
  const char* name =
      tls == nullptr ? nullptr : SSL_get_servername(tls->ssl(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

TlsFacts FactsOf(const Stream& tls_stream, bool certificates) {
  TlsFacts out;
  const auto* tls = dynamic_cast<const TlsStream*>(&tls_stream);
  if (tls == nullptr) return out;
  SSL* ssl = tls->ssl();
  out.version = SSL_get_version(ssl);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl))
    out.cipher = SSL_CIPHER_get_name(cipher);
  out.curve = CurveName(ssl);
  out.resumed = SSL_session_reused(ssl) == 1;
  X509* peer = SSL_get0_peer_certificate(ssl);
  out.presented = peer != nullptr;
  const auto* rules =
      static_cast<const TlsVerification*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  // A resumed session does not tell what was forgiven.
  const bool doubtful =
      tls->untrusted() || (rules != nullptr && rules->accept_untrusted && out.resumed);
  out.validated = peer != nullptr && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && !doubtful &&
                  SSL_get_verify_result(ssl) == X509_V_OK;
  if (peer != nullptr) out.signature_algorithm = SignatureName(ssl);
  if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) {
    out.server_name = base::Lowercase(std::string_view(name));
  }
  if (!certificates) return out;
  if (const SSL_SESSION* session = SSL_get_session(ssl)) {
    unsigned size = 0;
    const unsigned char* id = SSL_SESSION_get_id(session, &size);
    out.session_id = Hex(id, size);
  }
  if (peer != nullptr) DescribePeer(ssl, *peer, out);
  if (const X509* own = SSL_get_certificate(ssl)) DescribeOwn(*own, out);
  ERR_clear_error();
  return out;
}

}  // namespace sluice::net
