#include "http/authority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "http/chars.h"

namespace sluice::http {
namespace {

constexpr std::size_t kHostBytesMax = 255;  // RFC 1035 section 2.3.4.

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  unsigned port = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

// "::1", without brackets; zone ids and IPvFuture are no addresses here.
bool IsIpv6(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof(buffer)) return false;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  if (std::strlen(buffer) != text.size()) return false;
  in6_addr address;
  return inet_pton(AF_INET6, buffer, &address) == 1;
}

// Names, IPv4, and what people call their containers (underscores). RFC 3986 allows more (percent
// encoding, "!$&'()*+,;="), but nothing good is called so, and logs and apps trip over it.
bool IsRegName(std::string_view text) {
  if (text.empty() || text.size() > kHostBytesMax) return false;
  char previous = '.';  // No empty label: neither a leading dot nor two in a row.
  for (const char c : text) {
    if (!IsUnreserved(c) || (c == '.' && previous == '.')) return false;
    previous = c;
  }
  return true;
}

// Where the host of a valid authority ends.
std::size_t HostSize(std::string_view authority) {
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t bracket = authority.find(']');
    return bracket == std::string_view::npos ? authority.size() : bracket + 1;
  }
  return std::min(authority.find(':'), authority.size());
}

}  // namespace

std::optional<Authority> ParseAuthority(std::string_view text) {
  const std::size_t host_size = HostSize(text);
  Authority authority{text.substr(0, host_size), std::nullopt};
  const std::string_view rest = text.substr(host_size);
  if (!rest.empty()) {
    if (rest.front() != ':') return std::nullopt;
    authority.port = ParsePort(rest.substr(1));
    if (!authority.port) return std::nullopt;
  }
  const std::string_view host = authority.host;
  if (!host.empty() && host.front() == '[') {
    if (host.size() < 4 || host.back() != ']') return std::nullopt;
    if (!IsIpv6(host.substr(1, host.size() - 2))) return std::nullopt;
    return authority;
  }
  if (!IsRegName(host)) return std::nullopt;
  return authority;
}

void NormalizeAuthority(std::string& authority, const HostOptions& options,
                        std::uint16_t listener_port) {
  const std::size_t host_size = HostSize(authority);
  if (host_size < authority.size() && authority[host_size] == ':') {
    const std::optional<std::uint16_t> port =
        ParsePort(std::string_view(authority).substr(host_size + 1));
    using StripPort = HostOptions::StripPort;
    const bool strip = options.strip_port == StripPort::kAny ||
                       (options.strip_port == StripPort::kMatching && port == listener_port);
    if (port && strip) authority.resize(host_size);
  }
  if (options.strip_trailing_dot && host_size > 1 && authority[host_size - 1] == '.') {
    authority.erase(host_size - 1, 1);
  }
}

}  // namespace sluice::http
