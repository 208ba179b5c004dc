// The upstream's answer, from its first byte to a head for the client.
#include <chrono>

#include "base/strings.h"
#include "http/hop_by_hop.h"
#include "proxy/exchange.h"
#include "proxy/response_headers.h"

namespace sluice::proxy {
namespace {

// Informational responses in front of one final response; more is an attack on the client.
constexpr unsigned kInterimsMax = 16;
std::uint64_t MsBetween(base::Monotonic from, base::Monotonic to) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
  return ms < 0 ? 0 : static_cast<std::uint64_t>(ms);
}

}  // namespace

net::Task<void> Exchange::DriveResponse() {
  bool go_on = true;
  HeadStep step = ReadResponseHead();
  if (step != HeadStep::kHead) go_on = step != HeadStep::kStopped && co_await AwaitResponseHead();
  if (go_on) go_on = !JudgeResponse();
  if (go_on) {
    PrepareResponse();
    if (!chain_.empty()) go_on = co_await FilterResponseHead();
  }
  if (go_on) {
    QueueResponseHead();
    if (tunnel_) {
      co_await FlushDownstream();
      co_return;
    }
    if (!chain_.empty()) {
      co_await FilterResponse();
    } else {
      const Pump pump = PumpResponse();
      if (pump != Pump::kDone && pump != Pump::kStopped) co_await RelayResponse();
    }
  }
  StopRequestDriver();
}

// Until the head of the final response is in response_. False: stopped.
net::Task<bool> Exchange::AwaitResponseHead() {
  while (true) {
    switch (ReadResponseHead()) {
      case HeadStep::kHead:
        co_return true;
      case HeadStep::kStopped:
        co_return false;
      case HeadStep::kInterim:
        if (!co_await FlushDownstream()) co_return false;
        break;
      case HeadStep::kNeedRead:
        if (race_wanted_) co_return co_await Race() == HeadStep::kHead;
        {
          net::Waiter::Awaiter readable = try_->stream->WaitRead();
          head_wait_ = &readable.waiter;
          co_await readable;
          head_wait_ = nullptr;
        }
        if (stopped()) co_return false;
        break;
    }
    Touch();
  }
}

Exchange::HeadStep Exchange::ReadResponseHead() {
  if (stopped()) return HeadStep::kStopped;
  const HeadRead read = try_->stream->ReadHead(response_);
  if (!response_begun_ && try_->stream->response_begun()) {
    response_begun_ = true;
    info_.response_begin = context_.loop().now();
  }
  switch (read.step) {
    case HeadRead::Step::kHead:
      info_.response_head_bytes = read.bytes;
      return TakeHead();
    case HeadRead::Step::kBlocked:
      return HeadStep::kNeedRead;
    case HeadRead::Step::kGone:
      Fail(FailureKind::kUpstreamClosed);
      break;
    case HeadRead::Step::kReset:
      Fail(try_->stream->refused() ? FailureKind::kUpstreamRefused : FailureKind::kUpstreamReset);
      break;
    case HeadRead::Step::kBroken:
      // A connection of HTTP/2 counts by itself, once for all of its streams.
      if (info_.upstream_protocol != http::Version::kHttp2) {
        try_->attempt->stats().upstream_cx_protocol_error.Add();
      }
      Fail(FailureKind::kUpstreamProtocolError);
      break;
    case HeadRead::Step::kFull:
      Fail(FailureKind::kOverload);
      break;
  }
  return HeadStep::kStopped;
}

Exchange::HeadStep Exchange::TakeHead() {
  if (response_.status == 101) {
    if (AcceptUpgrade()) {
      BecomeTunnel();
      return HeadStep::kHead;
    }
    try_->attempt->stats().upstream_cx_protocol_error.Add();
    Fail(FailureKind::kUpstreamProtocolError);
    return HeadStep::kStopped;
  }
  return response_.status < 200 ? TakeInterim() : HeadStep::kHead;
}

Exchange::HeadStep Exchange::TakeInterim() {
  if (++interims_ > kInterimsMax) {
    try_->attempt->stats().upstream_cx_protocol_error.Add();
    Fail(FailureKind::kUpstreamProtocolError);
    return HeadStep::kStopped;
  }
  // A 100 that nobody asked the upstream for was answered here already.
  const bool unasked =
      response_.status == 100 && !(request_.expect_continue && http_->proxy_100_continue);
  if (!unasked && request_.version != http::Version::kHttp10) {
    http::RemoveHopByHop(response_.fields, false);
    downstream_->QueueInterim(response_);
  }
  return HeadStep::kInterim;
}

// The protocol asked for and no other; before it, the whole request.
bool Exchange::AcceptUpgrade() const {
  if (!request_.upgrade || !request_sent_) return false;
  const auto protocol = response_.fields.Get(http::Name::kUpgrade);
  return protocol.has_value() && response_.fields.CountOf(http::Name::kUpgrade) == 1 &&
         base::EqualsIgnoreCase(*protocol, upgrade_);
}

void Exchange::PrepareResponse() {
  try_->attempt->CountResponse(response_.status);
  info_.response = &response_;
  info_.response_code = response_.status;
  info_.response_code_details.assign("via_upstream");
  http::RemoveHopByHop(response_.fields, tunnel_);
  for (const std::string& cookie : set_cookies_) {
    response_.fields.Add(http::Name::kSetCookie, cookie);
  }
  MutateFields(levels_, Direction::kResponse, info_, context_.WallNow(), response_.fields);
}

net::Task<bool> Exchange::FilterResponseHead() {
  const auto end = response_.body.kind == http::BodyFraming::Kind::kNone ? filters::End::kYes
                                                                         : filters::End::kNo;
  while (true) {
    const filters::Verdict verdict = chain_.ResponseHead(response_, end);
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

void Exchange::AddAttemptCount() {
  const config::TryPolicy* policy = forward_ == nullptr ? nullptr : forward_->tries.get();
  if (policy == nullptr || !policy->attempt_count_downstream || info_.attempts == 0) return;
  response_.fields.Set(http::Name::kXEnvoyAttemptCount, base::Cat(info_.attempts));
}

void Exchange::QueueResponseHead() {
  using Kind = http::BodyFraming::Kind;
  const base::Monotonic sent = info_.upstream_request_end == base::Monotonic()
                                   ? info_.upstream_ready
                                   : info_.upstream_request_end;
  ResponseFacts facts;
  facts.date = context_.DateText();
  facts.request_id = request_.fields.Get(http::Name::kXRequestId).value_or("");
  if (!plan_->suppress_envoy_headers) {
    facts.upstream_ms = MsBetween(sent, info_.response_begin);
  }
  PrepareResponseFields(*http_, facts, response_.fields);
  if (response_length_changes_ && response_.body.kind == Kind::kLength) {
    response_.body = {Kind::kChunked, 0};
    response_.has_content_length = false;
  }
  AddAttemptCount();
  info_.response_code = response_.status;
  if (!request_complete_) stats_->downstream_rq_response_before_rq_complete.Add();
  downstream_->QueueHead(response_, false);
  response_started_ = true;
  SpareStream();
}

}  // namespace sluice::proxy
