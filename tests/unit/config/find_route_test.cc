#include "config/find_route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using PathKind = RouteMatch::PathKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Route MakeRoute(std::string_view name, PathKind kind, std::string_view path,
                bool case_sensitive = true) {
  Route route;
  route.name = name;
  route.match.path_kind = kind;
  route.match.case_sensitive = case_sensitive;
  if (kind == PathKind::kRegex) {
    route.match.regex = MakeRegex(path);
  } else {
    route.match.path = path;
  }
  return route;
}

HeaderMatcher HeaderIsThere(std::string_view name) {
  HeaderMatcher matcher;
  matcher.name = name;
  return matcher;
}

std::shared_ptr<const VirtualHost> MakeHost(std::string_view name, std::vector<std::string> domains,
                                            std::vector<Route> routes) {
  auto host = std::make_shared<VirtualHost>();
  host->name = name;
  host->domains = std::move(domains);
  host->routes = std::move(routes);
  IndexRoutes(*host);
  return host;
}

RouteTable MakeTable(std::vector<std::shared_ptr<const VirtualHost>> hosts) {
  RouteTable table;
  table.name = "t";
  table.virtual_hosts = std::move(hosts);
  base::FieldErrors errors;
  IndexDomains(table, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  return table;
}

std::string HostOf(const RouteTable& table, std::string_view authority) {
  const VirtualHost* host = FindVirtualHost(table, Request(authority, "/"));
  const auto linear = FindRouteLinearly(table, Request(authority, "/"));
  EXPECT_EQ(host, linear.virtual_host) << authority;
  return host == nullptr ? "" : host->name;
}

TEST(FindVirtualHost, ExactThenLongestSuffixThenLongestPrefixThenStar) {
  const RouteTable table = MakeTable({
      MakeHost("any", {"*"}, {}),
      MakeHost("foo", {"foo.com", "foo.com:8080"}, {}),
      MakeHost("sub", {"*.foo.com"}, {}),
      MakeHost("deep", {"*.bar.foo.com", "*-x.foo.com"}, {}),
      MakeHost("www", {"www.*"}, {}),
      MakeHost("wwwfoo", {"www.foo.*"}, {}),
      MakeHost("com", {"*com"}, {}),
  });
  EXPECT_EQ(HostOf(table, "foo.com"), "foo");
  EXPECT_EQ(HostOf(table, "FOO.com"), "foo");
  EXPECT_EQ(HostOf(table, "foo.com:8080"), "foo");
  EXPECT_EQ(HostOf(table, "foo.com:80"), "any");
  EXPECT_EQ(HostOf(table, "a.foo.com"), "sub");
  EXPECT_EQ(HostOf(table, "A.Foo.Com"), "sub");
  EXPECT_EQ(HostOf(table, ".foo.com"), "com");  // A wildcard stands for at least one byte.
  EXPECT_EQ(HostOf(table, "a.bar.foo.com"), "deep");
  EXPECT_EQ(HostOf(table, "a-x.foo.com"), "deep");
  EXPECT_EQ(HostOf(table, "www.foo.com"), "sub");
  EXPECT_EQ(HostOf(table, "www.foo.org"), "wwwfoo");
  EXPECT_EQ(HostOf(table, "www.x.org"), "www");
  EXPECT_EQ(HostOf(table, "www."), "any");
  EXPECT_EQ(HostOf(table, "x.com"), "com");
  EXPECT_EQ(HostOf(table, "com"), "any");
  EXPECT_EQ(HostOf(table, ""), "any");
  EXPECT_EQ(HostOf(table, std::string(1000, 'X') + ".foo.com"), "sub");
}

TEST(FindVirtualHost, IgnoresThePortWhereTold) {
  RouteTable table = MakeTable({MakeHost("foo", {"foo.com"}, {}), MakeHost("v6", {"[::1]"}, {})});
  EXPECT_EQ(HostOf(table, "foo.com:80"), "");
  EXPECT_EQ(HostOf(table, "[::1]"), "v6");
  table.ignore_port_in_host = true;
  EXPECT_EQ(HostOf(table, "foo.com:80"), "foo");
  EXPECT_EQ(HostOf(table, "foo.com"), "foo");
  EXPECT_EQ(HostOf(table, "[::1]"), "v6");
  EXPECT_EQ(HostOf(table, "[::1]:80"), "v6");
}

TEST(IndexDomains, NamesBothHostsOfADuplicate) {
  RouteTable table;
  table.name = "r";
  table.virtual_hosts = {MakeHost("a", {"x.com", "*"}, {}), MakeHost("b", {"x.com"}, {}),
                         MakeHost("c", {"*"}, {}), MakeHost("d", {"*.y", "z.*", "*.y", "z.*"}, {})};
  base::FieldErrors errors;
  IndexDomains(table, errors);
  ASSERT_EQ(errors.size(), 4U) << errors.Text();
  EXPECT_EQ(errors.errors()[0].path, "virtual_hosts[1].domains[0]");
  EXPECT_EQ(
      errors.errors()[0].message,
      "Only unique values for domains are permitted. Duplicate entry of domain x.com in route "
      "r: in virtual hosts 'a' and 'b'");
  EXPECT_EQ(errors.errors()[1].message,
            "Only a single wildcard domain is permitted in route r: in virtual hosts 'a' and 'c'");
  EXPECT_EQ(errors.errors()[3].path, "virtual_hosts[3].domains[3]");
}

std::string RouteOf(const RouteTable& table, const http::RequestHead& head) {
  const auto found = FindRoute(table, head, 0);
  EXPECT_EQ(found.route, FindRouteLinearly(table, head).route) << head.path;
  return found.route == nullptr ? "" : found.route->name;
}

TEST(FindRoute, FirstMatchWinsOverLongest) {
  const RouteTable table = MakeTable({MakeHost(
      "h", {"*"},
      {MakeRoute("a", PathKind::kPrefix, "/foo"), MakeRoute("b", PathKind::kPrefix, "/foo/bar"),
       MakeRoute("c", PathKind::kExact, "/foo/bar"), MakeRoute("d", PathKind::kPrefix, "/")})});
  EXPECT_EQ(RouteOf(table, Request("h", "/foo/bar")), "a");
  EXPECT_EQ(RouteOf(table, Request("h", "/foobar")), "a");
  EXPECT_EQ(RouteOf(table, Request("h", "/fo")), "d");
}

TEST(FindRoute, EveryKindOfPathAndItsEdges) {
  const RouteTable table =
      MakeTable({MakeHost("h", {"*"},
                          {MakeRoute("exact", PathKind::kExact, "/exact"),
                           MakeRoute("segment", PathKind::kSegmentPrefix, "/seg"),
                           MakeRoute("regex", PathKind::kRegex, "/v[0-9]+/.*"),
                           MakeRoute("folded", PathKind::kPrefix, "/fold", false),
                           MakeRoute("foldseg", PathKind::kSegmentPrefix, "/fseg", false),
                           MakeRoute("foldexact", PathKind::kExact, "/fexact", false),
                           MakeRoute("prefix", PathKind::kPrefix, "/seg")})});
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"/exact", "exact"},
      {"/exact?x=/y", "exact"},
      {"/exact#f", "exact"},
      {"/exact/", ""},
      {"/Exact", ""},
      {"/seg", "segment"},
      {"/seg/", "segment"},
      {"/seg/x", "segment"},
      {"/segx", "prefix"},
      {"/seg?q", "segment"},
      {"/v1/", "regex"},
      {"/v/", ""},
      {"/v1/x?y", "regex"},
      {"/FOLDing", "folded"},
      {"/fold", "folded"},
      {"/FSEG/x", "foldseg"},
      {"/fsegx", ""},
      {"/fEXACT", "foldexact"},
      {"/fexacts", ""},
      {"", ""},
      {"*", ""},
      {"/", ""},
      {"/se", ""},
      {"?", ""},
  };
  for (const auto& [path, want] : cases) {
    EXPECT_EQ(RouteOf(table, Request("h", path)), want) << path;
  }
}

TEST(FindRoute, HeadersQueryAndGrpcMustMatchToo) {
  Route grpc = MakeRoute("grpc", PathKind::kPrefix, "/");
  grpc.match.grpc = true;
  Route header = MakeRoute("header", PathKind::kPrefix, "/");
  header.match.headers.push_back(HeaderIsThere("x-a"));
  Route query = MakeRoute("query", PathKind::kPrefix, "/");
  query.match.query.push_back({.name = "q", .string = {}});
  const RouteTable table = MakeTable(
      {MakeHost("h", {"*"}, {grpc, header, query, MakeRoute("rest", PathKind::kPrefix, "/")})});
  EXPECT_EQ(RouteOf(table, Request("h", "/x")), "rest");
  EXPECT_EQ(RouteOf(table, Request("h", "/x?q=1")), "query");
  EXPECT_EQ(RouteOf(table, Request("h", "/x?q=1", {{"x-a", ""}})), "header");
  EXPECT_EQ(RouteOf(table, Request("h", "/x", {{"content-type", "application/grpc+proto"}})),
            "grpc");
  EXPECT_EQ(RouteOf(table, Request("h", "/x", {{"content-type", "application/grpc-web"}})), "rest");
}

TEST(FindRoute, ManyCandidatesOfOnePathAreTriedInOrder) {
  std::vector<Route> routes;
  for (int i = 0; i < 500; ++i) {
    routes.push_back(
        MakeRoute(base::Cat("r", i), i % 2 == 0 ? PathKind::kPrefix : PathKind::kExact, "/a"));
    HeaderMatcher matcher = HeaderIsThere("x-n");
    matcher.kind = HeaderMatcher::Kind::kString;
    matcher.string.text = base::Cat(i);
    routes.back().match.headers.push_back(matcher);
  }
  const RouteTable table = MakeTable({MakeHost("h", {"*"}, std::move(routes))});
  for (const int i : {0, 1, 250, 499}) {
    const std::string number = base::Cat(i);
    EXPECT_EQ(RouteOf(table, Request("h", "/a", {{"x-n", number}})), base::Cat("r", i));
  }
  EXPECT_EQ(RouteOf(table, Request("h", "/a", {{"x-n", "500"}})), "");
}

TEST(FindRoute, OneHundredThousandRoutesAreIndexed) {
  std::vector<Route> routes;
  for (int i = 0; i < 100'000; ++i) {
    const PathKind kinds[] = {PathKind::kPrefix, PathKind::kExact, PathKind::kSegmentPrefix};
    routes.push_back(MakeRoute("", kinds[i % 3], base::Cat("/service/", i * 7919 % 1'000'003)));
  }
  const auto host = MakeHost("h", {"*"}, std::move(routes));
  for (std::size_t i = 0; i < host->routes.size(); i += 997) {
    const std::string& path = host->routes[i].match.path;
    const Route* found = FindRouteIn(*host, Request("h", path), path, {.worker = 0});
    ASSERT_NE(found, nullptr);
    EXPECT_LE(found, &host->routes[i]);
    EXPECT_TRUE(MatchesPath(found->match, path, 0));
  }
}

TEST(FindRoute, DeeplyNestedPrefixesOfAHostileTable) {
  std::vector<Route> routes;
  for (std::size_t i = 3000; i > 0; --i) {
    routes.push_back(MakeRoute(base::Cat(i), PathKind::kPrefix, std::string(i, '/')));
  }
  const RouteTable table = MakeTable({MakeHost("h", {"*"}, std::move(routes))});
  EXPECT_EQ(RouteOf(table, Request("h", std::string(5000, '/'))), "3000");
  EXPECT_EQ(RouteOf(table, Request("h", std::string(17, '/'))), "17");
}

TEST(PickWeighted, GivesEachItsShare) {
  ForwardAction action;
  EXPECT_EQ(PickWeighted(action, 5), nullptr);
  action.weighted.resize(3);
  action.weighted[0].weight = 90;
  action.weighted[1].weight = 0;
  action.weighted[2].weight = 10;
  EXPECT_EQ(PickWeighted(action, 5), nullptr);  // A total of 0.
  action.weight_total = 100;
  int counts[3] = {};
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ++counts[PickWeighted(action, i) - action.weighted.data()];
  }
  EXPECT_THAT(counts, ElementsAre(900, 0, 100));
}

TEST(ExplainRoute, TellsWhyEachCandidateDidNotMatch) {
  Route needs_header = MakeRoute("x", PathKind::kPrefix, "/foo");
  needs_header.match.headers.push_back(HeaderIsThere("x-a"));
  Route needs_query = MakeRoute("", PathKind::kSegmentPrefix, "/foo");
  needs_query.match.query.push_back(
      {.name = "q", .string = StringMatcher{.text = "1", .regex = {}}});
  Route last = MakeRoute("last", PathKind::kRegex, "/f.*");
  std::get<ForwardAction>(last.action).cluster = "c";
  const RouteTable table = MakeTable({MakeHost(
      "h", {"a.com"},
      {MakeRoute("n", PathKind::kExact, "/other"), MakeRoute("m", PathKind::kExact, "/more"),
       needs_header, MakeRoute("o", PathKind::kExact, "/fo"), needs_query, last})});
  EXPECT_THAT(
      ExplainRoute(table, Request("a.com", "/foo?q=2")),
      ElementsAre("host 'a.com': virtual host 'h'", "routes 0 to 1: the path does not match -> no",
                  "route 2 'x': path prefix /foo matches; header x-a is present: it is "
                  "missing -> no",
                  "route 3: the path does not match -> no",
                  "route 4: path /foo and below matches; query parameter q is '1': it does "
                  "not -> no",
                  "route 5 'last': path regex /f.* matches -> to cluster 'c'"));
  EXPECT_THAT(ExplainRoute(table, Request("a.com", "/zzz")).back(), "no route matches -> 404");
  EXPECT_THAT(ExplainRoute(table, Request("b.com", "/")),
              ElementsAre(HasSubstr("no virtual host of route table 't'")));
}

}  // namespace
}  // namespace sluice::config
