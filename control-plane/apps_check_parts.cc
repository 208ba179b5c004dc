// What an apps file may say of services for gRPC clients and of fleets.
#include <algorithm>
#include <set>

#include "apps.h"
#include "apps_check.h"
#include "apps_url.h"
#include "base/address.h"
#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

using Scope = base::FieldErrors::Scope;

constexpr std::size_t kTextBytesMax = 256;

// Clients of gRPC take neither names to resolve nor TLS from the control plane.
void CheckReachable(const AppsParts& parts, const std::string& name, base::FieldErrors& errors) {
  const auto found = parts.apps.find(name);
  if (found == parts.apps.end()) return;  // CheckRoute() says so.
  for (const std::string& text : found->second.urls) {
    std::string why;
    const auto url = ParseAppUrl(text, why);
    if (!url.has_value() || (url->is_ip && !url->https)) continue;
    errors.Add(base::Cat("app '", base::Printable(name), "' has the URL '",
                         base::Printable(text, 128),
                         "'; gRPC clients need http:// and an IP address"));
  }
}

void CheckGrpcRoute(const AppsParts& parts, const RouteSpec& route, base::FieldErrors& errors) {
  CheckRoute(parts, route, errors);
  const auto refuse = [&](bool set, std::string_view field) {
    if (set) errors.AddAt(field, "gRPC clients do not know it; leave it out");
  };
  refuse(!route.methods.empty(), "methods");
  refuse(route.respond.has_value(), "respond");
  refuse(route.redirect.has_value(), "redirect");
  refuse(route.strip_prefix, "strip_prefix");
  refuse(!route.rewrite.empty(), "rewrite");
  refuse(!route.host_header.empty(), "host_header");
  refuse(route.retries.has_value(), "retries");
  refuse(route.request_headers != HeaderEdits() || route.response_headers != HeaderEdits(),
         "headers");
  if (!route.app.empty()) CheckReachable(parts, route.app, errors);
  for (const auto& [app, weight] : route.split) CheckReachable(parts, app, errors);
}

// ParseIp() takes one without brackets too, where the last piece would be read as a port.
bool IsListenAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const auto port = base::ParseUint(text.substr(colon + 1));
  const std::string_view ip = text.substr(0, colon);
  const bool six = ip.find(':') != std::string_view::npos;
  return port.has_value() && *port > 0 && *port < 65536 && six == ip.starts_with('[') &&
         base::Address::ParseIp(ip, 1).has_value();
}

void CheckMatch(const FleetMatch& match, base::FieldErrors& errors) {
  const Scope scope(errors, "match");
  if (match.cluster.size() > kTextBytesMax) errors.AddAt("cluster", "is too long");
  const Scope metadata(errors, "metadata");
  for (const auto& [key, value] : match.metadata) {
    const base::FieldErrors::Suffix entry(errors, EntryPath("", key));
    if (key.empty() || key.size() > kTextBytesMax || value.size() > kTextBytesMax) {
      errors.Add(base::Cat("key and value have 1 to ", kTextBytesMax, " bytes"));
    }
  }
}

}  // namespace

void CheckGrpc(const AppsParts& parts, base::FieldErrors& errors) {
  for (const auto& [name, service] : parts.grpc_services) {
    const Scope scope(errors, EntryPath("grpc_services", name));
    CheckName(name, errors);
    if (parts.listeners.contains(name)) {
      errors.Add("a listener has that name, and both are asked for by it; write another one");
    }
    if (service.routes.empty()) errors.Add("does nothing; write app, split or routes");
    std::set<std::string_view> ids;
    for (std::size_t i = 0; i < service.routes.size(); ++i) {
      const Scope route(errors, "routes", i);
      CheckGrpcRoute(parts, service.routes[i], errors);
      const std::string& id = service.routes[i].id;
      if (!id.empty() && !ids.insert(id).second) {
        errors.AddAt("id", base::Cat("'", id, "' names two routes of this service"));
      }
    }
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < parts.grpc_servers.size(); ++i) {
    const Scope scope(errors, "grpc_servers", i);
    const std::string& text = parts.grpc_servers[i];
    if (!IsListenAddress(text)) {
      errors.Add(base::Cat("'", base::Printable(text, 128),
                           "' is no IP:PORT, as the server names it: 0.0.0.0:50051"));
    } else if (!seen.insert(text).second) {
      errors.Add("is listed twice; keep one");
    }
  }
}

void CheckApps(const AppsConfig& config, base::FieldErrors& errors, const AppsConfig* checked) {
  const std::size_t before = errors.size();
  CheckParts(config, checked, errors);
  CheckGrpc(config, errors);
  for (const auto& [name, fleet] : config.fleets) {
    const Scope scope(errors, EntryPath("fleets", name));
    CheckName(name, errors);
    CheckMatch(fleet.match, errors);
    // What a fleet inherits is wrong at the top already.
    if (errors.size() != before) continue;
    const AppsConfig whole = ConfigOfFleet(config, fleet);
    CheckParts(whole, &config, errors);
    CheckGrpc(whole, errors);
  }
}

}  // namespace sluice::control
