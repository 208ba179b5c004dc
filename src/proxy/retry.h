#pragma once
// Whether a failed try may be made again, and when. Pure decisions over values.
// envoy-behaviour.md 2.5; RFC 9110 section 9.2.2, RFC 9112 section 9.3.1.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/retry_policy.h"
#include "http/head.h"
#include "proxy/failure.h"

namespace sluice::proxy {

// ---- the clean replay: a pooled connection that the upstream closed just as the request was
// written, before any byte of a response. Without any policy, once, at once.

struct TryFacts {
  FailureKind failure;
  http::Method method;
  bool reused_connection;  // It had carried a response before.
  bool response_begun;     // Any byte of a response was seen.
  bool anything_sent;      // The kernel took a byte of the request.
  bool body_replayable;    // There is none, or all that was read of it is kept.
  bool replayed_already;
};

bool ShouldReplay(const TryFacts& facts);

// Safe to repeat even when the upstream may have acted on it.
bool IsIdempotent(http::Method method);

// How much of a request body is kept for a clean replay.
inline constexpr std::size_t kReplayBytesMax = 64 * 1024;

// ---- retries by policy

// What a request's route and its own x-envoy- fields ask for. Kept by the exchange and reused.
struct RetryPlan {
  const config::RetryPolicy* policy = nullptr;  // Never null once planned.
  std::uint32_t on = 0;                         // config::RetryOn bits; 0: no retries.
  std::uint32_t left = 0;                       // Retries that may still be made.
  std::uint32_t made = 0;
  std::uint64_t per_try_ms = 0;       // 0: none.
  std::uint64_t per_try_idle_ms = 0;  // 0: none.
  bool hedge = false;
  std::vector<std::uint32_t> statuses;    // Of x-envoy-retriable-status-codes.
  std::vector<std::string> header_names;  // Of x-envoy-retriable-header-names; lower case.

  bool wanted() const { return on != 0 && left > 0; }
  void Clear();
};

// What a request's own fields say about its time. Unset: nothing.
struct RequestTimes {
  std::optional<std::uint64_t> timeout_ms;
  std::optional<std::uint64_t> per_try_ms;
  std::optional<std::uint64_t> stream_duration_ms;
  bool alt_response = false;  // A timeout is answered 204.
};

// Reads and removes the fields about retries and times. Clients that may not send them had them
// removed before. `policy` may be null.
void PlanRetries(const config::TryPolicy* policy, unsigned worker, http::RequestHead& request,
                 RetryPlan& plan, RequestTimes& times);

// `anything_sent`: the upstream may know of the request.
bool RetriesFailure(const RetryPlan& plan, FailureKind failure, bool anything_sent);
bool RetriesResponse(const RetryPlan& plan, const http::ResponseHead& response, unsigned worker);

// How long to wait before the next retry; `random`: any 64-bit number.
std::uint64_t BackoffMs(const RetryPlan& plan, std::uint64_t random);
// What the response asks for, when the policy listens; at least that and at most half as much more.
std::optional<std::uint64_t> ResetMs(const RetryPlan& plan, const http::ResponseHead& response,
                                     base::WallTime now, std::uint64_t random);

}  // namespace sluice::proxy
