#include "config/find_route.h"

#include <algorithm>

#include "base/check.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "http/head.h"

namespace sluice::config {
namespace {

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

bool StartsWith(std::string_view path, std::string_view prefix, bool case_sensitive) {
  if (path.size() < prefix.size()) return false;
  path = path.substr(0, prefix.size());
  return case_sensitive ? path == prefix : base::EqualsIgnoreCase(path, prefix);
}

}  // namespace

std::string_view LookupHost(const RouteTable& table, std::string_view authority) {
  if (!table.ignore_port_in_host) return authority;
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return authority;
  const std::size_t bracket = authority.rfind(']');
  if (bracket != std::string_view::npos && bracket > colon) return authority;  // "[::1]"
  return authority.substr(0, colon);
}

const VirtualHost* FindVirtualHost(const RouteTable& table, std::string_view authority) {
  SLUICE_DCHECK(table.index != nullptr);
  std::string_view host = LookupHost(table, authority);
  // A copy only for hosts with capitals, on the heap only for ones longer than any domain name.
  char folded[512];
  std::string long_host;
  if (std::any_of(host.begin(), host.end(), IsUpper)) {
    if (host.size() <= sizeof(folded)) {
      std::transform(host.begin(), host.end(), folded, base::ToLower);
      host = std::string_view(folded, host.size());
    } else {
      long_host = base::Lowercase(host);
      host = long_host;
    }
  }
  const std::uint32_t found = table.index->Find(host);
  return found == DomainIndex::kNone ? nullptr : table.virtual_hosts[found].get();
}

bool MatchesPath(const RouteMatch& match, std::string_view path, unsigned worker) {
  switch (match.path_kind) {
    case RouteMatch::PathKind::kPrefix:
      return StartsWith(path, match.path, match.case_sensitive);
    case RouteMatch::PathKind::kExact:
      return path.size() == match.path.size() && StartsWith(path, match.path, match.case_sensitive);
    case RouteMatch::PathKind::kSegmentPrefix:
      return StartsWith(path, match.path, match.case_sensitive) &&
             (path.size() == match.path.size() || path[match.path.size()] == '/');
    case RouteMatch::PathKind::kRegex:
      return match.regex.has_value() && match.regex->FullMatch(path, worker);
  }
  return false;
}

bool MatchesBeyondPath(const RouteMatch& match, const http::RequestHead& head, unsigned worker) {
  if (match.grpc) {
    const auto type = head.fields.Get(http::Name::kContentType);
    if (!type.has_value() || !http::IsGrpcContentType(*type)) return false;
  }
  for (const HeaderMatcher& matcher : match.headers) {
    if (!matcher.Matches(head, worker)) return false;
  }
  for (const QueryMatcher& matcher : match.query) {
    if (!matcher.Matches(head.path, worker)) return false;
  }
  return true;
}

const Route* FindRouteIn(const VirtualHost& host, const http::RequestHead& head, unsigned worker) {
  SLUICE_DCHECK(host.index != nullptr);
  const std::string_view path = head.PathWithoutQuery();
  for (std::uint32_t i = host.index->Next(path, 0); i != PathIndex::kNone;
       i = host.index->Next(path, i + 1)) {
    const Route& route = host.routes[i];
    const RouteMatch& match = route.match;
    // The index decides every kind of path but this one.
    if (match.path_kind == RouteMatch::PathKind::kRegex && !MatchesPath(match, path, worker)) {
      continue;
    }
    if (MatchesBeyondPath(match, head, worker)) return &route;
  }
  return nullptr;
}

RouteMatchResult FindRoute(const RouteTable& table, const http::RequestHead& head,
                           unsigned worker) {
  const VirtualHost* host = FindVirtualHost(table, head.authority);
  if (host == nullptr) return {};
  return {host, FindRouteIn(*host, head, worker)};
}

}  // namespace sluice::config
