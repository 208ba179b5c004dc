#include "proxy/upstream_h2.h"

#include <utility>

#include "base/strings.h"
#include "http/websocket.h"

namespace sluice::proxy {

void H2Upstream::Open(upstream::Attempt& attempt) {
  attempt_ = &attempt;
  head_bytes_ = 0;
  upgrade_.clear();
  websocket_key_.clear();
  stream_.Open(*attempt.http2());
  attempt.set_stream(&stream_);
}

void H2Upstream::Reset() {
  if (attempt_ != nullptr) attempt_->set_stream(nullptr);
  stream_.Close();
  attempt_ = nullptr;
}

UpstreamFacts H2Upstream::facts() const {
  upstream::H2Connection& connection = *attempt_->http2();
  return {connection.host(), connection.stream().local(), http::Version::kHttp2,
          connection.reused()};
}

std::string_view H2Upstream::failure() const { return attempt_->http2()->stream().failure(); }

// ---- request

void H2Upstream::QueueHead(const http::RequestHead& head) {
  http::H2Session& session = stream_.connection->session();
  if (stream_.gone || !session.CanOpen()) {
    // It went away between being chosen and now: nobody has looked at the request.
    stream_.refused = stream_.reset = true;
    return;
  }
  const bool connect = head.method == http::Method::kConnect;
  if (head.upgrade) {
    upgrade_.assign(head.fields.Get(http::Name::kUpgrade).value_or(""));
    websocket_key_.assign(head.fields.Get("sec-websocket-key").value_or(""));
    // RFC 8441 section 3: only where it was offered.
    if (session.peer_settings_seen() && !session.peer_allows_connect()) {
      stream_.reset = true;
      return;
    }
  }
  const std::size_t before = session.pending().size();
  session.SendRequest(
      stream_, head, head.body.kind == http::BodyFraming::Kind::kNone && !connect && !head.upgrade);
  head_bytes_ = session.pending().size() - before;
}

// A tunnel ends its side when the client does; before there is one, nothing has ended.
void H2Upstream::QueueEnd(const http::Fields& trailers) {
  if (stream_.we_ended) return;
  if (stream_.tunnel && !stream_.head_received) return;
  stream_.outbox.AddEnd(trailers);
}

net::IoStatus H2Upstream::Flush() {
  const net::IoStatus status = stream_.outbox.Flush(stream_.connection->session(), stream_);
  stream_.connection->Kick();
  return status;
}

// ---- response

HeadRead H2Upstream::ReadHead(http::ResponseHead& head) {
  using Step = HeadRead::Step;
  if (!stream_.interims.empty()) {
    head = std::move(stream_.interims.front());
    stream_.interims.pop_front();
    return {Step::kHead, head.fields.bytes()};
  }
  if (stream_.head_ready) {
    stream_.head_ready = false;
    std::swap(head, stream_.head);
    if (head.status == 101) CompleteUpgrade(head);
    return {Step::kHead, head.fields.bytes()};
  }
  if (stream_.broken) return {Step::kBroken};
  if (stream_.refused) return {Step::kReset};
  if (stream_.gone) return {Step::kGone};
  if (stream_.reset) return {Step::kReset};
  return {Step::kBlocked};
}

// What HTTP/1 says beside 101.
void H2Upstream::CompleteUpgrade(http::ResponseHead& head) const {
  head.fields.Add(http::Name::kUpgrade, upgrade_);
  if (!websocket_key_.empty() && base::EqualsIgnoreCase(upgrade_, "websocket")) {
    head.fields.Add("sec-websocket-accept", http::WebSocketAccept(websocket_key_));
  }
}

BodyRead H2Upstream::ReadBody(bool may_read) {
  if (stream_.inbox.empty()) {
    if (stream_.peer_ended) return {BodyStep::kEnd, {}};
    if (stream_.broken) return {BodyStep::kBroken, {}};
    if (stream_.gone) return {BodyStep::kGone, {}};
    if (stream_.reset) return {BodyStep::kReset, {}};
  }
  if (!may_read) return {BodyStep::kBlocked, {}};
  std::uint32_t returned = 0;
  const std::string_view piece = stream_.inbox.Take(returned);
  if (returned > 0) {
    stream_.connection->session().Consume(stream_, returned);
    stream_.connection->Kick();
  }
  if (piece.empty()) return {BodyStep::kBlocked, {}};
  return {BodyStep::kPiece, piece};
}

void H2Upstream::Finish(bool) { Reset(); }

}  // namespace sluice::proxy
