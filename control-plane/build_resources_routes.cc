// Hosts and their routes as xDS.
#include <algorithm>

#include "apps_url.h"
#include "base/strings.h"
#include "build_resources.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"

namespace sluice::control {
namespace {

namespace corev3 = envoy::config::core::v3;
namespace routev3 = envoy::config::route::v3;
using envoy::extensions::filters::http::cors::v3::CorsPolicy;

// RE2 takes a backslash before any ASCII punctuation.
std::string QuoteRegex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '/';
    if (!word) out += '\\';
    out += c;
  }
  return out;
}

std::string QuoteSubstitution(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string Joined(const std::vector<std::string>& texts, std::string_view separator) {
  std::string out;
  for (const std::string& text : texts) base::Append(out, out.empty() ? "" : separator, text);
  return out;
}

void FillMatch(const RouteSpec& route, routev3::RouteMatch& match) {
  switch (route.match) {
    case RouteSpec::Match::kPath:
      if (route.path == "/") {
        match.set_prefix("/");
      } else {
        match.set_path_separated_prefix(route.path);
      }
      break;
    case RouteSpec::Match::kPrefix:
      match.set_prefix(route.path);
      break;
    case RouteSpec::Match::kExact:
      match.set_path(route.path);
      break;
    case RouteSpec::Match::kRegex:
      match.mutable_safe_regex()->set_regex(route.path);
      break;
  }
  if (route.methods.empty()) return;
  auto* header = match.add_headers();
  header->set_name(":method");
  if (route.methods.size() == 1) {
    header->mutable_string_match()->set_exact(route.methods.front());
    return;
  }
  std::vector<std::string> quoted;
  for (const std::string& method : route.methods) quoted.push_back(QuoteRegex(method));
  header->mutable_string_match()->mutable_safe_regex()->set_regex(Joined(quoted, "|"));
}

void RewriteByRegex(std::string pattern, std::string_view to, routev3::RouteAction& action) {
  action.mutable_regex_rewrite()->mutable_pattern()->set_regex(std::move(pattern));
  action.mutable_regex_rewrite()->set_substitution(QuoteSubstitution(to));
}

// Prefixes are cut at a slash: what is left begins with exactly one.
void FillRewrite(const RouteSpec& route, routev3::RouteAction& action) {
  const std::string to = route.strip_prefix ? "/" : route.rewrite;
  if (to.empty()) return;
  const bool slash = to.ends_with('/');
  if (route.match == RouteSpec::Match::kExact) {
    action.set_prefix_rewrite(to);  // Of an exact match the whole path.
  } else if (route.match == RouteSpec::Match::kPath && route.path == "/") {
    action.set_prefix_rewrite(slash ? to : base::Cat(to, "/"));
  } else if (!slash) {
    action.set_prefix_rewrite(to);
  } else if (route.match == RouteSpec::Match::kPath) {
    RewriteByRegex(base::Cat("^", QuoteRegex(route.path), "(?:/|$)"), to, action);
  } else {
    RewriteByRegex(base::Cat("^", QuoteRegex(route.path), "/?"), to, action);
  }
}

std::string HostFor(const RouteSpec& route, const std::string& app, const AppsConfig& config) {
  if (!route.host_header.empty()) return route.host_header;
  const auto found = config.apps.find(app);
  return found == config.apps.end() ? std::string() : OwnHost(found->second);
}

void FillRedirect(const RouteSpec::Redirect& spec, routev3::RedirectAction& action) {
  using Redirect = routev3::RedirectAction;
  switch (spec.status) {
    case 302:
      action.set_response_code(Redirect::FOUND);
      break;
    case 303:
      action.set_response_code(Redirect::SEE_OTHER);
      break;
    case 307:
      action.set_response_code(Redirect::TEMPORARY_REDIRECT);
      break;
    case 308:
      action.set_response_code(Redirect::PERMANENT_REDIRECT);
      break;
    default:
      action.set_response_code(Redirect::MOVED_PERMANENTLY);
      break;
  }
  if (spec.to.starts_with('/')) {
    action.set_path_redirect(spec.to);
    return;
  }
  std::string why;
  const std::optional<RedirectUrl> url = ParseRedirectUrl(spec.to, why);
  if (!url.has_value()) return;  // CheckApps() said so.
  action.set_scheme_redirect(url->https ? "https" : "http");
  action.set_host_redirect(url->host);
  action.set_port_redirect(url->port);
  if (!url->path.empty()) action.set_path_redirect(url->path);
}

template <typename Options>
void AddOptions(const std::vector<std::pair<std::string, std::string>>& pairs,
                corev3::HeaderValueOption::HeaderAppendAction how, Options& options) {
  for (const auto& [name, value] : pairs) {
    corev3::HeaderValueOption* option = options.Add();
    option->mutable_header()->set_key(name);
    option->mutable_header()->set_value(value);
    option->set_append_action(how);
    option->set_keep_empty_value(value.empty());
  }
}

void FillHeaders(const RouteSpec& spec, routev3::Route& route) {
  using Option = corev3::HeaderValueOption;
  auto& request = *route.mutable_request_headers_to_add();
  AddOptions(spec.request_headers.set, Option::OVERWRITE_IF_EXISTS_OR_ADD, request);
  AddOptions(spec.request_headers.add, Option::APPEND_IF_EXISTS_OR_ADD, request);
  for (const std::string& name : spec.request_headers.remove) {
    route.add_request_headers_to_remove(name);
  }
  auto& response = *route.mutable_response_headers_to_add();
  AddOptions(spec.response_headers.set, Option::OVERWRITE_IF_EXISTS_OR_ADD, response);
  AddOptions(spec.response_headers.add, Option::APPEND_IF_EXISTS_OR_ADD, response);
  for (const std::string& name : spec.response_headers.remove) {
    route.add_response_headers_to_remove(name);
  }
}

}  // namespace

namespace {

// Unless conditions are written, only what no app can have seen is sent again.
void FillRetries(const RouteRetries& retries, routev3::RetryPolicy& policy) {
  policy.set_retry_on(retries.on.empty() ? "connect-failure,refused-stream,reset-before-request"
                                         : Joined(retries.on, ","));
  policy.mutable_num_retries()->set_value(retries.attempts);
  auto* previous = policy.add_retry_host_predicate();
  previous->set_name("envoy.retry_host_predicates.previous_hosts");
  previous->mutable_typed_config()->set_type_url(
      "type.googleapis.com/"
      "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate");
  policy.set_host_selection_retry_max_attempts(5);
  if (!retries.per_try_timeout_ms.has_value()) return;
  const std::uint64_t ms = *retries.per_try_timeout_ms;
  policy.mutable_per_try_timeout()->set_seconds(static_cast<std::int64_t>(ms / 1000));
  policy.mutable_per_try_timeout()->set_nanos(static_cast<std::int32_t>(ms % 1000) * 1'000'000);
}

}  // namespace

void FillForward(const RouteSpec& route, const AppsConfig& config, routev3::RouteAction& action) {
  if (!route.app.empty()) {
    action.set_cluster(route.app);
    const std::string host = HostFor(route, route.app, config);
    if (!host.empty()) action.set_host_rewrite_literal(host);
  }
  for (const auto& [app, weight] : route.split) {
    auto* share = action.mutable_weighted_clusters()->add_clusters();
    share->set_name(app);
    share->mutable_weight()->set_value(weight);
    const std::string host = HostFor(route, app, config);
    if (!host.empty()) share->set_host_rewrite_literal(host);
  }
  FillRewrite(route, action);
  if (route.retries.has_value()) FillRetries(*route.retries, *action.mutable_retry_policy());
  // Off unless asked for: a total timeout cuts downloads and event streams, and what stalls is
  // ended by the idle timeout.
  const std::uint64_t ms = route.timeout_ms.value_or(0);
  action.mutable_timeout()->set_seconds(static_cast<std::int64_t>(ms / 1000));
  action.mutable_timeout()->set_nanos(static_cast<std::int32_t>(ms % 1000) * 1'000'000);
}

namespace {

void FillRoute(const RouteSpec& spec, const AppsConfig& config, routev3::Route& route) {
  route.set_name(spec.id);
  FillMatch(spec, *route.mutable_match());
  if (spec.respond.has_value()) {
    auto* answer = route.mutable_direct_response();
    answer->set_status(static_cast<std::uint32_t>(spec.respond->status));
    if (!spec.respond->body.empty()) {
      answer->mutable_body()->set_inline_string(spec.respond->body);
    }
  } else if (spec.redirect.has_value()) {
    FillRedirect(*spec.redirect, *route.mutable_redirect());
  } else {
    FillForward(spec, config, *route.mutable_route());
  }
  FillHeaders(spec, route);
}

// "https://*.example.com": any labels there, and nothing that could end the host.
void FillOrigin(const std::string& origin, envoy::type::matcher::v3::StringMatcher& matcher) {
  const std::size_t star = origin.find("://*.");
  if (star == std::string::npos) {
    matcher.set_exact(origin);
    return;
  }
  matcher.mutable_safe_regex()->set_regex(base::Cat(QuoteRegex(origin.substr(0, star + 3)),
                                                    "[a-z0-9-]+(?:\\.[a-z0-9-]+)*",
                                                    QuoteRegex(origin.substr(star + 4))));
}

CorsPolicy BuildCors(const CorsSpec& spec) {
  CorsPolicy policy;
  for (const std::string& origin : spec.allow_origins) {
    FillOrigin(origin, *policy.add_allow_origin_string_match());
  }
  for (const std::string& regex : spec.allow_origin_regexes) {
    policy.add_allow_origin_string_match()->mutable_safe_regex()->set_regex(regex);
  }
  policy.set_allow_methods(Joined(spec.allow_methods, ","));
  policy.set_allow_headers(Joined(spec.allow_headers, ","));
  policy.set_expose_headers(Joined(spec.expose_headers, ","));
  if (spec.max_age_s.has_value()) policy.set_max_age(base::Cat(*spec.max_age_s));
  if (spec.allow_credentials) policy.mutable_allow_credentials()->set_value(true);
  return policy;
}

}  // namespace

routev3::RouteConfiguration BuildRouteFrame(const std::string& name) {
  routev3::RouteConfiguration table;
  table.set_name(name);
  // Hosts are written without ports: one site answers on every port of its listeners.
  table.set_ignore_port_in_host_matching(true);
  table.mutable_max_direct_response_body_size_bytes()->set_value(kRespondBytesMax);
  return table;
}

routev3::VirtualHost BuildVirtualHost(const std::string& name, const HostSpec& host,
                                      const AppsConfig& config) {
  routev3::VirtualHost out;
  out.set_name(name);
  out.add_domains(name);
  for (const RouteSpec& route : host.routes) FillRoute(route, config, *out.add_routes());
  if (host.cors.has_value()) {
    const CorsPolicy policy = BuildCors(*host.cors);
    auto& any = (*out.mutable_typed_per_filter_config())["envoy.filters.http.cors"];
    any.set_type_url(base::Cat("type.googleapis.com/", policy.GetDescriptor()->full_name()));
    any.set_value(SerializeDeterministic(policy));
  }
  return out;
}

}  // namespace sluice::control
