// FindRoute() against FindRouteLinearly() on random tables and requests. SLUICE_SEED repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>

#include "base/random.h"
#include "base/strings.h"
#include "config/find_route.h"
#include "config/path_template.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using PathKind = RouteMatch::PathKind;

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  RouteTable Table() {
    RouteTable table;
    table.name = "random";
    table.ignore_port_in_host = Chance(30);
    table.ignore_path_parameters = Chance(20);
    if (Chance(15)) table.host_header = "x-host";
    std::vector<std::string> domains = {"a.x",   "b.x", "*.x",    "*.a.x", "*-a.x", "a.*",
                                        "a.b.*", "*",   "a.x:80", "b*",    "*x:80", "[::1]"};
    const std::size_t hosts = 1 + Below(4);
    for (std::size_t i = 0; i < hosts; ++i) {
      auto host = std::make_shared<VirtualHost>();
      host->name = base::Cat("host", i);
      for (std::size_t k = 1 + Below(4); k > 0 && !domains.empty(); --k) {
        const std::size_t at = Below(domains.size());
        host->domains.push_back(domains[at]);
        domains.erase(domains.begin() + static_cast<std::ptrdiff_t>(at));
      }
      const std::size_t routes = 1 + Below(60);
      for (std::size_t k = 0; k < routes; ++k) host->routes.push_back(MakeRoute());
      IndexRoutes(*host);
      table.virtual_hosts.push_back(host);
    }
    base::FieldErrors errors;
    IndexDomains(table, errors);
    EXPECT_TRUE(errors.empty()) << errors.Text();
    return table;
  }

  http::RequestHead MakeRequest() {
    http::RequestHead head;
    head.authority = Pick({"a.x", "A.x", "b.x", "c.x", "b.a.x", "b-a.x", "a.q", "a.b.q", "bb",
                           "a.x:80", "z.x:80", "[::1]", "[::1]:80", ".x", "q"});
    head.path = Path(4);
    if (Chance(75)) {
      head.path += Pick({"?", "?q=1", "?p&q=12", "?q", "?q=1&q=2", "#q=1", "?x?q=1", "?q=12&p=1",
                         "?p=ab&q=AB", "?x=1&q=ba"});
    }
    if (Chance(8)) {
      head.method = http::Method::kConnect;
      head.method_text = "CONNECT";
      head.path.clear();
    }
    head.scheme = "http";
    if (Chance(80)) head.fields.Add("x-host", Pick({"a.x", "b.x", "q", "A.x:80"}));
    if (Chance(90))
      head.fields.Add("cookie", Pick({"c=1", "d=1; c=ab", "c=\"12\"; c=2", "cc=1", ""}));
    if (Chance(80)) head.fields.Add("x-a", Pick({"", "1", "12", "ab", "AB", "ba", "1", "12"}));
    if (Chance(60)) head.fields.Add("x-b", Pick({"2", "1", "12", "ab", "-1"}));
    if (Chance(15)) head.fields.Add("x-b", Pick({"1", "ab"}));
    if (Chance(50)) {
      head.fields.Add("content-type",
                      Pick({"application/grpc", "application/grpc+x", "text/plain"}));
    }
    return head;
  }

  RequestFacts Facts(const Runtime& runtime) {
    return {.worker = 0,
            .random = random_.Next(),
            .runtime = Chance(50) ? &runtime : nullptr,
            .certificate_presented = Chance(60),
            .certificate_validated = Chance(40)};
  }

 private:
  std::size_t Below(std::size_t bound) { return random_.Next() % bound; }
  bool Chance(unsigned percent) { return random_.Next() % 100 < percent; }
  std::string Pick(std::initializer_list<std::string_view> texts) {
    return std::string(*(texts.begin() + Below(texts.size())));
  }

  // "/a/ab/B": few letters, so that paths overlap.
  std::string Path(std::size_t segments_max) {
    std::string path = "/";
    for (std::size_t i = Below(segments_max + 1); i > 0; --i) {
      path += Pick({"a", "b", "ab", "A", "", "aa"});
      if (Chance(80)) path += '/';
    }
    return path;
  }

  Route MakeRoute() {
    Route route;
    RouteMatch& match = route.match;
    match.path_kind = static_cast<PathKind>(std::min<std::size_t>(Below(6), 4) % 4);
    if (Chance(8)) match.path_kind = PathKind::kTemplate;
    if (Chance(6)) match.path_kind = PathKind::kConnect;
    if (match.path_kind < PathKind::kRegex && Chance(25)) match.path_kind = PathKind::kExact;
    if (match.path_kind == PathKind::kConnect) {
    } else if (match.path_kind == PathKind::kTemplate) {
      match.path = Pick({"/{a}", "/a/**", "/*/{b}", "/**", "/{a=a/*}", "/{a}/{b=**}", "/a{x}"});
      base::FieldErrors errors;
      match.regex = CompilePathTemplate(match.path, errors)->regex;
    } else if (match.path_kind == PathKind::kRegex) {
      match.regex = MakeRegex(Pick({"/a.*", "/(a|b)/.*", ".*/ab?/?", "(?i)/ab.*", "/+", "/a?b*/?",
                                    "/[^/]*", "/ab/.*", "/a", "(/b|/ab).*", "[/a]*"}));
    } else {
      match.path = Path(match.path_kind == PathKind::kExact ? 3 : 2);
      if (match.path_kind == PathKind::kSegmentPrefix) {
        while (match.path.ends_with('/')) match.path.pop_back();
      }
      match.case_sensitive = !Chance(35);
      if (!match.case_sensitive) match.path = base::Lowercase(match.path);
    }
    if (Chance(45)) match.headers.push_back(MakeHeader());
    if (Chance(10)) match.headers.push_back(MakeHeader());
    if (Chance(35)) match.query.push_back(MakeQuery());
    match.grpc = Chance(12);
    if (Chance(20)) match.cookies.push_back(MakeCookie());
    if (Chance(12)) match.tls_presented = Chance(60);
    if (Chance(12)) match.tls_validated = Chance(40);
    if (Chance(25)) {
      match.fraction = RuntimeFraction{.numerator = static_cast<std::uint32_t>(Below(101)),
                                       .denominator = 100,
                                       .key = Pick({"", "part", "none"})};
    }
    return route;
  }

  StringMatcher MakeString() {
    StringMatcher matcher;
    matcher.kind = static_cast<StringMatcher::Kind>(Below(5));
    if (matcher.kind == StringMatcher::Kind::kRegex) {
      matcher.regex = MakeRegex(Pick({"[0-9]*", "a.*", ".+", "1|2"}));
      return matcher;
    }
    matcher.ignore_case = Chance(40);
    matcher.text = Pick({"1", "12", "1", "a", "b", "ab"});
    return matcher;
  }

  HeaderMatcher MakeHeader() {
    HeaderMatcher matcher;
    matcher.name = Pick({"x-a", "x-a", "x-b", "x-a", "x-b", ":path", ":authority"});
    matcher.kind =
        Chance(50) ? HeaderMatcher::Kind::kString : static_cast<HeaderMatcher::Kind>(Below(3));
    matcher.present = Chance(35);
    matcher.string = MakeString();
    matcher.range_start = -1;
    matcher.range_end = static_cast<std::int64_t>(Below(15));
    matcher.invert = Chance(30);
    matcher.missing_as_empty = Chance(20);
    return matcher;
  }

  QueryMatcher MakeQuery() {
    QueryMatcher matcher;
    matcher.name = Pick({"q", "q", "q", "p", "x"});
    matcher.present = Chance(60);
    if (Chance(60)) matcher.string = MakeString();
    return matcher;
  }

  CookieMatcher MakeCookie() {
    CookieMatcher matcher;
    matcher.name = Pick({"c", "c", "d"});
    matcher.string = MakeString();
    matcher.invert = Chance(25);
    return matcher;
  }

  base::FastRandom random_;
};

// Every kind of matcher that the winning route has counts as having won.
void CountKinds(const RouteMatch& match, std::map<std::string, int>& wins) {
  static constexpr const char* kPaths[] = {"prefix", "exact",    "segment",
                                           "regex",  "template", "connect"};
  ++wins[base::Cat(match.case_sensitive ? "" : "folded ",
                   kPaths[static_cast<std::size_t>(match.path_kind)])];
  static constexpr const char* kStrings[] = {"is", "begins", "ends", "contains", "regex"};
  for (const HeaderMatcher& header : match.headers) {
    if (header.invert) ++wins["header inverted"];
    switch (header.kind) {
      case HeaderMatcher::Kind::kPresent:
        ++wins[header.present ? "header present" : "header absent"];
        break;
      case HeaderMatcher::Kind::kRange:
        ++wins["header range"];
        break;
      case HeaderMatcher::Kind::kString:
        ++wins[base::Cat("header ", kStrings[static_cast<std::size_t>(header.string.kind)])];
        break;
    }
  }
  for (const QueryMatcher& query : match.query) {
    ++wins[query.string.has_value() ? "query text"
           : query.present          ? "query present"
                                    : "query absent"];
  }
  if (match.grpc) ++wins["grpc"];
  for (const CookieMatcher& cookie : match.cookies) {
    ++wins[cookie.invert ? "cookie inverted" : "cookie"];
  }
  if (match.tls_presented.has_value()) ++wins["certificate presented"];
  if (match.tls_validated.has_value()) ++wins["certificate validated"];
  if (match.fraction.has_value()) ++wins[match.fraction->key.empty() ? "fraction" : "runtime"];
}

int MatchesIn(const RouteTable& table, const VirtualHost& host, const http::RequestHead& head,
              const RequestFacts& facts) {
  int matches = 0;
  for (const Route& route : host.routes) {
    const bool path = IsPathless(head) ? route.match.path_kind == PathKind::kConnect
                                       : MatchesPath(route.match, LookupPath(table, head), 0);
    if (path && MatchesBeyondPath(route.match, head, facts)) {
      ++matches;
    }
  }
  return matches;
}

TEST(FindRoute, IsWhatALinearSearchFinds) {
  const char* given = std::getenv("SLUICE_SEED");
  const std::uint64_t seed =
      given == nullptr ? base::RandomSeed() : base::ParseUint(given).value_or(0);
  std::cout << "SLUICE_SEED=" << seed << "\n";
  Generator generator(seed);
  int requests = 0;
  int matched = 0;
  int matched_thrice = 0;
  std::map<std::string, int> wins;
  RuntimeValue part;
  part.is_number = true;
  part.number = 70;
  const Runtime runtime({{"part", part}});
  for (int t = 0; t < 600; ++t) {
    const RouteTable table = generator.Table();
    for (int r = 0; r < 50; ++r) {
      const http::RequestHead head = generator.MakeRequest();
      const RequestFacts facts = generator.Facts(runtime);
      const RouteMatchResult fast = FindRoute(table, head, facts);
      const RouteMatchResult slow = FindRouteLinearly(table, head, facts);
      ASSERT_EQ(fast.virtual_host, slow.virtual_host) << "seed " << seed << " " << head.authority;
      ASSERT_EQ(fast.route, slow.route) << "seed " << seed << " " << head.authority << head.path;
      ++requests;
      if (fast.route == nullptr) continue;
      ++matched;
      if (MatchesIn(table, *fast.virtual_host, head, facts) >= 3) ++matched_thrice;
      CountKinds(fast.route->match, wins);
    }
  }
  EXPECT_GE(matched, requests / 2);
  EXPECT_GE(matched_thrice, requests / 5);
  EXPECT_EQ(wins.size(), 28U);  // Every kind there is.
  for (const auto& [kind, count] : wins) {
    EXPECT_GE(count, requests / 100) << kind;
    std::cout << count << " " << kind << "\n";
  }
  std::cout << requests << " requests, " << matched << " matched, " << matched_thrice
            << " three routes or more\n";
}

}  // namespace
}  // namespace sluice::config
