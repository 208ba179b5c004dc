#pragma once
// Why an exchange did not get its response: a closed enum, mapped in one switch (failure.cc) to
// status, body, details and response flag. envoy-behaviour.md 2.8.

#include <cstdint>
#include <string_view>

#include "observe/stream_info.h"

namespace sluice::proxy {

enum class FailureKind : std::uint8_t {
  kRouteNotFound,
  kClusterNotFound,
  kNoHealthyUpstream,
  kUpstreamOverflow,
  kConnectFailed,
  kConnectTimeout,
  kUpstreamClosed,
  kUpstreamReset,
  kUpstreamRefused,  // Reset by the upstream before it looked at the request.
  kUpstreamProtocolError,
  kLocalReset,
  kResponseTimeout,
  kPerTryTimeout,
  kPerTryIdleTimeout,
  kStreamIdleTimeout,
  kRequestTimeout,
  kRequestHeaderTimeout,
  kMaxStreamDuration,
  kUpstreamMaxStreamDuration,
  kDownstreamGone,
  kDownstreamProtocolError,
  kUpgradeRefused,
  kPathRejected,
  kAbsolutePathRejected,
  kMissingHost,
  kUnderscores,
  kTlsRequired,
  kDropOverload,
  kOverload,
  kBodyTooLarge,
  kExpectationFailed,
};

enum class Side : std::uint8_t { kDownstream, kUpstream };

struct Failure {
  FailureKind kind;
  Side side;
  bool retriable;  // No response byte was seen and the request can be replayed.
};

struct FailureReply {
  int status;  // 0: nothing can be answered (the client is gone).
  std::string_view body;
  std::string_view details;
  observe::ResponseFlags flags;
  bool close;  // The downstream connection cannot be used again.
};
FailureReply Describe(FailureKind kind);

}  // namespace sluice::proxy
