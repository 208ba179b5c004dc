#pragma once
// The first message of a TLS client, read without OpenSSL: who is asked for, and which protocols.
//
// No I/O; any thread. The bytes are a client's, before anything is known of it: every length is
// checked, nothing is allocated but for a hello that comes in several records. RFC 8446 4.1.2,
// RFC 6066 3, RFC 7301 3.1.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::net {

struct ClientHello {
  enum class Step : std::uint8_t {
    kNeedMore,  // It may become one.
    kHello,
    kNotTls,    // The first bytes are no TLS handshake.
    kBroken,    // It began as one.
    kTooLarge,  // Longer than `bytes_max`.
  };
  Step step = Step::kNeedMore;
  std::string server_name;        // Lower-case; "": not sent.
  std::vector<std::string> alpn;  // In the client's order.
  std::size_t bytes = 0;          // kHello: of `input` up to its end.
};

// `input` is everything from the connection's first byte on. Strings are filled for kHello only.
ClientHello ParseClientHello(std::string_view input, std::size_t bytes_max);

}  // namespace sluice::net
