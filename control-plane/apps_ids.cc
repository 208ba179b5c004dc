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

}  // namespace

void AssignRouteIds(HostSpec& host) {
  std::set<std::string, std::less<>> taken;
  for (const RouteSpec& route : host.routes) {
    if (!route.id.empty()) taken.insert(route.id);
  }
  for (RouteSpec& route : host.routes) {
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

void AssignRouteIds(AppsConfig& config) {
  for (auto& [name, host] : config.hosts) AssignRouteIds(host);
}

std::string EntryPath(std::string_view section, std::string_view name) {
  if (IsWord(name)) return base::Cat(section, ".", name);
  return base::Cat(section, "[\"", base::Printable(name), "\"]");
}

}  // namespace sluice::control
