// Hedging: a try that exceeds its per-try timeout goes on beside its retry, and the first good
// answer is taken. envoy-behaviour.md 2.5 (hedge_on_per_try_timeout).
//
// Two tries at once and no more, under one Join (decisions 5): when both are slow, the route's
// timeout decides. The request is complete and kept by then, so both read it from the same buffer.
#include "proxy/exchange.h"

namespace sluice::proxy {

void Exchange::OnPerTryTimeout(void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  if (!exchange.retries_.hedge || exchange.retries_.on == 0 || exchange.response_started_ ||
      exchange.head_wait_ == nullptr) {
    return exchange.Fail(FailureKind::kPerTryTimeout);
  }
  exchange.try_->attempt->CountTimeout();
  exchange.try_->attempt->stats().upstream_rq_per_try_timeout.Add();
  if (!exchange.StartHedge()) return;  // The slow one may still make it.
  exchange.race_wanted_ = true;
  exchange.head_wait_->Wake();
}

bool Exchange::StartHedge() {
  if (!request_sent_ || !body_kept() || piece_lost_ || request_.upgrade) return false;
  upstream::Cluster* cluster = context_.options().clusters.Find(info_.cluster);
  if (cluster == nullptr) return false;
  if (RetryUnlessExhausted(nullptr) == Again::kNo) return false;
  hedge_ = std::make_unique<Try>();
  hedge_->attempt.emplace(*cluster);
  hedge_->attempt->set_downstream_http2(request_.version == http::Version::kHttp2);
  hedge_->attempt->set_downstream(info_.direct_remote, info_.local);
  hedge_->attempt->set_hash(hash_);
  if (retries_.policy->avoid_previous_hosts && try_->attempt->host() != nullptr) {
    tried_hosts_.push_back(try_->attempt->host()->address);
    hedge_->attempt->Avoid(tried_hosts_, retries_.policy->host_picks_max);
  }
  timed_out_try_ = true;
  ++info_.attempts;
  return true;
}

// kHead: the winner is try_, and its head is in response_. kStopped: so is everything.
net::Task<Exchange::HeadStep> Exchange::Race() {
  race_wanted_ = false;
  Racer slow{.runner = try_, .response = {}};
  Racer hedge{.runner = hedge_.get(), .response = {}};
  slow.other = &hedge;
  hedge.other = &slow;
  net::Task<void> first = AwaitRacer(slow);
  net::Task<void> second = RunHedge(hedge);
  co_await net::Join(context_.loop(), first, second);
  if (stopped()) {
    hedge_->Close();
    co_return HeadStep::kStopped;
  }
  using Outcome = Racer::Outcome;
  const auto better = [](const Racer& a, const Racer& b) { return a.outcome > b.outcome; };
  Racer& winner = better(hedge, slow) ? hedge : slow;
  Racer& loser = *winner.other;
  if (loser.lost) loser.runner->attempt->stats().upstream_rq_tx_reset.Add();
  loser.runner->Close();
  try_ = winner.runner;
  NoteUpstream();
  if (winner.outcome == Outcome::kFailed) {
    Fail(winner.failure);
    co_return HeadStep::kStopped;
  }
  std::swap(response_, winner.response);
  info_.response_head_bytes = winner.head_bytes;
  info_.response_begin = context_.loop().now();
  response_begun_ = true;
  co_return HeadStep::kHead;
}

// Until it has an answer or cannot have one, or the other one has won.
net::Task<void> Exchange::AwaitRacer(Racer& racer) {
  using Outcome = Racer::Outcome;
  UpstreamStream& stream = *racer.runner->stream;
  while (!stopped() && racer.other->outcome != Outcome::kWon) {
    const HeadRead read = stream.ReadHead(racer.response);
    switch (read.step) {
      case HeadRead::Step::kHead: {
        if (racer.response.status < 200 && racer.response.status != 101) break;
        racer.head_bytes = read.bytes;
        // A bad answer waits for what the other one says.
        const bool bad = racer.response.status == 101 ||
                         RetriesResponse(retries_, racer.response, context_.options().worker);
        racer.outcome = bad ? Outcome::kBad : Outcome::kWon;
        if (!bad) racer.other->runner->attempt->Close();
        co_return;
      }
      case HeadRead::Step::kBlocked:
        co_await stream.WaitRead();
        break;
      case HeadRead::Step::kGone:
        racer.failure = FailureKind::kUpstreamClosed;
        co_return;
      case HeadRead::Step::kReset:
        racer.failure =
            stream.refused() ? FailureKind::kUpstreamRefused : FailureKind::kUpstreamReset;
        co_return;
      case HeadRead::Step::kBroken:
      case HeadRead::Step::kFull:
        racer.failure = FailureKind::kUpstreamProtocolError;
        co_return;
    }
  }
  racer.lost = racer.other->outcome == Outcome::kWon;
}

// The second try, from its connection to its head.
net::Task<void> Exchange::RunHedge(Racer& racer) {
  Try& runner = *racer.runner;
  racer.failure = FailureKind::kConnectFailed;
  if (!runner.attempt->TryAcquireIdle()) {
    const upstream::AcquireResult result = co_await runner.attempt->Acquire(false);
    if (result != upstream::AcquireResult::kOk) co_return;
  }
  if (stopped() || racer.other->outcome == Racer::Outcome::kWon) co_return;
  runner.Open();
  SetTryFields();
  runner.stream->QueueHead(request_);
  if (!replay_.empty()) runner.stream->QueueBody(replay_.data());
  runner.stream->QueueEnd(RequestTrailers());
  racer.failure = FailureKind::kUpstreamClosed;
  while (true) {
    const net::IoStatus status = runner.stream->Flush();
    if (status == net::IoStatus::kOk) break;
    if (status != net::IoStatus::kWouldBlock) co_return;
    co_await runner.stream->WaitFlush();
  }
  co_await AwaitRacer(racer);
}

}  // namespace sluice::proxy
