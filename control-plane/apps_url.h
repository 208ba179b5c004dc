#pragma once
// The URLs that apps are reached at, and those that redirects lead to, taken apart. Pure; any
// thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

struct AppUrl {
  bool https = false;
  std::string host;        // In lower case; an IPv6 address without its brackets.
  std::uint16_t port = 0;  // Never 0: the scheme's when the URL has none.
  bool is_ip = false;
  std::string authority;  // As in a Host header: without the scheme's own port.
};

// http(s)://host[:port] and nothing after it; nullopt with `why` filled.
std::optional<AppUrl> ParseAppUrl(std::string_view text, std::string& why);

struct RedirectUrl {
  bool https = false;
  std::string host;        // "[::1]" with brackets; in lower case.
  std::uint16_t port = 0;  // 0: none was written.
  std::string path;        // With its query; "": the request's own.
};

// http(s)://host[:port][/path][?query]; nullopt with `why` filled.
std::optional<RedirectUrl> ParseRedirectUrl(std::string_view text, std::string& why);

// Visible ASCII from '/' on, as it may stand in a Location or in a rewritten request line.
bool IsUrlPath(std::string_view text);

}  // namespace sluice::control
