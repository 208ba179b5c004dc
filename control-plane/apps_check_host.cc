// Host names and CORS policies of an apps file.
#include <algorithm>

#include "apps.h"
#include "apps_check.h"
#include "base/address.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_address.h"
#include "config/matchers.h"
#include "http/chars.h"

namespace sluice::control {
namespace {

using Scope = base::FieldErrors::Scope;

std::string Quoted(std::string_view text) {
  return base::Cat("'", base::Printable(text, 128), "'");
}

// scheme://host[:port] as browsers send it, with "*." allowed before the host.
bool IsOrigin(std::string_view origin) {
  const std::size_t colon = origin.find("://");
  if (colon == std::string_view::npos || colon == 0 || origin.size() > 512) return false;
  const std::string_view scheme = origin.substr(0, colon);
  std::string_view host = origin.substr(colon + 3);
  if (host.starts_with("*.")) host.remove_prefix(2);
  const bool scheme_ok = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
  return scheme_ok && !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  std::string_view("-_.:[]").find(c) != std::string_view::npos;
         });
}

void CheckOrigins(const CorsSpec& cors, base::FieldErrors& errors) {
  if (cors.allow_origins.empty() && cors.allow_origin_regexes.empty()) {
    errors.Add("allows no origin; write allow_origins: [\"https://app.example.com\"]");
  }
  for (std::size_t i = 0; i < cors.allow_origins.size(); ++i) {
    const std::string& origin = cors.allow_origins[i];
    const Scope scope(errors, "allow_origins", i);
    if (origin == "*") {
      if (cors.allow_credentials) {
        // Any page of the web could read what its visitor may see.
        errors.Add("cannot be * beside allow_credentials; list the origins");
      }
    } else if (origin != "null" && !IsOrigin(origin)) {
      errors.Add(base::Cat(Quoted(origin),
                           " is no origin; write scheme://host[:port] in lower "
                           "case, https://*.example.com or *"));
    }
  }
  for (std::size_t i = 0; i < cors.allow_origin_regexes.size(); ++i) {
    const Scope scope(errors, "allow_origin_regexes", i);
    config::Regex::Compile(cors.allow_origin_regexes[i], errors);
  }
}

void CheckTokens(const std::vector<std::string>& tokens, std::string_view field,
                 std::string_view what, base::FieldErrors& errors) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (http::IsToken(tokens[i]) && tokens[i].size() <= 256) continue;
    const Scope scope(errors, field, i);
    errors.Add(base::Cat(Quoted(tokens[i]), " is no ", what));
  }
}

}  // namespace

void CheckHostName(std::string_view host, base::FieldErrors& errors) {
  if (host == "*") return;
  const std::string lower = base::Lowercase(host);
  if (lower != host) {
    errors.Add(base::Cat("write the host in lower case: ", Quoted(lower)));
    return;
  }
  std::string_view name = host;
  if (name.starts_with('[') && name.ends_with(']') && base::Address::ParseIp(name, 1)) return;
  if (name.starts_with("*.") || name.starts_with("*-")) {
    name.remove_prefix(2);
  } else if (name.ends_with(".*")) {
    name.remove_suffix(2);
  }
  if (config::IsDnsName(name) && !name.ends_with('.')) return;
  const bool port = name.find(':') != std::string_view::npos && name.find('/') == name.npos;
  errors.Add(base::Cat("the host ", Quoted(host),
                       port ? " has a port; leave it out, a host is served on every port of its "
                              "listeners"
                            : " is no host name; write a.example.com, \"*.example.com\" or \"*\""));
}

void CheckCors(const CorsSpec& cors, base::FieldErrors& errors) {
  CheckOrigins(cors, errors);
  CheckTokens(cors.allow_methods, "allow_methods", "method", errors);
  CheckTokens(cors.allow_headers, "allow_headers", "header name", errors);
  CheckTokens(cors.expose_headers, "expose_headers", "header name", errors);
}

}  // namespace sluice::control
