#pragma once
// The parts of CheckApps() that stand alone. Pure; errors go to the current scope.

#include <string_view>

namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

struct CorsSpec;

// "*", a name, "*.suffix", "prefix.*" or an IP address; ports are ignored by the proxies.
void CheckHostName(std::string_view host, base::FieldErrors& errors);
void CheckCors(const CorsSpec& cors, base::FieldErrors& errors);

}  // namespace sluice::control
