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
#include "config/config_source.h"
#include "config/format.h"
#include "config/matchers.h"
#include "config/retry_policy.h"
#include "config/runtime.h"

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

// One change of a message's fields; exactly one member is set.
struct HeaderStep {
  std::string remove;
  std::optional<StringMatcher> remove_matching;  // By name.
  std::optional<HeaderAddition> add;
  bool operator==(const HeaderStep&) const = default;
};
using HeaderSteps = std::vector<HeaderStep>;

// Of the header_mutation filter, and of a level of the route for it.
struct MessageSteps {
  HeaderSteps request;
  HeaderSteps request_trailers;
  HeaderSteps response;
  HeaderSteps response_trailers;
  bool operator==(const MessageSteps&) const = default;
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
  RuntimeFraction enabled;

  bool operator==(const CorsPolicy&) const = default;
};

// FilterConfig without anything but this: whether the filter sees such requests.
struct FilterSwitch {
  bool disabled = false;
  bool operator==(const FilterSwitch&) const = default;
};

// An alternative per filter that has per-route configuration; config/extensions.cc lists them.
using PerFilterConfig = std::variant<CorsPolicy, MessageSteps, FilterSwitch>;
struct NamedPerFilterConfig {
  std::string filter;  // The filter's name in the chain.
  PerFilterConfig config;
  bool operator==(const NamedPerFilterConfig&) const = default;
};

struct RouteMatch {
  // kTemplate: `regex` was made of `path`. kConnect: CONNECT requests, which have no path.
  enum class PathKind : std::uint8_t {
    kPrefix,
    kExact,
    kSegmentPrefix,
    kRegex,
    kTemplate,
    kConnect
  };
  PathKind path_kind = PathKind::kPrefix;
  std::string path;            // Lower case when !case_sensitive.
  std::optional<Regex> regex;  // kRegex, kTemplate.
  bool case_sensitive = true;
  bool grpc = false;
  std::vector<HeaderMatcher> headers;
  std::vector<QueryMatcher> query;
  std::vector<CookieMatcher> cookies;
  // Whether a client certificate was sent, and whether it was verified.
  std::optional<bool> tls_presented;
  std::optional<bool> tls_validated;
  std::optional<RuntimeFraction> fraction;

  bool operator==(const RouteMatch&) const = default;
};

struct WeightedCluster {
  std::string cluster;
  std::string cluster_header;  // Not "": names the cluster instead.
  std::string runtime_key;     // "": the weight is what it is.
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

// One ingredient of the hash that RING_HASH and MAGLEV pick a host by.
struct HashPolicy {
  enum class Kind : std::uint8_t { kHeader, kCookie, kSourceIp, kQuery };
  Kind kind = Kind::kHeader;
  std::string name;  // Of the header (lower case), cookie or parameter.
  std::optional<RegexRewrite> rewrite;
  // kCookie: set when a missing one is to be made; 0: for the client's session.
  std::optional<std::uint64_t> cookie_ttl_s;
  std::string cookie_tail;  // "; Path=/x; SameSite=Lax", behind the Max-Age.
  bool terminal = false;    // Nothing more is added to a hash that is there.
  bool operator==(const HashPolicy&) const = default;
};

struct UpgradeConfig {
  std::string type;  // Lower case: "websocket".
  bool enabled = true;
  bool operator==(const UpgradeConfig&) const = default;
};

struct ForwardAction {
  std::string cluster;                    // A name: clusters come and go after this route.
  std::string cluster_header;             // Not "": the request header that names it.
  std::vector<WeightedCluster> weighted;  // Not empty: instead of `cluster`.
  std::uint64_t weight_total = 0;         // Without what the runtime says.
  bool weights_in_runtime = false;
  std::string weight_header;    // Not "": the request header with a number to choose by.
  bool weight_by_hash = false;  // The hash of `hash` chooses.
  std::vector<HashPolicy> hash;
  int cluster_not_found_status = 503;
  std::optional<std::string> prefix_rewrite;
  std::optional<RegexRewrite> regex_rewrite;
  std::optional<std::string> template_rewrite;  // A substitution for the match's regex.
  Format path_format;                           // Not empty: the whole target.
  std::string host_rewrite;                     // "": none.
  std::string host_header;                      // Not "": the request header with the host.
  std::optional<RegexRewrite> host_regex;       // The host from the path.
  Format host_format;                           // Not empty: the host.
  bool auto_host_rewrite = false;               // The chosen endpoint's hostname.
  bool append_x_forwarded_host = false;
  std::uint64_t timeout_ms = 15000;  // 0: off. Response complete since request complete.
  std::optional<std::uint64_t> idle_timeout_ms;         // Instead of the HCM's; 0: off.
  std::optional<std::uint64_t> max_stream_duration_ms;  // Instead of the HCM's; 0: off.
  // Set: grpc-timeout, at most this (0: whatever it says), less the offset, is the duration.
  std::optional<std::uint64_t> grpc_timeout_max_ms;
  std::uint64_t grpc_timeout_offset_ms = 0;
  std::vector<UpgradeConfig> upgrades;  // An entry here wins over the HCM's.
  // Nobody wrote `timeout_ms`, so it is no bound on the length of streams.
  bool timeout_spares_streams = true;
  SharedTryPolicy tries;  // With what the virtual host and the table say.

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
  std::optional<BodyFormat> format;

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
  bool ignore_path_parameters = false;  // Paths match by what is before their first ';'.
  std::string host_header;              // Not "": hosts are found by this header instead.
  bool vhds = false;  // More virtual hosts come over xDS; in a snapshot they are among the others.
  ConfigSourceRef vhds_source;
  std::uint64_t vhds_fetch_timeout_ms = 15'000;
  bool validate_clusters = false;  // A cluster that is not there is an error of the whole table.
  std::vector<NamedPerFilterConfig> per_filter;
  std::shared_ptr<const DomainIndex> index;        // Derived; not compared.
  std::shared_ptr<const RouteTableSource> source;  // What the next version is compared with; null
                                                   // unless compiled from bytes. Not compared.

  bool operator==(const RouteTable& other) const;  // Virtual hosts by value.
};

// `table` with `hosts` behind its own. Whose domains are taken is left out.
std::shared_ptr<const RouteTable> AddVirtualHosts(
    const RouteTable& table, const std::vector<std::shared_ptr<const VirtualHost>>& hosts);

// Calls `visit` for each cluster that a route names, in order; the same name may come often.
void VisitClusters(
    const RouteTable& table,
    const std::function<void(const VirtualHost&, const Route&, std::string_view)>& visit);

// Null members: no virtual host, or no route in it. Both live as long as the table.
struct RouteMatchResult {
  const VirtualHost* virtual_host = nullptr;
  const Route* route = nullptr;
};

// What a route may ask about a request beside its head.
struct RequestFacts {
  unsigned worker = Regex::kNoWorker;
  std::uint64_t random = 0;  // The same for all of a request's decisions.
  const Runtime* runtime = nullptr;
  bool certificate_presented = false;
  bool certificate_validated = false;
};

// First match. REQUIRES: path and authority are normalised.
RouteMatchResult FindRoute(const RouteTable& table, const http::RequestHead& head,
                           const RequestFacts& facts);
inline RouteMatchResult FindRoute(const RouteTable& table, const http::RequestHead& head,
                                  unsigned worker) {
  return FindRoute(table, head, RequestFacts{.worker = worker});
}
// The same by brute force: the property tests' yardstick.
RouteMatchResult FindRouteLinearly(const RouteTable& table, const http::RequestHead& head,
                                   const RequestFacts& facts = {});

// Which weighted cluster `random` falls on; null when the action has none or all weights are 0.
const WeightedCluster* PickWeighted(const ForwardAction& action, std::uint64_t random,
                                    const Runtime* runtime = nullptr);
// The number to choose a weighted cluster by: the request's own, its hash, or `random`.
std::uint64_t WeightNumber(const ForwardAction& action, const http::RequestHead& head,
                           std::optional<std::uint64_t> hash, std::uint64_t random);
// The cluster of `action`; "": the header that is to name it is missing. `weighted` may be null.
// Into `head` or the configuration.
std::string_view ClusterName(const ForwardAction& action, const WeightedCluster* weighted,
                             const http::RequestHead& head);

// What the hash of a request is made of beside its head.
struct HashSource {
  std::string_view client_ip;   // "": unknown.
  std::string_view connection;  // Remote and local address: what a made cookie is made of.
  unsigned worker = Regex::kNoWorker;
};
// Nullopt: nothing to hash. Lines for Set-Cookie are appended to `set_cookies`.
std::optional<std::uint64_t> HashRequest(const ForwardAction& action, const http::RequestHead& head,
                                         const HashSource& source,
                                         std::vector<std::string>& set_cookies);

// Rewrites head.path as the route says; false when it stays as it is. Formats are not rendered
// here.
bool RewritePath(const Route& route, http::RequestHead& head, unsigned worker);
// The host that a header or the path gives; "": none. Formats are not rendered here.
std::string RewrittenHost(const ForwardAction& action, const http::RequestHead& head,
                          unsigned worker);
// The Location of a redirect. `scheme` and `authority` are the request's.
std::string RedirectLocation(const Route& route, const http::RequestHead& head, unsigned worker);

// "why": one line per candidate in order, for `sluicectl explain` and the admin port.
std::vector<std::string> ExplainRoute(const RouteTable& table, const http::RequestHead& head,
                                      const RequestFacts& facts = {});

}  // namespace sluice::config
