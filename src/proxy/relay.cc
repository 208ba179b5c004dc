// Bodies both ways, by reference from the connection's buffer into gathered writes. What cannot be
// written is not read: back-pressure needs no other means.
#include <utility>

#include "proxy/exchange.h"

namespace sluice::proxy {
namespace {

using Kind = http::BodyFraming::Kind;

const http::Fields kNoTrailers;

// A response that lasts longer has become a stream (decisions 2).
constexpr std::uint64_t kCommitMs = 1000;

}  // namespace

// ---- request

BodyRead Exchange::NextRequestPiece(bool may_read) {
  if (!tunnel_ && (request_.body.kind == Kind::kNone || body_end_seen_)) {
    return {BodyStep::kEnd, {}};
  }
  const BodyRead read = downstream_->ReadBody(may_read);
  if (read.step == BodyStep::kPiece) info_.bytes_received += read.piece.size();
  if (read.step == BodyStep::kEnd) OnRequestComplete();
  return read;
}

void Exchange::QueueRequestPiece(std::string_view piece) {
  if (keep_replay_) KeepPiece(piece);
  for (Mirror* mirror : mirrors_) mirror->Body(piece);
  try_->stream->QueueBody(piece);
}

void Exchange::QueueRequestEnd(const http::Fields& trailers) {
  request_end_queued_ = true;
  if (!std::exchange(body_end_seen_, true)) {
    for (Mirror* mirror : mirrors_) mirror->End(trailers);
  }
  try_->stream->QueueEnd(trailers);
}

const http::Fields& Exchange::RequestTrailers() const {
  if (request_.body.kind == Kind::kNone) return kNoTrailers;
  return chain_.empty() ? downstream_->request_trailers() : replay_trailers_;
}

void Exchange::OnRequestSent() {
  request_sent_ = true;
  info_.upstream_request_end = context_.loop().now();
}

// As much as goes without waiting. kStopped: the request driver has nothing more to do.
Exchange::Pump Exchange::PumpRequest() {
  if (std::exchange(replay_due_, false)) {
    try_->stream->QueueBody(replay_.data());
    replay_queued_ = true;
  }
  while (true) {
    bool blocked = replay_queued_;  // More would move what it refers to.
    while (!blocked && !request_end_queued_ && !try_->stream->QueueFull()) {
      const BodyRead read = NextRequestPiece(try_->stream->QueueEmpty());
      switch (read.step) {
        case BodyStep::kPiece:
          QueueRequestPiece(read.piece);
          break;
        case BodyStep::kEnd:
          QueueRequestEnd(RequestTrailers());
          break;
        case BodyStep::kBlocked:
          if (try_->stream->QueueEmpty()) return Pump::kNeedRead;
          blocked = true;
          break;
        case BodyStep::kGone:
        case BodyStep::kReset:
          Fail(FailureKind::kDownstreamGone);
          return Pump::kStopped;
        case BodyStep::kBroken:
          Fail(FailureKind::kDownstreamProtocolError);
          return Pump::kStopped;
      }
    }
    switch (try_->stream->Flush()) {
      case net::IoStatus::kOk:
        replay_queued_ = false;
        break;
      case net::IoStatus::kWouldBlock:
        return Pump::kNeedWrite;
      default:
        // It may have answered before it stopped listening: reading the response tells.
        if (tunnel_) Fail(FailureKind::kUpstreamClosed);
        return Pump::kStopped;
    }
    if (request_end_queued_) {
      OnRequestSent();
      return Pump::kDone;
    }
  }
}

net::Task<void> Exchange::RelayRequest() {
  while (!stopped() && !stop_request_) {
    switch (PumpRequest()) {
      case Pump::kDone:
      case Pump::kStopped:
        co_return;
      case Pump::kNeedRead: {
        net::Waiter::Awaiter readable = downstream_->WaitBody();
        body_wait_ = &readable.waiter;
        co_await readable;
        body_wait_ = nullptr;
        break;
      }
      case Pump::kNeedWrite:
        stats_->downstream_flow_control_paused_reading_total.Add();
        co_await try_->stream->WaitFlush();
        stats_->downstream_flow_control_resumed_reading_total.Add();
        break;
    }
    Touch();
  }
}

// The response is over, or there will be none: the rest of the request has no reader.
void Exchange::StopRequestDriver() {
  stop_request_ = true;
  WakeRequestDriver();
  if (!request_sent_) CloseUpstream();
}

// ---- response

void Exchange::QueueResponseEnd(const http::Fields& trailers) {
  response_end_queued_ = true;
  downstream_->QueueEnd(trailers);
}

void Exchange::OnResponseSent() {
  response_complete_ = true;
  info_.end = context_.loop().now();
}

// The response broke off.
void Exchange::FailRead(BodyStep step) {
  Fail(step == BodyStep::kGone    ? FailureKind::kUpstreamClosed
       : step == BodyStep::kReset ? FailureKind::kUpstreamReset
                                  : FailureKind::kUpstreamProtocolError);
}

Exchange::Pump Exchange::PumpResponse() {
  while (true) {
    bool blocked = false;
    while (!blocked && !response_end_queued_ && !downstream_->QueueFull()) {
      const BodyRead read = try_->stream->ReadBody(downstream_->QueueEmpty());
      switch (read.step) {
        case BodyStep::kPiece:
          info_.bytes_sent += read.piece.size();
          downstream_->QueueBody(read.piece);
          break;
        case BodyStep::kEnd:
          info_.upstream_response_end = context_.loop().now();
          response_received_ = true;
          QueueResponseEnd(forward_trailers_ ? try_->stream->trailers() : kNoTrailers);
          break;
        case BodyStep::kBlocked:
          if (downstream_->QueueEmpty()) return Pump::kNeedRead;
          blocked = true;
          break;
        case BodyStep::kGone:
        case BodyStep::kReset:
        case BodyStep::kBroken:
          blocked = true;
          if (!downstream_->QueueEmpty()) break;  // What is good goes first.
          FailRead(read.step);
          return Pump::kStopped;
      }
    }
    switch (downstream_->Flush()) {
      case net::IoStatus::kOk:
        break;
      case net::IoStatus::kWouldBlock:
        return Pump::kNeedWrite;
      default:
        Fail(FailureKind::kDownstreamGone);
        return Pump::kStopped;
    }
    if (response_end_queued_) {
      OnResponseSent();
      return Pump::kDone;
    }
  }
}

void Exchange::ArmCommit() {
  if (pin_ && !commit_timer_.armed()) commit_timer_.Arm(context_.loop().timers(), kCommitMs);
}

net::Task<void> Exchange::RelayResponse() {
  ArmCommit();
  while (!stopped()) {
    switch (PumpResponse()) {
      case Pump::kDone:
      case Pump::kStopped:
        co_return;
      case Pump::kNeedRead:
        co_await try_->stream->WaitRead();
        break;
      case Pump::kNeedWrite: {
        observe::ClusterStats& stats = try_->attempt->stats();
        stats.upstream_flow_control_paused_reading_total.Add();
        co_await downstream_->WaitFlush();
        stats.upstream_flow_control_resumed_reading_total.Add();
        break;
      }
    }
    Touch();
  }
}

// ---- both

net::Task<bool> Exchange::FlushUpstream() {
  while (true) {
    switch (try_->stream->Flush()) {
      case net::IoStatus::kOk:
        co_return true;
      case net::IoStatus::kWouldBlock:
        co_await try_->stream->WaitFlush();
        if (stopped() || stop_request_) co_return false;
        Touch();
        break;
      default:
        co_return false;
    }
  }
}

// False: the client is gone, or the exchange was ended.
net::Task<bool> Exchange::FlushDownstream() {
  while (!stopped()) {
    switch (downstream_->Flush()) {
      case net::IoStatus::kOk:
        co_return true;
      case net::IoStatus::kWouldBlock:
        co_await downstream_->WaitFlush();
        Touch();
        break;
      default:
        Fail(FailureKind::kDownstreamGone);
        break;
    }
  }
  co_return false;
}

}  // namespace sluice::proxy
