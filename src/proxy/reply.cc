// Sending the responses that are made here; what they say is in local_reply.cc.
#include "proxy/exchange.h"
#include "proxy/local_reply.h"
#include "proxy/proxy_status.h"
#include "proxy/response_headers.h"

namespace sluice::proxy {

// Fills response_ from reply_, or from the failure when that is what ended the exchange. False:
// there is nobody to answer.
bool Exchange::MakeReplyHead(std::string_view& body) {
  if (failed_ || reply_.status == 0) {
    reply_.fields.Clear();
    FailureContext context;
    context.request_complete = request_complete_;
    context.replayed = replaying_;
    context.transport_failure = info_.upstream_transport_failure;
    if (forward_ != nullptr) context.cluster_not_found_status = forward_->cluster_not_found_status;
    FailureToReply(failure_, context, reply_);
    reply_close_ = Describe(failure_).close;
    const bool timeout = failure_ == FailureKind::kResponseTimeout ||
                         failure_ == FailureKind::kPerTryTimeout ||
                         failure_ == FailureKind::kPerTryIdleTimeout;
    if (timeout && times_.alt_response) {
      reply_.status = 204;
      reply_.body.clear();
    }
    if (failure_ == FailureKind::kDownstreamProtocolError) {
      ApplyCodecError(downstream_->request_error());
    }
  }
  info_.flags |= reply_.flags;
  info_.response_code_details.assign(reply_.details);
  if (reply_.status == 0) return false;
  info_.response_code = reply_.status;
  MapReply(http_->local_reply, context_.WallNow(), context_.options().worker, info_, reply_);
  ReplyToHead(reply_, request_, response_, body);
  info_.local_reply_body = reply_.body;
  info_.response_code = response_.status;
  info_.response = &response_;
  // Whatever a response filter fills in now is another reply.
  reply_.status = 0;
  reply_.fields.Clear();
  reply_.flags = 0;
  chain_.BeginReply();
  return true;
}

void Exchange::ApplyCodecError(const http::H1Error& error) {
  stats_->downstream_cx_protocol_error.Add();
  if (error.status == 0) return;
  reply_.status = error.status;
  reply_.details.assign(error.details);
  if (error.status == 426) {
    reply_.body.clear();
  } else if (error.status != 400) {
    reply_.body.assign(http::ReasonPhrase(error.status));
  }
  if (error.status == 431) stats_->downstream_rq_too_large.Add();
}

// False: the exchange ended meanwhile.
net::Task<bool> Exchange::FilterReplyHead(std::string_view& body) {
  while (true) {
    const auto end = body.empty() ? filters::End::kYes : filters::End::kNo;
    const filters::Verdict verdict = chain_.ResponseHead(response_, end);
    if (verdict == filters::Verdict::kContinue) co_return true;
    if (verdict == filters::Verdict::kPause) {
      co_await WaitResponseResume();
      if (failed_) co_return false;
      if (reply_.status == 0) continue;
    }
    // The filters that are left see the other reply.
    if (!MakeReplyHead(body)) co_return false;
  }
}

void Exchange::AddProxyStatus() {
  if (!http_->proxy_status.has_value()) return;
  const auto error = ProxyErrorOf(info_.flags);
  if (!error.has_value()) return;
  response_.fields.Add("proxy-status", ProxyStatusText(*http_->proxy_status, *error, info_));
  const bool grpc = response_.fields.Has(http::Name::kGrpcStatus);
  if (http_->proxy_status->recommended_status && !grpc) {
    info_.response_code = response_.status = error->status;
  }
}

void Exchange::FinishReplyHead() {
  // text/plain is what a body is when the configuration does not say: additions must not end up
  // beside it.
  const bool plain = response_.fields.Get(http::Name::kContentType) == kDefaultContentType;
  if (plain) response_.fields.Remove(http::Name::kContentType);
  MutateFields(levels_, Direction::kResponse, info_, context_.WallNow(), response_.fields);
  if (plain && !response_.fields.Has(http::Name::kContentType)) {
    response_.fields.Add(http::Name::kContentType, kDefaultContentType);
  }
  ResponseFacts facts;
  facts.date = context_.DateText();
  facts.request_id = request_.fields.Get(http::Name::kXRequestId).value_or("");
  PrepareResponseFields(*http_, facts, response_.fields);
  AddProxyStatus();
  AddAttemptCount();
  if (response_length_changes_ && response_.body.kind == http::BodyFraming::Kind::kLength) {
    response_.body = {http::BodyFraming::Kind::kChunked, 0};
    response_.has_content_length = false;
  }
  downstream_->QueueHead(response_, reply_close_);
  response_started_ = true;
}

net::Task<void> Exchange::SendReply() {
  if (try_->attempt.has_value()) FinishTry();
  std::string_view body;
  if (!MakeReplyHead(body)) co_return;
  // What ended the request has ended; from here on a failure aborts.
  failed_ = replying_ = false;
  request_timer_.Cancel();
  response_timer_.Cancel();
  const bool filtered = !chain_.empty();
  if (filtered && !co_await FilterReplyHead(body)) {
    downstream_->Abort();
    co_return;
  }
  FinishReplyHead();
  if (filtered && !body.empty()) {
    if (!co_await PassResponsePiece(body, filters::End::kNo)) co_return;
    if (!co_await PassResponsePiece({}, filters::End::kYes)) co_return;
  } else if (!body.empty()) {
    downstream_->QueueBody(body);
    info_.bytes_sent += body.size();
  }
  QueueResponseEnd(http::Fields());
  if (co_await FlushDownstream()) OnResponseSent();
}

}  // namespace sluice::proxy
