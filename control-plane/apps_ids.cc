// Ids of routes and the names that errors give to entries.
#include <algorithm>
#include <set>

#include "apps.h"
#include "base/strings.h"
#include "snapshot.h"

namespace sluice::control {
namespace {

constexpr std::size_t kSlugBytesMax = 48;

bool IsWord(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// "/api/v1" to "api-v1": readable in a shell and in a URL.
std::string Slug(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool word = IsWord(std::string_view(&c, 1)) || c == '.';
    if (word) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
    if (out.size() >= kSlugBytesMax) break;
  }
  while (!out.empty() && (out.back() == '-' || out.back() == '.')) out.pop_back();
  while (!out.empty() && (out.front() == '-' || out.front() == '.')) out.erase(0, 1);
  return out.empty() ? "root" : out;
}

std::string IdOf(const RouteSpec& route) {
  switch (route.match) {
    case RouteSpec::Match::kPath:
      return Slug(route.path);
    case RouteSpec::Match::kPrefix:
      return base::Cat("prefix-", Slug(route.path));
    case RouteSpec::Match::kExact:
      return base::Cat("exact-", Slug(route.path));
    case RouteSpec::Match::kRegex:
      return base::Cat("regex-", ContentHash(route.path).substr(0, 8));
  }
  return "route";
}

void AssignIds(std::vector<RouteSpec>& routes) {
  const auto has_id = [](const RouteSpec& route) { return !route.id.empty(); };
  if (std::all_of(routes.begin(), routes.end(), has_id)) return;
  std::set<std::string, std::less<>> taken;
  for (const RouteSpec& route : routes) {
    if (!route.id.empty()) taken.insert(route.id);
  }
  for (RouteSpec& route : routes) {
    if (!route.id.empty()) continue;
    const std::string base = IdOf(route);
    std::string id = base;
    // The same path more than once differs in methods; a hash keeps thousands of them cheap.
    for (std::size_t n = 2; n < 16 && taken.contains(id); ++n) id = base::Cat(base, "-", n);
    for (std::size_t n = 0; taken.contains(id); ++n) {
      id = base::Cat(base, "-", ContentHash(base::Cat(taken.size(), "/", n)).substr(0, 10));
    }
    taken.insert(id);
    route.id = std::move(id);
  }
}

void AssignIds(AppsParts& parts) {
  for (auto& [name, host] : parts.hosts) AssignIds(host.routes);
  for (auto& [name, service] : parts.grpc_services) AssignIds(service.routes);
}

// Those of `from` that `to` has none of.
template <typename Spec>
void Inherit(const std::map<std::string, Spec>& from, std::map<std::string, Spec>& to) {
  to.insert(from.begin(), from.end());
}

}  // namespace

void AssignRouteIds(HostSpec& host) { AssignIds(host.routes); }

void AssignRouteIds(AppsConfig& config) {
  AssignIds(config);
  for (auto& [name, fleet] : config.fleets) AssignIds(fleet.parts);
}

AppsConfig ConfigOfFleet(const AppsConfig& config, const FleetSpec& fleet) {
  AppsConfig out;
  static_cast<AppsParts&>(out) = fleet.parts;
  if (!fleet.inherit) return out;
  Inherit(config.listeners, out.listeners);
  Inherit(config.apps, out.apps);
  Inherit(config.hosts, out.hosts);
  Inherit(config.grpc_services, out.grpc_services);
  if (out.grpc_servers.empty()) out.grpc_servers = config.grpc_servers;
  return out;
}

std::string EntryPath(std::string_view section, std::string_view name) {
  if (IsWord(name)) return base::Cat(section, ".", name);
  return base::Cat(section, "[\"", base::Printable(name), "\"]");
}

}  // namespace sluice::control
