#pragma once
// Validation contexts in the words of net/tls.h. Pure; any thread.

#include "config/secret.h"
#include "net/tls.h"

namespace sluice::upstream {

net::TlsVerification RulesOf(const config::TlsValidation& validation);

}  // namespace sluice::upstream
