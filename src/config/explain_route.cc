// Why a request goes where it goes, in words; for `sluicectl explain` and the admin port.
#include <algorithm>

#include "base/strings.h"
#include "config/find_route.h"
#include "http/head.h"

namespace sluice::config {
namespace {

constexpr std::size_t kLinesMax = 200;

std::string Quoted(std::string_view text) { return base::Cat("'", base::Printable(text), "'"); }

std::string DescribeString(const StringMatcher& matcher) {
  const auto words = [&](std::string_view verb) {
    return base::Cat(verb, " ",
                     Quoted(matcher.regex.has_value() ? matcher.regex->pattern() : matcher.text),
                     matcher.ignore_case ? " in any case" : "");
  };
  switch (matcher.kind) {
    case StringMatcher::Kind::kExact:
      return words("is");
    case StringMatcher::Kind::kPrefix:
      return words("begins with");
    case StringMatcher::Kind::kSuffix:
      return words("ends with");
    case StringMatcher::Kind::kContains:
      return words("contains");
    case StringMatcher::Kind::kRegex:
      return words("matches regex");
  }
  return "";
}

std::string DescribeHeader(const HeaderMatcher& matcher) {
  std::string what;
  switch (matcher.kind) {
    case HeaderMatcher::Kind::kPresent:
      what = matcher.present ? "is present" : "is absent";
      break;
    case HeaderMatcher::Kind::kString:
      what = DescribeString(matcher.string);
      break;
    case HeaderMatcher::Kind::kRange:
      what = base::Cat("is in [", matcher.range_start, ", ", matcher.range_end, ")");
      break;
  }
  return base::Cat("header ", matcher.name, matcher.invert ? " not: " : " ", what);
}

std::string DescribePath(const RouteMatch& match) {
  const std::string_view fold = match.case_sensitive ? "" : " in any case";
  switch (match.path_kind) {
    case RouteMatch::PathKind::kPrefix:
      return base::Cat("path prefix ", base::Printable(match.path), fold);
    case RouteMatch::PathKind::kExact:
      return base::Cat("path ", base::Printable(match.path), fold);
    case RouteMatch::PathKind::kSegmentPrefix:
      return base::Cat("path ", base::Printable(match.path), " and below", fold);
    case RouteMatch::PathKind::kRegex:
      return base::Cat("path regex ",
                       base::Printable(match.regex.has_value() ? match.regex->pattern() : ""));
    case RouteMatch::PathKind::kTemplate:
      return base::Cat("path template ", base::Printable(match.path));
    case RouteMatch::PathKind::kConnect:
      return "CONNECT";
  }
  return "";
}

std::string ExplainQuery(const QueryMatcher& matcher, const http::RequestHead& head) {
  const std::string what = matcher.string.has_value() ? DescribeString(*matcher.string)
                           : matcher.present          ? std::string("is present")
                                                      : std::string("is absent");
  const bool sent = FindQueryParameter(head.path, matcher.name).has_value();
  return base::Cat("query parameter ", base::Printable(matcher.name), " ", what,
                   sent ? ": it does not" : ": it is missing");
}

std::string ExplainCookie(const CookieMatcher& matcher, const http::RequestHead& head) {
  const bool sent = FindCookie(head, matcher.name).has_value();
  return base::Cat("cookie ", base::Printable(matcher.name), matcher.invert ? " not: " : " ",
                   DescribeString(matcher.string), sent ? ": it does not" : ": it is missing");
}

std::string DescribeFraction(const RuntimeFraction& fraction) {
  return base::Cat(fraction.numerator, " of ", fraction.denominator, " requests",
                   fraction.key.empty() ? "" : " or as runtime key ",
                   fraction.key.empty() ? "" : Quoted(fraction.key));
}

// What a certificate must (not) have been.
std::string ExplainTls(const RouteMatch& match) {
  std::string out = "client certificate";
  if (match.tls_presented.has_value()) {
    out += *match.tls_presented ? " presented" : " not presented";
  }
  if (match.tls_validated.has_value()) {
    out += *match.tls_validated ? " validated" : " not validated";
  }
  return out + ": it is otherwise";
}

// The first thing beside the path that does not match, or "".
std::string FirstMismatch(const RouteMatch& match, const http::RequestHead& head,
                          const RequestFacts& facts) {
  RouteMatch part;
  part.grpc = match.grpc;
  if (!MatchesBeyondPath(part, head, facts)) return "content-type is not gRPC";
  for (const HeaderMatcher& matcher : match.headers) {
    if (matcher.Matches(head, facts.worker)) continue;
    // Sent at all? A matcher for presence says.
    HeaderMatcher presence;
    presence.name = matcher.name;
    const bool sent = presence.Matches(head, facts.worker);
    return base::Cat(DescribeHeader(matcher), sent ? ": it does not" : ": it is missing");
  }
  for (const QueryMatcher& matcher : match.query) {
    if (!matcher.Matches(head.path, facts.worker)) return ExplainQuery(matcher, head);
  }
  for (const CookieMatcher& matcher : match.cookies) {
    if (!matcher.Matches(head, facts.worker)) return ExplainCookie(matcher, head);
  }
  part.tls_presented = match.tls_presented;
  part.tls_validated = match.tls_validated;
  if (!MatchesBeyondPath(part, head, facts)) return ExplainTls(match);
  if (MatchesBeyondPath(match, head, facts)) return "";
  return base::Cat(DescribeFraction(*match.fraction), ": the dice say no");
}

std::string DescribeAction(const Route& route) {
  if (const auto* forward = std::get_if<ForwardAction>(&route.action)) {
    if (!forward->cluster_header.empty()) {
      return base::Cat("to the cluster that header ", forward->cluster_header, " names");
    }
    if (forward->weighted.empty()) return base::Cat("to cluster ", Quoted(forward->cluster));
    std::string out =
        !forward->weight_header.empty()
            ? base::Cat("by the number in header ", forward->weight_header, " to one of")
        : forward->weight_by_hash ? std::string("by the hash to one of")
                                  : std::string("to one of");
    for (const WeightedCluster& share : forward->weighted) {
      base::Append(out, " ",
                   share.cluster_header.empty() ? Quoted(share.cluster)
                                                : base::Cat("header ", share.cluster_header),
                   " (", share.weight, "/", forward->weight_total, ")");
    }
    return out;
  }
  if (const auto* redirect = std::get_if<RedirectAction>(&route.action)) {
    return base::Cat("redirect with ", redirect->status);
  }
  return base::Cat("answer ", std::get<DirectResponse>(route.action).status);
}

std::string Label(std::size_t index, const Route& route) {
  return route.name.empty() ? base::Cat("route ", index)
                            : base::Cat("route ", index, " ", Quoted(route.name));
}

// Neighbours whose paths do not match, in one line.
void FlushSkipped(std::size_t begin, std::size_t end, std::vector<std::string>& lines) {
  if (begin == end) return;
  lines.push_back(end - begin == 1 ? base::Cat("route ", begin, ": the path does not match -> no")
                                   : base::Cat("routes ", begin, " to ", end - 1,
                                               ": the path does not match -> no"));
}

}  // namespace

std::vector<std::string> ExplainRoute(const RouteTable& table, const http::RequestHead& head,
                                      const RequestFacts& facts) {
  std::vector<std::string> lines;
  const VirtualHost* host = FindVirtualHost(table, head);
  if (host == nullptr) {
    lines.push_back(base::Cat("host ", Quoted(LookupHost(table, head)),
                              ": no virtual host of route table ", Quoted(table.name),
                              " has a matching domain -> 404"));
    return lines;
  }
  lines.push_back(
      base::Cat("host ", Quoted(LookupHost(table, head)), ": virtual host ", Quoted(host->name)));
  std::size_t skipped_from = 0;
  for (std::size_t i = 0; i < host->routes.size(); ++i) {
    const Route& route = host->routes[i];
    const bool path = IsPathless(head)
                          ? route.match.path_kind == RouteMatch::PathKind::kConnect
                          : MatchesPath(route.match, LookupPath(table, head), facts.worker);
    if (!path) continue;
    FlushSkipped(skipped_from, i, lines);
    skipped_from = i + 1;
    const std::string mismatch = FirstMismatch(route.match, head, facts);
    const std::string start =
        base::Cat(Label(i, route), ": ", DescribePath(route.match), " matches");
    if (mismatch.empty()) {
      const std::string chance = route.match.fraction.has_value()
                                     ? base::Cat(" for ", DescribeFraction(*route.match.fraction))
                                     : "";
      lines.push_back(base::Cat(start, chance, " -> ", DescribeAction(route)));
      return lines;
    }
    if (lines.size() >= kLinesMax) {
      lines.push_back("further candidates are left out");
      return lines;
    }
    lines.push_back(base::Cat(start, "; ", mismatch, " -> no"));
  }
  FlushSkipped(skipped_from, host->routes.size(), lines);
  lines.push_back("no route matches -> 404");
  return lines;
}

}  // namespace sluice::config
