// One try after the other: a connection of the cluster, the request on it, the response from it.
#include <chrono>

#include "proxy/exchange.h"
#include "proxy/retry.h"

namespace sluice::proxy {

net::Task<void> Exchange::Forward() {
  forwarding_ = true;
  WatchHangup();
  if (request_complete_ && response_ms_ != 0) {
    response_timer_.Arm(context_.loop().timers(), response_ms_);
  }
  while (StartTry()) {
    if (replaying_ || !attempt_->TryAcquireIdle()) {
      const upstream::AcquireResult result = co_await attempt_->Acquire(replaying_);
      if (failed_) break;
      if (result != upstream::AcquireResult::kOk) {
        FailAcquire(result);
        break;
      }
      Touch();
    }
    if (MustContinue()) {
      QueueContinue();
      if (!co_await FlushDownstream()) break;
    }
    StartRequest();
    const bool filtered =
        !chain_.empty() && !replaying_ && request_.body.kind != http::BodyFraming::Kind::kNone;
    if (!filtered && PumpRequest() == Pump::kDone) {
      co_await DriveResponse();
    } else if (!stopped()) {
      net::Task<void> upwards = filtered ? FilterRequest() : RelayRequest();
      net::Task<void> downwards = DriveResponse();
      co_await net::Join(context_.loop(), upwards, downwards);
    }
    if (tunnel_ && !stopped()) co_await Tunnel();
    if (!Replayable()) break;
    PrepareReplay();
  }
  FinishTry();
}

bool Exchange::StartTry() {
  if (stopped()) return false;
  upstream::Cluster* cluster =
      info_.cluster.empty() ? nullptr : context_.options().clusters.Find(info_.cluster);
  if (cluster == nullptr) {
    stats_->no_cluster.Add();
    Fail(FailureKind::kClusterNotFound);
    return false;
  }
  attempt_.emplace(*cluster);
  ++info_.attempts;
  return true;
}

void Exchange::FailAcquire(upstream::AcquireResult result) {
  using upstream::AcquireResult;
  info_.upstream_transport_failure.assign(attempt_->failure_reason());
  if (const upstream::Host* host = attempt_->host(); host != nullptr) {
    info_.upstream_remote = host->address;
    info_.upstream_hostname.assign(host->hostname);
  }
  switch (result) {
    case AcquireResult::kOk:
      return;
    case AcquireResult::kNoHealthyHost:
      return Fail(FailureKind::kNoHealthyUpstream);
    case AcquireResult::kOverflow:
      return Fail(FailureKind::kUpstreamOverflow);
    case AcquireResult::kConnectFailed:
      return Fail(FailureKind::kConnectFailed);
    case AcquireResult::kConnectTimeout:
      return Fail(FailureKind::kConnectTimeout);
    case AcquireResult::kClosed:
      return Fail(FailureKind::kLocalReset);
    case AcquireResult::kDropped:
      return Fail(FailureKind::kDropOverload);
  }
}

// The client waits for a go-ahead that the upstream is not asked for.
bool Exchange::MustContinue() const {
  return request_.expect_continue && !request_complete_ && !http_->proxy_100_continue &&
         !replaying_;
}

void Exchange::QueueContinue() {
  response_.Clear();
  response_.status = 100;
  downstream_->QueueInterim(response_);
}

// By the protocol of what was acquired.
void Exchange::OpenUpstream() {
  h1_upstream_.Open(*attempt_);
  upstream_ = &h1_upstream_;
}

void Exchange::CloseUpstreamStream() {
  if (upstream_ == nullptr) return;
  upstream_ = nullptr;
  h1_upstream_.Reset();
}

// Queues the request head on the connection of the attempt.
void Exchange::StartRequest() {
  OpenUpstream();
  const UpstreamFacts facts = upstream_->facts();
  const upstream::Host& host = facts.host;
  info_.upstream_connected = true;
  info_.upstream_protocol = facts.protocol;
  info_.upstream_remote = host.address;
  info_.upstream_local = facts.local;
  info_.upstream_hostname.assign(host.hostname);
  info_.upstream_ready = context_.loop().now();

  if (forward_->auto_host_rewrite && forward_->host_rewrite.empty() && !host.hostname.empty()) {
    request_.authority.assign(host.hostname);
  }
  using Kind = http::BodyFraming::Kind;
  const http::BodyFraming& body = request_.body;
  keep_replay_ = facts.reused && body.kind != Kind::kNone &&
                 (body.kind != Kind::kLength || body.length <= kReplayBytesMax);
  upstream_->QueueHead(request_);
}

// From the request's last byte (or the connection, when that never went out) to the response's.
std::uint64_t Exchange::UpstreamMs() const {
  const base::Monotonic from = info_.upstream_request_end == base::Monotonic()
                                   ? info_.upstream_ready
                                   : info_.upstream_request_end;
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(info_.upstream_response_end - from)
          .count();
  return ms < 0 ? 0 : static_cast<std::uint64_t>(ms);
}

bool Exchange::Replayable() {
  if (!failed_ || !attempt_->acquired()) return false;
  const TryFacts facts = {
      .failure = failure_,
      .method = request_.method,
      .reused_connection = upstream_->facts().reused,
      .response_begun = response_begun_,
      .anything_sent = upstream_->sent_bytes() > 0,
      .body_replayable = request_.body.kind == http::BodyFraming::Kind::kNone ||
                         (keep_replay_ && request_complete_),
      .replayed_already = replaying_,
  };
  return ShouldReplay(facts);
}

void Exchange::PrepareReplay() {
  attempt_->stats().upstream_rq_retry.Add();
  CloseUpstreamStream();
  attempt_.reset();
  failed_ = false;
  replaying_ = true;
  replay_queued_ = false;
  request_end_queued_ = request_sent_ = stop_request_ = false;
  Touch();
}

// The connection goes back to its pool, or is closed. Nothing may refer to its buffer any more.
void Exchange::FinishTry() {
  if (!attempt_.has_value()) return;
  if (attempt_->acquired()) {
    if (response_received_) {
      if (!tunnel_) attempt_->stats().upstream_rq_time.Record(UpstreamMs());
      upstream_->Finish(request_sent_ && !tunnel_ && !failed_);
    } else {
      info_.upstream_transport_failure.assign(upstream_->failure());
    }
  }
  CloseUpstreamStream();
  attempt_.reset();
}

}  // namespace sluice::proxy
