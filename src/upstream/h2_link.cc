#include "upstream/h2_link.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/random.h"
#include "config/http2.h"
#include "net/loop.h"

namespace sluice::upstream {

void CountH2Event(http::H2Event event, observe::Http2Stats& stats) {
  using enum http::H2Event;
  switch (event) {
    case kHeaderOverflow:
      return stats.header_overflow.Add();
    case kHeadersWithoutStream:
      return stats.headers_cb_no_stream.Add();
    case kEmptyFramesFlood:
      return stats.inbound_empty_frames_flood.Add();
    case kPriorityFlood:
      return stats.inbound_priority_frames_flood.Add();
    case kWindowUpdateFlood:
      return stats.inbound_window_update_frames_flood.Add();
    case kOutboundFlood:
      return stats.outbound_flood.Add();
    case kOutboundControlFlood:
      return stats.outbound_control_flood.Add();
    case kMessagingError:
      return stats.rx_messaging_error.Add();
    case kStreamRefused:
      return stats.stream_refused_errors.Add();
    case kGoawaySent:
      return stats.goaway_sent.Add();
    case kRxReset:
      return stats.rx_reset.Add();
    case kTxReset:
      return stats.tx_reset.Add();
    case kTrailers:
      return stats.trailers.Add();
  }
}

// Connections that were opened together shall not be pinged together.
std::uint64_t NextPingMs(const config::H2Keepalive& keepalive, base::Random& random) {
  const std::uint64_t jitter = keepalive.interval_ms * keepalive.jitter_percent / 100;
  return keepalive.interval_ms + (jitter == 0 ? 0 : random.Next() % (jitter + 1));
}

H2Link::H2Link(const Parts& parts, const Owner& owner)
    : parts_(parts),
      owner_(owner),
      input_(parts.buffers),
      flush_(parts.loop, &OnFlush, this),
      write_wait_(parts.loop),
      linger_timer_(&OnLingerOver, this) {}

net::Task<void> H2Link::Run() {
  Kick();
  net::Task<void> reading = ReadAll();
  net::Task<void> writing = WriteAll();
  co_await net::Join(parts_.loop, reading, writing);
  linger_timer_.Cancel();
  flush_.Cancel();
  parts_.stream.Close();
}

net::Task<void> H2Link::ReadAll() {
  bool blocked = false;
  if (!input_.empty()) Take();
  while (ReadOnce(blocked)) {
    if (std::exchange(blocked, false)) co_await parts_.stream.WaitReadable();
  }
  EndReading(!finishing_);
  if (input_.data().empty()) input_.Release();
  write_wait_.Wake();
}

bool H2Link::ReadOnce(bool& blocked) {
  net::Stream& stream = parts_.stream;
  if (stream.closed() || lingered_out_) return false;
  if (!stream.ReadyToRead()) {
    if (input_.empty()) input_.Release();
    blocked = true;
    return true;
  }
  const std::span<char> space = input_.Reserve(2 * http::H2Session::kInputBytesMax);
  if (space.empty()) return false;  // The pool is exhausted: shed.
  const net::IoResult result = stream.Read(space);
  if (result.status == net::IoStatus::kWouldBlock) {
    if (input_.empty()) input_.Release();
    blocked = true;
    return true;
  }
  if (result.status != net::IoStatus::kOk) return false;
  input_.Commit(result.bytes);
  parts_.received.Add(result.bytes);
  Take();
  return true;
}

void H2Link::Take() {
  if (finishing_) {  // Only so that our last words are not lost to a reset.
    input_.Consume(input_.data().size());
    return;
  }
  input_.Consume(parts_.session.Receive(input_.data()));
  if (owner_.received != nullptr) owner_.received(owner_.self);
  Kick();
}

void H2Link::Seed(std::string_view received) {
  while (!received.empty()) {
    const std::span<char> space = input_.Reserve(2 * http::H2Session::kInputBytesMax);
    if (space.empty()) return parts_.stream.Close();
    const std::size_t size = std::min(space.size(), received.size());
    std::memcpy(space.data(), received.data(), size);
    input_.Commit(size);
    received.remove_prefix(size);
  }
}

void H2Link::EndReading(bool by_peer) {
  if (reading_ended_) return;
  reading_ended_ = true;
  owner_.ended(owner_.self, by_peer);
}

bool H2Link::WriteSome() {
  while (!parts_.session.pending().empty()) {
    const std::array<std::string_view, 1> pieces = {parts_.session.pending()};
    const net::IoResult result = parts_.stream.Write(pieces);
    if (result.status == net::IoStatus::kWouldBlock) return false;
    if (result.status != net::IoStatus::kOk) {
      parts_.stream.Close();
      return false;
    }
    parts_.sent.Add(result.bytes);
    parts_.session.Sent(result.bytes);
  }
  return true;
}

void H2Link::OnFlush(void* self) {
  auto& link = *static_cast<H2Link*>(self);
  if (link.write_blocked_ || link.parts_.stream.closed()) return;
  if (!link.WriteSome() || link.finishing_) link.write_wait_.Wake();
}

// Runs only when a write would block, and at the end.
net::Task<void> H2Link::WriteAll() {
  net::Stream& stream = parts_.stream;
  while (!stream.closed()) {
    if (!WriteSome()) {
      if (stream.closed()) break;
      write_blocked_ = true;
      co_await stream.WaitWritable();
      write_blocked_ = false;
      continue;
    }
    if (finishing_ || reading_ended_) break;
    co_await write_wait_.Wait();
  }
  if (stream.closed()) co_return;
  if (reading_ended_ || linger_ms_ == 0) {
    stream.Close();
  } else {
    stream.ShutdownWrite();  // The reader goes on until the peer closes or the time is over.
  }
}

void H2Link::Finish(std::uint64_t linger_ms) {
  if (finishing_) return;
  finishing_ = true;
  linger_ms_ = linger_ms;
  if (linger_ms == 0 && write_blocked_) parts_.stream.Close();
  if (linger_ms != 0) linger_timer_.Arm(parts_.loop.timers(), linger_ms);
  EndReading(false);
  // What the deferred call would do comes first, then the writer ends.
  flush_.Schedule();
  write_wait_.Wake();
}

void H2Link::Abort() {
  finishing_ = true;
  EndReading(false);
  parts_.stream.Close(true);
  write_wait_.Wake();
}

void H2Link::OnLingerOver(void* self) {
  auto& link = *static_cast<H2Link*>(self);
  link.lingered_out_ = true;
  link.parts_.stream.Close();
}

}  // namespace sluice::upstream
