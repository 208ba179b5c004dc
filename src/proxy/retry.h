#pragma once
// Whether a failed try may be made again. Pure decision over values.
//
// For now only the clean replay: a pooled connection that the upstream closed just as the request
// was written, before any byte of a response. RFC 9110 section 9.2.2, RFC 9112 section 9.3.1.

#include <cstdint>

#include "http/head.h"
#include "proxy/failure.h"

namespace sluice::proxy {

struct TryFacts {
  FailureKind failure;
  http::Method method;
  bool reused_connection;  // It had carried a response before.
  bool response_begun;     // Any byte of a response was seen.
  bool anything_sent;      // The kernel took a byte of the request.
  bool body_replayable;    // There is none, or all of it is kept.
  bool replayed_already;
};

bool ShouldReplay(const TryFacts& facts);

// Safe to repeat even when the upstream may have acted on it.
bool IsIdempotent(http::Method method);

// How much of a request body is kept for a replay.
inline constexpr std::size_t kReplayBytesMax = 64 * 1024;

}  // namespace sluice::proxy
