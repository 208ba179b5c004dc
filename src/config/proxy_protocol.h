#pragma once
// The PROXY protocol, in and out, compiled. Values; any thread may read.

#include <cstdint>
#include <string>

namespace sluice::config {

// The listener filter.
struct ProxyProtocolFilter {
  bool optional = false;  // Connections without a header are served, too.
  bool allow_v1 = true;
  bool allow_v2 = true;
  std::string stat_prefix;
  bool operator==(const ProxyProtocolFilter&) const = default;
};

// The header that goes before everything else to an upstream.
enum class ProxyProtocolOut : std::uint8_t { kNone = 0, kV1 = 1, kV2 = 2 };

}  // namespace sluice::config
