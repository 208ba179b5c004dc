#pragma once
// HTTP/2 as a listener or a cluster configures it, beside what the codec needs (http::H2Options).
//
// Values; any thread may read.

#include <cstdint>

namespace envoy::config::core::v3 {
class Http2ProtocolOptions;
}
namespace sluice::base {
class FieldErrors;
}
namespace sluice::http {
struct H2Options;
}

namespace sluice::config {

// PINGs that notice a dead peer.
struct H2Keepalive {
  std::uint64_t interval_ms = 0;  // 0: none.
  std::uint64_t timeout_ms = 0;
  std::uint32_t jitter_percent = 15;  // Added to the interval, at most.
  // A connection that was silent for so long is pinged before it gets a stream. 0: not.
  std::uint64_t idle_interval_ms = 0;

  bool operator==(const H2Keepalive&) const = default;
};

// What `proto` sets; the rest stays. Errors are scoped to http2_protocol_options.
void CompileHttp2Options(const envoy::config::core::v3::Http2ProtocolOptions& proto,
                         http::H2Options& options, H2Keepalive& keepalive,
                         base::FieldErrors& errors);

}  // namespace sluice::config
