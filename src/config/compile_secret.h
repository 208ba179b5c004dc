#pragma once
// Secrets: proto to value, with their certificates checked, and what a context refers to.
//
// Config thread (RereadSecret: main too). Reads the files and environment variables that a secret
// names, at most 1 MiB each.

#include <memory>
#include <optional>
#include <string_view>

#include "config/compile.h"
#include "config/secret.h"
#include "config/tls.h"

namespace envoy::extensions::transport_sockets::tls::v3 {
class CertificateValidationContext;
class CommonTlsContext;  // lint-ok: the name is Envoy's.
class SdsSecretConfig;
class Secret;
class TlsCertificate;
class TlsParameters;
class TlsSessionTicketKeys;
}  // namespace envoy::extensions::transport_sockets::tls::v3

namespace sluice::config {

// A resource of SDS or of static_resources.secrets. Null after adding an error.
std::shared_ptr<const Secret> CompileSecret(
    const envoy::extensions::transport_sockets::tls::v3::Secret& proto,
    const CompileOptions& options, base::FieldErrors& errors);

// The same secret from the same files as they are now; null after adding an error. No protobuf.
std::shared_ptr<const Secret> RereadSecret(const Secret& secret, base::FieldErrors& errors);

// ---- for compile_tls*.cc, at the scope of the field; null after adding an error

std::shared_ptr<const Secret> CompileCertificateSecret(
    const envoy::extensions::transport_sockets::tls::v3::TlsCertificate& proto,
    base::FieldErrors& errors);
std::shared_ptr<const Secret> CompileValidationSecret(
    const envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext& proto,
    base::FieldErrors& errors);
std::shared_ptr<const Secret> CompileTicketKeysSecret(
    const envoy::extensions::transport_sockets::tls::v3::TlsSessionTicketKeys& proto,
    base::FieldErrors& errors);
SecretRef CompileSecretRef(
    const envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig& proto,
    base::FieldErrors& errors);
// What CommonTlsContext says of the peer.
ValidationRef CompileValidationRef(
    const envoy::extensions::transport_sockets::tls::v3::CommonTlsContext& proto,
    base::FieldErrors& errors);
TlsParameters CompileTlsParameters(
    const envoy::extensions::transport_sockets::tls::v3::TlsParameters& proto,
    base::FieldErrors& errors);

// Both of a ValidationRef as one; either may be null.
TlsValidation MergeValidation(const TlsValidation* defaults, const TlsValidation* secret);

}  // namespace sluice::config
