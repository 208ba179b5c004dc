#include <algorithm>
#include <array>
#include <limits>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_route.h"
#include "config/data_source.h"
#include "config/proto_values.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "http/authority.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoForward = envoy::config::route::v3::RouteAction;
using ProtoRedirect = envoy::config::route::v3::RedirectAction;
using ProtoWeighted = envoy::config::route::v3::WeightedCluster;

// What is to be sent as a Host must be one.
std::string CompileHost(const std::string& host, std::string_view field,
                        base::FieldErrors& errors) {
  if (!host.empty() && !http::ParseAuthority(host).has_value()) {
    errors.AddAt(field, base::Cat("'", base::Printable(host), "' is no host or host:port"));
  }
  return host;
}

WeightedCluster CompileShare(const ProtoWeighted::ClusterWeight& proto,
                             const CompileOptions& options, base::FieldErrors& errors) {
  WeightedCluster share;
  share.cluster = proto.name();
  if (proto.name().empty() && proto.cluster_header().empty()) {
    errors.AddAt("name", "is required");
  }
  if (!proto.has_weight()) errors.AddAt("weight", "is required; 0 sends nothing there");
  share.weight = proto.weight().value();
  share.mutations = CompileMutationsBothWays(proto, errors);
  share.host_rewrite = CompileHost(proto.host_rewrite_literal(), "host_rewrite_literal", errors);
  share.per_filter = CompilePerFilter(proto.typed_per_filter_config(), options, errors);
  return share;
}

void CompileWeighted(const ProtoWeighted& proto, const CompileOptions& options,
                     ForwardAction& action, base::FieldErrors& errors) {
  for (int i = 0; i < proto.clusters_size(); ++i) {
    const Scope scope(errors, "clusters", static_cast<std::size_t>(i));
    action.weighted.push_back(CompileShare(proto.clusters(i), options, errors));
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
    case ProtoForward::kClusterSpecifierPlugin:
    case ProtoForward::kInlineClusterSpecifierPlugin:
      break;  // Refused by their class.
    case ProtoForward::CLUSTER_SPECIFIER_NOT_SET:
      errors.Add("no destination; write cluster or weighted_clusters");
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
  if (!proto.prefix_rewrite().empty() && proto.has_regex_rewrite()) {
    errors.Add("Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy");
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

int RedirectStatus(const ProtoRedirect& proto) {
  switch (proto.response_code()) {
    case ProtoRedirect::FOUND:
      return 302;
    case ProtoRedirect::SEE_OTHER:
      return 303;
    case ProtoRedirect::TEMPORARY_REDIRECT:
      return 307;
    case ProtoRedirect::PERMANENT_REDIRECT:
      return 308;
    default:
      return 301;  // Other numbers were reported before.
  }
}

bool IsScheme(std::string_view text) {
  const auto alpha = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && alpha(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
    return alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

void CompileRedirectPath(const ProtoRedirect& proto, RedirectAction& action,
                         base::FieldErrors& errors) {
  switch (proto.path_rewrite_specifier_case()) {
    case ProtoRedirect::kPathRedirect:  // Empty ones are unset, as Envoy takes them.
      CheckHeaderValue(proto.path_redirect(), "path_redirect", errors);
      if (!proto.path_redirect().empty()) action.path = proto.path_redirect();
      break;
    case ProtoRedirect::kPrefixRewrite:
      CheckHeaderValue(proto.prefix_rewrite(), "prefix_rewrite", errors);
      if (!proto.prefix_rewrite().empty()) action.prefix_rewrite = proto.prefix_rewrite();
      break;
    case ProtoRedirect::kRegexRewrite: {
      const Scope scope(errors, "regex_rewrite");
      action.regex_rewrite = CompileRegexRewrite(proto.regex_rewrite(), errors);
      break;
    }
    case ProtoRedirect::PATH_REWRITE_SPECIFIER_NOT_SET:
      break;
  }
}

}  // namespace

ForwardAction CompileForward(const ProtoForward& proto, const CompileOptions& options,
                             base::FieldErrors& errors) {
  ForwardAction action;
  CompileClusters(proto, options, action, errors);
  CompilePathRewrite(proto, action, errors);
  if (proto.host_rewrite_specifier_case() == ProtoForward::kHostRewriteLiteral) {
    action.host_rewrite = CompileHost(proto.host_rewrite_literal(), "host_rewrite_literal", errors);
  }
  action.auto_host_rewrite = proto.auto_host_rewrite().value();
  action.append_x_forwarded_host = proto.append_x_forwarded_host();
  if (proto.has_timeout()) action.timeout_ms = DurationMs(proto.timeout(), "timeout", errors);
  if (proto.has_idle_timeout()) {
    action.idle_timeout_ms = DurationMs(proto.idle_timeout(), "idle_timeout", errors);
  }
  if (proto.max_stream_duration().has_max_stream_duration()) {
    const Scope scope(errors, "max_stream_duration");
    action.max_stream_duration_ms = DurationMs(proto.max_stream_duration().max_stream_duration(),
                                               "max_stream_duration", errors);
  }
  CompileUpgrades(proto, action, errors);
  return action;
}

RedirectAction CompileRedirect(const ProtoRedirect& proto, base::FieldErrors& errors) {
  RedirectAction action;
  const std::size_t before = errors.size();
  action.status = RedirectStatus(proto);
  action.https = proto.https_redirect();
  action.scheme = proto.scheme_redirect();
  if (!action.scheme.empty() && !IsScheme(action.scheme)) {
    errors.AddAt("scheme_redirect",
                 base::Cat("'", base::Printable(action.scheme), "' is no scheme"));
  }
  action.host = CompileHost(proto.host_redirect(), "host_redirect", errors);
  action.port = proto.port_redirect();
  if (action.port > 65535) {
    errors.AddAt("port_redirect", base::Cat(action.port, " is no port; write 1 to 65535"));
  }
  if (action.port != 0 && http::ParseAuthority(action.host).value_or(http::Authority{}).port) {
    errors.AddAt("port_redirect", "stands beside a host_redirect with a port; write it once");
  }
  CompileRedirectPath(proto, action, errors);
  action.strip_query = proto.strip_query();
  RedirectAction nothing;
  nothing.status = action.status;
  if (errors.size() == before && action == nothing) {
    errors.Add(
        "leads back to where it came from; write what changes, such as https_redirect: true");
  }
  return action;
}

DirectResponse CompileDirectResponse(const envoy::config::route::v3::DirectResponseAction& proto,
                                     const RouteTableLimits& limits, base::FieldErrors& errors) {
  DirectResponse response;
  if (proto.status() < 200 || proto.status() > 599) {
    errors.AddAt("status", base::Cat(proto.status(), " is no final status; write 200 to 599"));
  } else {
    response.status = static_cast<int>(proto.status());
  }
  if (proto.has_body()) {
    const Scope scope(errors, "body");
    response.body = ReadDataSource(proto.body(), limits.direct_body_bytes_max, errors).value_or("");
  }
  return response;
}

}  // namespace sluice::config
