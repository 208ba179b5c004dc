// How long an exchange with an upstream may take.
//
// The total: a route's `timeout`, from the end of the request to the end of the response, all tries
// and the waits between them included. What lives on by design must not fall under it by accident:
//
// - An upgraded connection (101) or CONNECT is no response that takes long: the total, the per-try
//   timeout and the per-try idle timeout end with its head. That is Envoy's rule, too.
// - A response that announces itself as a stream (text/event-stream, application/grpc*) is bounded
//   by a timeout that somebody wrote into the route or the request, as in Envoy: whoever writes
//   `timeout: 5s` beside a gRPC service wants calls to end after 5 s. The 15 s that hold where
//   nobody wrote anything were meant for pages: for a stream they bound the time to its head
//   alone (config::ForwardAction::timeout_spares_streams). With --defaults envoy they end it.
//
// Streams have stream_idle_timeout or the route's idle_timeout, prolonged by bytes of either
// direction; max_stream_duration holds for everything.
#include <algorithm>
#include <chrono>

#include "base/strings.h"
#include "http/grpc_timeout.h"
#include "proxy/exchange.h"

namespace sluice::proxy {
namespace {

using http::Name;

// What a gRPC client's own deadline comes to. Never 0, which would be none: due at once.
std::optional<std::uint64_t> GrpcDeadlineMs(const config::ForwardAction& forward,
                                            const http::Fields& fields) {
  const auto type = fields.Get(Name::kContentType);
  if (!forward.grpc_timeout_max_ms.has_value() || !type.has_value() ||
      !http::IsGrpcContentType(*type)) {
    return std::nullopt;
  }
  const auto text = fields.Get(Name::kGrpcTimeout);
  if (!text.has_value()) return std::nullopt;
  const std::optional<std::uint64_t> asked = http::ParseGrpcTimeout(*text);
  if (!asked.has_value()) return std::nullopt;
  const std::uint64_t most = *forward.grpc_timeout_max_ms;
  const std::uint64_t ms = most != 0 ? std::min(*asked, most) : *asked;
  return std::max<std::uint64_t>(ms - std::min(ms, forward.grpc_timeout_offset_ms), 1);
}

}  // namespace

// The route is settled and the request is as it will be sent.
void Exchange::PlanTimeouts() {
  const config::ForwardAction& forward = *forward_;
  const config::TryPolicy* policy = forward.tries.get();
  PlanRetries(policy, context_.options().worker, request_, retries_, times_);
  response_ms_ = times_.timeout_ms.value_or(forward.timeout_ms);
  spare_streams_ = forward.timeout_spares_streams && !times_.timeout_ms.has_value();
  std::optional<std::uint64_t> duration = forward.max_stream_duration_ms;
  if (times_.stream_duration_ms.has_value()) duration = times_.stream_duration_ms;
  if (const auto deadline = GrpcDeadlineMs(forward, request_.fields)) {
    duration = deadline;
    response_ms_ = 0;
    request_.fields.Set(Name::kGrpcTimeout, http::GrpcTimeoutText(*deadline));
  }
  if (response_ms_ != 0 && retries_.per_try_ms >= response_ms_) retries_.per_try_ms = 0;
  if (forward.idle_timeout_ms.has_value()) {
    idle_ms_ = *forward.idle_timeout_ms;
    idle_timer_.Cancel();
    Touch();  // It may be due before the connection manager's was.
  }
  if (duration.has_value()) {
    duration_timer_.Cancel();
    if (*duration != 0) {
      duration_timer_.Set(&OnTimer<FailureKind::kUpstreamMaxStreamDuration>, this);
      duration_timer_.Arm(context_.loop().timers(), *duration);
    }
  }
}

// Of the request head, anew for every try.
void Exchange::SetTryFields() {
  const config::TryPolicy* policy = forward_->tries.get();
  http::Fields& fields = request_.fields;
  if (policy != nullptr && policy->attempt_count_upstream) {
    fields.Set(Name::kXEnvoyAttemptCount, base::Cat(info_.attempts));
  }
  if (policy != nullptr && policy->timeout_retry_header) {
    fields.Remove("x-envoy-is-timeout-retry");
    if (timed_out_try_) fields.Add("x-envoy-is-timeout-retry", "true");
  }
  if (plan_->suppress_envoy_headers) return;
  // What the upstream has until its answer is of no use any more.
  std::uint64_t expected = retries_.hedge ? 0 : retries_.per_try_ms;
  if (expected == 0) expected = response_ms_;
  if (expected == 0) return;
  if (replaying_ && response_ms_ != 0 && request_complete_) {
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(
                            context_.loop().now() - info_.request_end)
                            .count();
    const auto gone = static_cast<std::uint64_t>(std::max<std::int64_t>(passed, 0));
    expected = gone >= response_ms_ ? 1 : std::min(expected, response_ms_ - gone);
  }
  if (fields.Has(Name::kXEnvoyExpectedRqTimeoutMs)) {
    fields.Set(Name::kXEnvoyExpectedRqTimeoutMs, base::Cat(expected));
  } else {
    fields.Add(Name::kXEnvoyExpectedRqTimeoutMs, base::Cat(expected));
  }
}

// A try's own times: from when the request is complete and has a connection.
void Exchange::ArmTry() {
  if (try_->stream == nullptr) return;
  net::TimerWheel& timers = context_.loop().timers();
  if (retries_.per_try_ms != 0) per_try_timer_.Arm(timers, retries_.per_try_ms);
  if (retries_.per_try_idle_ms != 0) per_try_idle_timer_.Arm(timers, retries_.per_try_idle_ms);
}

// A response head goes to the client: see the top of this file.
void Exchange::SpareStream() {
  const auto type = response_.fields.Get(Name::kContentType);
  if (!type.has_value()) return;
  const bool events = type->starts_with("text/event-stream");
  if (spare_streams_ && (events || http::IsGrpcContentType(*type))) {
    response_timer_.Cancel();
    response_ms_ = 0;  // The request may end later.
  }
  if (events) Unpin();
}

// All three end where a tunnel begins.
void Exchange::SpareTunnel() {
  response_timer_.Cancel();
  per_try_timer_.Cancel();
  per_try_idle_timer_.Cancel();
  response_ms_ = retries_.per_try_ms = retries_.per_try_idle_ms = 0;
}

}  // namespace sluice::proxy
