#pragma once
// What an operator writes: listeners, apps, hosts and their routes, as values. One value is one whole
// configuration; changing means making a new one.
//
// Pure but for nothing; any thread. Parsing reports every mistake with file:line and field path.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::base { class FieldErrors; }

namespace sluice::control {

struct ListenerSpec {
  std::string address = "0.0.0.0";
  std::uint16_t port = 0;
  bool operator==(const ListenerSpec&) const = default;
};

// http(s)://host[:port], one or several; all of one scheme, without a path.
struct AppSpec {
  std::vector<std::string> urls;
  std::optional<std::uint64_t> connect_timeout_ms;
  std::string ca_file;              // https: instead of the system's CAs.
  bool operator==(const AppSpec&) const = default;
};

struct HeaderEdits {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
  bool operator==(const HeaderEdits&) const = default;
};

struct RouteSpec {
  enum class Match : std::uint8_t { kPath, kPrefix, kExact, kRegex };
  struct Respond {
    int status = 200;
    std::string body;
    bool operator==(const Respond&) const = default;
  };
  struct Redirect {
    std::string to;                 // A path, or a whole URL.
    int status = 301;
    bool operator==(const Redirect&) const = default;
  };

  std::string id;                   // Given by us when the operator names none; stable.
  Match match = Match::kPath;       // kPath: that path and below.
  std::string path;
  std::vector<std::string> methods; // Empty: all.
  // Exactly one of these four.
  std::string app;
  std::vector<std::pair<std::string, std::uint32_t>> split;  // App to weight.
  std::optional<Respond> respond;
  std::optional<Redirect> redirect;

  bool strip_prefix = false;
  std::string rewrite;              // New prefix; "": none.
  std::string host_header;          // Host sent upstream; "": the client's, or the URL's for https.
  std::optional<std::uint64_t> timeout_ms;
  HeaderEdits request_headers;
  HeaderEdits response_headers;
  bool operator==(const RouteSpec&) const = default;
};

struct CorsSpec {
  std::vector<std::string> allow_origins;         // Exact, "*", or "https://*.example.com".
  std::vector<std::string> allow_origin_regexes;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  bool allow_credentials = false;
  std::optional<std::uint64_t> max_age_s;
  bool operator==(const CorsSpec&) const = default;
};

struct HostSpec {
  std::vector<std::string> listeners;             // Empty: all.
  std::optional<CorsSpec> cors;
  std::vector<RouteSpec> routes;                  // The first match wins.
  bool operator==(const HostSpec&) const = default;
};

struct AppsConfig {
  std::map<std::string, ListenerSpec> listeners;
  std::map<std::string, AppSpec> apps;
  std::map<std::string, HostSpec> hosts;          // "*", "a.example.com", "*.example.com"
  bool operator==(const AppsConfig&) const = default;
};

// YAML or JSON. Unknown keys (with a guess what was meant), duplicate keys, references to unknown
// apps or listeners, bad URLs, ... are all reported; the result then must not be used.
AppsConfig ParseApps(std::string_view text, std::string_view file, base::FieldErrors& errors);
// One route, app or host as JSON, for the API's smaller calls.
RouteSpec ParseRoute(std::string_view json, base::FieldErrors& errors);
AppSpec ParseApp(std::string_view json, base::FieldErrors& errors);
HostSpec ParseHost(std::string_view json, base::FieldErrors& errors);
// References and ranges of a whole configuration, wherever it came from.
void CheckApps(const AppsConfig& config, base::FieldErrors& errors);

// ParseApps(Print...(c)) == c.
std::string PrintAppsYaml(const AppsConfig& config);
std::string PrintAppsJson(const AppsConfig& config);
std::string PrintRouteJson(const RouteSpec& route);

}  // namespace sluice::control
