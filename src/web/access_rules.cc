#include "web/access_rules.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::web {
namespace {

using base::EqualsIgnoreCase;

// "[::1]:80" and "localhost:80" without their ports; empty when malformed.
std::string_view HostOf(std::string_view authority) {
  std::size_t end = authority.find(':');
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.find(']');
    if (bracket == authority.npos) return {};
    end = bracket + 1 == authority.size() ? authority.npos : bracket + 1;
    if (end != authority.npos && authority[end] != ':') return {};
  }
  if (end == authority.npos) return authority;
  const std::string_view port = authority.substr(end + 1);
  if (!port.empty() && !base::ParseUint(port)) return {};
  return authority.substr(0, end);
}

bool IsAllowedHost(const AccessRules& rules, std::string_view authority,
                   const base::Address& local) {
  if (local.family() == base::Address::Family::kUnix) return true;  // No browser gets there.
  std::string_view host = HostOf(authority);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return false;
  if (EqualsIgnoreCase(host, "localhost")) return true;
  for (const std::string& name : rules.host_names) {
    if (EqualsIgnoreCase(host, name)) return true;
  }
  auto ip = base::Address::ParseIp(host, local.port());
  return ip.has_value() && (ip->IsLoopback() || *ip == local);
}

bool IsOwnOrigin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme) && EqualsIgnoreCase(origin.substr(scheme.size()), host)) {
      return true;
    }
  }
  return false;
}

// What an HTML form, or a fetch without a preflight, can send.
bool IsFormType(std::string_view content_type) {
  const std::string_view type = base::TrimOws(content_type.substr(0, content_type.find(';')));
  return EqualsIgnoreCase(type, "text/plain") || EqualsIgnoreCase(type, "multipart/form-data") ||
         EqualsIgnoreCase(type, "application/x-www-form-urlencoded");
}

// Takes as long for a wrong first byte as for a wrong last one.
bool SameSecret(std::string_view given, std::string_view secret) {
  volatile unsigned different = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    different = different | static_cast<unsigned char>(given[i] ^ expected);
  }
  return different == 0;
}

bool HasToken(const AccessRules& rules, const WebRequest& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = request.Header("authorization").value_or("");
  return given.size() > kScheme.size() &&
         EqualsIgnoreCase(given.substr(0, kScheme.size()), kScheme) &&
         SameSecret(base::TrimOws(given.substr(kScheme.size())), rules.token);
}

}  // namespace

Denial Judge(const AccessRules& rules, const WebRequest& request, const base::Address& local,
             bool has_body) {
  const std::string_view host = request.Header("host").value_or("");
  if (!IsAllowedHost(rules, host, local)) {
    return {403, base::Cat("the Host '", base::Printable(host),
                           "' is neither a loopback name nor configured")};
  }
  for (const WebHeader& header : request.headers) {
    if (EqualsIgnoreCase(header.name, "origin") && !IsOwnOrigin(header.value, host)) {
      return {403, base::Cat("the Origin '", base::Printable(header.value), "' is foreign")};
    }
  }
  const bool reads = request.method == "GET" || request.method == "OPTIONS";
  if (!reads) {
    const std::string_view site = request.Header("sec-fetch-site").value_or("none");
    if (site != "same-origin" && site != "none") {
      return {403, "a page of another site may not change anything here"};
    }
    if (has_body) {
      for (const WebHeader& header : request.headers) {
        if (EqualsIgnoreCase(header.name, "content-type") && IsFormType(header.value)) {
          return {403,
                  "a content type that HTML forms can send is refused: use application/json "
                  "or application/yaml"};
        }
      }
    }
  }
  const bool open = std::find(rules.open_paths.begin(), rules.open_paths.end(), request.path) !=
                    rules.open_paths.end();
  if (!rules.token.empty() && !open && !HasToken(rules, request)) {
    return {401, "a bearer token is required"};
  }
  return {};
}

}  // namespace sluice::web
