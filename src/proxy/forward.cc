// One try after the other: a connection of the cluster, the request on it, the response from it.
#include <chrono>

#include "proxy/exchange.h"
#include "proxy/retry.h"

namespace sluice::proxy {

net::Task<void> Exchange::Forward() {
  forwarding_ = true;
  WatchHangup();
  PlanReplay();
  StartMirrors();
  if (request_complete_ && response_ms_ != 0) {
    response_timer_.Arm(context_.loop().timers(), response_ms_);
  }
  while (StartTry()) {
    if (fresh_only_ || !try_->attempt->TryAcquireIdle()) {
      const upstream::AcquireResult result = co_await try_->attempt->Acquire(fresh_only_);
      if (!failed_ && result != upstream::AcquireResult::kOk) FailAcquire(result);
      Touch();
    }
    if (!failed_) {
      if (MustContinue()) {
        QueueContinue();
        if (!co_await FlushDownstream()) break;
      }
      StartRequest();
      const bool filtered = !chain_.empty() && !body_end_seen_ &&
                            request_.body.kind != http::BodyFraming::Kind::kNone;
      if (!filtered && PumpRequest() == Pump::kDone) {
        co_await DriveResponse();
      } else if (!stopped()) {
        net::Task<void> upwards = filtered ? FilterRequest() : RelayRequest();
        net::Task<void> downwards = DriveResponse();
        co_await net::Join(context_.loop(), upwards, downwards);
      }
      if (tunnel_ && !stopped()) co_await Tunnel();
    }
    const Again again = NextTry();
    if (again == Again::kNo) break;
    EndTry();
    if (again == Again::kLater) {
      co_await WaitBackOff();
      if (failed_) break;
    }
  }
  FinishTry();
}

void Exchange::StartMirrors() {
  const config::TryPolicy* policy = forward_->tries.get();
  // A tunnel's bytes are no request, and a redirect's request was copied before.
  if (policy == nullptr || policy->mirrors.empty() || request_.upgrade || redirects_ > 0) return;
  const config::Runtime* runtime = pin_ ? pin_->runtime.get() : nullptr;
  MirrorLimits limits;
  limits.buffer_bytes_max = plan_->listener->connection_buffer_limit_bytes;
  if (policy->buffer_bytes_max.has_value()) {
    limits.buffer_bytes_max = static_cast<std::size_t>(*policy->buffer_bytes_max);
  }
  limits.timeout_ms = response_ms_;
  limits.idle_ms = http_->stream_idle_timeout_ms;
  for (const config::MirrorPolicy& mirror : policy->mirrors) {
    if (!mirror.fraction.Enabled(runtime, context_.options().random.Next())) continue;
    Mirror::Start(context_, mirror, request_, limits, mirrors_);
  }
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
  try_->attempt.emplace(*cluster);
  try_->attempt->set_downstream_http2(request_.version == http::Version::kHttp2);
  try_->attempt->set_downstream(info_.direct_remote, info_.local);
  try_->attempt->set_hash(hash_);
  ++info_.attempts;
  if (!tried_hosts_.empty()) {
    try_->attempt->Avoid(tried_hosts_, retries_.policy->host_picks_max);
  }
  return true;
}

void Exchange::FailAcquire(upstream::AcquireResult result) {
  using upstream::AcquireResult;
  info_.upstream_transport_failure.assign(try_->attempt->failure_reason());
  if (const upstream::Host* host = try_->attempt->host(); host != nullptr) {
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
         !continued_;
}

void Exchange::QueueContinue() {
  continued_ = true;
  response_.Clear();
  response_.status = 100;
  downstream_->QueueInterim(response_);
}

// Which upstream it is, for logs.
void Exchange::NoteUpstream() {
  if (try_->stream == nullptr) return;
  const UpstreamFacts facts = try_->stream->facts();
  const upstream::Host& host = facts.host;
  info_.upstream_connected = true;
  info_.upstream_protocol = facts.protocol;
  info_.upstream_remote = host.address;
  info_.upstream_local = facts.local;
  info_.upstream_hostname.assign(host.hostname);
  info_.upstream_ready = context_.loop().now();
}

// Queues the request head on the connection of the attempt.
void Exchange::StartRequest() {
  try_->Open();
  NoteUpstream();
  const UpstreamFacts facts = try_->stream->facts();
  const upstream::Host& host = facts.host;
  if (forward_->auto_host_rewrite && forward_->host_rewrite.empty() && !host.hostname.empty()) {
    request_.authority.assign(host.hostname);
  }
  if (!replaying_ && !keep_replay_) {  // For a clean replay, where nothing else asks for it.
    const http::BodyFraming& body = request_.body;
    using Kind = http::BodyFraming::Kind;
    replay_bytes_max_ = kReplayBytesMax;
    keep_replay_ = facts.reused && body.kind != Kind::kNone &&
                   (body.kind != Kind::kLength || body.length <= kReplayBytesMax);
  }
  SetTryFields();
  if (request_complete_) ArmTry();
  replay_due_ = !replay_.empty();
  try_->stream->QueueHead(request_);
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

// The connection goes back to its pool, or is closed. Nothing may refer to its buffer any more.
void Exchange::FinishTry() {
  if (!try_->attempt.has_value()) return;
  if (try_->attempt->acquired()) {
    if (response_received_) {
      if (!tunnel_) try_->attempt->stats().upstream_rq_time.Record(UpstreamMs());
      try_->stream->Finish(request_sent_ && !tunnel_ && !failed_);
    } else if (try_->stream != nullptr) {
      info_.upstream_transport_failure.assign(try_->stream->failure());
    }
  }
  try_->Close();
}

}  // namespace sluice::proxy
