#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_route.h"
#include "config/compile_runtime.h"
#include "config/path_template.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb.h"
#include "envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoMatch = envoy::config::route::v3::RouteMatch;
using ProtoExtension = envoy::config::core::v3::TypedExtensionConfig;
using ProtoMatchTemplate = envoy::extensions::path::match::uri_template::v3::UriTemplateMatchConfig;
using ProtoRewriteTemplate =
    envoy::extensions::path::rewrite::uri_template::v3::UriTemplateRewriteConfig;
using ProtoRoute = envoy::config::route::v3::Route;

// Paths are compared without their query, so such a route would be dead.
void CheckComparablePath(const std::string& path, std::string_view field,
                         base::FieldErrors& errors) {
  if (path.find_first_of("?#") != std::string::npos) {
    errors.AddAt(field, base::Cat("'", base::Printable(path),
                                  "' holds ? or #, and paths are compared without their query; "
                                  "use query_parameters for that part"));
  }
}

// The text of the one extension there is for `category`, or "" after adding an error.
template <typename Config>
std::string ReadTemplate(const ProtoExtension& proto, std::string (*text)(const Config&),
                         const CompileOptions& options, base::FieldErrors& errors) {
  const Scope scope(errors, "typed_config");
  Config config;
  if (TypeNameOf(proto.typed_config().type_url()) != Config::descriptor()->full_name()) {
    errors.Add(base::Cat("Didn't find a registered implementation for '",
                         base::Printable(proto.name()), "' with type URL: '",
                         base::Printable(proto.typed_config().type_url()),
                         "'; use an @type that is supported here: ",
                         std::string(Config::descriptor()->full_name())));
    return "";
  }
  return UnpackAny(proto.typed_config(), options, config, errors) ? text(config) : "";
}

void CompileMatchPolicy(const ProtoExtension& proto, const CompileOptions& options,
                        RouteMatch& match, base::FieldErrors& errors) {
  match.path_kind = RouteMatch::PathKind::kTemplate;
  const std::size_t before = errors.size();
  match.path = ReadTemplate<ProtoMatchTemplate>(
      proto, [](const ProtoMatchTemplate& config) { return config.path_template(); }, options,
      errors);
  if (errors.size() != before) return;
  if (auto compiled = CompilePathTemplate(match.path, errors)) match.regex = compiled->regex;
}

// REQUIRES: `match` is compiled.
void CompileRewritePolicy(const ProtoExtension& proto, const RouteMatch& match,
                          const CompileOptions& options, ForwardAction& action,
                          base::FieldErrors& errors) {
  if (match.path_kind != RouteMatch::PathKind::kTemplate) {
    errors.Add("needs the variables of a path_match_policy in match");
    return;
  }
  const std::size_t before = errors.size();
  const std::string text = ReadTemplate<ProtoRewriteTemplate>(
      proto, [](const ProtoRewriteTemplate& config) { return config.path_template_rewrite(); },
      options, errors);
  base::FieldErrors told_before;
  const auto compiled = CompilePathTemplate(match.path, told_before);
  if (errors.size() != before || !compiled.has_value()) return;
  action.template_rewrite = CompileTemplateRewrite(text, compiled->variables, errors);
}

void CompilePath(const ProtoMatch& proto, const CompileOptions& options, RouteMatch& match,
                 base::FieldErrors& errors) {
  switch (proto.path_specifier_case()) {
    case ProtoMatch::kPrefix:
      match.path_kind = RouteMatch::PathKind::kPrefix;
      match.path = proto.prefix();
      CheckComparablePath(match.path, "prefix", errors);
      break;
    case ProtoMatch::kPath:
      match.path_kind = RouteMatch::PathKind::kExact;
      match.path = proto.path();
      CheckComparablePath(match.path, "path", errors);
      break;
    case ProtoMatch::kPathSeparatedPrefix:
      match.path_kind = RouteMatch::PathKind::kSegmentPrefix;
      match.path = proto.path_separated_prefix();
      CheckComparablePath(match.path, "path_separated_prefix", errors);
      if (match.path.size() < 2 || match.path.ends_with('/')) {
        errors.AddAt("path_separated_prefix",
                     base::Cat("'", base::Printable(match.path),
                               "': write a path such as /api, without a / at its end; prefix: / "
                               "matches all"));
      }
      break;
    case ProtoMatch::kSafeRegex: {
      match.path_kind = RouteMatch::PathKind::kRegex;
      const Scope scope(errors, "safe_regex");
      match.regex = CompileRegex(proto.safe_regex(), errors);
      break;
    }
    case ProtoMatch::kConnectMatcher:
      match.path_kind = RouteMatch::PathKind::kConnect;
      break;
    case ProtoMatch::kPathMatchPolicy: {
      const Scope scope(errors, "path_match_policy");
      CompileMatchPolicy(proto.path_match_policy(), options, match, errors);
      break;
    }
    case ProtoMatch::PATH_SPECIFIER_NOT_SET:
      errors.Add("no path; write prefix, path, path_separated_prefix or safe_regex");
      break;
  }
}

}  // namespace

RouteMatch CompileRouteMatch(const ProtoMatch& proto, const CompileOptions& options,
                             base::FieldErrors& errors) {
  RouteMatch match;
  CompilePath(proto, options, match, errors);
  // Expressions say (?i) themselves.
  if (proto.has_case_sensitive() && !match.regex.has_value()) {
    match.case_sensitive = proto.case_sensitive().value();
    if (!match.case_sensitive) match.path = base::Lowercase(match.path);
  }
  match.grpc = proto.has_grpc();
  for (int i = 0; i < proto.headers_size(); ++i) {
    const Scope scope(errors, "headers", static_cast<std::size_t>(i));
    auto matcher = CompileHeaderMatcher(proto.headers(i), errors);
    if (matcher.has_value()) match.headers.push_back(*std::move(matcher));
  }
  for (int i = 0; i < proto.query_parameters_size(); ++i) {
    const Scope scope(errors, "query_parameters", static_cast<std::size_t>(i));
    auto matcher = CompileQueryMatcher(proto.query_parameters(i), errors);
    if (matcher.has_value()) match.query.push_back(*std::move(matcher));
  }
  for (int i = 0; i < proto.cookies_size(); ++i) {
    const Scope scope(errors, "cookies", static_cast<std::size_t>(i));
    auto matcher = CompileCookieMatcher(proto.cookies(i), errors);
    if (matcher.has_value()) match.cookies.push_back(*std::move(matcher));
  }
  if (proto.tls_context().has_presented()) {
    match.tls_presented = proto.tls_context().presented().value();
  }
  if (proto.tls_context().has_validated()) {
    match.tls_validated = proto.tls_context().validated().value();
  }
  if (proto.has_runtime_fraction()) {
    const Scope scope(errors, "runtime_fraction");
    match.fraction = CompileFraction(proto.runtime_fraction(), errors);
  }
  return match;
}

Route CompileRoute(const ProtoRoute& proto, const RouteTableLimits& limits,
                   const CompileOptions& options, base::FieldErrors& errors) {
  Route route;
  route.name = proto.name();
  if (proto.has_match()) {
    const Scope scope(errors, "match");
    route.match = CompileRouteMatch(proto.match(), options, errors);
  } else {
    errors.AddAt("match", "is required");
  }
  switch (proto.action_case()) {
    case ProtoRoute::kRoute: {
      const Scope scope(errors, "route");
      ForwardAction action = CompileForward(proto.route(), options, errors);
      if (proto.route().has_path_rewrite_policy()) {
        const Scope policy(errors, "path_rewrite_policy");
        CompileRewritePolicy(proto.route().path_rewrite_policy(), route.match, options, action,
                             errors);
      }
      route.action = std::move(action);
      break;
    }
    case ProtoRoute::kRedirect: {
      const Scope scope(errors, "redirect");
      route.action = CompileRedirect(proto.redirect(), errors);
      break;
    }
    case ProtoRoute::kDirectResponse: {
      const Scope scope(errors, "direct_response");
      route.action = CompileDirectResponse(proto.direct_response(), limits, errors);
      break;
    }
    case ProtoRoute::kFilterAction:
    case ProtoRoute::kNonForwardingAction:
      break;  // Refused by their class.
    case ProtoRoute::ACTION_NOT_SET:
      errors.Add("no action; write route, redirect or direct_response");
      break;
  }
  route.mutations = CompileMutationsBothWays(proto, errors);
  route.per_filter = CompilePerFilter(proto.typed_per_filter_config(), options, errors);
  return route;
}

}  // namespace sluice::config
