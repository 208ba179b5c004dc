#include "proxy/exchange.h"

#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "proxy/local_reply.h"

namespace sluice::proxy {
namespace {

// Anew, but strings keep their capacity.
void Clear(observe::StreamInfo& info) {
  std::string details = std::move(info.response_code_details);
  std::string hostname = std::move(info.upstream_hostname);
  std::string failure = std::move(info.upstream_transport_failure);
  info = observe::StreamInfo();
  details.clear();
  hostname.clear();
  failure.clear();
  info.response_code_details = std::move(details);
  info.upstream_hostname = std::move(hostname);
  info.upstream_transport_failure = std::move(failure);
}

void Clear(filters::LocalReply& reply) {
  reply.status = 0;
  reply.body.clear();
  reply.details.clear();
  reply.fields.Clear();
  reply.flags = 0;
  reply.grpc_status.reset();
}

}  // namespace

Exchange::Exchange(WorkerContext& context)
    : context_(context),
      request_resume_(context.loop()),
      response_resume_(context.loop()),
      backoff_wait_(context.loop()),
      replay_(context.options().buffers),
      idle_timer_(&OnTimer<FailureKind::kStreamIdleTimeout>, this),
      request_timer_(&OnTimer<FailureKind::kRequestTimeout>, this),
      duration_timer_(&OnTimer<FailureKind::kMaxStreamDuration>, this),
      response_timer_(&OnTimer<FailureKind::kResponseTimeout>, this),
      commit_timer_(&OnCommitTimer, this),
      per_try_timer_(&OnPerTryTimeout, this),
      per_try_idle_timer_(&OnTimer<FailureKind::kPerTryIdleTimeout>, this),
      backoff_timer_(&OnBackOffOver, this) {}

net::Task<void> Exchange::Run(Downstream& downstream) {
  Begin(downstream);
  BeginTimers();
  Next next = Prepare();
  while (true) {
    while (next == Next::kPaused) {
      WatchHangup();
      co_await WaitRequestResume();
      if (failed_) break;
      next = reply_.status != 0 ? Next::kReply : FilterRequestHead();
    }
    if (next == Next::kForward && !failed_) co_await Forward();
    if (!redirected_ || failed_) break;
    next = Redirect();
  }
  if (!response_started_) co_await SendReply();
  End();
}

net::Task<void> Exchange::Refuse(Downstream& downstream, FailureKind kind,
                                 const http::H1Error* error) {
  Begin(downstream);
  request_complete_ = true;
  FailureContext context;
  context.request_complete = false;
  FailureToReply(kind, context, reply_);
  if (error != nullptr) ApplyCodecError(*error);
  reply_close_ = true;
  if (kind == FailureKind::kRequestHeaderTimeout) stats_->downstream_rq_header_timeout.Add();
  if (kind == FailureKind::kStreamIdleTimeout) stats_->downstream_rq_idle_timeout.Add();
  if (kind == FailureKind::kRequestTimeout) stats_->downstream_rq_timeout.Add();
  co_await SendReply();
  End();
}

void Exchange::Begin(Downstream& downstream) {
  downstream_ = &downstream;
  const ConnectionFacts facts = downstream.facts();
  plan_ = downstream.plan();
  log_ = plan_->log;
  http_ = plan_->http;
  stats_ = plan_->stats;
  forward_trailers_ = facts.response_trailers;
  if (context_.snapshots().current() != nullptr) pin_ = context_.snapshots().Pin();

  info_.direct_remote = &facts.remote;
  info_.local = &facts.local;
  info_.connection_id = facts.id;
  info_.tls = facts.tls_info;
  info_.tls_owner = facts.tls_owner;
  info_.requested_server_name = facts.server_name;
  info_.stream_id = context_.NextId();
  info_.filter_chain_name = plan_->chain->name;
  info_.request = &request_;
  info_.protocol = request_.version;
  info_.request_head_bytes = downstream.request_head_bytes();
  info_.start = context_.loop().now();
  info_.start_wall = context_.WallNow();

  stats_->downstream_rq_total.Add();
  if (facts.protocol != http::Version::kHttp2) stats_->downstream_rq_http1_total.Add();
  stats_->rq_total.Add();
  stats_->downstream_rq_active.Add(1);
  context_.CountExchange(1);
}

void Exchange::BeginTimers() {
  idle_ms_ = http_->stream_idle_timeout_ms;
  tunnel_idle_ms_ = http_->tunnel_idle_timeout_ms;
  Touch();
  if (request_.body.kind == http::BodyFraming::Kind::kNone) {
    OnRequestComplete();
  } else if (http_->request_timeout_ms != 0) {
    request_timer_.Arm(context_.loop().timers(), http_->request_timeout_ms);
  }
  if (http_->max_stream_duration_ms != 0) {
    duration_timer_.Set(&OnTimer<FailureKind::kMaxStreamDuration>, this);
    duration_timer_.Arm(context_.loop().timers(), http_->max_stream_duration_ms);
  }
}

void Exchange::OnRequestComplete() {
  if (request_complete_) return;
  request_complete_ = true;
  info_.request_end = context_.loop().now();
  request_timer_.Cancel();
  if (forwarding_ && response_ms_ != 0) {
    response_timer_.Arm(context_.loop().timers(), response_ms_);
  }
  if (forwarding_) ArmTry();
}

void Exchange::OnHangup(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  exchange.downstream_->OnClientGone();
  exchange.Fail(FailureKind::kDownstreamGone);
}

void Exchange::WatchHangup() {
  if (std::exchange(watching_, true)) return;
  downstream_->WatchHangup(&OnHangup, this);
}

void Exchange::Fail(FailureKind kind) {
  if (failed_) return;
  failed_ = true;
  failure_ = kind;
  switch (kind) {
    case FailureKind::kResponseTimeout:
      if (try_->attempt.has_value()) try_->attempt->CountTimeout();
      break;
    case FailureKind::kPerTryTimeout:
      try_->attempt->CountTimeout();
      try_->attempt->stats().upstream_rq_per_try_timeout.Add();
      break;
    case FailureKind::kPerTryIdleTimeout:
      try_->attempt->CountTimeout();
      try_->attempt->stats().upstream_rq_per_try_idle_timeout.Add();
      break;
    case FailureKind::kStreamIdleTimeout:
      stats_->downstream_rq_idle_timeout.Add();
      break;
    case FailureKind::kRequestTimeout:
      stats_->downstream_rq_timeout.Add();
      break;
    case FailureKind::kMaxStreamDuration:
      stats_->downstream_rq_max_duration_reached.Add();
      break;
    case FailureKind::kUpstreamMaxStreamDuration:
      if (try_->attempt.has_value()) try_->attempt->stats().upstream_rq_max_duration_reached.Add();
      break;
    default:
      break;
  }
  if (try_->attempt.has_value() && try_->attempt->acquired() && !response_received_) {
    observe::ClusterStats& cluster = try_->attempt->stats();
    const bool theirs = kind == FailureKind::kUpstreamClosed ||
                        kind == FailureKind::kUpstreamReset ||
                        kind == FailureKind::kUpstreamRefused;
    (theirs ? cluster.upstream_rq_rx_reset : cluster.upstream_rq_tx_reset).Add();
  }
  if (response_started_ && !response_complete_) {
    stats_->rq_reset_after_downstream_response_started.Add();
  }
  CloseUpstream();
  WakeRequestDriver();
  response_resume_.Wake();
  backoff_wait_.Wake();
  // A reply can be sent once the drivers have ended; a response that was begun cannot be mended.
  if (response_started_ || kind == FailureKind::kDownstreamGone) downstream_->Abort();
}

void Exchange::CloseUpstream() {
  if (try_->attempt.has_value()) try_->attempt->Close();
  if (hedge_ != nullptr && hedge_->attempt.has_value()) hedge_->attempt->Close();
}

void Exchange::WakeRequestDriver() {
  request_resume_.Wake();
  if (body_wait_ != nullptr) body_wait_->Wake();
}

void Exchange::TakeReply() {
  if (stopped()) return;
  if (response_started_) {  // Too late for another one.
    Fail(FailureKind::kLocalReset);
    return;
  }
  replying_ = true;
  CloseUpstream();
  WakeRequestDriver();
  response_resume_.Wake();
}

void Exchange::ResumeRequest() {
  ++request_resumes_;
  request_resume_.Wake();
}

void Exchange::ResumeResponse() {
  ++response_resumes_;
  response_resume_.Wake();
}

void Exchange::RequestLengthChanges() { request_length_changes_ = true; }
void Exchange::ResponseLengthChanges() { response_length_changes_ = true; }

void Exchange::Unpin() {
  commit_timer_.Cancel();
  const std::string_view names[] = {info_.route_name, info_.cluster, info_.filter_chain_name};
  std::string kept = base::Cat(names[0], names[1], names[2]);
  kept_names_ = std::move(kept);
  const std::string_view all = kept_names_;
  info_.route_name = all.substr(0, names[0].size());
  info_.cluster = all.substr(names[0].size(), names[1].size());
  info_.filter_chain_name = all.substr(names[0].size() + names[1].size());
  http_ = nullptr;
  levels_ = {};
  forward_ = nullptr;
  plan_.reset();
  pin_.reset();
}

void Exchange::CountEnd() {
  stats_->downstream_rq_active.Add(-1);
  context_.CountExchange(-1);
  if (response_complete_) {
    stats_->downstream_rq_completed.Add();
    const auto lasted = info_.end - info_.start;
    stats_->downstream_rq_time.Record(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count()));
  } else if (failed_ && failure_ == FailureKind::kDownstreamGone) {
    stats_->downstream_rq_rx_reset.Add();
  } else {
    stats_->downstream_rq_tx_reset.Add();
  }
  switch (info_.response_code / 100) {
    case 1:
      stats_->downstream_rq_1xx.Add();
      break;
    case 2:
      stats_->downstream_rq_2xx.Add();
      break;
    case 3:
      stats_->downstream_rq_3xx.Add();
      break;
    case 4:
      stats_->downstream_rq_4xx.Add();
      break;
    case 5:
      stats_->downstream_rq_5xx.Add();
      break;
    default:
      break;
  }
  if (tunnel_) stats_->downstream_cx_upgrades_active.Add(-1);
}

void Exchange::End() {
  idle_timer_.Cancel();
  request_timer_.Cancel();
  duration_timer_.Cancel();
  response_timer_.Cancel();
  commit_timer_.Cancel();
  per_try_timer_.Cancel();
  per_try_idle_timer_.Cancel();
  if (watching_) downstream_->WatchHangup(nullptr, nullptr);
  info_.end = context_.loop().now();
  if (failed_) {
    // What was answered, if anything, has said so already; a response that was begun has not.
    const FailureReply described = Describe(failure_);
    info_.flags |= described.flags;
    if (!response_complete_ && !described.details.empty()) {
      info_.response_code_details.assign(described.details);
    } else if (!response_complete_ && response_started_) {
      info_.response_code_details = DetailsBehindHead(failure_);
    }
  }
  CountEnd();
  chain_.Done({info_, response_complete_});
  if (observe::AccessLogger* logger = context_.options().access_logger; logger != nullptr) {
    for (const config::AccessLog& log : log_->logs) logger->Log(log, info_);
  }
  const WorkerHooks& hooks = context_.options().hooks;
  if (hooks.ended != nullptr) hooks.ended(hooks.owner, info_);

  try_->Close();
  try_ = &first_try_;
  hedge_.reset();
  race_wanted_ = false;
  log_.reset();
  http_ = nullptr;
  levels_ = {};
  forward_ = nullptr;
  plan_.reset();
  pin_.reset();
  for (Mirror* mirror : mirrors_) mirror->Detach();
  mirrors_.clear();
  retry_credit_.Release();
  retries_.Clear();
  times_ = {};
  tried_hosts_.clear();
  backoff_wait_.Clear();
  request_resume_.Clear();
  response_resume_.Clear();
  request_resumes_ = response_resumes_ = 0;
  Clear(reply_);
  Clear(info_);
  request_.Clear();
  response_.Clear();
  failure_ = FailureKind::kLocalReset;
  downstream_writer_.Reset(nullptr, nullptr);
  replay_.Consume(replay_.data().size());
  replay_.Release();
  replay_trailers_.Clear();
  interims_ = 0;
  reply_close_ = forward_trailers_ = false;
  replayed_ = redirected_ = spare_streams_ = false;
  redirects_ = 0;
  redirect_head_.reset();
  redirect_routes_.clear();
  replay_due_ = replay_queued_ = body_end_seen_ = piece_lost_ = false;
  retry_response_ = timed_out_try_ = fresh_only_ = continued_ = false;
  failed_ = replying_ = watching_ = route_cleared_ = forwarding_ = false;
  keep_replay_ = replaying_ = false;
  request_complete_ = request_end_queued_ = request_sent_ = false;
  stop_request_ = response_begun_ = response_started_ = response_end_queued_ = false;
  response_received_ = response_complete_ = false;
  request_length_changes_ = response_length_changes_ = tunnel_ = false;
}

}  // namespace sluice::proxy
