#pragma once
// What an operator writes: listeners, apps, hosts and their routes, services for gRPC clients, and
// fleets of proxies that get something else, as values. One value is one whole configuration;
// changing means making a new one.
//
// Pure; any thread. Parsing reports every mistake with file:line and field path.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

// PEM files on the control plane's machine; their content travels to the proxies.
struct TlsFiles {
  std::string cert, key;
  bool operator==(const TlsFiles&) const = default;
};

struct ListenerSpec {
  std::string address = "0.0.0.0";
  std::uint16_t port = 0;
  std::vector<TlsFiles> tls = {};  // None: plain text. Of several the client's name picks one.
  bool operator==(const ListenerSpec&) const = default;
};

// Its share among an app's URLs, and the place it is in.
struct UrlTraits {
  std::uint32_t weight = 1;
  std::string zone;
  bool operator==(const UrlTraits&) const = default;
};

// http(s)://host[:port], one or several; all of one scheme, without a path.
struct AppSpec {
  std::vector<std::string> urls;
  std::vector<UrlTraits> traits;  // One per URL, or none: all alike.
  std::optional<std::uint64_t> connect_timeout_ms;
  std::string ca_file;  // https: instead of the system's CAs.
  bool operator==(const AppSpec&) const = default;
};

struct HeaderEdits {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
  bool operator==(const HeaderEdits&) const = default;
};

struct RouteRespond {
  int status = 200;
  std::string body;
  bool operator==(const RouteRespond&) const = default;
};

struct RouteRedirect {
  std::string to;  // A path, or a whole URL.
  int status = 301;
  bool operator==(const RouteRedirect&) const = default;
};

// Another try, at another of the app's URLs where there is one.
struct RouteRetries {
  std::uint32_t attempts = 1;   // Beside the first.
  std::vector<std::string> on;  // Empty: when no app can have seen it.
  std::optional<std::uint64_t> per_try_timeout_ms = std::nullopt;
  bool operator==(const RouteRetries&) const = default;
};

struct RouteSpec {
  enum class Match : std::uint8_t { kPath, kPrefix, kExact, kRegex };
  using Respond = RouteRespond;
  using Redirect = RouteRedirect;

  std::string id;              // Given by us when the operator names none; stable.
  Match match = Match::kPath;  // kPath: that path and below.
  std::string path;
  std::vector<std::string> methods;  // Empty: all.
  // Exactly one of these four.
  std::string app;
  std::vector<std::pair<std::string, std::uint32_t>> split;  // App to weight.
  std::optional<Respond> respond;
  std::optional<Redirect> redirect;

  bool strip_prefix = false;
  std::string rewrite;      // New prefix; "": none.
  std::string host_header;  // Host sent upstream; "": the client's, or the URL's for https.
  std::optional<std::uint64_t> timeout_ms;  // Of the whole answer; unset or 0: none, since streams
                                            // may last.
  std::optional<RouteRetries> retries = std::nullopt;
  HeaderEdits request_headers;
  HeaderEdits response_headers;
  bool operator==(const RouteSpec&) const = default;
};

struct CorsSpec {
  std::vector<std::string> allow_origins;  // Exact, "*", or "https://*.example.com".
  std::vector<std::string> allow_origin_regexes;
  std::vector<std::string> allow_methods;
  std::vector<std::string> allow_headers;
  std::vector<std::string> expose_headers;
  bool allow_credentials = false;
  std::optional<std::uint64_t> max_age_s;
  bool operator==(const CorsSpec&) const = default;
};

struct HostSpec {
  std::vector<std::string> listeners;  // Empty: all.
  std::optional<CorsSpec> cors;
  std::vector<RouteSpec> routes;  // The first match wins.
  bool operator==(const HostSpec&) const = default;
};

// What clients of gRPC get that ask for xds:///<its name>. Of a route only match, app or split, id
// and timeout are used.
struct GrpcServiceSpec {
  std::vector<RouteSpec> routes;
  bool operator==(const GrpcServiceSpec&) const = default;
};

struct AppsParts {
  std::map<std::string, ListenerSpec> listeners;
  std::map<std::string, AppSpec> apps;
  std::map<std::string, HostSpec> hosts;  // "*", "a.example.com", "*.example.com"
  std::map<std::string, GrpcServiceSpec> grpc_services;
  // IP:PORT that gRPC servers listen on whose configuration comes over xDS.
  std::vector<std::string> grpc_servers;
  bool operator==(const AppsParts&) const = default;
};

// Which nodes: all of it must hold. An empty cluster stands for the fleet's name when there is no
// metadata either, else for any.
struct FleetMatch {
  std::string cluster;
  std::map<std::string, std::string> metadata;
  bool operator==(const FleetMatch&) const = default;
};

struct FleetSpec {
  FleetMatch match;
  bool inherit = true;  // The top level's entries that `parts` does not replace.
  AppsParts parts;
  bool operator==(const FleetSpec&) const = default;
};

// The parts at the top are those of every node that no fleet matches.
struct AppsConfig : AppsParts {
  std::map<std::string, FleetSpec> fleets;  // The first match in the order of names wins.
  bool operator==(const AppsConfig&) const = default;
};
// What a fleet's proxies get, without fleets.
AppsConfig ConfigOfFleet(const AppsConfig& config, const FleetSpec& fleet);

// YAML or JSON. Unknown keys (with a guess what was meant), duplicate keys, references to unknown
// apps or listeners, bad URLs, ... are all reported; the result then must not be used.
AppsConfig ParseApps(std::string_view text, std::string_view file, base::FieldErrors& errors);
// One route, app or host as JSON, for the API's smaller calls.
// Locations there are "body:line". A route keeps an empty id when it has none.
RouteSpec ParseRoute(std::string_view json, base::FieldErrors& errors);
AppSpec ParseApp(std::string_view json, base::FieldErrors& errors);
HostSpec ParseHost(std::string_view json, base::FieldErrors& errors);
// References and ranges of a whole configuration, wherever it came from. Hosts that are what they
// were in `checked`, which passed, are not looked at again.
void CheckApps(const AppsConfig& config, base::FieldErrors& errors,
               const AppsConfig* checked = nullptr);
// Gives an id to each route that has none: made of its path, so that it survives edits elsewhere.
void AssignRouteIds(HostSpec& host);
void AssignRouteIds(AppsConfig& config);
// Copies errors found after parsing, such as BuildSnapshot()'s, with the lines of their paths.
void LocateErrors(const base::FieldErrors& from, std::string_view text, std::string_view file,
                  base::FieldErrors& to);
// "apps.web", "hosts[\"a.example.com\"]": how errors name an entry.
std::string EntryPath(std::string_view section, std::string_view name);

// ParseApps(Print...(c)) == c.
std::string PrintAppsYaml(const AppsConfig& config);
std::string PrintAppsJson(const AppsConfig& config);
std::string PrintRouteJson(const RouteSpec& route);
std::string PrintAppJson(const AppSpec& app);
std::string PrintHostJson(const HostSpec& host);

}  // namespace sluice::control
