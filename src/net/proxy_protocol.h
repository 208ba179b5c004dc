#pragma once
// The PROXY protocol, versions 1 and 2: what a balancer in front says about its client, and what we
// say about ours. Pure; any thread. The bytes are a stranger's: strict and bounded.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.h"

namespace sluice::net {

struct ProxyHeader {
  enum class Step : std::uint8_t {
    kNeedMore,  // It may become one.
    kHeader,
    kNone,    // The first bytes are not those of a header.
    kBroken,  // It began as one.
  };
  Step step = Step::kNeedMore;
  int version = 0;        // kHeader and kBroken, and kNeedMore once it is known.
  std::size_t bytes = 0;  // kHeader: of `input`.
  // Whether it tells addresses. Not of LOCAL, UNKNOWN and AF_UNSPEC: the socket's hold.
  bool has_addresses = false;
  base::Address source;
  base::Address destination;
};

// A version 2 header with extensions may be this long.
inline constexpr std::size_t kProxyHeaderBytesMax = 8 * 1024;

// `input` is everything from the connection's first byte on. Extensions (TLVs) are checked for
// their form and skipped.
ProxyHeader ParseProxyHeader(std::string_view input);

// The header for `source` speaking to `destination`; without addresses (UNKNOWN, LOCAL) when these
// are not two IP addresses of one family. REQUIRES: version 1 or 2.
void AppendProxyHeader(int version, const base::Address& source, const base::Address& destination,
                       std::string& out);

}  // namespace sluice::net
