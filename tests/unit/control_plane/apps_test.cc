#include "control-plane/apps.h"

#include <string>
#include <vector>

#include "apps_testing.h"
#include "base/random.h"
#include "base/strings.h"
#include "control-plane/apps_url.h"
#include "gmock/gmock.h"

namespace sluice::control {
namespace {

using testing::HasSubstr;

constexpr std::string_view kHead =
    "listeners:\n"
    "  web: {address: 0.0.0.0, port: 8000}\n"
    "apps:\n"
    "  one: {url: http://127.0.0.1:9000}\n"
    "  two: {url: https://two.example.com}\n"
    "hosts:\n";

std::string WithRoute(std::string_view route) {
  return base::Cat(kHead, "  \"*\":\n    routes:\n      - ", route, "\n");
}

RouteSpec OneRoute(std::string_view route) {
  const AppsConfig config = Parsed(WithRoute(route));
  EXPECT_EQ(config.hosts.size(), 1U);
  return config.hosts.begin()->second.routes.at(0);
}

// ---- what a file may say
// -------------------------------------------------------------------------

TEST(ParseApps, ReadsTheSample) {
  const AppsConfig config = Parsed(SampleText());
  EXPECT_EQ(config.listeners.at("web"), (ListenerSpec{"0.0.0.0", 8000, {}}));
  EXPECT_EQ(config.apps.size(), 5U);
  EXPECT_EQ(config.apps.at("api").urls,
            (std::vector<std::string>{"http://10.0.0.1:80", "http://10.0.0.2:80"}));
  const auto& routes = config.hosts.at("*").routes;
  ASSERT_EQ(routes.size(), 6U);
  EXPECT_EQ(routes[0].match, RouteSpec::Match::kPath);
  EXPECT_EQ(routes[0].respond, (RouteSpec::Respond{200, "ok\n"}));
  EXPECT_EQ(routes[1].match, RouteSpec::Match::kPrefix);
  EXPECT_EQ(routes[1].app, "node");
  EXPECT_EQ(routes[2].redirect, (RouteSpec::Redirect{"/new", 301}));
  EXPECT_EQ(routes[3].match, RouteSpec::Match::kRegex);
  EXPECT_TRUE(routes[4].strip_prefix);
  const HostSpec& backend = config.hosts.at("backend.example.com");
  EXPECT_EQ(backend.listeners, std::vector<std::string>{"web"});
  ASSERT_TRUE(backend.cors.has_value());
  EXPECT_EQ(backend.cors->max_age_s, 600U);
  EXPECT_TRUE(backend.cors->allow_credentials);
  EXPECT_EQ(backend.routes.at(0).timeout_ms, 30'000U);
  EXPECT_EQ(backend.routes.at(0).request_headers.set.at(0),
            (std::pair<std::string, std::string>{"x-app", "flask"}));
  const auto& split = config.hosts.at("*.shop.example.com").routes.at(0).split;
  EXPECT_EQ(split.at(0), (std::pair<std::string, std::uint32_t>{"node", 90}));
  EXPECT_EQ(split.at(1), (std::pair<std::string, std::uint32_t>{"python", 10}));
}

TEST(ParseApps, GivesRoutesIdsMadeOfTheirPaths) {
  const AppsConfig config = Parsed(SampleText());
  std::vector<std::string> ids;
  for (const RouteSpec& route : config.hosts.at("*").routes) ids.push_back(route.id);
  EXPECT_EQ(ids[0], "health");
  EXPECT_EQ(ids[1], "prefix-node");
  EXPECT_EQ(ids[2], "exact-old");
  EXPECT_TRUE(ids[3].starts_with("regex-"));
  EXPECT_EQ(ids[4], "google");
  EXPECT_EQ(ids[5], "root");
}

TEST(AssignRouteIds, KeepsGivenOnesAndTellsEqualPathsApart) {
  HostSpec host;
  for (int i = 0; i < 40; ++i) host.routes.push_back({.path = "/a/b"});
  host.routes[3].id = "a-b";
  AssignRouteIds(host);
  std::set<std::string> seen;
  for (const RouteSpec& route : host.routes) EXPECT_TRUE(seen.insert(route.id).second) << route.id;
  EXPECT_EQ(host.routes[3].id, "a-b");
  EXPECT_EQ(host.routes[0].id, "a-b-2");
  const HostSpec before = host;
  AssignRouteIds(host);
  EXPECT_EQ(host, before);
}

TEST(ParseApps, ReadsDurationsWithTheirUnits) {
  struct Case {
    std::string_view text;
    std::uint64_t ms;
  };
  for (const Case& c : {Case{"30s", 30'000},
                        {"500ms", 500},
                        {"1m", 60'000},
                        {"2h", 7'200'000},
                        {"1.5s", 1500},
                        {"0s", 0},
                        {"0.001s", 1},
                        {"366h", 1'317'600'000}}) {
    EXPECT_EQ(OneRoute(base::Cat("{path: /, app: one, timeout: ", c.text, "}")).timeout_ms, c.ms)
        << c.text;
  }
  for (const std::string_view bad : {"30", "s", "-1s", "1 s", "1.5", "0.0001s", "1d", "1.s",
                                     "9999999999999999999h", "99999h", "[]", "1e3s"}) {
    EXPECT_THAT(ErrorsOf(WithRoute(base::Cat("{path: /, app: one, timeout: ", bad, "}"))),
                HasSubstr("f:9: hosts[\"*\"].routes[0].timeout: expected a duration"))
        << bad;
  }
}

TEST(ParseApps, TakesShorthands) {
  EXPECT_EQ(OneRoute("{exact: /a, redirect: /b}").redirect, (RouteSpec::Redirect{"/b", 301}));
  EXPECT_EQ(OneRoute("{path: /, app: one, method: GET}").methods, std::vector<std::string>{"GET"});
  EXPECT_EQ(OneRoute("{path: /, app: one, methods: GET}").methods, std::vector<std::string>{"GET"});
  const RouteSpec route =
      OneRoute("{path: /, app: one, headers: {response: {add: {X-A: [a, b], x-b: c}}}}");
  const std::vector<std::pair<std::string, std::string>> want = {
      {"x-a", "a"}, {"x-a", "b"}, {"x-b", "c"}};
  EXPECT_EQ(route.response_headers.add, want);
  EXPECT_EQ(Parsed("apps: {a: {url: http://a.example.com/}}").apps.at("a").urls.at(0),
            "http://a.example.com");
}

TEST(ParseApps, TakesNothingForAnEmptyConfiguration) {
  EXPECT_EQ(Parsed(""), AppsConfig{});
  EXPECT_EQ(Parsed("# only a comment\n"), AppsConfig{});
  EXPECT_EQ(Parsed("apps:\nhosts:\n"), AppsConfig{});
}

// ---- what it may not
// -----------------------------------------------------------------------------

struct BadRoute {
  std::string_view route;
  std::string_view error;  // After "f:9: hosts["*"].routes[0]".
};

class BadRoutes : public testing::TestWithParam<BadRoute> {};

TEST_P(BadRoutes, AreReportedWhereTheyAre) {
  const std::string errors = ErrorsOf(WithRoute(GetParam().route));
  EXPECT_THAT(errors, HasSubstr(base::Cat("f:9: hosts[\"*\"].routes[0]", GetParam().error)));
  EXPECT_EQ(errors.find('\n'), std::string::npos) << errors;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRoutes,
    testing::Values(
        BadRoute{"{paht: /, app: one}", ": unknown key 'paht'; did you mean 'path'?"},
        BadRoute{"{path: /, app: one, zzzzzz: 1}", ": unknown key 'zzzzzz'; known here: path, "},
        BadRoute{"{path: /, app: oen}", ".app: there is no app 'oen'; did you mean 'one'?"},
        BadRoute{"{path: /}", ": does nothing; write app, split, respond or redirect"},
        BadRoute{"{path: /, app: one, redirect: /x}", ".redirect: cannot stand beside 'app'"},
        BadRoute{"{path: /, prefix: /, app: one}", ".prefix: cannot stand beside 'path'"},
        BadRoute{"{app: one}", ": says of no path"},
        BadRoute{"{path: x, app: one}", ".path: 'x' must begin with /"},
        BadRoute{"{path: \"/a b\", app: one}", ".path: '/a b' must begin with /"},
        BadRoute{"{path: \"/a?b\", app: one}", ".path: '/a?b' holds ? or #"},
        BadRoute{"{path: /a/, app: one}", ".path: write '/a', which is that path and below"},
        BadRoute{"{path: //, app: one}", ".path: write '/'"},
        BadRoute{"{path: /a//b, app: one}", ".path: '/a//b' matches nothing"},
        BadRoute{"{exact: /a/../b, app: one}", ".exact: '/a/../b' matches nothing"},
        BadRoute{"{prefix: /%61, app: one}", ".prefix: '/%61' matches nothing"},
        BadRoute{"{regex: \"(\", app: one}", ".regex: not a valid RE2 expression '('"},
        BadRoute{"{regex: \"(a{1000}){1000}\", app: one}", ".regex: not a valid RE2 expression"},
        BadRoute{"{path: [a], app: one}", ".path: expected a text, not a list"},
        BadRoute{"[]", ": expected a mapping, not a list"},
        BadRoute{"{path: /, respond: {status: 99}}", ".respond.status: 99 is no final status"},
        BadRoute{"{path: /, respond: {status: 600}}",
                 ".respond.status: expected a whole number from 0 to 599"},
        BadRoute{"{path: /, respond: {status: \"200\"}}", ".respond.status: expected a whole"},
        BadRoute{"{path: /, redirect: {to: /x, status: 200}}",
                 ".redirect.status: 200 is no redirect"},
        BadRoute{"{path: /, redirect: {status: 301}}", ".redirect.to: needed"},
        BadRoute{"{path: /, redirect: //evil.example.com}", ".redirect.to: '//evil.example.com'"},
        BadRoute{"{path: /, redirect: \"javascript:alert(1)\"}",
                 ".redirect.to: 'javascript:alert(1)': begins with neither"},
        BadRoute{"{exact: /x, redirect: /x}", ".redirect.to: leads back to itself"},
        BadRoute{"{path: /, redirect: \"/a\\r\\nset-cookie: x\"}", ".redirect.to: '/a"},
        BadRoute{"{path: /, redirect: http://u:p@a.example.com}",
                 ".redirect.to: 'http://u:p@a.example.com': holds a user name"},
        BadRoute{"{path: /, app: one, strip_prefix: true}", ".strip_prefix: there is nothing"},
        BadRoute{"{regex: /a, app: one, strip_prefix: true}", ".strip_prefix: a regex has no"},
        BadRoute{"{path: /a, app: one, strip_prefix: yes}", ".strip_prefix: expected true or"},
        BadRoute{"{path: /a, app: one, strip_prefix: true, rewrite: /b}",
                 ".rewrite: cannot stand beside strip_prefix"},
        BadRoute{"{path: /a, redirect: /b, timeout: 1s}", ".timeout: only for routes with app"},
        BadRoute{"{path: /a, app: one, rewrite: b}", ".rewrite: 'b' must be a path"},
        BadRoute{"{path: /a, app: one, host_header: \"a b\"}", ".host_header: 'a b' is no host"},
        BadRoute{"{path: /, app: one, methods: [get]}", ".methods[0]: 'get' is no method"},
        BadRoute{"{path: /, app: one, methods: [GET, GET]}", ".methods[1]: 'GET' is listed twice"},
        BadRoute{"{path: /, app: one, id: \"a/b\"}", ".id: the name 'a/b' must be"},
        BadRoute{"{path: /, split: {one: 0}}", ".split: all weights are 0"},
        BadRoute{"{path: /, split: {}}", ".split: is empty"},
        BadRoute{"{path: /, split: {one: -1}}", ".split.one: expected a whole number"},
        BadRoute{"{path: /, split: {one: 1, tow: 2}}", ".split.tow: there is no app 'tow'"},
        BadRoute{"{path: /, app: one, headers: {request: {set: {host: x}}}}",
                 ".headers.request.set.host: 'host' may not be edited"},
        BadRoute{"{path: /, app: one, headers: {request: {add: {\":path\": x}}}}",
                 ".headers.request.add[\":path\"]: ':path' may not be edited"},
        BadRoute{"{path: /, app: one, headers: {request: {remove: [content-length]}}}",
                 ".headers.request.remove[0]: 'content-length' may not be edited"},
        BadRoute{"{path: /, app: one, headers: {response: {set: {x-a: \"a\\r\\nb\"}}}}",
                 ".headers.response.set.x-a: the value 'a\\x0d\\x0ab'"},
        BadRoute{"{path: /, app: one, headers: {response: {set: {x-a: \"a\\0b\"}}}}",
                 ".headers.response.set.x-a: the value"},
        BadRoute{"{path: /, app: one, headers: {response: {set: {\"x a\": b}}}}",
                 ".headers.response.set[\"x a\"]: 'x a' is no header name"},
        BadRoute{"{path: /, app: one, headers: {response: {set: {X-A: a, x-a: b}}}}",
                 ".headers.response.set.x-a: is set twice"},
        BadRoute{"{path: /, app: one, headers: {request: {set: {x-a: \"%NOPE%\"}}}}",
                 ".headers.request.set.x-a: "},
        BadRoute{"{path: /, app: one, headers: {requests: {}}}",
                 ".headers: unknown key 'requests'; did you mean 'request'?"}));

struct BadFile {
  std::string_view text;
  std::string_view error;
};

class BadFiles : public testing::TestWithParam<BadFile> {};

TEST_P(BadFiles, AreReportedWithFileAndLine) {
  EXPECT_THAT(ErrorsOf(GetParam().text), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadFiles,
    testing::Values(
        BadFile{"apps:\n  a: {url: http://a}\n  a: {url: http://b}\n",
                "f:3: duplicate key \"a\", first in line 2"},
        BadFile{"app: {}\n", "f:1: unknown key 'app'; did you mean 'apps'?"},
        BadFile{"[]", "f:1: expected a mapping, not a list"}, BadFile{"a: [\n", "f:"},
        BadFile{"apps: {a: {url: ftp://a}}", "f:1: apps.a.url: 'ftp://a': begins with neither"},
        BadFile{"apps: {a: {url: http://a/b}}", "f:1: apps.a.url: 'http://a/b': ends in '/b'"},
        BadFile{"apps: {a: {url: \"http://a?b\"}}", "apps.a.url: 'http://a?b': ends in '?b'"},
        BadFile{"apps: {a: {url: http://u@a}}", "apps.a.url: 'http://u@a': holds a user name"},
        BadFile{"apps: {a: {url: http://a:0}}", "apps.a.url: 'http://a:0': no valid host[:port]"},
        BadFile{"apps: {a: {url: http://a:65536}}", "apps.a.url: 'http://a:65536': no valid host"},
        BadFile{"apps: {a: {url: \"http://a:\"}}", "apps.a.url: 'http://a:': no valid host"},
        BadFile{"apps: {a: {url: http://}}", "apps.a.url: 'http://': no valid host"},
        BadFile{"apps: {a: {url: http://1.2.3}}", "apps.a.url: 'http://1.2.3': '1.2.3' is neither"},
        BadFile{"apps: {a: {url: http://256.1.1.1}}", "'256.1.1.1' is neither an IP address nor"},
        BadFile{"apps: {a: {url: \"http://[::g]\"}}", "apps.a.url: 'http://[::g]': no valid"},
        BadFile{"apps: {a: {url: http://a..b}}", "apps.a.url: 'http://a..b': no valid host"},
        BadFile{"apps: {a: {url: \"http://a\\nb\"}}", "apps.a.url: 'http://a\\x0ab': no valid"},
        BadFile{"apps: {a: {}}", "f:1: apps.a: needs a URL"},
        BadFile{"apps: {a: {url: http://a, urls: [http://b]}}", "apps.a.urls: cannot stand beside"},
        BadFile{"apps: {a: {url: [http://a]}}", "apps.a.url: expected one URL"},
        BadFile{"apps: {a: {urls: [http://a, https://b]}}", "apps.a.urls[1]: http and https"},
        BadFile{"apps: {a: {urls: [https://a, https://b]}}", "apps.a.urls[1]: the https URLs of"},
        BadFile{"apps: {a: {urls: [http://a, http://a:80]}}", "apps.a.urls[1]: 'http://a:80' is"},
        BadFile{"apps: {a: {url: http://a, ca_file: x}}", "apps.a.ca_file: only for https URLs"},
        BadFile{"apps: {a: {url: http://a, connect_timeout: 0s}}", "apps.a.connect_timeout: noth"},
        BadFile{"apps: {\"a b\": {url: http://a}}", "f:1: apps[\"a b\"]: the name 'a b' must be"},
        BadFile{"listeners: {w: {address: localhost, port: 1}}",
                "listeners.w.address: 'localhost'"},
        BadFile{"listeners: {w: {port: 65536}}", "listeners.w.port: expected a whole number"},
        BadFile{"listeners: {w: {port: -1}}", "listeners.w.port: expected a whole number"},
        BadFile{"listeners: {w: {port: 0x50}}", "listeners.w.port: expected a whole number"},
        BadFile{"listeners: {w: {}}", "f:1: listeners.w: needs a port"},
        BadFile{"listeners:\n  a: {port: 80}\n  b: {port: 80, address: 127.0.0.1}\n",
                "f:3: listeners.b.port: 80 is taken by listener 'a' at 0.0.0.0:80"},
        BadFile{"hosts: {\"*\": {routes: []}}", "f:1: listeners: there are hosts, but nothing"},
        BadFile{"listeners: {w: {port: 1}}\nhosts:\n  a:\n    listeners: [v]\n",
                "f:4: hosts.a.listeners[0]: there is no listener 'v'"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {A: {}, a: {}}\n",
                "f:2: hosts.a: host 'a' is there already"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {\"a:80\": {}}\n",
                "f:2: hosts[\"a:80\"]: the host 'a:80' has a port"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {\"a*b\": {}}\n", "the host 'a*b' is no host"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {\"*.*\": {}}\n", "the host '*.*' is no host"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {\"\": {}}\n", "the host '' is no host"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {a: {cors: {}}}\n",
                "f:2: hosts.a.cors: allows no origin"},
        BadFile{"listeners: {w: {port: 1}}\n"
                "hosts: {a: {cors: {allow_origins: [\"*\"], allow_credentials: true}}}\n",
                "f:2: hosts.a.cors.allow_origins[0]: cannot be * beside allow_credentials"},
        BadFile{"listeners: {w: {port: 1}}\nhosts: {a: {cors: {allow_origins: [a.com]}}}\n",
                "f:2: hosts.a.cors.allow_origins[0]: 'a.com' is no origin"},
        BadFile{"listeners: {w: {port: 1}}\n"
                "hosts: {a: {cors: {allow_origins: [\"*\"], allow_methods: [\"G,T\"]}}}\n",
                "hosts.a.cors.allow_methods[0]: 'G,T' is no method"},
        BadFile{"listeners: {w: {port: 1}}\n"
                "hosts: {a: {cors: {allow_origin_regexes: [\"(\"]}}}\n",
                "hosts.a.cors.allow_origin_regexes[0]: not a valid RE2 expression"},
        BadFile{"listeners: {w: {port: 1}}\nhosts:\n  a:\n    routes:\n"
                "      - {path: /a, id: x, respond: {}}\n"
                "      - {path: /b, id: x, respond: {}}\n",
                "f:6: hosts.a.routes[1].id: 'x' names two routes"}));

TEST(ParseApps, ReportsEveryMistakeAtOnce) {
  const std::string errors = ErrorsOf(base::Cat(kHead,
                                                "  a:\n"
                                                "    routes:\n"
                                                "      - {path: x, app: nope}\n"
                                                "      - {path: /, respnod: {}}\n"
                                                "      - {path: /b, app: two, timeout: 5}\n"));
  EXPECT_EQ(
      errors,
      "f:10: hosts.a.routes[1]: unknown key 'respnod'; did you mean 'respond'?\n"
      "f:11: hosts.a.routes[2].timeout: expected a duration with its unit, as 500ms, 30s, 1m "
      "or 1h (a year at most), not '5'\n"
      "f:9: hosts.a.routes[0].path: 'x' must begin with / and hold visible ASCII only; escape "
      "other characters as %20\n"
      "f:9: hosts.a.routes[0].app: there is no app 'nope'");
}

// ---- hostile input
// -------------------------------------------------------------------------------

TEST(ParseApps, BoundsAliasesThatMultiply) {
  std::string text = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n";
  for (int i = 1; i < 10; ++i) {
    base::Append(text, "x", i, ": &x", i, " [");
    for (int j = 0; j < 10; ++j) base::Append(text, j == 0 ? "" : ", ", "*x", i - 1);
    text += "]\n";
  }
  text += "hosts: {a: {routes: *x9}}\n";
  base::FieldErrors errors;
  ParseApps(text, "f", errors);
  EXPECT_FALSE(errors.empty());
}

TEST(ParseApps, BoundsAliasesOfRoutes) {
  // A thousand hosts with the same thousand routes: more than a million values.
  std::string text = "listeners: {w: {port: 1}}\nhosts:\n  h: {routes: &r [";
  for (int i = 0; i < 1000; ++i) text += "{path: /, respond: {}},";
  text += "]}\n";
  for (int i = 0; i < 1000; ++i) base::Append(text, "  h", i, ": {routes: *r}\n");
  EXPECT_THAT(ErrorsOf(text), HasSubstr("more than 1000000 values"));
}

TEST(ParseApps, SurvivesAnyCutAndAnyByte) {
  const std::string sample = SampleText();
  base::FastRandom random(7);
  for (int i = 0; i < 150; ++i) {
    std::string text = sample;
    if (i % 2 == 0) text.resize(random.Next() % text.size());
    for (int j = 0; j < 3 && !text.empty(); ++j) {
      text[random.Next() % text.size()] = static_cast<char>(random.Next());
    }
    base::FieldErrors errors;
    const AppsConfig config = ParseApps(text, "f", errors);
    if (!errors.empty()) continue;
    EXPECT_EQ(Parsed(PrintAppsYaml(config)), config) << text;
  }
}

TEST(ParseApps, CountsErrorsItDoesNotKeep) {
  std::string text = "apps:\n";
  for (int i = 0; i < 5000; ++i) base::Append(text, "  a", i, ": {url: x}\n");
  base::FieldErrors errors;
  ParseApps(text, "f", errors);
  EXPECT_EQ(errors.errors().size(), base::FieldErrors::kErrorsMax);
}

// ---- the smaller parsers
// -------------------------------------------------------------------------

TEST(ParseRoute, ReadsJsonAndNamesItsLines) {
  base::FieldErrors errors;
  const RouteSpec route =
      ParseRoute("{\"path\": \"/x\", \"app\": \"a\", \"methods\": [\"GET\"]}", errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(route, (RouteSpec{.path = "/x", .methods = {"GET"}, .app = "a"}));
  ParseRoute("{\n\"pth\": 1\n}", errors);
  EXPECT_EQ(errors.Text(), "body:2: unknown key 'pth'; did you mean 'path'?");
}

TEST(ParseApp, ReadsJson) {
  base::FieldErrors errors;
  EXPECT_EQ(ParseApp("{\"url\": \"http://a\", \"connect_timeout\": \"2s\"}", errors),
            (AppSpec{.urls = {"http://a"}, .connect_timeout_ms = 2000}));
  EXPECT_TRUE(errors.empty());
  ParseApp("[1]", errors);
  EXPECT_FALSE(errors.empty());
}

TEST(ParseHost, ReadsJson) {
  base::FieldErrors errors;
  const HostSpec host = ParseHost("{\"routes\": [{\"path\": \"/\", \"app\": \"a\"}]}", errors);
  EXPECT_TRUE(errors.empty());
  ASSERT_EQ(host.routes.size(), 1U);
  EXPECT_EQ(host.routes[0].app, "a");
}

TEST(LocateErrors, FindsLinesOfErrorsThatCameLater) {
  base::FieldErrors from, to;
  {
    const base::FieldErrors::Scope scope(from, "apps.two.ca_file");
    from.Add("gone");
  }
  LocateErrors(from, "apps:\n  two:\n    url: https://a\n    ca_file: /x\n", "f", to);
  EXPECT_EQ(to.Text(), "f:4: apps.two.ca_file: gone");
}

// ---- URLs
// ----------------------------------------------------------------------------------------

TEST(ParseAppUrl, TakesUrlsApart) {
  std::string why;
  const auto v6 = ParseAppUrl("HTTP://[2001:DB8::1]:8080", why);
  ASSERT_TRUE(v6.has_value()) << why;
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->port, 8080);
  EXPECT_TRUE(v6->is_ip);
  EXPECT_EQ(v6->authority, "[2001:db8::1]:8080");
  const auto name = ParseAppUrl("https://Google.com:443", why);
  ASSERT_TRUE(name.has_value()) << why;
  EXPECT_TRUE(name->https);
  EXPECT_FALSE(name->is_ip);
  EXPECT_EQ(name->authority, "google.com");
}

TEST(ParseRedirectUrl, KeepsPathAndQuery) {
  std::string why;
  const auto url = ParseRedirectUrl("https://a.example.com:8443/x?y=1", why);
  ASSERT_TRUE(url.has_value()) << why;
  EXPECT_EQ(url->host, "a.example.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/x?y=1");
  EXPECT_FALSE(ParseRedirectUrl("https://a.example.com/a b", why).has_value());
}

TEST(Apps, RetriesAreANumberOrMore) {
  const AppsConfig config = Parsed(
      "listeners: {w: {port: 1}}\napps: {a: {url: http://127.0.0.1:1}}\nhosts:\n  h:\n    routes:\n"
      "    - {path: /n, app: a, retries: 3}\n"
      "    - {path: /m, app: a, retries: {attempts: 2, on: [5xx, reset], per_try_timeout: 1s}}\n");
  const auto& routes = config.hosts.at("h").routes;
  EXPECT_EQ(routes[0].retries->attempts, 3U);
  EXPECT_EQ(routes[1].retries->on, (std::vector<std::string>{"5xx", "reset"}));
  EXPECT_EQ(routes[1].retries->per_try_timeout_ms, 1000U);
  EXPECT_EQ(Parsed(PrintAppsYaml(config)), config);
  ASSERT_NE(Built(config), nullptr);  // The proxy takes it.
  for (const auto& [retries, want] : {std::pair("0", "0 are none"),
                                      {"11", "whole number"},
                                      {"{on: [sometimes]}", "'sometimes' is no condition"},
                                      {"{per_try_timeout: 0s}", "no try takes no time"}}) {
    const std::string text = base::Cat(
        "listeners: {w: {port: 1}}\napps: {a: {url: http://127.0.0.1:1}}\n"
        "hosts: {h: {routes: [{path: /, app: a, retries: ",
        retries, "}]}}\n");
    EXPECT_NE(ErrorsOf(text).find(want), std::string::npos) << ErrorsOf(text);
  }
  EXPECT_NE(ErrorsOf("listeners: {w: {port: 1}}\nhosts: {h: {routes: [{path: /, respond: {status: "
                     "200}, retries: 1}]}}\n")
                .find("only for routes with app"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::control
