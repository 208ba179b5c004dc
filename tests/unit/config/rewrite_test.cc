#include <gtest/gtest.h>

#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using PathKind = RouteMatch::PathKind;

Route Matching(PathKind kind, std::string_view path) {
  Route route;
  route.match.path_kind = kind;
  if (kind == PathKind::kRegex) {
    route.match.regex = MakeRegex(path);
  } else {
    route.match.path = path;
  }
  return route;
}

TEST(RewritePath, PrefixRewriteReplacesWhatMatchedAndKeepsTheQuery) {
  struct Case {
    PathKind kind;
    std::string_view match, rewrite, path, want;
  };
  const Case cases[] = {
      {PathKind::kPrefix, "/foo", "/bar", "/foo/x?q=1", "/bar/x?q=1"},
      {PathKind::kPrefix, "/foo", "/bar", "/foobar", "/barbar"},
      {PathKind::kPrefix, "/foo", "/", "/foo/bar", "//bar"},  // As Envoy does it.
      {PathKind::kPrefix, "/foo/", "/", "/foo/bar", "/bar"},
      {PathKind::kPrefix, "/foo", "/foo", "/foo/bar", "/foo/bar"},
      {PathKind::kSegmentPrefix, "/foo", "/bar", "/foo", "/bar"},
      {PathKind::kSegmentPrefix, "/foo", "/bar", "/foo/x#f", "/bar/x#f"},
      {PathKind::kExact, "/foo", "/bar/baz", "/foo?x", "/bar/baz?x"},
      {PathKind::kRegex, "/v[0-9]/.*", "/new", "/v1/x/y?z", "/new?z"},
      {PathKind::kPrefix, "/foo/", "bar/", "/foo/x", "/bar/x"},  // Origin form whatever is written.
  };
  for (const Case& c : cases) {
    Route route = Matching(c.kind, c.match);
    std::get<ForwardAction>(route.action).prefix_rewrite = c.rewrite;
    http::RequestHead head = Request("h", c.path);
    EXPECT_EQ(RewritePath(route, head, 0), c.want != c.path) << c.path;
    EXPECT_EQ(head.path, c.want) << c.path;
  }
}

TEST(RewritePath, RegexRewriteWorksOnThePathWithoutItsQuery) {
  Route route = Matching(PathKind::kPrefix, "/");
  std::get<ForwardAction>(route.action).regex_rewrite =
      RegexRewrite{MakeRegex("^/service/([^/]+)(/.*)$"), "\\2/instance/\\1"};
  http::RequestHead head = Request("h", "/service/foo/v1/api?x=/service/a/b");
  EXPECT_TRUE(RewritePath(route, head, 0));
  EXPECT_EQ(head.path, "/v1/api/instance/foo?x=/service/a/b");
  head.path = "/other";
  EXPECT_FALSE(RewritePath(route, head, 0));
  EXPECT_EQ(head.path, "/other");
  std::get<ForwardAction>(route.action).regex_rewrite = RegexRewrite{MakeRegex(".+"), ""};
  EXPECT_TRUE(RewritePath(route, head, 0));
  EXPECT_EQ(head.path, "/");
}

TEST(RewritePath, LeavesOtherActionsAlone) {
  Route route = Matching(PathKind::kPrefix, "/");
  http::RequestHead head = Request("h", "/x");
  EXPECT_FALSE(RewritePath(route, head, 0));
  route.action = DirectResponse{};
  EXPECT_FALSE(RewritePath(route, head, 0));
  EXPECT_EQ(head.path, "/x");
}

struct RedirectCase {
  std::string_view what;
  RedirectAction action;
  std::string_view scheme, authority, path, want;
};

RedirectAction Redirect(void (*fill)(RedirectAction&)) {
  RedirectAction action;
  fill(action);
  return action;
}

TEST(RedirectLocation, EveryPart) {
  const auto https = Redirect([](RedirectAction& a) { a.https = true; });
  const auto http = Redirect([](RedirectAction& a) { a.scheme = "http"; });
  const auto port = Redirect([](RedirectAction& a) { a.port = 8443; });
  const auto host = Redirect([](RedirectAction& a) { a.host = "new.com"; });
  const RedirectCase cases[] = {
      {"scheme", https, "http", "a.com", "/x?y", "https://a.com/x?y"},
      {"default port dropped", https, "http", "a.com:80", "/", "https://a.com/"},
      {"default port dropped, v6", https, "http", "[::1]:80", "/", "https://[::1]/"},
      {"other port kept", https, "http", "a.com:8080", "/", "https://a.com:8080/"},
      {"no change, port kept", https, "https", "a.com:443", "/", "https://a.com:443/"},
      {"down to http", http, "https", "a.com:443", "/", "http://a.com/"},
      {"port", port, "http", "a.com:80", "/", "http://a.com:8443/"},
      {"port, v6", port, "http", "[::1]", "/", "http://[::1]:8443/"},
      {"host", host, "http", "a.com:81", "/x", "http://new.com/x"},
      {"no scheme known", host, "", "a.com", "/x", "http://new.com/x"},
      {"path", Redirect([](RedirectAction& a) { a.path = "/new"; }), "http", "a", "/x?q=1",
       "http://a/new?q=1"},
      {"path with query", Redirect([](RedirectAction& a) {
         a.path = "/new?z";
         a.strip_query = true;
       }),
       "http", "a", "/x?q=1", "http://a/new?z"},
      {"path without slash", Redirect([](RedirectAction& a) { a.path = "new"; }), "http", "a", "/",
       "http://a/new"},
      {"strip query", Redirect([](RedirectAction& a) { a.strip_query = true; }), "http", "a",
       "/x?q=1", "http://a/x"},
      {"prefix rewrite", Redirect([](RedirectAction& a) { a.prefix_rewrite = "/new"; }), "http",
       "a", "/old/x?q", "http://a/new/x?q"},
      {"regex rewrite", Redirect([](RedirectAction& a) {
         a.regex_rewrite = RegexRewrite{MakeRegex("/old/(.*)"), "/\\1/new"};
         a.strip_query = true;
       }),
       "http", "a", "/old/x?q", "http://a/x/new"},
      {"regex without match", Redirect([](RedirectAction& a) {
         a.regex_rewrite = RegexRewrite{MakeRegex("/none"), ""};
         a.https = true;
       }),
       "http", "a", "/old/x?q", "https://a/old/x?q"},
  };
  for (const RedirectCase& c : cases) {
    Route route = Matching(PathKind::kPrefix, "/old");
    route.action = c.action;
    http::RequestHead head = Request(c.authority, c.path);
    head.scheme = c.scheme;
    EXPECT_EQ(RedirectLocation(route, head, 0), c.want) << c.what;
  }
}

TEST(RedirectLocation, EmptyForRoutesThatForward) {
  EXPECT_EQ(RedirectLocation(Matching(PathKind::kPrefix, "/"), Request("a", "/"), 0), "");
}

}  // namespace
}  // namespace sluice::config
