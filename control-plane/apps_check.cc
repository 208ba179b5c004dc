// What an apps file may say, beyond its form: ranges, names and references.
#include "apps_check.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>

#include "apps.h"
#include "apps_url.h"
#include "base/address.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_address.h"
#include "config/compile_headers.h"
#include "config/format.h"
#include "config/matchers.h"
#include "config/yaml_value.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/path.h"

namespace sluice::control {
namespace {

using Scope = base::FieldErrors::Scope;

constexpr std::size_t kNameBytesMax = 128;
constexpr std::size_t kPathBytesMax = 2048;
constexpr std::size_t kBodyBytesMax = 64 * 1024;  // build_resources.cc tells the proxies.
constexpr std::size_t kValueBytesMax = 8 * 1024;

std::string Quoted(std::string_view text) {
  return base::Cat("'", base::Printable(text, 128), "'");
}

// Names go into statistics, URLs and shells.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return http::IsUnreserved(c) && c != '~'; });
}

// ---- listeners and apps
// --------------------------------------------------------------------------

void CheckListeners(const AppsParts& config, base::FieldErrors& errors) {
  std::vector<std::pair<base::Address, std::string_view>> seen;
  for (const auto& [name, listener] : config.listeners) {
    const Scope scope(errors, EntryPath("listeners", name));
    CheckName(name, errors);
    for (std::size_t i = 0; i < listener.tls.size(); ++i) {
      const TlsFiles& files = listener.tls[i];
      const Scope entry(errors, "tls", i);
      if (files.cert.empty() || files.key.empty()) errors.Add("needs both cert and key");
      if ((files.cert + files.key).find('\0') != std::string::npos) errors.Add("holds a NUL");
    }
    const auto address = base::Address::ParseIp(listener.address, listener.port);
    if (!address.has_value() || listener.address.starts_with('[')) {
      errors.AddAt("address", base::Cat(Quoted(listener.address),
                                        " is no IP address; write 0.0.0.0 for every interface, "
                                        "127.0.0.1 for this machine alone, or :: for IPv6 too"));
      continue;
    }
    if (listener.port == 0) continue;  // The kernel picks: a new port each time.
    for (const auto& [other, other_name] : seen) {
      const bool clash = other.port() == address->port() &&
                         (other == *address || other.IsAny() || address->IsAny());
      if (!clash) continue;
      errors.AddAt("port", base::Cat(listener.port, " is taken by listener ", Quoted(other_name),
                                     " at ", other.ToString()));
    }
    seen.emplace_back(*address, name);
  }
  if (config.listeners.empty() && !config.hosts.empty()) {
    errors.AddAt("listeners",
                 "there are hosts, but nothing listens; write "
                 "listeners: {web: {address: 0.0.0.0, port: 8000}}");
  }
}

void CheckUrls(const AppSpec& app, base::FieldErrors& errors) {
  if (app.urls.empty()) {
    errors.Add("needs a URL; write url: http://127.0.0.1:9000");
    return;
  }
  std::optional<AppUrl> first;
  std::set<std::string, std::less<>> seen;
  for (std::size_t i = 0; i < app.urls.size(); ++i) {
    // As it is most likely written; the lines of both are found from here.
    const Scope scope(errors, app.urls.size() == 1 ? "url" : base::Cat("urls[", i, "]"));
    std::string why;
    const std::optional<AppUrl> url = ParseAppUrl(app.urls[i], why);
    if (!url.has_value()) {
      errors.Add(base::Cat(Quoted(app.urls[i]), ": ", why));
      continue;
    }
    if (!seen.insert(base::Cat(url->host, " ", url->port)).second) {
      errors.Add(base::Cat(Quoted(app.urls[i]), " is listed twice; keep one"));
    }
    if (!first.has_value()) {
      first = url;
    } else if (url->https != first->https) {
      errors.Add("http and https in one app; write two apps");
    } else if (url->https && url->host != first->host) {
      errors.Add(
          base::Cat("the https URLs of one app must name the same host, which goes into SNI "
                    "and Host; write two apps and a split for ",
                    Quoted(url->host)));
    }
  }
  if (!app.ca_file.empty() && first.has_value() && !first->https) {
    errors.AddAt("ca_file", "only for https URLs; leave it out");
  }
}

void CheckApp(const AppSpec& app, base::FieldErrors& errors) {
  CheckUrls(app, errors);
  if (app.connect_timeout_ms == 0U) {
    errors.AddAt("connect_timeout", "nothing connects in no time; write as 5s");
  }
  if (app.ca_file.find('\0') != std::string::npos) errors.AddAt("ca_file", "holds a NUL");
}

// ---- headers
// -------------------------------------------------------------------------------------

void CheckHeaderName(std::string_view name, base::FieldErrors& errors) {
  constexpr std::array<std::string_view, 6> kOurs = {"connection",        "content-length",
                                                     "keep-alive",        "proxy-connection",
                                                     "transfer-encoding", "upgrade"};
  if (name.starts_with(':') || name == "host") {
    errors.Add(base::Cat(Quoted(name),
                         " may not be edited; use host_header for the Host sent to "
                         "the app"));
  } else if (!config::IsHeaderName(name) || name.size() > 256) {
    errors.Add(base::Cat(Quoted(name), " is no header name"));
  } else if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) {
    errors.Add(base::Cat(Quoted(name),
                         " may not be edited: it belongs to one connection, and the "
                         "proxy writes its own"));
  }
}

void CheckPairs(const std::vector<std::pair<std::string, std::string>>& pairs,
                std::string_view field, base::FieldErrors& errors) {
  const Scope scope(errors, field);
  std::set<std::string_view> seen;
  for (const auto& [name, value] : pairs) {
    const base::FieldErrors::Suffix entry(errors, EntryPath("", name));
    CheckHeaderName(name, errors);
    if (field == "set" && !seen.insert(name).second) errors.Add("is set twice; keep one");
    if (!http::IsFieldValue(value) || value.size() > kValueBytesMax) {
      errors.Add(base::Cat("the value ", Quoted(value),
                           " is too long, or holds a line break or "
                           "another control byte"));
    } else {
      config::CompileFormat(value, errors);  // %DOWNSTREAM_REMOTE_ADDRESS%; a bare % is %%.
    }
  }
}

void CheckEdits(const HeaderEdits& edits, std::string_view direction, base::FieldErrors& errors) {
  const Scope headers(errors, "headers");
  const Scope scope(errors, direction);
  CheckPairs(edits.set, "set", errors);
  CheckPairs(edits.add, "add", errors);
  for (std::size_t i = 0; i < edits.remove.size(); ++i) {
    const Scope entry(errors, "remove", i);
    CheckHeaderName(edits.remove[i], errors);
  }
}

// ---- routes
// --------------------------------------------------------------------------------------

std::string_view MatchKey(RouteSpec::Match match) {
  switch (match) {
    case RouteSpec::Match::kPath:
      return "path";
    case RouteSpec::Match::kPrefix:
      return "prefix";
    case RouteSpec::Match::kExact:
      return "exact";
    case RouteSpec::Match::kRegex:
      return "regex";
  }
  return "path";
}

void CheckMatch(const RouteSpec& route, base::FieldErrors& errors) {
  if (route.path.empty()) {
    errors.Add("says of no path; write path: /x (that path and below), prefix, exact or regex");
    return;
  }
  const Scope scope(errors, MatchKey(route.match));
  const std::string_view path = route.path;
  if (path.size() > kPathBytesMax) {
    errors.Add(base::Cat("has ", path.size(), " bytes; at most ", kPathBytesMax, " are allowed"));
    return;
  }
  if (route.match == RouteSpec::Match::kRegex) {
    config::Regex::Compile(path, errors);
    return;
  }
  if (!IsUrlPath(path)) {
    errors.Add(base::Cat(Quoted(path),
                         " must begin with / and hold visible ASCII only; escape "
                         "other characters as %20"));
    return;
  }
  if (path.find_first_of("?#") != std::string_view::npos) {
    errors.Add(base::Cat(Quoted(path), " holds ? or #; routes look at the path before them"));
    return;
  }
  if (route.match == RouteSpec::Match::kPath && path.size() > 1 && path.ends_with('/')) {
    const std::size_t end = std::max<std::size_t>(path.find_last_not_of('/') + 1, 1);
    errors.Add(base::Cat("write ", Quoted(path.substr(0, end)),
                         ", which is that path and below, or prefix: ", path));
    return;
  }
  // Requests come normalised: what normalisation changes no request can match. A prefix may end
  // anywhere, so something follows it.
  std::string normal(path);
  if (route.match == RouteSpec::Match::kPrefix) normal += 'x';
  const std::string before = normal;
  http::PathOptions options;
  options.merge_slashes = true;
  if (http::NormalizePath(normal, options) != http::PathVerdict::kOk || normal != before) {
    errors.Add(base::Cat(Quoted(path),
                         " matches nothing, as paths are normalised first (no //, no "
                         "dot segments, no escapes of plain letters)"));
  }
}

void CheckRedirect(const RouteSpec& route, base::FieldErrors& errors) {
  const Scope scope(errors, "redirect");
  const RouteSpec::Redirect& redirect = *route.redirect;
  constexpr std::array<int, 5> kStatuses = {301, 302, 303, 307, 308};
  if (std::find(kStatuses.begin(), kStatuses.end(), redirect.status) == kStatuses.end()) {
    errors.AddAt("status",
                 base::Cat(redirect.status, " is no redirect; write 301, 302, 303, 307 or 308"));
  }
  if (redirect.to.empty()) {
    errors.AddAt("to", "needed; write a path as /new, or a URL");
  } else if (redirect.to.starts_with("//")) {
    // A browser would read a host there.
    errors.AddAt("to", base::Cat(Quoted(redirect.to), " begins with //; write a path or a URL"));
  } else if (redirect.to.starts_with('/')) {
    if (!IsUrlPath(redirect.to) || redirect.to.size() > kPathBytesMax) {
      errors.AddAt("to", base::Cat(Quoted(redirect.to),
                                   " holds spaces, control or non-ASCII "
                                   "characters, or is too long"));
    } else if (route.match == RouteSpec::Match::kExact && redirect.to == route.path) {
      errors.AddAt("to", "leads back to itself; write another path");
    }
  } else {
    std::string why;
    if (!ParseRedirectUrl(redirect.to, why).has_value()) {
      errors.AddAt("to", base::Cat(Quoted(redirect.to), ": ", why, "; or write a path as /new"));
    }
  }
}

void CheckReference(const AppsParts& config, const std::string& app, base::FieldErrors& errors) {
  if (config.apps.contains(app)) return;
  config::NearestWord nearest(app);
  // What is not told is not looked for: a file of nothing but mistakes must stay cheap.
  if (errors.size() < base::FieldErrors::kErrorsMax) {
    for (const auto& [name, spec] : config.apps) nearest.Offer(name);
  }
  errors.Add(nearest.best().empty() ? base::Cat("there is no app ", Quoted(app))
                                    : base::Cat("there is no app ", Quoted(app), "; did you mean ",
                                                Quoted(nearest.best()), "?"));
}

void CheckAction(const AppsParts& config, const RouteSpec& route, base::FieldErrors& errors) {
  const int actions = (route.app.empty() ? 0 : 1) + (route.split.empty() ? 0 : 1) +
                      (route.respond.has_value() ? 1 : 0) + (route.redirect.has_value() ? 1 : 0);
  if (actions != 1) {
    errors.Add(actions == 0 ? "does nothing; write app, split, respond or redirect"
                            : "does several things; write one of app, split, respond, redirect");
  }
  if (!route.app.empty()) {
    const Scope scope(errors, "app");
    CheckReference(config, route.app, errors);
  }
  if (!route.split.empty()) {
    const Scope scope(errors, "split");
    std::uint64_t sum = 0;
    std::set<std::string_view> seen;
    for (const auto& [app, weight] : route.split) {
      const base::FieldErrors::Suffix entry(errors, EntryPath("", app));
      CheckReference(config, app, errors);
      if (!seen.insert(app).second) errors.Add("is listed twice; add the weights up");
      if (weight > 1'000'000) errors.Add("a weight is at most 1000000");
      sum += weight;
    }
    if (sum == 0) errors.Add("all weights are 0; write at least one above");
  }
  if (route.respond.has_value()) {
    const Scope scope(errors, "respond");
    if (route.respond->status < 200 || route.respond->status > 599) {
      errors.AddAt("status",
                   base::Cat(route.respond->status, " is no final status; write 200 to 599"));
    }
    if (route.respond->body.size() > kBodyBytesMax) {
      errors.AddAt("body", base::Cat("has ", route.respond->body.size(), " bytes; at most ",
                                     kBodyBytesMax, " are allowed"));
    }
  }
  if (route.redirect.has_value()) CheckRedirect(route, errors);
}

void CheckRetries(const RouteRetries& retries, base::FieldErrors& errors) {
  constexpr std::array<std::string_view, 8> kConditions = {
      "5xx",           "gateway-error",  "reset",      "reset-before-request", "connect-failure",
      "retriable-4xx", "refused-stream", "unavailable"};
  const Scope scope(errors, "retries");
  if (retries.attempts == 0) errors.AddAt("attempts", "0 are none; leave retries out");
  if (retries.per_try_timeout_ms == 0U) errors.AddAt("per_try_timeout", "no try takes no time");
  for (std::size_t i = 0; i < retries.on.size(); ++i) {
    const Scope entry(errors, "on", i);
    if (std::find(kConditions.begin(), kConditions.end(), retries.on[i]) != kConditions.end()) {
      continue;
    }
    std::string known;
    for (const std::string_view word : kConditions) {
      base::Append(known, known.empty() ? "" : ", ", word);
    }
    errors.Add(base::Cat(Quoted(retries.on[i]), " is no condition; write one of ", known));
  }
}

void CheckForwarding(const RouteSpec& route, base::FieldErrors& errors) {
  const bool forwards = !route.app.empty() || !route.split.empty();
  const auto needs_app = [&](bool set, std::string_view field) {
    if (set && !forwards) errors.AddAt(field, "only for routes with app or split; leave it out");
  };
  needs_app(route.strip_prefix, "strip_prefix");
  needs_app(!route.rewrite.empty(), "rewrite");
  needs_app(!route.host_header.empty(), "host_header");
  needs_app(route.timeout_ms.has_value(), "timeout");
  needs_app(route.retries.has_value(), "retries");
  if (route.retries.has_value()) CheckRetries(*route.retries, errors);
  const bool regex = route.match == RouteSpec::Match::kRegex;
  if (route.strip_prefix && !route.rewrite.empty()) {
    errors.AddAt("rewrite", "cannot stand beside strip_prefix; rewrite: /new replaces the prefix");
  }
  if (route.strip_prefix && (regex || route.path == "/")) {
    errors.AddAt("strip_prefix", regex ? "a regex has no prefix; use path or prefix"
                                       : "there is nothing to strip from /; leave it out");
  }
  if (!route.rewrite.empty()) {
    if (regex) {
      errors.AddAt("rewrite", "a regex has no prefix to replace; use path, prefix or exact");
    } else if (!IsUrlPath(route.rewrite) || route.rewrite.size() > kPathBytesMax ||
               route.rewrite.find_first_of("?#") != std::string::npos) {
      errors.AddAt("rewrite", base::Cat(Quoted(route.rewrite),
                                        " must be a path as /new, in "
                                        "visible ASCII, without ? and #"));
    }
  }
  if (!route.host_header.empty() && !http::ParseAuthority(route.host_header).has_value()) {
    errors.AddAt("host_header", base::Cat(Quoted(route.host_header), " is no host or host:port"));
  }
}

template <typename Spec>
bool SameNames(const std::map<std::string, Spec>& a, const std::map<std::string, Spec>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

void CheckName(std::string_view name, base::FieldErrors& errors) {
  if (!IsName(name)) {
    errors.Add(base::Cat("the name ", Quoted(name), " must be 1 to ", kNameBytesMax,
                         " letters, digits, '-', '_' or '.'"));
  }
}

void CheckRoute(const AppsParts& config, const RouteSpec& route, base::FieldErrors& errors) {
  CheckMatch(route, errors);
  CheckAction(config, route, errors);
  CheckForwarding(route, errors);
  if (!route.id.empty() && !IsName(route.id)) {
    const Scope scope(errors, "id");
    CheckName(route.id, errors);
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < route.methods.size(); ++i) {
    const std::string& method = route.methods[i];
    const Scope scope(errors, "methods", i);
    const bool upper =
        std::none_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (!http::IsToken(method) || !upper || method.size() > 32) {
      errors.Add(base::Cat(Quoted(method), " is no method; write as GET, in capitals"));
    } else if (!seen.insert(method).second) {
      errors.Add(base::Cat(Quoted(method), " is listed twice; keep one"));
    }
  }
  CheckEdits(route.request_headers, "request", errors);
  CheckEdits(route.response_headers, "response", errors);
}

void CheckParts(const AppsParts& config, const AppsParts* checked, base::FieldErrors& errors) {
  // What hosts refer to.
  const bool same_around = checked != nullptr && SameNames(config.apps, checked->apps) &&
                           SameNames(config.listeners, checked->listeners);
  CheckListeners(config, errors);
  for (const auto& [name, app] : config.apps) {
    const Scope scope(errors, EntryPath("apps", name));
    CheckName(name, errors);
    CheckApp(app, errors);
  }
  for (const auto& [name, host] : config.hosts) {
    if (same_around) {
      const auto before = checked->hosts.find(name);
      if (before != checked->hosts.end() && before->second == host) continue;
    }
    const Scope scope(errors, EntryPath("hosts", name));
    CheckHostName(name, errors);
    for (std::size_t i = 0; i < host.listeners.size(); ++i) {
      if (config.listeners.contains(host.listeners[i])) continue;
      const Scope entry(errors, "listeners", i);
      config::NearestWord nearest(host.listeners[i]);
      for (const auto& [listener, spec] : config.listeners) nearest.Offer(listener);
      errors.Add(base::Cat("there is no listener ", Quoted(host.listeners[i]),
                           nearest.best().empty() ? "" : "; did you mean ",
                           nearest.best().empty() ? "" : Quoted(nearest.best())));
    }
    if (host.cors.has_value()) {
      const Scope cors(errors, "cors");
      CheckCors(*host.cors, errors);
    }
    std::set<std::string_view> ids;
    for (std::size_t i = 0; i < host.routes.size(); ++i) {
      const Scope route(errors, "routes", i);
      CheckRoute(config, host.routes[i], errors);
      if (!host.routes[i].id.empty() && !ids.insert(host.routes[i].id).second) {
        errors.AddAt("id", base::Cat(Quoted(host.routes[i].id), " names two routes of this host"));
      }
    }
  }
}

}  // namespace sluice::control
