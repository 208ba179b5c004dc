#include "apps_url.h"

#include <algorithm>

#include "base/address.h"
#include "base/strings.h"
#include "config/compile_address.h"
#include "http/authority.h"

namespace sluice::control {
namespace {

constexpr std::size_t kUrlBytesMax = 2048;

struct Parts {
  bool https = false;
  std::string host;
  bool bracketed = false;
  bool is_ip = false;
  std::optional<std::uint16_t> port;
  std::string_view rest;  // From the first '/', '?' or '#' on.
};

// A name whose last label is a number would be read as an IPv4 address by some (RFC 3986 3.2.2).
bool LooksNumeric(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return !last.empty() &&
         std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool TakeHost(std::string_view authority, Parts& parts, std::string& why) {
  if (authority.find('@') != std::string_view::npos) {
    why = "holds a user name or password, which would be sent nowhere; leave it out";
    return false;
  }
  const std::optional<http::Authority> parsed = http::ParseAuthority(authority);
  if (!parsed.has_value() || parsed->host.empty() || authority.ends_with(':')) {
    why = "no valid host[:port] after the scheme; write as http://127.0.0.1:9000";
    return false;
  }
  parts.port = parsed->port;
  std::string_view host = parsed->host;
  parts.bracketed = host.starts_with('[');
  if (parts.bracketed && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  parts.host = base::Lowercase(host);
  parts.is_ip = base::Address::ParseIp(parts.host, 1).has_value();
  if (parts.bracketed != (parts.host.find(':') != std::string::npos) ||
      (parts.bracketed && !parts.is_ip)) {
    why = "no valid IPv6 address; write as http://[::1]:9000";
    return false;
  }
  if (!parts.is_ip && (!config::IsDnsName(parts.host) || LooksNumeric(parts.host))) {
    why = base::Cat("'", base::Printable(parts.host), "' is neither an IP address nor a DNS name");
    return false;
  }
  return true;
}

bool TakeApart(std::string_view text, Parts& parts, std::string& why) {
  if (text.size() > kUrlBytesMax) {
    why = base::Cat("has ", text.size(), " bytes; at most ", kUrlBytesMax, " are allowed");
    return false;
  }
  const std::size_t colon = text.find("://");
  const std::string scheme = base::Lowercase(text.substr(0, colon));
  if (colon == std::string_view::npos || (scheme != "http" && scheme != "https")) {
    why = "begins with neither http:// nor https://";
    return false;
  }
  parts.https = scheme == "https";
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  parts.rest = text.substr(end);
  return TakeHost(text.substr(0, end), parts, why);
}

}  // namespace

bool IsUrlPath(std::string_view text) {
  return text.starts_with('/') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::optional<AppUrl> ParseAppUrl(std::string_view text, std::string& why) {
  Parts parts;
  if (!TakeApart(text, parts, why)) return std::nullopt;
  if (!parts.rest.empty()) {
    why = base::Cat("ends in '", base::Printable(parts.rest, 64),
                    "'; write scheme, host and port only, and `rewrite` in a route for a path");
    return std::nullopt;
  }
  AppUrl url;
  url.https = parts.https;
  url.host = std::move(parts.host);
  url.is_ip = parts.is_ip;
  const std::uint16_t own_port = url.https ? 443 : 80;
  url.port = parts.port.value_or(own_port);
  url.authority = parts.bracketed ? base::Cat("[", url.host, "]") : url.host;
  if (url.port != own_port) base::Append(url.authority, ":", url.port);
  return url;
}

std::optional<RedirectUrl> ParseRedirectUrl(std::string_view text, std::string& why) {
  Parts parts;
  if (!TakeApart(text, parts, why)) return std::nullopt;
  if (!parts.rest.empty() && !IsUrlPath(parts.rest)) {
    why = "what follows the host must begin with / and hold visible ASCII only";
    return std::nullopt;
  }
  RedirectUrl url;
  url.https = parts.https;
  url.host = parts.bracketed ? base::Cat("[", parts.host, "]") : std::move(parts.host);
  url.port = parts.port.value_or(0);
  url.path = parts.rest;
  return url;
}

}  // namespace sluice::control
