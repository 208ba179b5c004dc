#pragma once
// What OpenSSL says of PEM texts and of names of algorithms. Pure; any thread.

#include <string>
#include <string_view>

#include "config/secret.h"
#include "config/tls.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// -1 when one is malformed.
int CountCertificates(std::string_view pem);
// One revocation list or more, and nothing broken.
bool IsCrl(std::string_view pem);
// False after adding errors at certificate_chain, private_key and ocsp_staple.
bool CheckCertificate(const TlsCertificate& certificate, base::FieldErrors& errors);
// False after adding errors at cipher_suites, ecdh_curves and signature_algorithms.
bool CheckTlsParameters(const TlsParameters& parameters, base::FieldErrors& errors);

}  // namespace sluice::config
