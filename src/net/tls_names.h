#pragma once
// The subject alternative names of a certificate. Only src/net includes this.

#include <functional>
#include <string_view>

#include "net/tls.h"

struct x509_st;

namespace sluice::net {

// Whether `visit` answered true for one; it is asked for each until then. A name with a NUL inside,
// which would claim one name and match another, is left out.
bool AnySan(const x509_st* certificate,
            const std::function<bool(TlsVerification::SanKind kind, std::string_view name)>& visit);

}  // namespace sluice::net
