#include "proxy/h2_downstream.h"

#include <utility>

#include "proxy/serve_h2.h"

namespace sluice::proxy {

H2Downstream::H2Downstream(H2Server& server, std::unique_ptr<Exchange> exchange)
    : server_(server),
      exchange_(std::move(exchange)),
      inbox_(server.context().options().buffers),
      body_wait_(server.context().loop()),
      flush_wait_(server.context().loop()),
      opened_at_(server.context().loop().now()) {
  H2Stream::request = &exchange_->request();
  H2Stream::trailers = &trailers_;
}

H2Downstream::~H2Downstream() {
  inbox_.Clear();
  server_.context().GiveExchange(std::move(exchange_));
}

void H2Downstream::Start() {
  started_ = true;
  net::Start(exchange_->Run(*this), &OnDone, this);
}

void H2Downstream::OnDone(void* self) {
  auto& stream = *static_cast<H2Downstream*>(self);
  stream.server_.EndStream(stream);
}

// ---- what the session says

void H2Downstream::TakeData(std::string_view data) {
  if (!data.empty() && !inbox_.Append(data)) {
    server_.session().Reset(*this, http::H2Error::kEnhanceYourCalm);
    TakeGone();
    return;
  }
  body_wait_.Wake();
}

void H2Downstream::TakeGone() {
  reset = true;
  body_wait_.Wake();
  flush_wait_.Wake();
  if (gone_ != nullptr) gone_(gone_owner_);
}

// ---- request

ConnectionFacts H2Downstream::facts() const { return server_.facts(); }
const LocalPtr<ListenerPlan>& H2Downstream::plan() const { return server_.plan(); }

std::uint64_t H2Downstream::request_head_bytes() const {
  const http::RequestHead& head = *H2Stream::request;
  return head.fields.bytes() + head.path.size() + head.authority.size() + head.method_text.size();
}

BodyRead H2Downstream::ReadBody(bool may_read) {
  if (inbox_.empty()) {
    if (peer_ended) return {BodyStep::kEnd, {}};
    if (reset) return {BodyStep::kGone, {}};
  }
  if (!may_read) return {BodyStep::kBlocked, {}};
  std::uint32_t returned = 0;
  const std::string_view piece = inbox_.Take(returned);
  if (returned > 0) {
    server_.session().Consume(*this, returned);
    server_.Kick();
  }
  if (piece.empty()) return {BodyStep::kBlocked, {}};
  return {BodyStep::kPiece, piece};
}

// The session ends the stream or the connection itself.
const http::H1Error& H2Downstream::request_error() const {
  static const http::H1Error kNone;
  return kNone;
}

void H2Downstream::WatchHangup(void (*gone)(void*), void* owner) {
  gone_ = gone;
  gone_owner_ = owner;
}

// ---- response

void H2Downstream::QueueInterim(const http::ResponseHead& head) {
  server_.session().SendResponse(*this, head, false);
}

// `close` is for HTTP/1: here other streams go on.
void H2Downstream::QueueHead(http::ResponseHead& head, bool) {
  using Kind = http::BodyFraming::Kind;
  if (head.body.kind == Kind::kUntilClose) head.body = {Kind::kChunked, 0};
  server_.session().SendResponse(*this, head, head.body.kind == Kind::kNone);
}

net::IoStatus H2Downstream::Flush() {
  const net::IoStatus status = outbox_.Flush(server_.session(), *this);
  server_.Kick();
  return status;
}

void H2Downstream::Abort() {
  server_.session().Reset(*this, http::H2Error::kInternalError);
  server_.Kick();
}

}  // namespace sluice::proxy
