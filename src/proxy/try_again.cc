// Whether and when a request is tried again, and what is kept of it for that.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "proxy/exchange.h"

namespace sluice::proxy {

// What the request must be kept for is known before its body is read.
void Exchange::PlanReplay() {
  const config::TryPolicy* policy = forward_->tries.get();
  const http::BodyFraming& body = request_.body;
  using Kind = http::BodyFraming::Kind;
  if (body.kind == Kind::kNone) return;
  if (!retries_.wanted() && (policy == nullptr || !policy->redirects.has_value())) return;
  replay_bytes_max_ = plan_->listener->connection_buffer_limit_bytes;
  if (policy != nullptr && policy->buffer_bytes_max.has_value()) {
    replay_bytes_max_ = static_cast<std::size_t>(*policy->buffer_bytes_max);
  }
  keep_replay_ = true;
}

void Exchange::KeepPiece(std::string_view piece) {
  if (piece.size() > replay_bytes_max_ - std::min(replay_bytes_max_, replay_.data().size())) {
    return AbandonReplay();
  }
  while (!piece.empty()) {
    const std::span<char> space = replay_.Reserve(replay_bytes_max_);
    if (space.empty()) return AbandonReplay();  // The pool is exhausted.
    const std::size_t bytes = std::min(space.size(), piece.size());
    std::memcpy(space.data(), piece.data(), bytes);
    replay_.Commit(bytes);
    piece.remove_prefix(bytes);
  }
}

// From here on the request goes out once.
void Exchange::AbandonReplay() {
  keep_replay_ = false;
  replay_.Consume(replay_.data().size());
  replay_.Release();
  if (retries_.on != 0) try_->attempt->stats().retry_or_shadow_abandoned.Add();
}

// Of a try that has ended. When it ended in a response that goes to the client, that is settled.
Exchange::Again Exchange::NextTry() {
  if (redirected_) {
    EndTry();
    return Again::kNo;
  }
  if (retry_response_) return Again::kLater;
  if (!failed_ || response_started_ || tunnel_ || piece_lost_) return Again::kNo;
  const bool sent = try_->stream != nullptr && try_->stream->sent_bytes() > 0;
  // A policy that speaks of this counts it, so that nobody is asked more often than it says.
  if (RetriesFailure(retries_, failure_, sent)) {
    return body_kept() ? RetryUnlessExhausted(nullptr) : Again::kNo;
  }
  if (try_->stream != nullptr) {
    const TryFacts facts = {
        .failure = failure_,
        .method = request_.method,
        .reused_connection = try_->stream->facts().reused,
        .response_begun = response_begun_,
        .anything_sent = sent,
        .body_replayable = body_kept(),
        .replayed_already = replayed_,
    };
    if (ShouldReplay(facts)) {
      replayed_ = fresh_only_ = true;
      try_->attempt->stats().upstream_rq_retry.Add();
      return Again::kAtOnce;
    }
  }
  return Again::kNo;
}

// `response`: that a retry takes the place of; null: there was none.
Exchange::Again Exchange::RetryUnlessExhausted(const http::ResponseHead* response) {
  observe::ClusterStats& stats = try_->attempt->stats();
  retry_credit_.Release();
  if (retries_.left == 0) {
    stats.upstream_rq_retry_limit_exceeded.Add();
    info_.flags |= FlagBit(observe::ResponseFlag::kUpstreamRetryLimitExceeded);
    return Again::kNo;
  }
  --retries_.left;
  if (!retry_credit_.Take(try_->attempt->cluster())) {
    stats.upstream_rq_retry_overflow.Add();
    return Again::kNo;
  }
  ++retries_.made;
  stats.upstream_rq_retry.Add();
  base::Random& random = context_.options().random;
  std::optional<std::uint64_t> asked;
  if (response != nullptr && !retries_.policy->reset_headers.empty()) {
    asked = ResetMs(retries_, *response, context_.WallNow(), random.Next());
  }
  (asked.has_value() ? stats.upstream_rq_retry_backoff_ratelimited
                     : stats.upstream_rq_retry_backoff_exponential)
      .Add();
  backoff_ms_ = asked.has_value() ? *asked : BackoffMs(retries_, random.Next());
  return Again::kLater;
}

// A response head has come, and nothing of it went out. True: another try takes its place.
bool Exchange::JudgeResponse() {
  if (redirect_head_ != nullptr && FollowRedirect()) return true;
  if (retries_.on == 0 && !replaying_) return false;
  if (tunnel_) return false;
  observe::ClusterStats& stats = try_->attempt->stats();
  if (!RetriesResponse(retries_, response_, context_.options().worker)) {
    retry_credit_.Release();
    if (replaying_) stats.upstream_rq_retry_success.Add();
    return false;
  }
  if (!body_kept() || piece_lost_) return false;
  if (RetryUnlessExhausted(&response_) == Again::kNo) return false;
  try_->attempt->CountRetried(response_.status);
  retry_response_ = true;
  DiscardResponse();
  return true;
}

void Exchange::DiscardResponse() {
  // When the whole response has come by now, its connection can go on.
  BodyRead read = try_->stream->ReadBody(false);
  while (read.step == BodyStep::kPiece) read = try_->stream->ReadBody(false);
  response_received_ = read.step == BodyStep::kEnd;
}

// The try makes place for the next one.
void Exchange::EndTry() {
  per_try_timer_.Cancel();
  per_try_idle_timer_.Cancel();
  if (retries_.policy->avoid_previous_hosts && try_->attempt->host() != nullptr) {
    tried_hosts_.push_back(try_->attempt->host()->address);
  }
  timed_out_try_ = failed_ && (failure_ == FailureKind::kPerTryTimeout ||
                               failure_ == FailureKind::kPerTryIdleTimeout);
  if (response_received_) try_->stream->Finish(request_sent_);
  try_->Close();
  try_ = &first_try_;
  response_.Clear();
  failed_ = retry_response_ = false;
  replaying_ = true;
  replay_queued_ = false;
  request_end_queued_ = request_sent_ = stop_request_ = false;
  response_begun_ = response_received_ = false;
  info_.upstream_request_end = info_.response_begin = base::Monotonic();
  info_.upstream_transport_failure.clear();
  Touch();
}

net::Task<void> Exchange::WaitBackOff() {
  if (backoff_ms_ == 0) co_return;
  backoff_wait_.Clear();
  backoff_timer_.Arm(context_.loop().timers(), backoff_ms_);
  while (!failed_ && backoff_timer_.armed()) co_await backoff_wait_.Wait();
  backoff_timer_.Cancel();
}

}  // namespace sluice::proxy
