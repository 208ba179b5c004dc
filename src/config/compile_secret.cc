#include "config/compile_secret.h"

#include <utility>
#include <variant>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_config_source.h"
#include "config/compile_matchers.h"
#include "config/compile_tls_pem.h"
#include "config/data_source.h"
#include "config/proto_values.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace sluice::config {
namespace {

namespace corev3 = envoy::config::core::v3;
namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;
using Scope = base::FieldErrors::Scope;
using Part = SecretFile::Part;

constexpr std::size_t kSourceBytesMax = 1 << 20;
constexpr std::size_t kTicketKeyBytes = 80;
constexpr std::size_t kListMax = 1000;

// Reads `source` at `field` and remembers where it came from. "" after an error.
std::string ReadPart(const corev3::DataSource& source, std::string_view field, SecretFile file,
                     Secret& secret, base::FieldErrors& errors) {
  const Scope scope(errors, field);
  std::optional<std::string> bytes = ReadDataSource(source, kSourceBytesMax, errors);
  if (!bytes) return "";
  if (bytes->empty()) errors.Add("empty; name a source that holds something");
  if (source.specifier_case() == corev3::DataSource::kFilename) {
    file.path = source.filename();
    secret.files.push_back(std::move(file));
  }
  return *std::move(bytes);
}

std::optional<std::string> FromHex(std::string_view text) {
  std::string out;
  int high = -1;
  for (const char c : text) {
    if (c == ':') continue;
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    if (high < 0) {
      high = digit;
    } else {
      out += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  if (high >= 0) return std::nullopt;
  return out;
}

void CompilePins(const tlsv3::CertificateValidationContext& proto, TlsValidation& out,
                 base::FieldErrors& errors) {
  constexpr std::size_t kDigestBytes = 32;
  for (const std::string& pin : proto.verify_certificate_spki()) {
    std::optional<std::string> digest = base::Base64Decode(pin);
    if (!digest || digest->size() != kDigestBytes) {
      errors.AddAt("verify_certificate_spki",
                   "no SHA-256 in base64; write 44 letters, the last of which is =");
    } else {
      out.spki_sha256.push_back(*std::move(digest));
    }
  }
  for (const std::string& pin : proto.verify_certificate_hash()) {
    std::optional<std::string> digest = FromHex(pin);
    if (!digest || digest->size() != kDigestBytes) {
      errors.AddAt("verify_certificate_hash", "no SHA-256; write 64 hexadecimal digits");
    } else {
      out.certificate_sha256.push_back(*std::move(digest));
    }
  }
}

TlsValidation::SanMatcher CompileSan(const tlsv3::SubjectAltNameMatcher& proto,
                                     base::FieldErrors& errors) {
  using Type = TlsValidation::SanMatcher::Type;
  TlsValidation::SanMatcher out;
  switch (proto.san_type()) {
    case tlsv3::SubjectAltNameMatcher::DNS:
      out.type = Type::kDns;
      break;
    case tlsv3::SubjectAltNameMatcher::URI:
      out.type = Type::kUri;
      break;
    case tlsv3::SubjectAltNameMatcher::EMAIL:
      out.type = Type::kEmail;
      break;
    case tlsv3::SubjectAltNameMatcher::IP_ADDRESS:
      out.type = Type::kIp;
      break;
    default:
      errors.AddAt("san_type", "not supported; use DNS, URI, EMAIL or IP_ADDRESS");
      break;
  }
  const Scope scope(errors, "matcher");
  if (auto matcher = CompileStringMatcher(proto.matcher(), errors)) out.matcher = *matcher;
  return out;
}

void CompileValidation(const tlsv3::CertificateValidationContext& proto, Secret& secret,
                       base::FieldErrors& errors) {
  TlsValidation out;
  if (proto.has_trusted_ca()) {
    out.ca_pem = ReadPart(proto.trusted_ca(), "trusted_ca", {Part::kCa, 0, ""}, secret, errors);
    if (proto.has_system_root_certs()) {
      errors.AddAt("system_root_certs", "not beside trusted_ca; leave one of them out");
    }
  }
  out.system_cas = proto.has_system_root_certs();
  if (proto.has_crl()) {
    out.crl_pem = ReadPart(proto.crl(), "crl", {Part::kCrl, 0, ""}, secret, errors);
    if (!proto.has_trusted_ca()) errors.AddAt("crl", "says nothing without trusted_ca; add it");
  }
  out.only_leaf_crl = proto.only_verify_leaf_cert_crl();
  CompilePins(proto, out, errors);
  for (int i = 0; i < proto.match_typed_subject_alt_names_size(); ++i) {
    const Scope scope(errors, "match_typed_subject_alt_names", static_cast<std::size_t>(i));
    out.subject_alt_names.push_back(CompileSan(proto.match_typed_subject_alt_names(i), errors));
  }
  if (out.subject_alt_names.size() > kListMax) {
    errors.AddAt("match_typed_subject_alt_names", "more than 1000; use a prefix or a regex");
  }
  out.accept_untrusted =
      proto.trust_chain_verification() == tlsv3::CertificateValidationContext::ACCEPT_UNTRUSTED;
  out.allow_expired = proto.allow_expired_certificate();
  if (proto.has_max_verify_depth()) {
    out.verify_depth_max = proto.max_verify_depth().value();
    if (out.verify_depth_max > 100) errors.AddAt("max_verify_depth", "at most 100; write 1 to 100");
  }
  secret.watched_directory = proto.watched_directory().path();
  secret.value = std::move(out);
}

void CompileCertificate(const tlsv3::TlsCertificate& proto, Secret& secret,
                        base::FieldErrors& errors) {
  TlsCertificate out;
  out.chain_pem = ReadPart(proto.certificate_chain(), "certificate_chain", {Part::kChain, 0, ""},
                           secret, errors);
  out.key_pem = ReadPart(proto.private_key(), "private_key", {Part::kKey, 0, ""}, secret, errors);
  if (proto.has_ocsp_staple()) {
    out.ocsp_staple =
        ReadPart(proto.ocsp_staple(), "ocsp_staple", {Part::kOcspStaple, 0, ""}, secret, errors);
  }
  if (proto.has_password()) {
    out.key_password =
        ReadPart(proto.password(), "password", {Part::kPassword, 0, ""}, secret, errors);
  }
  secret.watched_directory = proto.watched_directory().path();
  secret.value = std::move(out);
}

void CompileTicketKeys(const tlsv3::TlsSessionTicketKeys& proto, Secret& secret,
                       base::FieldErrors& errors) {
  TlsTicketKeys out;
  for (int i = 0; i < proto.keys_size(); ++i) {
    const auto index = static_cast<std::size_t>(i);
    out.keys.push_back(ReadPart(proto.keys(i), base::Cat("keys[", i, "]"),
                                {Part::kTicketKey, index, ""}, secret, errors));
  }
  secret.value = std::move(out);
}

// What OpenSSL and the sizes say; at the scope of the secret's own message.
void Check(const Secret& secret, base::FieldErrors& errors) {
  if (const auto* certificate = std::get_if<TlsCertificate>(&secret.value)) {
    CheckCertificate(*certificate, errors);
  } else if (const auto* validation = std::get_if<TlsValidation>(&secret.value)) {
    if (!validation->ca_pem.empty() && CountCertificates(validation->ca_pem) <= 0) {
      errors.AddAt("trusted_ca",
                   "no PEM certificate; write blocks that begin with -----BEGIN CERTIFICATE-----");
    }
    if (!validation->crl_pem.empty() && !IsCrl(validation->crl_pem)) {
      errors.AddAt("crl", "no PEM list; write blocks that begin with -----BEGIN X509 CRL-----");
    }
  } else if (const auto* tickets = std::get_if<TlsTicketKeys>(&secret.value)) {
    if (tickets->keys.empty()) errors.AddAt("keys", "needed; write a key of 80 bytes");
    for (std::size_t i = 0; i < tickets->keys.size(); ++i) {
      if (tickets->keys[i].size() == kTicketKeyBytes) continue;
      errors.AddAt(base::Cat("keys[", i, "]"),
                   base::Cat("has ", tickets->keys[i].size(), " bytes; write 80 random ones"));
    }
  }
}

template <typename Proto, typename Compile>
std::shared_ptr<const Secret> Compiled(const Proto& proto, Compile compile,
                                       base::FieldErrors& errors) {
  auto secret = std::make_shared<Secret>();
  const std::size_t before = errors.size();
  compile(proto, *secret, errors);
  if (errors.size() == before) Check(*secret, errors);
  return errors.size() == before ? secret : nullptr;
}

}  // namespace

std::shared_ptr<const Secret> CompileCertificateSecret(const tlsv3::TlsCertificate& proto,
                                                       base::FieldErrors& errors) {
  return Compiled(proto, CompileCertificate, errors);
}

std::shared_ptr<const Secret> CompileValidationSecret(
    const tlsv3::CertificateValidationContext& proto, base::FieldErrors& errors) {
  return Compiled(proto, CompileValidation, errors);
}

std::shared_ptr<const Secret> CompileTicketKeysSecret(const tlsv3::TlsSessionTicketKeys& proto,
                                                      base::FieldErrors& errors) {
  return Compiled(proto, CompileTicketKeys, errors);
}

std::shared_ptr<const Secret> CompileSecret(const tlsv3::Secret& proto,
                                            const CompileOptions& options,
                                            base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  if (proto.name().empty()) errors.AddAt("name", "needed; write a name for the secret");
  std::shared_ptr<const Secret> made;
  switch (proto.type_case()) {
    case tlsv3::Secret::kTlsCertificate: {
      const Scope scope(errors, "tls_certificate");
      made = CompileCertificateSecret(proto.tls_certificate(), errors);
      break;
    }
    case tlsv3::Secret::kSessionTicketKeys: {
      const Scope scope(errors, "session_ticket_keys");
      made = CompileTicketKeysSecret(proto.session_ticket_keys(), errors);
      break;
    }
    case tlsv3::Secret::kValidationContext: {
      const Scope scope(errors, "validation_context");
      made = CompileValidationSecret(proto.validation_context(), errors);
      break;
    }
    case tlsv3::Secret::kGenericSecret: {
      const Scope scope(errors, "generic_secret");
      const Scope source(errors, "secret");
      auto secret = std::make_shared<Secret>();
      GenericSecret generic;
      if (auto bytes = ReadDataSource(proto.generic_secret().secret(), kSourceBytesMax, errors)) {
        generic.secret = *std::move(bytes);
      }
      secret->value = std::move(generic);
      made = std::move(secret);
      break;
    }
    case tlsv3::Secret::TYPE_NOT_SET:
      errors.Add(
          "no secret; write tls_certificate, validation_context, session_ticket_keys or "
          "generic_secret");
      break;
  }
  if (made == nullptr) return nullptr;
  auto named = std::make_shared<Secret>(*made);
  named->name = proto.name();
  return named;
}

std::shared_ptr<const Secret> RereadSecret(const Secret& secret, base::FieldErrors& errors) {
  auto next = std::make_shared<Secret>(secret);
  const std::size_t before = errors.size();
  for (const SecretFile& file : secret.files) {
    std::optional<std::string> bytes = ReadFile(file.path, kSourceBytesMax, errors);
    if (!bytes) continue;
    if (bytes->empty() || bytes->size() > kSourceBytesMax) {
      errors.Add(base::Cat("'", base::Printable(file.path), "' is empty or too long"));
      continue;
    }
    auto* certificate = std::get_if<TlsCertificate>(&next->value);
    auto* validation = std::get_if<TlsValidation>(&next->value);
    auto* tickets = std::get_if<TlsTicketKeys>(&next->value);
    std::string* to = nullptr;
    if (certificate != nullptr) {
      to = file.part == Part::kChain        ? &certificate->chain_pem
           : file.part == Part::kKey        ? &certificate->key_pem
           : file.part == Part::kOcspStaple ? &certificate->ocsp_staple
                                            : &certificate->key_password;
    } else if (validation != nullptr) {
      to = file.part == Part::kCa ? &validation->ca_pem : &validation->crl_pem;
    } else if (tickets != nullptr && file.index < tickets->keys.size()) {
      to = &tickets->keys[file.index];
    }
    if (to != nullptr) *to = *std::move(bytes);
  }
  // Half of a pair may be new and the other half old: such a moment is no secret.
  if (errors.size() == before) Check(*next, errors);
  return errors.size() == before ? next : nullptr;
}

SecretRef CompileSecretRef(const tlsv3::SdsSecretConfig& proto, base::FieldErrors& errors) {
  CheckResourceName(proto.name(), "name", errors);
  SecretRef out{proto.name(), nullptr};
  if (proto.has_sds_config()) {
    const Scope scope(errors, "sds_config");
    ConfigSource source = CompileConfigSource(proto.sds_config(), {}, errors);
    out.over_sds = true;
    out.fetch_timeout_ms = source.fetch_timeout_ms;
    out.source = ConfigSourceRef(std::move(source));
  }
  return out;
}

ValidationRef CompileValidationRef(const tlsv3::CommonTlsContext& proto,
                                   base::FieldErrors& errors) {
  ValidationRef out;
  if (proto.has_validation_context()) {
    const Scope scope(errors, "validation_context");
    out.secret = SecretRef{"", CompileValidationSecret(proto.validation_context(), errors)};
  } else if (proto.has_validation_context_sds_secret_config()) {
    const Scope scope(errors, "validation_context_sds_secret_config");
    out.secret = CompileSecretRef(proto.validation_context_sds_secret_config(), errors);
  } else if (proto.has_combined_validation_context()) {
    const Scope scope(errors, "combined_validation_context");
    const auto& combined = proto.combined_validation_context();
    {
      const Scope inner(errors, "default_validation_context");
      out.defaults =
          SecretRef{"", CompileValidationSecret(combined.default_validation_context(), errors)};
    }
    const Scope inner(errors, "validation_context_sds_secret_config");
    out.secret = CompileSecretRef(combined.validation_context_sds_secret_config(), errors);
  }
  return out;
}

TlsValidation MergeValidation(const TlsValidation* defaults, const TlsValidation* secret) {
  if (defaults == nullptr) return secret == nullptr ? TlsValidation() : *secret;
  TlsValidation out = *defaults;
  if (secret == nullptr) return out;
  if (!secret->ca_pem.empty() || secret->system_cas) {
    out.ca_pem = secret->ca_pem;
    out.system_cas = secret->system_cas;
  }
  if (!secret->crl_pem.empty()) out.crl_pem = secret->crl_pem;
  const auto join = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  join(out.spki_sha256, secret->spki_sha256);
  join(out.certificate_sha256, secret->certificate_sha256);
  join(out.subject_alt_names, secret->subject_alt_names);
  out.accept_untrusted |= secret->accept_untrusted;
  out.allow_expired |= secret->allow_expired;
  out.only_leaf_crl |= secret->only_leaf_crl;
  if (secret->verify_depth_max != 100) out.verify_depth_max = secret->verify_depth_max;
  return out;
}

// ---- tls_params

namespace {

// The value for SSL_CTX_set_min/max_proto_version.
int CompileVersion(tlsv3::TlsParameters::TlsProtocol version, std::string_view field, int automatic,
                   base::FieldErrors& errors) {
  switch (version) {
    case tlsv3::TlsParameters::TLSv1_2:
      return 0x0303;
    case tlsv3::TlsParameters::TLSv1_3:
      return 0x0304;
    case tlsv3::TlsParameters::TLSv1_0:
    case tlsv3::TlsParameters::TLSv1_1:
      errors.AddAt(field, "TLS 1.0 and 1.1 are broken and not spoken; use TLSv1_2 or TLSv1_3");
      return automatic;
    default:
      return automatic;  // TLS_AUTO; other numbers are refused by the field policy.
  }
}

template <typename List>
std::string Joined(const List& names) {
  std::string out;
  for (const std::string& name : names) base::Append(out, out.empty() ? "" : ":", name);
  return out;
}

}  // namespace

TlsParameters CompileTlsParameters(const tlsv3::TlsParameters& proto, base::FieldErrors& errors) {
  const Scope scope(errors, "tls_params");
  TlsParameters out;
  out.version_min = CompileVersion(proto.tls_minimum_protocol_version(),
                                   "tls_minimum_protocol_version", out.version_min, errors);
  out.version_max = CompileVersion(proto.tls_maximum_protocol_version(),
                                   "tls_maximum_protocol_version", out.version_max, errors);
  if (out.version_min > out.version_max) {
    errors.AddAt("tls_minimum_protocol_version",
                 "above tls_maximum_protocol_version; write a version at or below it");
  }
  out.ciphers = Joined(proto.cipher_suites());
  for (char& c : out.ciphers) {
    if (c == '|') c = ':';
  }
  std::erase_if(out.ciphers, [](char c) { return c == '[' || c == ']'; });
  out.curves = Joined(proto.ecdh_curves());
  out.signature_algorithms = Joined(proto.signature_algorithms());
  CheckTlsParameters(out, errors);
  return out;
}

}  // namespace sluice::config
