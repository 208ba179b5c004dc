// Whatever a configuration holds, its text reads back as the same.
#include <cstdint>
#include <string>
#include <vector>

#include "apps_testing.h"
#include "base/random.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  AppsConfig Config() {
    AppsConfig config;
    for (std::size_t i = 0; i < 1 + Roll(3); ++i) {
      config.listeners[base::Cat("l", i)] = {OneOf({"0.0.0.0", "::", "127.0.0.1"}),
                                             static_cast<std::uint16_t>(1000 + i)};
    }
    for (std::size_t i = 0; i < 1 + Roll(5); ++i) config.apps[base::Cat("app.", i)] = App();
    for (std::size_t i = 0; i < Roll(5); ++i) {
      config.hosts[i == 0 ? "*" : base::Cat(OneOf({"", "*."}), "h", i, ".example.com")] =
          Host(config);
    }
    AssignRouteIds(config);
    return config;
  }

 private:
  std::size_t Roll(std::size_t below) { return static_cast<std::size_t>(random_.Next() % below); }
  bool Flip() { return Roll(2) == 0; }
  std::string OneOf(std::vector<std::string> texts) { return texts[Roll(texts.size())]; }
  // Texts that YAML would read as something else, or end a line with.
  std::string Text() {
    return OneOf({"true", "null", "~",   "0x10",       "1e3",         "yes",
                  "a: b", "# no", "- x", "\"quoted\"", "back\\slash", "\xc3\xbc\xf0\x9f\x98\x80",
                  "{}",   "&a",   "*a",  "!x",         "%%",          "|",
                  "a b",  "12",   "",    " ",          "'",           "2026-01-01",
                  "x"});
  }
  AppSpec App() {
    AppSpec app;
    const bool https = Roll(4) == 0;
    for (std::size_t i = 0; i < (https ? 1 : 1 + Roll(3)); ++i) {
      app.urls.push_back(base::Cat(https ? "https" : "http", "://",
                                   OneOf({"10.0.0.1", "[::1]", "web.example.com"}), ":", 80 + i));
    }
    if (Flip()) app.connect_timeout_ms = 1 + Roll(5000);
    if (https && Flip()) app.ca_file = base::Cat("/etc/", Text());
    return app;
  }
  std::string AppName(const AppsConfig& config) {
    return base::Cat("app.", Roll(config.apps.size()));
  }
  HeaderEdits Edits() {
    HeaderEdits edits;
    for (std::size_t i = 0; i < Roll(3); ++i) edits.set.emplace_back(base::Cat("x-s", i), Text());
    for (std::size_t i = 0; i < Roll(4); ++i) {
      edits.add.emplace_back(base::Cat("x-a", Roll(2)), Text());
    }
    for (std::size_t i = 0; i < Roll(3); ++i) edits.remove.push_back(base::Cat("x-r", i));
    return edits;
  }
  void Action(const AppsConfig& config, RouteSpec& route) {
    switch (Roll(4)) {
      case 0:
        route.respond = RouteSpec::Respond{static_cast<int>(200 + Roll(400)), Text() + "\r\n\t"};
        return;
      case 1:
        route.redirect = RouteSpec::Redirect{OneOf({"/n", "https://x.example.com/a?b"}), 302};
        return;
      case 2:
        for (std::size_t i = 0; i < config.apps.size(); ++i) {
          route.split.emplace_back(base::Cat("app.", i), static_cast<std::uint32_t>(1 + Roll(99)));
        }
        break;
      default:
        route.app = AppName(config);
        break;
    }
    if (Flip()) route.timeout_ms = Roll(100'000);
    if (Roll(3) == 0) route.host_header = OneOf({"h.example.com", "[::1]:80"});
    if (route.match == RouteSpec::Match::kRegex) return;
    if (Roll(3) == 0) {
      route.strip_prefix = true;
    } else if (Roll(3) == 0) {
      route.rewrite = OneOf({"/", "/r", "/r/", "/a\\b"});
    }
  }
  HostSpec Host(const AppsConfig& config) {
    HostSpec host;
    if (Flip()) host.listeners.push_back("l0");
    if (Flip()) {
      host.cors.emplace();
      host.cors->allow_origins = {
          OneOf({"https://a.example.com", "https://*.example.com", "null"})};
      if (Flip()) host.cors->allow_origin_regexes = {"https://.*\\.x\"y"};
      if (Flip()) host.cors->allow_methods = {"GET", "POST"};
      if (Flip()) host.cors->allow_headers = {"content-type", "true"};
      if (Flip()) host.cors->expose_headers = {"x-a"};
      host.cors->allow_credentials = Flip();
      if (Flip()) host.cors->max_age_s = Roll(10'000);
    }
    for (std::size_t i = 0; i < Roll(6); ++i) {
      RouteSpec& route = host.routes.emplace_back();
      route.match = static_cast<RouteSpec::Match>(Roll(4));
      route.path = route.match == RouteSpec::Match::kRegex
                       ? OneOf({"/v[0-9]+/.*", "/\"x\"|/y", "/\\d+"})
                       : OneOf({"/a", "/a/b.c", "/true", "/a%20b", "/x'y", "/~z"});
      if (Flip()) route.methods = {"GET", "M-SEARCH"};
      if (Roll(4) == 0) route.id = base::Cat("id.", i);
      Action(config, route);
      route.request_headers = Edits();
      route.response_headers = Edits();
    }
    return host;
  }

  base::FastRandom random_;
};

TEST(Print, RoundTripsAnyConfiguration) {
  std::size_t routes = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const AppsConfig config = Generator(seed).Config();
    const std::string yaml = PrintAppsYaml(config);
    const std::string json = PrintAppsJson(config);
    ASSERT_EQ(Parsed(yaml), config) << "seed " << seed << "\n" << yaml;
    ASSERT_EQ(Parsed(json), config) << "seed " << seed << "\n" << json;
    ASSERT_EQ(PrintAppsYaml(Parsed(json)), yaml);
    for (const auto& [name, host] : config.hosts) {
      routes += host.routes.size();
      base::FieldErrors errors;
      ASSERT_EQ(ParseHost(PrintHostJson(host), errors), host);
      for (const RouteSpec& route : host.routes) {
        ASSERT_EQ(ParseRoute(PrintRouteJson(route), errors), route);
      }
      ASSERT_TRUE(errors.empty());
    }
    for (const auto& [name, app] : config.apps) {
      base::FieldErrors errors;
      ASSERT_EQ(ParseApp(PrintAppJson(app), errors), app);
    }
  }
  EXPECT_GT(routes, 500U);
}

TEST(Print, IsReadable) {
  EXPECT_EQ(
      PrintAppsYaml(Parsed("listeners: {web: {port: 8000}}\n"
                           "apps: {one: {url: http://127.0.0.1:9000},"
                           " two: {urls: [https://two.example.com]}}\n"
                           "hosts: {\"*\": {routes: {path: /x, app: one, timeout: 1500ms}}}")),
      "listeners:\n"
      "  web: {address: \"0.0.0.0\", port: 8000}\n"
      "apps:\n"
      "  one: {url: \"http://127.0.0.1:9000\"}\n"
      "  two: {url: \"https://two.example.com\"}\n"
      "hosts:\n"
      "  \"*\":\n"
      "    routes:\n"
      "      - {id: x, path: /x, app: one, timeout: \"1500ms\"}\n");
}

}  // namespace
}  // namespace sluice::control
