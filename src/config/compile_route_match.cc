#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_route.h"
#include "envoy/config/route/v3/route_components.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoMatch = envoy::config::route::v3::RouteMatch;
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

void CompilePath(const ProtoMatch& proto, RouteMatch& match, base::FieldErrors& errors) {
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
    case ProtoMatch::kPathMatchPolicy:
      break;  // Refused by their class.
    case ProtoMatch::PATH_SPECIFIER_NOT_SET:
      errors.Add("no path; write prefix, path, path_separated_prefix or safe_regex");
      break;
  }
}

}  // namespace

RouteMatch CompileRouteMatch(const ProtoMatch& proto, base::FieldErrors& errors) {
  RouteMatch match;
  CompilePath(proto, match, errors);
  // Expressions say (?i) themselves.
  if (proto.has_case_sensitive() && match.path_kind != RouteMatch::PathKind::kRegex) {
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
  return match;
}

Route CompileRoute(const ProtoRoute& proto, const RouteTableLimits& limits,
                   const CompileOptions& options, base::FieldErrors& errors) {
  Route route;
  route.name = proto.name();
  if (proto.has_match()) {
    const Scope scope(errors, "match");
    route.match = CompileRouteMatch(proto.match(), errors);
  } else {
    errors.AddAt("match", "is required");
  }
  switch (proto.action_case()) {
    case ProtoRoute::kRoute: {
      const Scope scope(errors, "route");
      route.action = CompileForward(proto.route(), options, errors);
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
