// RouteAction: where a request is forwarded to and how it changes on the way.
#include <algorithm>
#include <limits>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_route.h"
#include "config/proto_values.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "http/authority.h"

namespace sluice::config {

std::string CompileRouteHost(const std::string& host, std::string_view field,
                             base::FieldErrors& errors) {
  if (!host.empty() && !http::ParseAuthority(host).has_value()) {
    errors.AddAt(field, base::Cat("'", base::Printable(host), "' is no host or host:port"));
  }
  return host;
}

namespace {

using Scope = base::FieldErrors::Scope;
using ProtoForward = envoy::config::route::v3::RouteAction;
using ProtoWeighted = envoy::config::route::v3::WeightedCluster;

constexpr std::size_t kHashPoliciesMax = 64;

// A request header that decides something; "" when it is not set.
std::string CompileHeaderName(const std::string& name, std::string_view field,
                              base::FieldErrors& errors) {
  if (!name.empty() && !IsHeaderName(name)) {
    errors.AddAt(field, base::Cat("'", base::Printable(name), "' is no header name"));
  }
  return base::Lowercase(name);
}

WeightedCluster CompileShare(const ProtoWeighted::ClusterWeight& proto,
                             const std::string& runtime_prefix, const CompileOptions& options,
                             base::FieldErrors& errors) {
  WeightedCluster share;
  share.cluster = proto.name();
  share.cluster_header = CompileHeaderName(proto.cluster_header(), "cluster_header", errors);
  if (proto.name().empty() && proto.cluster_header().empty()) {
    errors.AddAt("name", "is required");
  } else if (!proto.name().empty() && !proto.cluster_header().empty()) {
    errors.AddAt("cluster_header", "stands beside name; write one of them");
  }
  if (!runtime_prefix.empty() && !proto.name().empty()) {
    share.runtime_key = base::Cat(runtime_prefix, ".", proto.name());
  }
  if (!proto.has_weight()) errors.AddAt("weight", "is required; 0 sends nothing there");
  share.weight = proto.weight().value();
  share.mutations = CompileMutationsBothWays(proto, errors);
  share.host_rewrite =
      CompileRouteHost(proto.host_rewrite_literal(), "host_rewrite_literal", errors);
  share.per_filter = CompilePerFilter(proto.typed_per_filter_config(), options, errors);
  return share;
}

void CompileWeighted(const ProtoWeighted& proto, const CompileOptions& options,
                     ForwardAction& action, base::FieldErrors& errors) {
  action.weights_in_runtime = !proto.runtime_key_prefix().empty();
  action.weight_header = CompileHeaderName(proto.header_name(), "header_name", errors);
  action.weight_by_hash = proto.use_hash_policy().value();
  for (int i = 0; i < proto.clusters_size(); ++i) {
    const Scope scope(errors, "clusters", static_cast<std::size_t>(i));
    action.weighted.push_back(
        CompileShare(proto.clusters(i), proto.runtime_key_prefix(), options, errors));
    action.weight_total += action.weighted.back().weight;
  }
  if (proto.clusters().empty()) {
    errors.AddAt("clusters", "is empty; write at least one");
  } else if (action.weight_total == 0) {
    errors.AddAt("clusters", "Sum of weights in the weighted_cluster must be greater than 0");
  } else if (action.weight_total > std::numeric_limits<std::uint32_t>::max()) {
    errors.AddAt("clusters", base::Cat("the weights sum to ", action.weight_total,
                                       "; at most 4294967295 is allowed"));
  } else if (proto.has_total_weight() && proto.total_weight().value() != action.weight_total) {
    errors.AddAt("total_weight",
                 base::Cat("is ", proto.total_weight().value(), ", but the weights sum to ",
                           action.weight_total, "; leave it out"));
  }
}

void CompileClusters(const ProtoForward& proto, const CompileOptions& options,
                     ForwardAction& action, base::FieldErrors& errors) {
  switch (proto.cluster_specifier_case()) {
    case ProtoForward::kCluster:
      action.cluster = proto.cluster();
      if (proto.cluster().empty()) errors.AddAt("cluster", "is empty; write a cluster's name");
      break;
    case ProtoForward::kWeightedClusters: {
      const Scope scope(errors, "weighted_clusters");
      CompileWeighted(proto.weighted_clusters(), options, action, errors);
      break;
    }
    case ProtoForward::kClusterHeader:
      action.cluster_header = CompileHeaderName(proto.cluster_header(), "cluster_header", errors);
      if (proto.cluster_header().empty()) {
        errors.AddAt("cluster_header", "is empty; write a header's name");
      }
      break;
    case ProtoForward::kClusterSpecifierPlugin:
    case ProtoForward::kInlineClusterSpecifierPlugin:
      break;  // Refused by their class.
    case ProtoForward::CLUSTER_SPECIFIER_NOT_SET:
      errors.Add("no destination; write cluster, cluster_header or weighted_clusters");
      break;
  }
  switch (proto.cluster_not_found_response_code()) {
    case ProtoForward::NOT_FOUND:
      action.cluster_not_found_status = 404;
      break;
    case ProtoForward::INTERNAL_SERVER_ERROR:
      action.cluster_not_found_status = 500;
      break;
    default:  // SERVICE_UNAVAILABLE; other numbers were reported before.
      break;
  }
}

void CompilePathRewrite(const ProtoForward& proto, ForwardAction& action,
                        base::FieldErrors& errors) {
  const int rewrites =
      (proto.prefix_rewrite().empty() ? 0 : 1) + (proto.has_regex_rewrite() ? 1 : 0) +
      (proto.has_path_rewrite_policy() ? 1 : 0) + (proto.path_rewrite().empty() ? 0 : 1);
  if (rewrites > 1) {
    errors.Add(
        "Specify only one of prefix_rewrite, regex_rewrite, path_rewrite or path_rewrite_policy");
  }
  if (!proto.path_rewrite().empty()) {
    CheckHeaderValue(proto.path_rewrite(), "path_rewrite", errors);
    const Scope scope(errors, "path_rewrite");
    action.path_format = CompileFormat(proto.path_rewrite(), errors);
  }
  if (!proto.prefix_rewrite().empty()) {
    CheckHeaderValue(proto.prefix_rewrite(), "prefix_rewrite", errors);
    action.prefix_rewrite = proto.prefix_rewrite();
  }
  if (proto.has_regex_rewrite()) {
    const Scope scope(errors, "regex_rewrite");
    action.regex_rewrite = CompileRegexRewrite(proto.regex_rewrite(), errors);
  }
}

void CompileHostRewrite(const ProtoForward& proto, ForwardAction& action,
                        base::FieldErrors& errors) {
  switch (proto.host_rewrite_specifier_case()) {
    case ProtoForward::kHostRewriteLiteral:
      action.host_rewrite =
          CompileRouteHost(proto.host_rewrite_literal(), "host_rewrite_literal", errors);
      break;
    case ProtoForward::kAutoHostRewrite:
      action.auto_host_rewrite = proto.auto_host_rewrite().value();
      break;
    case ProtoForward::kHostRewriteHeader:
      action.host_header =
          CompileHeaderName(proto.host_rewrite_header(), "host_rewrite_header", errors);
      break;
    case ProtoForward::kHostRewritePathRegex: {
      const Scope scope(errors, "host_rewrite_path_regex");
      action.host_regex = CompileRegexRewrite(proto.host_rewrite_path_regex(), errors);
      break;
    }
    case ProtoForward::kHostRewrite: {
      CheckHeaderValue(proto.host_rewrite(), "host_rewrite", errors);
      const Scope scope(errors, "host_rewrite");
      action.host_format = CompileFormat(proto.host_rewrite(), errors);
      break;
    }
    case ProtoForward::HOST_REWRITE_SPECIFIER_NOT_SET:
      break;
  }
}

// What stands behind the value and the Max-Age of a cookie that is made.
std::string CompileCookieTail(const ProtoForward::HashPolicy::Cookie& proto,
                              base::FieldErrors& errors) {
  const auto sane = [&](const std::string& text, std::string_view field) {
    CheckHeaderValue(text, field, errors);
    if (text.find(';') != std::string::npos) errors.AddAt(field, "may not hold ;");
  };
  std::string tail;
  if (!proto.path().empty()) {
    sane(proto.path(), "path");
    base::Append(tail, "; Path=", proto.path());
  }
  for (int i = 0; i < proto.attributes_size(); ++i) {
    const Scope scope(errors, "attributes", static_cast<std::size_t>(i));
    const auto& attribute = proto.attributes(i);
    if (!IsHeaderName(attribute.name())) {
      errors.AddAt("name", base::Cat("'", base::Printable(attribute.name()),
                                     "' is no name of a cookie's attribute"));
    }
    sane(attribute.value(), "value");
    base::Append(tail, "; ", attribute.name(), attribute.value().empty() ? "" : "=",
                 attribute.value());
  }
  return tail;
}

HashPolicy CompileHashPolicy(const ProtoForward::HashPolicy& proto, base::FieldErrors& errors) {
  HashPolicy policy;
  policy.terminal = proto.terminal();
  switch (proto.policy_specifier_case()) {
    case ProtoForward::HashPolicy::kHeader: {
      const Scope scope(errors, "header");
      policy.name = CompileHeaderName(proto.header().header_name(), "header_name", errors);
      if (policy.name.empty()) errors.AddAt("header_name", "is required");
      if (proto.header().has_regex_rewrite()) {
        const Scope rewrite(errors, "regex_rewrite");
        policy.rewrite = CompileRegexRewrite(proto.header().regex_rewrite(), errors);
      }
      break;
    }
    case ProtoForward::HashPolicy::kCookie: {
      const Scope scope(errors, "cookie");
      policy.kind = HashPolicy::Kind::kCookie;
      policy.name = proto.cookie().name();
      // It is written into Set-Cookie.
      if (!IsHeaderName(policy.name) || policy.name.starts_with(':')) {
        errors.AddAt("name", base::Cat("'", base::Printable(policy.name), "' is no cookie's name"));
      }
      if (proto.cookie().has_ttl()) {
        policy.cookie_ttl_s = DurationMs(proto.cookie().ttl(), "ttl", errors) / 1000;
      }
      policy.cookie_tail = CompileCookieTail(proto.cookie(), errors);
      break;
    }
    case ProtoForward::HashPolicy::kConnectionProperties:
      policy.kind = HashPolicy::Kind::kSourceIp;
      if (!proto.connection_properties().source_ip()) {
        errors.AddAt("connection_properties.source_ip", "is all there is; write true");
      }
      break;
    case ProtoForward::HashPolicy::kQueryParameter:
      policy.kind = HashPolicy::Kind::kQuery;
      policy.name = proto.query_parameter().name();
      if (policy.name.empty()) errors.AddAt("query_parameter.name", "is required");
      break;
    case ProtoForward::HashPolicy::kFilterState:
      break;  // Refused by its class.
    case ProtoForward::HashPolicy::POLICY_SPECIFIER_NOT_SET:
      errors.Add("nothing to hash; write header, cookie, connection_properties or query_parameter");
      break;
  }
  return policy;
}

void CompileHash(const ProtoForward& proto, ForwardAction& action, base::FieldErrors& errors) {
  if (static_cast<std::size_t>(proto.hash_policy_size()) > kHashPoliciesMax) {
    errors.AddAt("hash_policy", base::Cat("has ", proto.hash_policy_size(), " entries; at most ",
                                          kHashPoliciesMax, " are allowed"));
    return;
  }
  for (int i = 0; i < proto.hash_policy_size(); ++i) {
    const Scope scope(errors, "hash_policy", static_cast<std::size_t>(i));
    action.hash.push_back(CompileHashPolicy(proto.hash_policy(i), errors));
  }
}

void CompileDurations(const ProtoForward& proto, ForwardAction& action, base::FieldErrors& errors) {
  if (proto.has_timeout()) action.timeout_ms = DurationMs(proto.timeout(), "timeout", errors);
  if (proto.has_idle_timeout()) {
    action.idle_timeout_ms = DurationMs(proto.idle_timeout(), "idle_timeout", errors);
  }
  if (!proto.has_max_stream_duration()) return;
  action.timeout_ms = 0;  // As Envoy has it: the duration of the stream is the one limit then.
  const ProtoForward::MaxStreamDuration& limits = proto.max_stream_duration();
  const Scope scope(errors, "max_stream_duration");
  if (limits.has_max_stream_duration()) {
    action.max_stream_duration_ms =
        DurationMs(limits.max_stream_duration(), "max_stream_duration", errors);
  }
  if (limits.has_grpc_timeout_header_max()) {
    action.grpc_timeout_max_ms =
        DurationMs(limits.grpc_timeout_header_max(), "grpc_timeout_header_max", errors);
  }
  if (limits.has_grpc_timeout_header_offset()) {
    action.grpc_timeout_offset_ms =
        DurationMs(limits.grpc_timeout_header_offset(), "grpc_timeout_header_offset", errors);
    if (!limits.has_grpc_timeout_header_max()) {
      errors.AddAt("grpc_timeout_header_offset",
                   "needs grpc_timeout_header_max; write 0s for no cap");
    }
  }
}

// name[/version], both tokens: RFC 9110 section 7.8.
bool IsProtocol(std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const bool versioned = slash < text.size();
  return text.find(':') == std::string_view::npos && IsHeaderName(text.substr(0, slash)) &&
         (!versioned || IsHeaderName(text.substr(slash + 1)));
}

void CompileUpgrades(const ProtoForward& proto, ForwardAction& action, base::FieldErrors& errors) {
  for (int i = 0; i < proto.upgrade_configs_size(); ++i) {
    const Scope scope(errors, "upgrade_configs", static_cast<std::size_t>(i));
    const ProtoForward::UpgradeConfig& config = proto.upgrade_configs(i);
    UpgradeConfig upgrade;
    upgrade.type = base::Lowercase(config.upgrade_type());
    upgrade.enabled = !config.has_enabled() || config.enabled().value();
    if (!IsProtocol(upgrade.type)) {
      errors.AddAt("upgrade_type", base::Cat("'", base::Printable(upgrade.type),
                                             "' is no protocol; write one such as websocket"));
    } else if (upgrade.type == "connect" || upgrade.type == "connect-udp" ||
               upgrade.type == "h2c") {
      // An h2c tunnel would carry requests past every route and filter.
      errors.AddAt("upgrade_type", base::Cat("'", upgrade.type, "' is not tunnelled"));
    }
    const bool twice =
        std::any_of(action.upgrades.begin(), action.upgrades.end(),
                    [&](const UpgradeConfig& other) { return other.type == upgrade.type; });
    if (twice) errors.AddAt("upgrade_type", base::Cat("'", upgrade.type, "' is there twice"));
    action.upgrades.push_back(std::move(upgrade));
  }
}

}  // namespace

ForwardAction CompileForward(const ProtoForward& proto, const CompileOptions& options,
                             base::FieldErrors& errors) {
  ForwardAction action;
  CompileClusters(proto, options, action, errors);
  CompilePathRewrite(proto, action, errors);
  CompileHostRewrite(proto, action, errors);
  action.append_x_forwarded_host = proto.append_x_forwarded_host();
  CompileHash(proto, action, errors);
  CompileDurations(proto, action, errors);
  // The rule and its reason: proxy/timeouts.cc.
  action.timeout_spares_streams = !proto.has_timeout() && options.defaults == Defaults::kSafe;
  CompileUpgrades(proto, action, errors);
  return action;
}

}  // namespace sluice::config
