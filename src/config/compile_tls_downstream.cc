// TLS of listeners: DownstreamTlsContext to DownstreamTls.

#include <memory>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_secret.h"
#include "config/compile_tls.h"
#include "config/listener.h"
#include "config/proto_values.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace sluice::config {
namespace {

namespace tlsv3 = envoy::extensions::transport_sockets::tls::v3;
using Scope = base::FieldErrors::Scope;

constexpr int kCertificatesMax = 1000;
// Enough for years, and no overflow where OpenSSL adds it to a time.
constexpr std::uint64_t kSessionTimeoutMaxS = 365ULL * 24 * 3600;

void CompileCertificates(const tlsv3::CommonTlsContext& proto, DownstreamTls& out,
                         base::FieldErrors& errors) {
  const auto& inline_ones = proto.tls_certificates();
  const auto& named = proto.tls_certificate_sds_secret_configs();
  if (!inline_ones.empty() && !named.empty()) {
    errors.AddAt("tls_certificate_sds_secret_configs",
                 "not beside tls_certificates; leave one of them out");
  }
  if (inline_ones.empty() && named.empty()) {
    errors.AddAt("tls_certificates", "No TLS certificates found for server context; write one");
  }
  if (inline_ones.size() + named.size() > kCertificatesMax) {
    errors.AddAt("tls_certificates", "more than 1000; use several filter chains");
    return;
  }
  for (int i = 0; i < inline_ones.size(); ++i) {
    const Scope scope(errors, "tls_certificates", static_cast<std::size_t>(i));
    out.certificates.push_back({"", CompileCertificateSecret(inline_ones[i], errors)});
  }
  for (int i = 0; i < named.size(); ++i) {
    const Scope scope(errors, "tls_certificate_sds_secret_configs", static_cast<std::size_t>(i));
    out.certificates.push_back(CompileSecretRef(named[i], errors));
  }
}

void CompileSessions(const tlsv3::DownstreamTlsContext& proto, DownstreamTls& out,
                     base::FieldErrors& errors) {
  if (proto.has_session_ticket_keys()) {
    const Scope scope(errors, "session_ticket_keys");
    out.ticket_keys = SecretRef{"", CompileTicketKeysSecret(proto.session_ticket_keys(), errors)};
  } else if (proto.has_session_ticket_keys_sds_secret_config()) {
    const Scope scope(errors, "session_ticket_keys_sds_secret_config");
    out.ticket_keys = CompileSecretRef(proto.session_ticket_keys_sds_secret_config(), errors);
  }
  out.session_tickets = !proto.disable_stateless_session_resumption();
  if (!proto.has_session_timeout()) return;
  out.session_timeout_s = DurationMs(proto.session_timeout(), "session_timeout", errors) / 1000;
  if (out.session_timeout_s > kSessionTimeoutMaxS) out.session_timeout_s = kSessionTimeoutMaxS;
}

}  // namespace

void CompileDownstreamTls(const google::protobuf::Any& any, const CompileOptions& options,
                          FilterChain& chain, base::FieldErrors& errors) {
  tlsv3::DownstreamTlsContext proto;
  if (!UnpackAny(any, options, proto, errors)) return;
  auto tls = std::make_shared<DownstreamTls>();
  {
    const Scope scope(errors, "common_tls_context");
    const tlsv3::CommonTlsContext& common = proto.common_tls_context();
    tls->parameters = CompileTlsParameters(common.tls_params(), errors);
    CompileCertificates(common, *tls, errors);
    tls->validation = CompileValidationRef(common, errors);
    tls->alpn = CompileAlpn(common, errors);
  }
  tls->require_client_certificate = proto.require_client_certificate().value();
  if (tls->require_client_certificate && !tls->validation.secret) {
    // Whoever asks for certificates wants to know whose they are.
    errors.AddAt("require_client_certificate",
                 "needs common_tls_context.validation_context with trusted_ca or pins; write one");
  }
  tls->require_sni = proto.require_sni().value();
  CompileSessions(proto, *tls, errors);
  switch (proto.ocsp_staple_policy()) {
    case tlsv3::DownstreamTlsContext::STRICT_STAPLING:
      tls->ocsp_policy = DownstreamTls::OcspPolicy::kStrict;
      break;
    case tlsv3::DownstreamTlsContext::MUST_STAPLE:
      tls->ocsp_policy = DownstreamTls::OcspPolicy::kMustStaple;
      break;
    default:
      break;  // Other numbers are refused by the field policy.
  }
  tls->full_scan_on_sni_mismatch = proto.full_scan_certs_on_sni_mismatch().value();
  tls->prefer_client_ciphers = proto.prefer_client_ciphers();
  chain.tls = std::move(tls);
}

}  // namespace sluice::config
