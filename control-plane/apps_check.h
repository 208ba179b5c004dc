#pragma once
// The parts of CheckApps() that stand alone. Pure; errors go to the current scope.

#include <string_view>

namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

struct AppsConfig;
struct AppsParts;
struct CorsSpec;
struct RouteSpec;

// Listeners, apps, hosts; then the services of gRPC. `checked`: as in CheckApps().
void CheckParts(const AppsParts& parts, const AppsParts* checked, base::FieldErrors& errors);
void CheckGrpc(const AppsParts& parts, base::FieldErrors& errors);
void CheckRoute(const AppsParts& parts, const RouteSpec& route, base::FieldErrors& errors);
void CheckName(std::string_view name, base::FieldErrors& errors);

// "*", a name, "*.suffix", "prefix.*" or an IP address; ports are ignored by the proxies.
void CheckHostName(std::string_view host, base::FieldErrors& errors);
void CheckCors(const CorsSpec& cors, base::FieldErrors& errors);

}  // namespace sluice::control
