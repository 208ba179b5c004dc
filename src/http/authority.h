#pragma once
// Host and :authority. RFC 3986 section 3.2, RFC 9110 section 7.2.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::http {

struct Authority {
  std::string_view host;  // Without brackets' content changed: "[::1]" keeps them.
  std::optional<std::uint16_t> port;
};

// Nullopt when it is no valid host[:port]: userinfo, spaces, commas, controls, zone ids, bad port.
std::optional<Authority> ParseAuthority(std::string_view text);

struct HostOptions {
  enum class StripPort : std::uint8_t { kNone, kMatching, kAny };
  StripPort strip_port = StripPort::kNone;
  bool strip_trailing_dot = false;

  bool operator==(const HostOptions&) const = default;
};

// Applies the connection manager's host options in place; `listener_port` is for kMatching.
void NormalizeAuthority(std::string& authority, const HostOptions& options,
                        std::uint16_t listener_port);

}  // namespace sluice::http
