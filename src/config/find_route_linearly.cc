// The rules of envoy-behaviour.md 2.4 as one would tell them, sharing no index with FindRoute().
#include "config/find_route.h"
#include "http/head.h"

namespace sluice::config {
namespace {

// How well `domain` fits: 0 not at all, then "*", prefixes by length, suffixes by length, exact.
std::size_t Fit(std::string_view domain, std::string_view host) {
  constexpr std::size_t kStep = std::size_t{1} << 32;
  if (domain == host && !domain.starts_with('*') && !domain.ends_with('*')) return 4 * kStep;
  if (domain == "*") return 1;
  if (host.size() < domain.size()) return 0;
  if (domain.starts_with('*')) {
    return host.ends_with(domain.substr(1)) ? 2 * kStep + domain.size() : 0;
  }
  if (domain.ends_with('*')) {
    return host.starts_with(domain.substr(0, domain.size() - 1)) ? kStep + domain.size() : 0;
  }
  return 0;
}

}  // namespace

RouteMatchResult FindRouteLinearly(const RouteTable& table, const http::RequestHead& head,
                                   const RequestFacts& facts) {
  const std::string host = base::Lowercase(LookupHost(table, head));
  RouteMatchResult result;
  std::size_t best = 0;
  for (const auto& virtual_host : table.virtual_hosts) {
    for (const std::string& domain : virtual_host->domains) {
      const std::size_t fit = Fit(domain, host);
      if (fit <= best) continue;
      best = fit;
      result.virtual_host = virtual_host.get();
    }
  }
  if (result.virtual_host == nullptr) return result;
  RequestFacts off_workers = facts;
  off_workers.worker = Regex::kNoWorker;
  for (const Route& route : result.virtual_host->routes) {
    const bool path = IsPathless(head)
                          ? route.match.path_kind == RouteMatch::PathKind::kConnect
                          : MatchesPath(route.match, LookupPath(table, head), Regex::kNoWorker);
    if (path && MatchesBeyondPath(route.match, head, off_workers)) {
      result.route = &route;
      break;
    }
  }
  return result;
}

}  // namespace sluice::config
