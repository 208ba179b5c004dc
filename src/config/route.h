#pragma once
// Compiled routes: where a request goes, decided from its head alone.
//
// Values, built once on the config thread by CompileRouteTable() and never changed after; any
// thread may read. No I/O, no clock, no dice: the caller passes a random number in.
// envoy-behaviour.md 2.4 to 2.6.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "config/format.h"
#include "config/matchers.h"

namespace sluice::http {
struct RequestHead;
}

namespace sluice::config {

struct HeaderAddition {
  enum class Action : std::uint8_t { kAppend, kAddIfAbsent, kOverwrite, kOverwriteIfExists };
  std::string name;  // Lower case.
  Format value;
  Action action = Action::kAppend;
  bool keep_empty = false;

  bool operator==(const HeaderAddition&) const = default;
};

struct HeaderMutations {  // Removals first, then additions in order.
  std::vector<std::string> remove;
  std::vector<HeaderAddition> add;

  bool empty() const { return remove.empty() && add.empty(); }
  bool operator==(const HeaderMutations&) const = default;
};

struct MutationsBothWays {
  HeaderMutations request;
  HeaderMutations response;
  bool operator==(const MutationsBothWays&) const = default;
};

// CORS policy of a virtual host or route (typed_per_filter_config).
struct CorsPolicy {
  std::vector<StringMatcher> allow_origins;
  std::string allow_methods;
  std::string allow_headers;
  std::string expose_headers;
  std::string max_age;
  bool allow_credentials = false;
  bool allow_private_network_access = false;
  bool forward_not_matching_preflights = true;
  bool enabled = true;

  bool operator==(const CorsPolicy&) const = default;
};

// An alternative per filter that has per-route configuration; config/extensions.cc lists them.
using PerFilterConfig = std::variant<CorsPolicy>;
struct NamedPerFilterConfig {
  std::string filter;  // The filter's name in the chain.
  PerFilterConfig config;
  bool operator==(const NamedPerFilterConfig&) const = default;
};

struct RouteMatch {
  enum class PathKind : std::uint8_t { kPrefix, kExact, kSegmentPrefix, kRegex };
  PathKind path_kind = PathKind::kPrefix;
  std::string path;  // Lower case when !case_sensitive.
  std::optional<Regex> regex;
  bool case_sensitive = true;
  bool grpc = false;
  std::vector<HeaderMatcher> headers;
  std::vector<QueryMatcher> query;

  bool operator==(const RouteMatch&) const = default;
};

struct WeightedCluster {
  std::string cluster;
  std::uint32_t weight = 0;
  MutationsBothWays mutations;
  std::string host_rewrite;  // "": none.
  std::vector<NamedPerFilterConfig> per_filter;
  bool operator==(const WeightedCluster&) const = default;
};

struct RegexRewrite {
  Regex regex;
  std::string substitution;
  bool operator==(const RegexRewrite&) const = default;
};

struct UpgradeConfig {
  std::string type;  // Lower case: "websocket".
  bool enabled = true;
  bool operator==(const UpgradeConfig&) const = default;
};

struct ForwardAction {
  std::string cluster;                    // A name: clusters come and go after this route.
  std::vector<WeightedCluster> weighted;  // Not empty: instead of `cluster`.
  std::uint64_t weight_total = 0;
  int cluster_not_found_status = 503;
  std::optional<std::string> prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  std::string host_rewrite;        // "": none.
  bool auto_host_rewrite = false;  // The chosen endpoint's hostname.
  bool append_x_forwarded_host = false;
  std::uint64_t timeout_ms = 15000;  // 0: off. Response complete since request complete.
  std::optional<std::uint64_t> idle_timeout_ms;         // Instead of the HCM's; 0: off.
  std::optional<std::uint64_t> max_stream_duration_ms;  // Instead of the HCM's; 0: off.
  std::vector<UpgradeConfig> upgrades;                  // An entry here wins over the HCM's.

  bool operator==(const ForwardAction&) const = default;
};

struct RedirectAction {
  int status = 301;
  bool https = false;
  std::string scheme;
  std::string host;
  std::uint32_t port = 0;
  std::optional<std::string> path;
  std::optional<std::string> prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  bool strip_query = false;

  bool operator==(const RedirectAction&) const = default;
};

struct DirectResponse {
  int status = 200;
  std::string body;

  bool operator==(const DirectResponse&) const = default;
};

struct Route {
  std::string name;
  RouteMatch match;
  std::variant<ForwardAction, RedirectAction, DirectResponse> action;
  MutationsBothWays mutations;
  std::vector<NamedPerFilterConfig> per_filter;

  bool operator==(const Route&) const = default;
};

class PathIndex;  // config/path_index.h: which routes can match a path, in order.

struct VirtualHost {
  enum class RequireTls : std::uint8_t { kNone, kExternalOnly, kAll };
  std::string name;
  std::vector<std::string> domains;  // Lower case, in the operator's order.
  std::vector<Route> routes;         // In the operator's order; the first match wins.
  RequireTls require_tls = RequireTls::kNone;
  MutationsBothWays mutations;
  std::vector<NamedPerFilterConfig> per_filter;
  std::shared_ptr<const PathIndex> index;  // Derived from `routes`; not compared.

  bool operator==(const VirtualHost& other) const;
};

class DomainIndex;        // config/domain_index.h: exact, suffix, prefix and '*' tables.
struct RouteTableSource;  // compile_route_bytes.cc: the bytes of each virtual host.

struct RouteTable {
  std::string name;
  std::vector<std::shared_ptr<const VirtualHost>> virtual_hosts;
  MutationsBothWays mutations;
  std::vector<std::string> internal_only_headers;  // Lower case.
  bool most_specific_mutations_win = false;
  bool ignore_port_in_host = false;
  bool validate_clusters = false;  // A cluster that is not there is an error of the whole table.
  std::vector<NamedPerFilterConfig> per_filter;
  std::shared_ptr<const DomainIndex> index;        // Derived; not compared.
  std::shared_ptr<const RouteTableSource> source;  // What the next version is compared with; null
                                                   // unless compiled from bytes. Not compared.

  bool operator==(const RouteTable& other) const;  // Virtual hosts by value.
};

// Calls `visit` for each cluster that a route names, in order; the same name may come often.
void VisitClusters(
    const RouteTable& table,
    const std::function<void(const VirtualHost&, const Route&, std::string_view)>& visit);

// Null members: no virtual host, or no route in it. Both live as long as the table.
struct RouteMatchResult {
  const VirtualHost* virtual_host = nullptr;
  const Route* route = nullptr;
};

// First match. REQUIRES: path and authority are normalised.
RouteMatchResult FindRoute(const RouteTable& table, const http::RequestHead& head, unsigned worker);
// The same by brute force: the property tests' yardstick.
RouteMatchResult FindRouteLinearly(const RouteTable& table, const http::RequestHead& head);

// Which weighted cluster `random` falls on; null when the action has none or all weights are 0.
const WeightedCluster* PickWeighted(const ForwardAction& action, std::uint64_t random);

// Rewrites head.path as the route says; false when it stays as it is.
bool RewritePath(const Route& route, http::RequestHead& head, unsigned worker);
// The Location of a redirect. `scheme` and `authority` are the request's.
std::string RedirectLocation(const Route& route, const http::RequestHead& head, unsigned worker);

// "why": one line per candidate in order, for `sluicectl explain` and the admin port.
std::vector<std::string> ExplainRoute(const RouteTable& table, const http::RequestHead& head);

}  // namespace sluice::config
