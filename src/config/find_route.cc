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

std::string_view LookupHost(const RouteTable& table, const http::RequestHead& head) {
  std::string_view authority = head.authority;
  if (!table.host_header.empty()) authority = head.fields.Get(table.host_header).value_or("");
  if (!table.ignore_port_in_host) return authority;
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return authority;
  const std::size_t bracket = authority.rfind(']');
  if (bracket != std::string_view::npos && bracket > colon) return authority;  // "[::1]"
  return authority.substr(0, colon);
}

std::string_view LookupPath(const RouteTable& table, const http::RequestHead& head) {
  const std::string_view path = head.PathWithoutQuery();
  return table.ignore_path_parameters ? path.substr(0, path.find(';')) : path;
}

bool IsPathless(const http::RequestHead& head) {
  return head.method == http::Method::kConnect && !head.path.starts_with('/');
}

const VirtualHost* FindVirtualHost(const RouteTable& table, const http::RequestHead& head) {
  SLUICE_DCHECK(table.index != nullptr);
  std::string_view host = LookupHost(table, head);
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
    case RouteMatch::PathKind::kTemplate:
      return match.regex.has_value() && match.regex->FullMatch(path, worker);
    case RouteMatch::PathKind::kConnect:
      return false;
  }
  return false;
}

bool MatchesBeyondPath(const RouteMatch& match, const http::RequestHead& head,
                       const RequestFacts& facts) {
  if (match.grpc) {
    const auto type = head.fields.Get(http::Name::kContentType);
    if (!type.has_value() || !http::IsGrpcContentType(*type)) return false;
  }
  for (const HeaderMatcher& matcher : match.headers) {
    if (!matcher.Matches(head, facts.worker)) return false;
  }
  for (const QueryMatcher& matcher : match.query) {
    if (!matcher.Matches(head.path, facts.worker)) return false;
  }
  for (const CookieMatcher& matcher : match.cookies) {
    if (!matcher.Matches(head, facts.worker)) return false;
  }
  if (match.tls_presented.value_or(facts.certificate_presented) != facts.certificate_presented ||
      match.tls_validated.value_or(facts.certificate_validated) != facts.certificate_validated) {
    return false;
  }
  return !match.fraction.has_value() || match.fraction->Enabled(facts.runtime, facts.random);
}

namespace {

// Rare, so the index does not know them.
const Route* FindConnectRoute(const VirtualHost& host, const http::RequestHead& head,
                              const RequestFacts& facts) {
  for (const Route& route : host.routes) {
    if (route.match.path_kind == RouteMatch::PathKind::kConnect &&
        MatchesBeyondPath(route.match, head, facts)) {
      return &route;
    }
  }
  return nullptr;
}

}  // namespace

const Route* FindRouteIn(const VirtualHost& host, const http::RequestHead& head,
                         std::string_view path, const RequestFacts& facts) {
  SLUICE_DCHECK(host.index != nullptr);
  if (IsPathless(head)) return FindConnectRoute(host, head, facts);
  for (std::uint32_t i = host.index->Next(path, 0); i != PathIndex::kNone;
       i = host.index->Next(path, i + 1)) {
    const Route& route = host.routes[i];
    const RouteMatch& match = route.match;
    // The index decides every kind of path but these.
    if (match.regex.has_value() && !MatchesPath(match, path, facts.worker)) continue;
    if (MatchesBeyondPath(match, head, facts)) return &route;
  }
  return nullptr;
}

RouteMatchResult FindRoute(const RouteTable& table, const http::RequestHead& head,
                           const RequestFacts& facts) {
  const VirtualHost* host = FindVirtualHost(table, head);
  if (host == nullptr) return {};
  return {host, FindRouteIn(*host, head, LookupPath(table, head), facts)};
}

}  // namespace sluice::config
