// Bodies through filters: a piece at a time, each flushed before the next is read, because a filter
// may have put other bytes in its place.
#include <utility>

#include "proxy/exchange.h"

namespace sluice::proxy {

net::Task<void> Exchange::WaitRequestResume() {
  while (request_resumes_ == 0 && !stopped() && !stop_request_) co_await request_resume_.Wait();
  if (request_resumes_ > 0) --request_resumes_;
  Touch();
}

net::Task<void> Exchange::WaitResponseResume() {
  while (response_resumes_ == 0 && !stopped()) co_await response_resume_.Wait();
  if (response_resumes_ > 0) --response_resumes_;
  Touch();
}

// ---- request

net::Task<void> Exchange::FilterRequest() {
  if (std::exchange(replay_due_, false)) {  // What the filters have seen of it goes first.
    try_->stream->QueueBody(replay_.data());
    if (!co_await FlushUpstream()) co_return;
  }
  while (!stopped() && !stop_request_) {
    const BodyRead read = NextRequestPiece(true);
    switch (read.step) {
      case BodyStep::kPiece:
        if (!co_await PassRequestPiece(read.piece, filters::End::kNo)) co_return;
        break;
      case BodyStep::kEnd: {
        const http::Fields& trailers = downstream_->request_trailers();
        const bool passed = trailers.empty() ? co_await PassRequestPiece({}, filters::End::kYes)
                                             : co_await PassRequestTrailers();
        if (passed) OnRequestSent();
        co_return;
      }
      case BodyStep::kBlocked: {
        if (!co_await FlushUpstream()) co_return;  // The head may be waiting.
        net::Waiter::Awaiter readable = downstream_->WaitBody();
        body_wait_ = &readable.waiter;
        co_await readable;
        body_wait_ = nullptr;
        break;
      }
      case BodyStep::kGone:
      case BodyStep::kReset:
        Fail(FailureKind::kDownstreamGone);
        co_return;
      case BodyStep::kBroken:
        Fail(FailureKind::kDownstreamProtocolError);
        co_return;
    }
    Touch();
  }
}

// False: the request driver shall end.
net::Task<bool> Exchange::PassRequestPiece(std::string_view piece, filters::End end) {
  filters::Body body(piece);
  while (true) {
    const filters::Verdict verdict = chain_.RequestBody(body, end);
    if (verdict == filters::Verdict::kContinue) break;
    if (verdict == filters::Verdict::kPause) {
      co_await WaitRequestResume();
      if (stopped() || stop_request_) {
        piece_lost_ = true;
        co_return false;
      }
      if (reply_.status == 0) continue;
    }
    TakeReply();
    co_return false;
  }
  if (body.data().size() > piece.size() && body.data().size() > filters::Chain::kBodyBytesMax) {
    Fail(FailureKind::kBodyTooLarge);
    co_return false;
  }
  QueueRequestPiece(body.data());
  if (end == filters::End::kYes) QueueRequestEnd(http::Fields());
  co_return co_await FlushUpstream();
}

net::Task<bool> Exchange::PassRequestTrailers() {
  http::Fields trailers = downstream_->request_trailers();
  while (true) {
    const filters::Verdict verdict = chain_.RequestTrailers(trailers);
    if (verdict == filters::Verdict::kContinue) break;
    if (verdict == filters::Verdict::kPause) {
      co_await WaitRequestResume();
      if (stopped() || stop_request_) {
        piece_lost_ = true;
        co_return false;
      }
      if (reply_.status == 0) continue;
    }
    TakeReply();
    co_return false;
  }
  if (keep_replay_) replay_trailers_ = trailers;
  QueueRequestEnd(trailers);
  co_return co_await FlushUpstream();
}

// ---- response

net::Task<void> Exchange::FilterResponse() {
  ArmCommit();
  while (!stopped()) {
    const BodyRead read = try_->stream->ReadBody(downstream_->QueueEmpty());
    switch (read.step) {
      case BodyStep::kPiece:
        if (!co_await PassResponsePiece(read.piece, filters::End::kNo)) co_return;
        break;
      case BodyStep::kEnd: {
        info_.upstream_response_end = context_.loop().now();
        response_received_ = true;
        http::Fields trailers = try_->stream->trailers();
        // A response without a body has said so with its head.
        if (response_.body.kind != http::BodyFraming::Kind::kNone) {
          const bool passed = trailers.empty() ? co_await PassResponsePiece({}, filters::End::kYes)
                                               : co_await PassResponseTrailers(trailers);
          if (!passed) co_return;
        }
        if (!forward_trailers_) trailers.Clear();
        QueueResponseEnd(trailers);
        if (co_await FlushDownstream()) OnResponseSent();
        co_return;
      }
      case BodyStep::kBlocked:
        if (!downstream_->QueueEmpty()) {
          if (!co_await FlushDownstream()) co_return;
          break;
        }
        co_await try_->stream->WaitRead();
        break;
      case BodyStep::kGone:
      case BodyStep::kReset:
      case BodyStep::kBroken:
        if (!downstream_->QueueEmpty()) {
          if (!co_await FlushDownstream()) co_return;
          break;
        }
        FailRead(read.step);
        co_return;
    }
    Touch();
  }
}

net::Task<bool> Exchange::PassResponsePiece(std::string_view piece, filters::End end) {
  filters::Body body(piece);
  while (true) {
    const filters::Verdict verdict = chain_.ResponseBody(body, end);
    if (verdict == filters::Verdict::kContinue) break;
    if (verdict == filters::Verdict::kPause) {
      co_await WaitResponseResume();
      if (stopped()) co_return false;
      if (reply_.status == 0) continue;
    }
    TakeReply();
    co_return false;
  }
  if (body.data().size() > piece.size() && body.data().size() > filters::Chain::kBodyBytesMax) {
    Fail(FailureKind::kLocalReset);
    co_return false;
  }
  info_.bytes_sent += body.data().size();
  downstream_->QueueBody(body.data());
  co_return co_await FlushDownstream();
}

net::Task<bool> Exchange::PassResponseTrailers(http::Fields& trailers) {
  while (true) {
    const filters::Verdict verdict = chain_.ResponseTrailers(trailers);
    if (verdict == filters::Verdict::kContinue) co_return true;
    if (verdict == filters::Verdict::kPause) {
      co_await WaitResponseResume();
      if (stopped()) co_return false;
      if (reply_.status == 0) continue;
    }
    TakeReply();
    co_return false;
  }
}

}  // namespace sluice::proxy
