#include "config/compile_tls.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_address.h"
#include "config/compile_secret.h"
#include "config/compile_tls_pem.h"
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

// ---- the context
// ---------------------------------------------------------------------------------

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
  // Pins, revocation, dates and depth; what was told above is not told twice.
  tlsv3::CertificateValidationContext rest = proto;
  rest.clear_match_typed_subject_alt_names();
  rest.clear_system_root_certs();
  if (!proto.has_crl()) rest.clear_trusted_ca();
  if (proto.has_watched_directory()) {
    errors.AddAt("watched_directory",
                 "not supported towards upstreams; push the resource again to have its files read");
  }
  if (const auto secret = CompileValidationSecret(rest, errors)) {
    tls.rules = std::get<TlsValidation>(secret->value);
    const bool pins = !tls.rules.spki_sha256.empty() || !tls.rules.certificate_sha256.empty();
    if (pins && !tls.verify && !tls.rules.accept_untrusted) tls.verify = true;
    tls.rules.subject_alt_names.clear();  // Those are above.
  }
}

// What names a secret would be left out where no secret is looked up.
void RefuseSecrets(const tlsv3::CommonTlsContext& proto, base::FieldErrors& errors) {
  constexpr std::string_view kText =
      "not supported towards upstreams; write it in line or as files";
  if (!proto.tls_certificate_sds_secret_configs().empty()) {
    errors.AddAt("tls_certificate_sds_secret_configs", kText);
  }
  if (proto.has_validation_context_sds_secret_config()) {
    errors.AddAt("validation_context_sds_secret_config", kText);
  }
  if (proto.has_combined_validation_context()) {
    errors.AddAt("combined_validation_context", kText);
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
  if (certificate.has_watched_directory()) {
    errors.AddAt("watched_directory",
                 "not supported towards upstreams; push the resource again to have its files read");
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
  RefuseSecrets(proto, errors);
  tls.parameters = CompileTlsParameters(proto.tls_params(), errors);
  tls.version_min = tls.parameters.version_min;
  tls.version_max = tls.parameters.version_max;
  CompileCertificate(proto, tls, errors);
  if (proto.has_validation_context()) {
    CompileValidation(proto.validation_context(), tls, errors);
  }
  tls.alpn = CompileAlpn(proto, errors);
}

}  // namespace

std::vector<std::string> CompileAlpn(const tlsv3::CommonTlsContext& proto,
                                     base::FieldErrors& errors) {
  std::vector<std::string> out;
  for (int i = 0; i < proto.alpn_protocols_size(); ++i) {
    const std::string& protocol = proto.alpn_protocols(i);
    if (protocol.empty() || protocol.size() > 255) {
      errors.AddAt(base::Cat("alpn_protocols[", i, "]"),
                   "1 to 255 bytes; write http/1.1, or leave it out");
    }
    out.push_back(protocol);
  }
  if (proto.alpn_protocols_size() > 16) {
    errors.AddAt("alpn_protocols", "more than 16; leave some out");
  }
  return out;
}

void CheckUpstreamTls(const UpstreamTls& tls, base::FieldErrors& errors) {
  if (!tls.ca_pem.empty() && CountCertificates(tls.ca_pem) <= 0) {
    errors.AddAt("common_tls_context.validation_context.trusted_ca",
                 "no PEM certificate; write blocks that begin with -----BEGIN CERTIFICATE-----");
  }
  if (!tls.certificate_pem.empty() || !tls.private_key_pem.empty()) {
    const base::FieldErrors::Scope common(errors, "common_tls_context");
    const base::FieldErrors::Scope scope(errors, "tls_certificates", 0);
    CheckCertificate({tls.certificate_pem, tls.private_key_pem, "", ""}, errors);
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
