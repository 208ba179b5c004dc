#include "config/compile_tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/certificates.h"
#include "config/compile.h"
#include "config/compile_address.h"
#include "config/data_source.h"
#include "config/defaults.h"
#include "config/proto_values.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "google/protobuf/any.pb.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;
namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;

constexpr std::size_t kSourceBytesMax = 1 << 20;

// "" after adding an error: a source that yields nothing is one.
std::string ReadSource(const corev3::DataSource& source, base::FieldErrors& errors) {
  std::optional<std::string> out = ReadDataSource(source, kSourceBytesMax, errors);
  if (!out) return "";
  if (out->empty()) errors.Add("empty; name a source that holds PEM blocks");
  return *std::move(out);
}

// ---- parsing
// -------------------------------------------------------------------------------------

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

std::unique_ptr<EVP_PKEY, Free> ParseKey(std::string_view pem) {
  const absl::Cleanup clear = [] { ERR_clear_error(); };
  const auto bio = Reader(pem);
  if (bio == nullptr) return nullptr;
  return std::unique_ptr<EVP_PKEY, Free>(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassword, nullptr));
}

void CheckClientCertificate(const UpstreamTls& tls, base::FieldErrors& errors) {
  std::unique_ptr<X509, Free> leaf;
  const base::FieldErrors::Scope common(errors, "common_tls_context");
  const base::FieldErrors::Scope scope(errors, "tls_certificates", 0);
  if (CountCertificates(tls.certificate_pem, &leaf) <= 0) {
    errors.AddAt("certificate_chain",
                 "no PEM certificate; write blocks that begin with -----BEGIN CERTIFICATE-----");
  }
  const auto key = ParseKey(tls.private_key_pem);
  if (key == nullptr) {
    errors.AddAt("private_key",
                 "no PEM private key without a password; write a block that begins "
                 "with -----BEGIN PRIVATE KEY-----");
  }
  if (leaf == nullptr || key == nullptr) return;
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    errors.AddAt("private_key",
                 "does not belong to the first certificate of certificate_chain; "
                 "write the key that goes with it");
  }
  ERR_clear_error();
}

// ---- describing
// ----------------------------------------------------------------------------------

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

// ---- the context
// ---------------------------------------------------------------------------------

// The value for SSL_CTX_set_min/max_proto_version.
int CompileVersion(tlsv3::TlsParameters::TlsProtocol version, std::string_view field, int automatic,
                   base::FieldErrors& errors) {
  switch (version) {
    case tlsv3::TlsParameters::TLS_AUTO:
      return automatic;
    case tlsv3::TlsParameters::TLSv1_2:
      return 0x0303;
    case tlsv3::TlsParameters::TLSv1_3:
      return 0x0304;
    case tlsv3::TlsParameters::TLSv1_0:
    case tlsv3::TlsParameters::TLSv1_1:
      errors.AddAt(field, "TLS 1.0 and 1.1 are broken and not spoken; use TLSv1_2 or TLSv1_3");
      return automatic;
    default:
      return automatic;  // Refused by the field policy.
  }
}

void CompileVersions(const tlsv3::TlsParameters& proto, UpstreamTls& tls,
                     base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "tls_params");
  tls.version_min = CompileVersion(proto.tls_minimum_protocol_version(),
                                   "tls_minimum_protocol_version", tls.version_min, errors);
  tls.version_max = CompileVersion(proto.tls_maximum_protocol_version(),
                                   "tls_maximum_protocol_version", tls.version_max, errors);
  if (tls.version_min > tls.version_max) {
    errors.AddAt("tls_minimum_protocol_version",
                 "above tls_maximum_protocol_version; write a version at or below it");
  }
}

// The names of a certificate are compared without their kinds, so a pattern must be one that no
// name of another kind can match.
StringMatcher CompileSan(const tlsv3::SubjectAltNameMatcher& proto, base::FieldErrors& errors) {
  using envoy::type::matcher::v3::StringMatcher;
  sluice::config::StringMatcher out;
  switch (proto.san_type()) {
    case tlsv3::SubjectAltNameMatcher::DNS:
    case tlsv3::SubjectAltNameMatcher::URI:
    case tlsv3::SubjectAltNameMatcher::IP_ADDRESS:
      break;
    default:
      errors.AddAt("san_type", "not supported; use DNS, URI or IP_ADDRESS");
      break;
  }
  const StringMatcher& matcher = proto.matcher();
  const base::FieldErrors::Scope scope(errors, "matcher");
  if (matcher.ignore_case()) errors.AddAt("ignore_case", "not supported; write the exact name");
  if (matcher.match_pattern_case() == StringMatcher::kExact) {
    out.kind = sluice::config::StringMatcher::Kind::kExact;
    out.text = matcher.exact();
    if (out.text.empty()) errors.AddAt("exact", "empty; write a name");
  } else if (matcher.match_pattern_case() == StringMatcher::kPrefix &&
             proto.san_type() == tlsv3::SubjectAltNameMatcher::URI &&
             matcher.prefix().find("://") != std::string::npos) {
    out.kind = sluice::config::StringMatcher::Kind::kPrefix;
    out.text = matcher.prefix();
  } else {
    errors.Add("not supported; use exact, or for a URI a prefix such as spiffe://example.org/");
  }
  return out;
}

void CompileValidation(const tlsv3::CertificateValidationContext& proto, UpstreamTls& tls,
                       base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "validation_context");
  if (proto.has_trusted_ca()) {
    if (proto.has_system_root_certs()) {
      errors.AddAt("system_root_certs", "not beside trusted_ca; leave one of them out");
    }
    const base::FieldErrors::Scope ca(errors, "trusted_ca");
    tls.ca_pem = ReadSource(proto.trusted_ca(), errors);
    tls.verify = true;
  } else if (proto.has_system_root_certs()) {
    tls.verify = true;
  }
  for (int i = 0; i < proto.match_typed_subject_alt_names_size(); ++i) {
    const base::FieldErrors::Scope san(errors, "match_typed_subject_alt_names",
                                       static_cast<std::size_t>(i));
    tls.subject_alt_names.push_back(CompileSan(proto.match_typed_subject_alt_names(i), errors));
    tls.verify = true;  // A name proves nothing unless a CA vouches for it.
  }
  if (proto.trust_chain_verification() == tlsv3::CertificateValidationContext::ACCEPT_UNTRUSTED) {
    if (!tls.subject_alt_names.empty()) {
      errors.AddAt("match_typed_subject_alt_names",
                   "not checked with ACCEPT_UNTRUSTED; leave one of them out");
    }
    tls.verify = false;
  }
}

void CompileCertificate(const tlsv3::CommonTlsContext& proto, UpstreamTls& tls,
                        base::FieldErrors& errors) {
  if (proto.tls_certificates_size() > 1) {
    errors.AddAt("tls_certificates", "one is enough for a client; leave the others out");
  }
  if (proto.tls_certificates_size() == 0) return;
  const tlsv3::TlsCertificate& certificate = proto.tls_certificates(0);
  const base::FieldErrors::Scope scope(errors, "tls_certificates", 0);
  constexpr std::string_view kUsePem = "not supported; use certificate_chain and private_key";
  if (certificate.has_pkcs12()) errors.AddAt("pkcs12", kUsePem);
  if (certificate.has_password()) {
    errors.AddAt("password", "not supported; use a private_key without a password");
  }
  if (certificate.has_ocsp_staple()) errors.AddAt("ocsp_staple", "for servers; leave it out");
  if (!certificate.has_pkcs12()) {
    {
      const base::FieldErrors::Scope chain(errors, "certificate_chain");
      tls.certificate_pem = ReadSource(certificate.certificate_chain(), errors);
    }
    const base::FieldErrors::Scope key(errors, "private_key");
    tls.private_key_pem = ReadSource(certificate.private_key(), errors);
  }
}

void CompileCommon(const tlsv3::CommonTlsContext& proto, UpstreamTls& tls,
                   base::FieldErrors& errors) {
  const base::FieldErrors::Scope scope(errors, "common_tls_context");
  CompileVersions(proto.tls_params(), tls, errors);
  CompileCertificate(proto, tls, errors);
  if (proto.has_validation_context()) {
    CompileValidation(proto.validation_context(), tls, errors);
  }
  for (int i = 0; i < proto.alpn_protocols_size(); ++i) {
    const std::string& protocol = proto.alpn_protocols(i);
    if (protocol.empty() || protocol.size() > 255) {
      errors.AddAt(base::Cat("alpn_protocols[", i, "]"),
                   "1 to 255 bytes; write http/1.1, or leave it out");
    }
    tls.alpn.push_back(protocol);
  }
  if (proto.alpn_protocols_size() > 16) {
    errors.AddAt("alpn_protocols", "more than 16; leave some out");
  }
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

void CheckUpstreamTls(const UpstreamTls& tls, base::FieldErrors& errors) {
  if (!tls.ca_pem.empty() && CountCertificates(tls.ca_pem, nullptr) <= 0) {
    errors.AddAt("common_tls_context.validation_context.trusted_ca",
                 "no PEM certificate; write blocks that begin with -----BEGIN CERTIFICATE-----");
  }
  if (!tls.certificate_pem.empty() || !tls.private_key_pem.empty()) {
    CheckClientCertificate(tls, errors);
  }
}

void CompileUpstreamTls(const google::protobuf::Any& any, const CompileOptions& options,
                        Cluster& cluster, base::FieldErrors& errors) {
  tlsv3::UpstreamTlsContext proto;
  if (!UnpackAny(any, options, proto, errors)) return;
  UpstreamTls tls = DefaultUpstreamTls(options.defaults);
  tls.sni = base::Lowercase(proto.sni());
  if (!tls.sni.empty() && !IsDnsName(tls.sni)) {
    errors.AddAt("sni", base::Cat("'", base::Printable(tls.sni),
                                  "' is no DNS name; write one, or leave it out for an IP address "
                                  "and use match_typed_subject_alt_names"));
  }
  const std::size_t before = errors.size();
  CompileCommon(proto.common_tls_context(), tls, errors);
  if (errors.size() == before) CheckUpstreamTls(tls, errors);
  if (tls.verify && tls.sni.empty() && tls.subject_alt_names.empty()) {
    // Any certificate of any site would do: the system's CAs vouch for millions.
    errors.AddAt("sni",
                 "needed to verify the upstream's certificate; set sni, "
                 "match_typed_subject_alt_names, or trust_chain_verification: ACCEPT_UNTRUSTED");
  }
  cluster.tls = std::move(tls);
}

}  // namespace sluice::config
