// What a route does to the path, to the host, and to a redirect's Location.
// envoy-behaviour.md 2.5.
#include "base/strings.h"
#include "config/route.h"
#include "http/authority.h"
#include "http/head.h"

namespace sluice::config {
namespace {

// The path (without its query) after one of two rewrites; nullopt when it stays as it is.
std::optional<std::string> Rewritten(const RouteMatch& match, std::string_view path,
                                     const std::optional<std::string>& prefix_rewrite,
                                     const std::optional<RegexRewrite>& regex_rewrite,
                                     unsigned worker) {
  std::string out;
  if (prefix_rewrite.has_value()) {
    const bool whole = match.path_kind == RouteMatch::PathKind::kExact || match.regex.has_value();
    const std::size_t matched = whole ? path.size() : match.path.size();
    out = base::Cat(*prefix_rewrite, path.substr(std::min(matched, path.size())));
  } else if (regex_rewrite.has_value()) {
    out = path;
    if (!regex_rewrite->regex.ReplaceAll(out, regex_rewrite->substitution, worker)) {
      return std::nullopt;
    }
  } else {
    return std::nullopt;
  }
  // A request line needs an origin-form target whatever the operator's rewrite makes of it.
  if (!out.starts_with('/')) out.insert(0, 1, '/');
  return out;
}

// The request's host as a redirect keeps it: without its port when another one is to be named, or
// when it was the default one of a scheme that changes.
std::string_view HostForRedirect(std::string_view authority, std::string_view old_scheme,
                                 std::string_view new_scheme, bool new_port) {
  std::size_t end = std::string_view::npos;
  if (authority.starts_with('[')) {
    end = authority.rfind("]:");
    if (end != std::string_view::npos) ++end;
  } else {
    end = authority.rfind(':');
  }
  if (end == std::string_view::npos) return authority;
  const std::string_view port = authority.substr(end);
  const bool was_default =
      (old_scheme == "https" && port == ":443") || (old_scheme == "http" && port == ":80");
  return new_port || (old_scheme != new_scheme && was_default) ? authority.substr(0, end)
                                                               : authority;
}

}  // namespace

bool RewritePath(const Route& route, http::RequestHead& head, unsigned worker) {
  const auto* action = std::get_if<ForwardAction>(&route.action);
  if (action == nullptr) return false;
  const std::string_view path = head.PathWithoutQuery();
  std::optional<std::string> rewritten;
  if (action->template_rewrite.has_value() && route.match.regex.has_value()) {
    rewritten = path;
    if (!route.match.regex->ReplaceAll(*rewritten, *action->template_rewrite, worker)) return false;
  } else {
    rewritten = Rewritten(route.match, path, action->prefix_rewrite, action->regex_rewrite, worker);
  }
  if (!rewritten.has_value()) return false;
  rewritten->append(head.path, path.size());
  if (*rewritten == head.path) return false;
  head.path = *std::move(rewritten);
  return true;
}

std::string RewrittenHost(const ForwardAction& action, const http::RequestHead& head,
                          unsigned worker) {
  if (!action.host_header.empty()) {
    std::string host(head.fields.Get(action.host_header).value_or(""));
    return http::ParseAuthority(host).has_value() ? host : "";
  }
  if (action.host_regex.has_value()) {
    std::string host(head.PathWithoutQuery());
    action.host_regex->regex.ReplaceAll(host, action.host_regex->substitution, worker);
    return http::ParseAuthority(host).has_value() ? host : "";
  }
  return "";
}

std::string RedirectLocation(const Route& route, const http::RequestHead& head, unsigned worker) {
  const auto* action = std::get_if<RedirectAction>(&route.action);
  if (action == nullptr) return "";
  const std::string_view old_scheme = head.scheme.empty() ? "http" : std::string_view(head.scheme);
  const std::string_view scheme = !action->scheme.empty() ? std::string_view(action->scheme)
                                  : action->https         ? std::string_view("https")
                                                          : old_scheme;
  const std::string_view host = !action->host.empty() ? std::string_view(action->host)
                                                      : HostForRedirect(head.authority, old_scheme,
                                                                        scheme, action->port != 0);
  std::string location = base::Cat(scheme, "://", host);
  if (action->port != 0) base::Append(location, ":", action->port);

  const std::string_view path = head.PathWithoutQuery();
  const std::string_view query =
      action->strip_query ? std::string_view() : std::string_view(head.path).substr(path.size());
  if (action->path.has_value()) {
    if (!action->path->starts_with('/')) location += '/';
    location += *action->path;
    // A query of the operator's takes the place of the client's and is never stripped.
    if (action->path->find('?') == std::string::npos) location += query;
    return location;
  }
  const std::optional<std::string> rewritten =
      Rewritten(route.match, path, action->prefix_rewrite, action->regex_rewrite, worker);
  base::Append(location, rewritten.has_value() ? std::string_view(*rewritten) : path, query);
  return location;
}

}  // namespace sluice::config
