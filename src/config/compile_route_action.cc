#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_format.h"
#include "config/compile_headers.h"
#include "config/compile_matchers.h"
#include "config/compile_route.h"
#include "config/data_source.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "http/authority.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoRedirect = envoy::config::route::v3::RedirectAction;

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
  action.host = CompileRouteHost(proto.host_redirect(), "host_redirect", errors);
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
  if (proto.has_body_format()) {
    const Scope scope(errors, "body_format");
    response.format = CompileBodyFormat(proto.body_format(), errors);
  }
  return response;
}

}  // namespace sluice::config
