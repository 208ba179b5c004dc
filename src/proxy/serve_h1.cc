#include "proxy/serve_h1.h"

#include <utility>

#include "base/check.h"
#include "http/h2_frame.h"
#include "proxy/serve_h2.h"
#include "proxy/server_connection.h"

namespace sluice::proxy {
namespace {

using Kind = http::BodyFraming::Kind;

// How much of a request that nobody wants is read so that its connection can go on.
constexpr std::size_t kDrainBytesMax = 64 * 1024;
// How much more of it is read, at most, while the client is given time to read our answer.
constexpr std::size_t kLingerBytesMax = 4 * 1024 * 1024;
// Beyond what the parser accepts, so that it is the parser that refuses.
constexpr std::size_t kHeadSlackBytes = 1024;

}  // namespace

H1Server::H1Server(ServerConnection& connection)
    : connection_(connection),
      input_(connection.context().options().buffers),
      parser_(connection.plan()->http->h1),
      source_{&connection.stream(), &input_, &parser_,
              &connection.stats().downstream_cx_rx_bytes_total, false},
      idle_timer_(&OnIdle, this),
      head_timer_(&OnHeadTimeout, this),
      duration_timer_(&OnDurationOver, this) {
  TakeSettings();
  const std::uint64_t duration_ms = connection.plan()->http->max_connection_duration_ms;
  if (duration_ms != 0) duration_timer_.Arm(connection.context().loop().timers(), duration_ms);
}

net::Stream& H1Server::stream() const { return connection_.stream(); }
observe::HttpStats& H1Server::stats() const { return connection_.stats(); }
const LocalPtr<ListenerPlan>& H1Server::plan() const { return connection_.plan(); }

ConnectionFacts H1Server::facts() const {
  return {connection_.remote(),   connection_.local(),    connection_.id(),
          stream().is_tls(),      http::Version::kHttp11, plan()->http->h1.keep_trailers,
          connection_.tls_info(), &connection_,           connection_.server_name()};
}

// What is needed of the connection manager while no exchange pins it.
void H1Server::TakeSettings() {
  const ListenerPlan& plan = *connection_.plan();
  if (settings_of_ == plan.id) return;
  settings_of_ = plan.id;
  const config::HttpConnectionManager& http = *plan.http;
  parser_.set_limits(http.h1);
  idle_ms_ = http.idle_timeout_ms;
  head_ms_ = http.request_headers_timeout_ms;
  begun_head_ms_ = head_ms_;
  head_failure_ = FailureKind::kRequestHeaderTimeout;
  const auto tighten = [this](std::uint64_t ms, FailureKind kind) {
    if (ms == 0 || (begun_head_ms_ != 0 && begun_head_ms_ <= ms)) return;
    begun_head_ms_ = ms;
    head_failure_ = kind;
  };
  tighten(http.request_timeout_ms, FailureKind::kRequestTimeout);
  tighten(http.stream_idle_timeout_ms, FailureKind::kStreamIdleTimeout);
  linger_ms_ = http.delayed_close_timeout_ms;
  head_bytes_max_ = http.h1.head_bytes_max;
  requests_max_ = http.requests_per_connection_max;
}

net::Task<void> H1Server::Serve() {
  if (head_ms_ != 0) head_timer_.Arm(connection_.context().loop().timers(), head_ms_);
  BeginWait();
  while (true) {
    const Step step = ReadHead();
    if (step == Step::kHttp2) {
      EndWait();
      co_return;
    }
    if (step == Step::kClosed) break;
    if (step == Step::kBlocked) {
      net::Waiter::Awaiter readable = stream().WaitReadable();
      head_wait_ = &readable.waiter;
      co_await readable;
      head_wait_ = nullptr;
      continue;
    }
    EndWait();
    if (step == Step::kHead) {
      co_await exchange_->Run(*this);
    } else if (step == Step::kTimedOut) {
      co_await exchange_->Refuse(*this, head_failure_, nullptr);
    } else {
      co_await exchange_->Refuse(*this, FailureKind::kDownstreamProtocolError, &parser_.error());
    }
    busy_ = false;
    writer_ = nullptr;
    connection_.context().GiveExchange(std::move(exchange_));
    const bool go_on =
        !close_ && !stream().closed() && (request_complete_ || co_await FinishRequest());
    if (!go_on) {
      co_await Linger();
      break;
    }
    BeginWait();
  }
  stream().Close();
}

// ---- reading heads

void H1Server::BeginWait() {
  if (idle_ms_ != 0) idle_timer_.Arm(connection_.context().loop().timers(), idle_ms_);
}

void H1Server::EndWait() {
  idle_timer_.Cancel();
  head_timer_.Cancel();
  head_timed_out_ = false;
  head_begun_ = false;
}

H1Server::Step H1Server::ReadHead() {
  while (true) {
    if (closing_ || stream().closed()) return Step::kClosed;
    if (!input_.empty()) {
      const Step step = ParseHead();
      if (step != Step::kBlocked) return step;
    }
    if (head_timed_out_) {
      if (input_.empty()) return Step::kClosed;  // Nothing was asked.
      exchange_ = connection_.context().TakeExchange();
      return TakeHead(0), Step::kTimedOut;
    }
    const std::size_t bytes_max = head_bytes_max_ + kHeadSlackBytes;
    switch (Fill(stream(), input_, bytes_max, *source_.received)) {
      case FillStep::kFilled:
        continue;
      case FillStep::kBlocked:
        if (draining_ && requests_ > 0 && input_.empty()) {
          stats().downstream_cx_drain_close.Add();
          return Step::kClosed;
        }
        return Step::kBlocked;
      case FillStep::kEof:
      case FillStep::kError:
        connection_.set_closed_by_client();
        return Step::kClosed;
      case FillStep::kFull:
        return Step::kClosed;  // The pool is exhausted: shed.
    }
  }
}

// kBlocked: the head is not complete.
H1Server::Step H1Server::ParseHead() {
  TakeSettings();
  exchange_ = connection_.context().TakeExchange();
  const http::H1Parser::Result result =
      parser_.ParseRequestHead(input_.data(), exchange_->request());
  switch (result.step) {
    case http::H1Step::kHead:
      return TakeHead(result.consumed);
    case http::H1Step::kBroken:
      if (http2_ = IsHttp2(); http2_) {
        connection_.context().GiveExchange(std::move(exchange_));
        return Step::kHttp2;
      }
      return TakeHead(0), Step::kBroken;
    default:
      break;
  }
  connection_.context().GiveExchange(std::move(exchange_));
  // From the first byte of a head; not prolonged by later ones. The times a whole request or an
  // idle stream may take hold for heads, too.
  if (!std::exchange(head_begun_, true) && begun_head_ms_ != 0 &&
      (begun_head_ms_ != head_ms_ || !head_timer_.armed())) {
    head_timer_.Arm(connection_.context().loop().timers(), begun_head_ms_);
  }
  return Step::kBlocked;
}

// HTTP/2 with prior knowledge (RFC 9113 section 3.3), where the connection manager takes both. The
// preface was made to look like a request that HTTP/1 refuses.
bool H1Server::IsHttp2() const {
  return requests_ == 0 && plan()->http->codec == config::HttpConnectionManager::Codec::kAuto &&
         input_.data().starts_with(http::kH2Preface.substr(0, http::kH2Preface.find("SM")));
}

std::unique_ptr<Session> H1Server::Next() {
  if (!http2_) return nullptr;
  return std::make_unique<H2Server>(connection_, input_.data());
}

// `bytes` of the input are a head; 0: there is none, and none will be read.
H1Server::Step H1Server::TakeHead(std::size_t bytes) {
  const http::RequestHead& request = exchange_->request();
  input_.Consume(bytes);
  head_bytes_ = bytes;
  busy_ = true;
  if (requests_++ == 0) connection_.CountProtocol(false);
  writer_ = &exchange_->downstream_writer();
  writer_->Reset(&stream(), &stats().downstream_cx_tx_bytes_total);
  chunked_ = until_close_ = shut_down_at_end_ = refused_ = false;
  close_ = bytes == 0;
  // The parser wants to hear that it is done also when there is no body.
  request_complete_ = bytes != 0 && request.body.kind == Kind::kNone &&
                      parser_.ParseBody({}).step == http::H1Step::kEnd;
  continue_owed_ = bytes != 0 && request.expect_continue && !request_complete_;
  return Step::kHead;
}

void H1Server::Drain() {
  draining_ = true;
  if (head_wait_ != nullptr) head_wait_->Wake();
}

void H1Server::Abandon() {
  closing_ = true;
  if (busy_) exchange_->Fail(FailureKind::kDownstreamGone);
}

void H1Server::OnIdle(void* self) {
  auto& server = *static_cast<H1Server*>(self);
  server.stats().downstream_cx_idle_timeout.Add();
  server.closing_ = true;
  if (server.head_wait_ != nullptr) server.head_wait_->Wake();
}

void H1Server::OnHeadTimeout(void* self) {
  auto& server = *static_cast<H1Server*>(self);
  server.head_timed_out_ = true;
  if (server.head_wait_ != nullptr) server.head_wait_->Wake();
}

void H1Server::OnDurationOver(void* self) {
  auto& server = *static_cast<H1Server*>(self);
  server.stats().downstream_cx_max_duration_reached.Add();
  server.Drain();
}

// ---- the body of a request

BodyRead H1Server::ReadBody(bool may_read) {
  const BodyRead read = source_.Next(may_read);
  if (read.step == BodyStep::kPiece) continue_owed_ = false;
  if (read.step == BodyStep::kEnd) request_complete_ = true;
  if (read.step == BodyStep::kGone) connection_.set_closed_by_client();
  return read;
}

net::Waiter::Awaiter H1Server::WaitBody() { return stream().WaitReadable(); }

void H1Server::WatchHangup(void (*gone)(void*), void* owner) { stream().WatchHangup(gone, owner); }

void H1Server::OnClientGone() { connection_.set_closed_by_client(); }

net::Task<bool> H1Server::FinishRequest() {
  net::Loop& loop = connection_.context().loop();
  if (linger_ms_ == 0) co_return false;
  linger_over_ = false;
  idle_timer_.Set(&OnLingerOver, this);
  idle_timer_.Arm(loop.timers(), linger_ms_);
  std::size_t drained = 0;
  while (!request_complete_ && drained <= kDrainBytesMax && !linger_over_) {
    const BodyRead read = ReadBody(true);
    if (read.step == BodyStep::kPiece) {
      drained += read.piece.size();
    } else if (read.step == BodyStep::kBlocked) {
      net::Waiter::Awaiter readable = stream().WaitReadable();
      head_wait_ = &readable.waiter;
      co_await readable;
      head_wait_ = nullptr;
    } else {
      break;
    }
  }
  idle_timer_.Cancel();
  idle_timer_.Set(&OnIdle, this);
  co_return request_complete_;
}

void H1Server::OnLingerOver(void* self) {
  auto& server = *static_cast<H1Server*>(self);
  server.linger_over_ = true;
  if (server.head_wait_ != nullptr) server.head_wait_->Wake();
}

// Closing on bytes that were not read resets the connection, and a reset can overtake our answer.
// So the client is told that nothing more comes, and given some time to stop sending.
net::Task<void> H1Server::Linger() {
  if (stream().closed()) co_return;
  if (!refused_ && request_complete_ && input_.empty() && !stream().ReadyToRead()) co_return;
  if (linger_ms_ == 0) co_return;
  stream().ShutdownWrite();
  linger_over_ = false;
  idle_timer_.Set(&OnLingerOver, this);
  idle_timer_.Arm(connection_.context().loop().timers(), linger_ms_);
  input_.Consume(input_.data().size());
  std::size_t discarded = 0;
  while (!linger_over_ && !stream().closed() && discarded < kLingerBytesMax) {
    const FillStep step = Fill(stream(), input_, net::BufferPool::kBlockBytes, *source_.received);
    if (step == FillStep::kFilled) {
      discarded += input_.data().size();
      input_.Consume(input_.data().size());
    } else if (step == FillStep::kBlocked) {
      net::Waiter::Awaiter readable = stream().WaitReadable();
      head_wait_ = &readable.waiter;
      co_await readable;
      head_wait_ = nullptr;
    } else {
      break;
    }
  }
  if (linger_over_) stats().downstream_cx_delayed_close_timeout.Add();
  idle_timer_.Cancel();
}

// ---- responses

void H1Server::QueueInterim(const http::ResponseHead& head) {
  if (head.status == 100) continue_owed_ = false;
  http::EncodeResponseHead(head, "", writer_->text());
  writer_->TextAdded();
}

bool H1Server::MustClose() const {
  const http::RequestHead& request = exchange_->request();
  if (close_ || draining_ || !request.keep_alive) return true;
  if (requests_max_ != 0 && requests_ >= requests_max_) return true;
  if (request_complete_) return false;
  // Whether the body will come at all is the client's secret now.
  return continue_owed_;
}

void H1Server::QueueHead(http::ResponseHead& head, bool close) {
  const http::RequestHead& request = exchange_->request();
  const bool old = request.version == http::Version::kHttp10;
  const bool tunnel = head.body.kind == Kind::kTunnel;
  if (requests_max_ != 0 && requests_ == requests_max_) {
    stats().downstream_cx_max_requests_reached.Add();
  }
  if (head.body.kind == Kind::kUntilClose && !old) head.body = {Kind::kChunked, 0};
  if (head.body.kind == Kind::kChunked && old) head.body = {Kind::kUntilClose, 0};
  chunked_ = head.body.kind == Kind::kChunked;
  until_close_ = head.body.kind == Kind::kUntilClose;
  refused_ = close;
  close_ = close || until_close_ || MustClose();
  if (close_ && draining_ && !tunnel) stats().downstream_cx_drain_close.Add();
  std::string_view connection;
  if (tunnel) {
    connection = "upgrade";
    close_ = true;
  } else if (close_) {
    connection = "close";
  } else if (old) {
    connection = "keep-alive";
  }
  std::string& text = writer_->text();
  const std::size_t begin = text.size();
  http::EncodeResponseHead(head, connection, text);
  if (plan()->http->proper_case_fields) http::ProperCaseNames(std::span(text).subspan(begin));
  writer_->TextAdded();
}

void H1Server::QueueEnd(const http::Fields& trailers) {
  if (chunked_) writer_->AddLastChunk(trailers);
  if (source_.tunnel) shut_down_at_end_ = true;
}

net::IoStatus H1Server::Flush() {
  const net::IoStatus status = writer_->Flush();
  if (status == net::IoStatus::kOk && std::exchange(shut_down_at_end_, false)) {
    stream().ShutdownWrite();
  }
  if (status == net::IoStatus::kError) connection_.set_closed_by_client();
  return status;
}

net::Waiter::Awaiter H1Server::WaitFlush() { return stream().WaitWritable(); }

void H1Server::BecomeTunnel() { source_.tunnel = true; }

// A close in the middle of a counted or chunked body can be told from its end; where the close is
// the end, only a reset can.
void H1Server::Abort() {
  connection_.set_interrupted();
  stream().Close(until_close_);
}

}  // namespace sluice::proxy
