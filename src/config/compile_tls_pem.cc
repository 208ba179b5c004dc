#include "config/compile_tls_pem.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/certificates.h"

namespace sluice::config {
namespace {

// ---- parsing

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

std::unique_ptr<BIO, Free> Reader(std::string_view pem) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// An encrypted key must fail, not ask on the terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// How many certificates `pem` holds; -1 when one is malformed. The first goes to `leaf`.
int CountCertificates(std::string_view pem, std::unique_ptr<X509, Free>* leaf) {
  const absl::Cleanup clear = [] { ERR_clear_error(); };
  const auto bio = Reader(pem);
  if (bio == nullptr) return -1;
  int count = 0;
  while (true) {
    std::unique_ptr<X509, Free> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, &NoPassword, nullptr));
    if (certificate == nullptr) break;
    if (count++ == 0 && leaf != nullptr) *leaf = std::move(certificate);
  }
  // "No start line" is the end of the text; anything else is a broken block.
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_REASON(error) == PEM_R_NO_START_LINE ? count : -1;
}

int GivePassword(char* space, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.empty() || text.size() > static_cast<std::size_t>(size)) return -1;
  text.copy(space, text.size());
  return static_cast<int>(text.size());
}

std::unique_ptr<EVP_PKEY, Free> ParseKey(std::string_view pem, const std::string& password) {
  const absl::Cleanup clear = [] { ERR_clear_error(); };
  const auto bio = Reader(pem);
  if (bio == nullptr) return nullptr;
  return std::unique_ptr<EVP_PKEY, Free>(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, &GivePassword, const_cast<std::string*>(&password)));
}

bool IsOcspResponse(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  OCSP_RESPONSE* response = d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(der.size()));
  const bool good =
      response != nullptr && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;
  OCSP_RESPONSE_free(response);
  ERR_clear_error();
  return good;
}

// ---- describing

base::WallTime TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return base::WallTime(std::chrono::seconds(timegm(&parts)));
}

std::string SerialOf(const X509& certificate) {
  std::string out;
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr);
  if (char* hex = number == nullptr ? nullptr : BN_bn2hex(number)) {
    out = base::Lowercase(hex);
    OPENSSL_free(hex);
  }
  BN_free(number);
  return out;
}

std::string SubjectOf(const X509& certificate) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) return "";
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

void AppendName(const GENERAL_NAME& name, CertificateInfo& info) {
  using Kind = CertificateInfo::NameKind;
  const auto text = [](const ASN1_STRING* string) {
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                       static_cast<std::size_t>(ASN1_STRING_length(string)));
  };
  if (name.type == GEN_DNS) info.subject_alt_names.emplace_back(Kind::kDns, text(name.d.dNSName));
  if (name.type == GEN_URI) {
    info.subject_alt_names.emplace_back(Kind::kUri, text(name.d.uniformResourceIdentifier));
  }
  if (name.type != GEN_IPADD) return;
  const std::string bytes = text(name.d.iPAddress);
  char shown[INET6_ADDRSTRLEN] = "";
  if (bytes.size() == 4) inet_ntop(AF_INET, bytes.data(), shown, sizeof(shown));
  if (bytes.size() == 16) inet_ntop(AF_INET6, bytes.data(), shown, sizeof(shown));
  info.subject_alt_names.emplace_back(Kind::kIpAddress, shown);
}

CertificateInfo Describe(const X509& certificate) {
  CertificateInfo info;
  info.subject = SubjectOf(certificate);
  info.serial = SerialOf(certificate);
  info.valid_from = TimeOf(X509_get0_notBefore(&certificate));
  info.expires = TimeOf(X509_get0_notAfter(&certificate));
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    AppendName(*sk_GENERAL_NAME_value(names, i), info);
  }
  GENERAL_NAMES_free(names);
  return info;
}

}  // namespace

std::vector<CertificateInfo> DescribeCertificates(std::string_view pem) {
  const absl::Cleanup clear = [] { ERR_clear_error(); };
  std::vector<CertificateInfo> out;
  const auto bio = Reader(pem);
  while (bio != nullptr) {
    const std::unique_ptr<X509, Free> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, &NoPassword, nullptr));
    if (certificate == nullptr) break;
    out.push_back(Describe(*certificate));
  }
  return out;
}

int CountCertificates(std::string_view pem) { return CountCertificates(pem, nullptr); }

bool CheckCertificate(const TlsCertificate& certificate, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  std::unique_ptr<X509, Free> leaf;
  if (CountCertificates(certificate.chain_pem, &leaf) <= 0) {
    errors.AddAt("certificate_chain",
                 "no PEM certificate; write blocks that begin with -----BEGIN CERTIFICATE-----");
  }
  const auto key = ParseKey(certificate.key_pem, certificate.key_password);
  if (key == nullptr) {
    errors.AddAt("private_key",
                 certificate.key_password.empty()
                     ? "no PEM private key without a password; write a block that begins with "
                       "-----BEGIN PRIVATE KEY-----"
                     : "no PEM private key that `password` opens");
  }
  if (leaf != nullptr && key != nullptr && X509_check_private_key(leaf.get(), key.get()) != 1) {
    errors.AddAt("private_key",
                 "does not belong to the first certificate of certificate_chain; "
                 "write the key that goes with it");
  }
  if (leaf != nullptr && !certificate.ocsp_staple.empty() &&
      !IsOcspResponse(certificate.ocsp_staple)) {
    errors.AddAt("ocsp_staple", "no successful OCSP response in DER");
  }
  ERR_clear_error();
  return errors.size() == before;
}

bool IsCrl(std::string_view pem) {
  const absl::Cleanup clear = [] { ERR_clear_error(); };
  const auto bio = Reader(pem);
  int count = 0;
  while (X509_CRL* crl = PEM_read_bio_X509_CRL(bio.get(), nullptr, &NoPassword, nullptr)) {
    X509_CRL_free(crl);
    ++count;
  }
  return count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

bool CheckTlsParameters(const TlsParameters& parameters, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  SSL_CTX* context = SSL_CTX_new(TLS_method());
  const absl::Cleanup done = [context] {
    SSL_CTX_free(context);
    ERR_clear_error();
  };
  const auto each = [&](const std::string& list, std::string_view field, auto set,
                        std::string_view hint) {
    for (const std::string_view name : base::Split(list, ':')) {
      if (!list.empty() && set(std::string(name).c_str()) != 1) {
        errors.AddAt(field, base::Cat("'", base::Printable(name), "' is not known; ", hint));
      }
    }
  };
  each(
      parameters.ciphers, "cipher_suites",
      [&](const char* name) {
        // Names alone, no groups such as ALL or operators such as !aNULL, whose meaning may widen.
        const std::string_view text(name);
        if (text.find('-') == text.npos || text.find_first_of("!+@ ,;") != text.npos) return 0;
        return SSL_CTX_set_cipher_list(context, name);
      },
      "write names of TLS 1.2 such as ECDHE-ECDSA-AES128-GCM-SHA256");
  each(
      parameters.curves, "ecdh_curves",
      [&](const char* name) { return static_cast<int>(SSL_CTX_set1_groups_list(context, name)); },
      "write X25519, P-256, P-384 or P-521");
  each(
      parameters.signature_algorithms, "signature_algorithms",
      [&](const char* name) { return static_cast<int>(SSL_CTX_set1_sigalgs_list(context, name)); },
      "write names such as ecdsa_secp256r1_sha256");
  return errors.size() == before;
}

}  // namespace sluice::config
