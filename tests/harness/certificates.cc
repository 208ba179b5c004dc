#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "base/strings.h"

namespace sluice::harness {
namespace {

std::string Drain(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string CertificatePem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  SLUICE_CHECK(PEM_write_bio_X509(bio, certificate) == 1);
  return Drain(bio);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  SLUICE_CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

X509* NewCertificate(EVP_PKEY* key, const std::string& name, long from_s, long to_s) {
  static long serial = 1;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
  X509_set_pubkey(certificate, key);
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, text, -1, -1,
                             0);
  return certificate;
}

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  SLUICE_CHECK(certificate != nullptr);
  return certificate;
}

}  // namespace

std::string CertificateHash(const std::string& certificate_pem) {
  X509* certificate = ReadCertificate(certificate_pem);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest, &size);
  X509_free(certificate);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

std::string KeyPin(const std::string& certificate_pem) {
  X509* certificate = ReadCertificate(certificate_pem);
  unsigned char* der = nullptr;
  const int bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(der, static_cast<std::size_t>(bytes), digest, &size, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  X509_free(certificate);
  return base::Base64Encode({reinterpret_cast<const char*>(digest), size});
}

CertificateAuthority::CertificateAuthority(const std::string& name)
    : key_(EVP_EC_gen("P-256")), certificate_(NewCertificate(key_, name, -7200, 7 * 24 * 3600)) {
  X509_set_issuer_name(certificate_, X509_get_subject_name(certificate_));
  AddExtension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  SLUICE_CHECK(X509_sign(certificate_, key_, EVP_sha256()) > 0);
}

CertificateAuthority::~CertificateAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

std::string CertificateAuthority::pem() const { return CertificatePem(certificate_); }

Identity CertificateAuthority::Issue(const std::vector<std::string>& names, long from_s,
                                     long to_s) const {
  return Sign(EVP_EC_gen("P-256"), names, from_s, to_s);
}

Identity CertificateAuthority::IssueRsa(const std::vector<std::string>& names) const {
  return Sign(EVP_RSA_gen(2048), names, -3600, 24 * 3600);
}

std::string CertificateAuthority::RevocationList(const std::vector<Identity>& revoked) const {
  X509_CRL* list = X509_CRL_new();
  X509_CRL_set_version(list, 1);
  X509_CRL_set_issuer_name(list, X509_get_subject_name(certificate_));
  ASN1_TIME* time = X509_gmtime_adj(nullptr, -3600);
  X509_CRL_set1_lastUpdate(list, time);
  X509_gmtime_adj(time, 24 * 3600);
  X509_CRL_set1_nextUpdate(list, time);
  for (const Identity& identity : revoked) {
    X509* certificate = ReadCertificate(identity.certificate_pem);
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate));
    X509_gmtime_adj(time, -1800);
    X509_REVOKED_set_revocationDate(entry, time);
    X509_CRL_add0_revoked(list, entry);
    X509_free(certificate);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(list);
  SLUICE_CHECK(X509_CRL_sign(list, key_, EVP_sha256()) > 0);
  BIO* bio = BIO_new(BIO_s_mem());
  SLUICE_CHECK(PEM_write_bio_X509_CRL(bio, list) == 1);
  X509_CRL_free(list);
  return Drain(bio);
}

Identity CertificateAuthority::Sign(EVP_PKEY* key, const std::vector<std::string>& names,
                                    long from_s, long to_s) const {
  X509* certificate = NewCertificate(key, "leaf", from_s, to_s);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ",") + name;
  if (!all.empty()) AddExtension(certificate, certificate_, NID_subject_alt_name, all);
  SLUICE_CHECK(X509_sign(certificate, key_, EVP_sha256()) > 0);
  Identity identity;
  identity.certificate_pem = CertificatePem(certificate);
  BIO* bio = BIO_new(BIO_s_mem());
  SLUICE_CHECK(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  identity.private_key_pem = Drain(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

}  // namespace sluice::harness
