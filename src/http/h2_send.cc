// What goes out: frames into one bounded queue, windows of both directions.
#include <algorithm>

#include "base/check.h"
#include "http/h2_session.h"

namespace sluice::http {
namespace {

constexpr std::size_t kFirstReserveBytes = 2048;
constexpr std::size_t kKeptFrameEnds = 16;
// Credit of WINDOW_UPDATEs does not pile up for ever.
constexpr std::int64_t kWindowUpdateCreditMax = 1'000'000;

void AppendSetting(H2Setting id, std::uint32_t value, std::string& out) {
  AppendH2Uint16(static_cast<std::uint16_t>(id), out);
  AppendH2Uint32(value, out);
}

}  // namespace

void H2Session::SendSettings() {
  std::string payload;
  if (options_.hpack_table_bytes != 4096) {
    AppendSetting(H2Setting::kHeaderTableSize, options_.hpack_table_bytes, payload);
  }
  if (role_ == Role::kClient) AppendSetting(H2Setting::kEnablePush, 0, payload);
  if (role_ == Role::kServer) {
    AppendSetting(H2Setting::kMaxConcurrentStreams, options_.streams_max, payload);
  }
  AppendSetting(H2Setting::kInitialWindowSize, options_.stream_window_bytes, payload);
  AppendSetting(H2Setting::kMaxHeaderListSize, static_cast<std::uint32_t>(limits_.bytes_max),
                payload);
  if (options_.allow_connect && role_ == Role::kServer) {
    AppendSetting(H2Setting::kEnableConnectProtocol, 1, payload);
  }
  for (const auto& [id, value] : options_.custom_settings) {
    AppendSetting(static_cast<H2Setting>(id), value, payload);
  }
  if (role_ == Role::kClient) {
    out_.append(kH2Preface);
    out_end_ += kH2Preface.size();
  }
  SendControl(H2FrameType::kSettings, 0, 0, payload);
  if (options_.connection_window_bytes > kH2WindowDefault) {
    SendWindowUpdate(0, options_.connection_window_bytes - kH2WindowDefault);
    receive_window_ = options_.connection_window_bytes;
  }
}

// ---- the queue

// A frame was appended to out_.
void H2Session::CountOut(bool control) {
  frame_ends_.push_back(out_end_ * 2 + (control ? 1 : 0));
  if (control) ++control_pending_;
  if (ended_) return;
  if (control && control_pending_ > options_.outbound_control_frames_max) {
    Flood(H2Event::kOutboundControlFlood, "too many answers that are not read");
  } else if (frame_ends_.size() - frame_ends_at_ > options_.outbound_frames_max) {
    Flood(H2Event::kOutboundFlood, "too many frames that are not read");
  }
}

void H2Session::Sent(std::size_t bytes) {
  const bool was_full = full();
  out_at_ += bytes;
  SLUICE_DCHECK(out_at_ <= out_.size());
  const std::uint64_t sent = out_end_ - (out_.size() - out_at_);
  while (frame_ends_at_ < frame_ends_.size() && frame_ends_[frame_ends_at_] / 2 <= sent) {
    control_pending_ -= static_cast<std::uint32_t>(frame_ends_[frame_ends_at_++] & 1);
  }
  if (out_at_ == out_.size()) {
    // Idle means no buffer held.
    out_ = std::string();
    out_at_ = 0;
    if (frame_ends_.capacity() > kKeptFrameEnds) frame_ends_ = {};
    frame_ends_.clear();
    frame_ends_at_ = 0;
  } else if (out_at_ >= kOutBytesMax) {
    out_.erase(0, out_at_);
    out_at_ = 0;
    frame_ends_.erase(frame_ends_.begin(),
                      frame_ends_.begin() + static_cast<std::ptrdiff_t>(frame_ends_at_));
    frame_ends_at_ = 0;
  }
  if (was_full && !full()) WakeBlocked();
}

void H2Session::SendControl(H2FrameType type, std::uint8_t flags, std::uint32_t stream,
                            std::string_view payload) {
  if (ended_) return;
  H2FrameHeader frame;
  frame.length = static_cast<std::uint32_t>(payload.size());
  frame.type = static_cast<std::uint8_t>(type);
  frame.flags = flags;
  frame.stream = stream;
  AppendH2FrameHeader(frame, out_);
  out_.append(payload);
  out_end_ += kH2FrameHeaderBytes + payload.size();
  CountOut(true);
}

void H2Session::SendReset(std::uint32_t id, H2Error error) {
  std::string payload;
  AppendH2Uint32(static_cast<std::uint32_t>(error), payload);
  sink_.OnEvent(H2Event::kTxReset);
  SendControl(H2FrameType::kRstStream, 0, id, payload);
}

void H2Session::SendWindowUpdate(std::uint32_t id, std::uint32_t bytes) {
  std::string payload;
  AppendH2Uint32(bytes, payload);
  SendControl(H2FrameType::kWindowUpdate, 0, id, payload);
}

void H2Session::SendPing() { SendControl(H2FrameType::kPing, 0, 0, std::string_view("sluiceka")); }

void H2Session::SendGoaway(bool final, H2Error error) {
  if (ended_) return;
  goaway_last_ = final ? last_peer_id_ : kH2StreamIdMax;
  std::string payload;
  AppendH2Uint32(goaway_last_, payload);
  AppendH2Uint32(static_cast<std::uint32_t>(error), payload);
  sink_.OnEvent(H2Event::kGoawaySent);
  goaway_sent_ = true;
  // Counted apart: it must leave also when it is a flood that ends the connection.
  H2FrameHeader frame;
  frame.length = static_cast<std::uint32_t>(payload.size());
  frame.type = static_cast<std::uint8_t>(H2FrameType::kGoaway);
  AppendH2FrameHeader(frame, out_);
  out_.append(payload);
  out_end_ += kH2FrameHeaderBytes + payload.size();
}

// ---- heads

// The gathered block as HEADERS and, when it is large, CONTINUATIONs.
void H2Session::SendBlock(std::uint32_t id, bool end) {
  if (out_.capacity() < kFirstReserveBytes) out_.reserve(kFirstReserveBytes);
  const std::size_t at = out_.size();
  H2FrameHeader frame;
  AppendH2FrameHeader(frame, out_);  // Overwritten below.
  if (!encoder_.Finish(out_)) return Fail(H2Error::kInternalError, "out of memory");
  const std::size_t block_at = at + kH2FrameHeaderBytes;
  const std::size_t size = out_.size() - block_at;
  const std::size_t first = std::min<std::size_t>(size, kH2FrameBytesMax);
  frame.length = static_cast<std::uint32_t>(first);
  frame.type = static_cast<std::uint8_t>(H2FrameType::kHeaders);
  frame.flags =
      static_cast<std::uint8_t>((end ? kH2EndStream : 0) | (first == size ? kH2EndHeaders : 0));
  frame.stream = id;
  std::string header;
  AppendH2FrameHeader(frame, header);
  out_.replace(at, kH2FrameHeaderBytes, header);
  for (std::size_t done = first; done < size;) {
    const std::size_t part = std::min<std::size_t>(size - done, kH2FrameBytesMax);
    frame.length = static_cast<std::uint32_t>(part);
    frame.type = static_cast<std::uint8_t>(H2FrameType::kContinuation);
    frame.flags = done + part == size ? kH2EndHeaders : 0;
    header.clear();
    AppendH2FrameHeader(frame, header);
    // What is behind is a few frames at most: heads of this size are rare.
    out_.insert(block_at + done + (done / kH2FrameBytesMax - 1) * kH2FrameHeaderBytes, header);
    done += part;
  }
  out_end_ += out_.size() - at;
  CountOut(false);
}

void H2Session::EndSending(H2Stream& stream) {
  stream.we_ended = true;
  if (stream.blocked) Unblock(stream);
  CloseIfDone(stream);
}

void H2Session::SendRequest(H2Stream& stream, const RequestHead& head, bool end) {
  SLUICE_DCHECK(CanOpen());
  Link(stream, next_id_);
  next_id_ += 2;
  stream.request_method = head.upgrade ? Method::kConnect : head.method;
  stream.tunnel = head.upgrade;
  H2Scratch scratch;
  EncodeH2Request(head, encoder_, scratch);
  SendBlock(stream.id, end);
  if (end) EndSending(stream);
}

void H2Session::SendResponse(H2Stream& stream, const ResponseHead& head, bool end) {
  if (!stream.linked || stream.we_ended || ended_) return;
  H2Scratch scratch;
  EncodeH2Response(head, stream.tunnel, encoder_, scratch);
  SendBlock(stream.id, end);
  if (end) EndSending(stream);
}

void H2Session::SendTrailers(H2Stream& stream, const Fields& trailers) {
  if (!stream.linked || stream.we_ended || ended_) return;
  EncodeH2Trailers(trailers, encoder_);
  SendBlock(stream.id, true);
  EndSending(stream);
}

// ---- data and windows

bool H2Session::CanSend(const H2Stream& stream, bool any_data) const {
  if (!stream.linked || stream.we_ended || ended_ || full()) return false;
  return !any_data || (send_window_ > 0 && stream.send_window > 0);
}

std::size_t H2Session::SendData(H2Stream& stream, std::string_view data, bool end) {
  std::size_t taken = 0;
  while (CanSend(stream, !data.empty())) {
    const auto window = static_cast<std::size_t>(
        std::max<std::int64_t>(std::min(send_window_, stream.send_window), 0));
    const std::size_t size =
        std::min({data.size(), window, static_cast<std::size_t>(kH2FrameBytesMax)});
    const bool last = end && size == data.size();
    if (size == 0 && !last) return taken;
    H2FrameHeader frame;
    frame.length = static_cast<std::uint32_t>(size);
    frame.type = static_cast<std::uint8_t>(H2FrameType::kData);
    frame.flags = last ? kH2EndStream : 0;
    frame.stream = stream.id;
    if (out_.capacity() < kFirstReserveBytes) out_.reserve(kFirstReserveBytes);
    AppendH2FrameHeader(frame, out_);
    out_.append(data.substr(0, size));
    data.remove_prefix(size);
    taken += size;
    out_end_ += kH2FrameHeaderBytes + size;
    send_window_ -= static_cast<std::int64_t>(size);
    stream.send_window -= static_cast<std::int64_t>(size);
    window_update_credit_ = std::min(
        window_update_credit_ + options_.window_updates_per_data_frame_max, kWindowUpdateCreditMax);
    CountOut(false);
    if (last) {
      EndSending(stream);
      return taken;
    }
    if (data.empty()) return taken;
  }
  if (stream.linked && !stream.we_ended && !ended_) {
    stream.blocked_at_end = data.empty();
    Block(stream);
  }
  return taken;
}

void H2Session::Block(H2Stream& stream) {
  if (stream.blocked) return;
  stream.blocked = true;
  stream.next_blocked = nullptr;
  stream.previous_blocked = blocked_last_;
  (blocked_last_ != nullptr ? blocked_last_->next_blocked : blocked_first_) = &stream;
  blocked_last_ = &stream;
}

void H2Session::Unblock(H2Stream& stream) {
  stream.blocked = false;
  (stream.previous_blocked != nullptr ? stream.previous_blocked->next_blocked : blocked_first_) =
      stream.next_blocked;
  (stream.next_blocked != nullptr ? stream.next_blocked->previous_blocked : blocked_last_) =
      stream.previous_blocked;
}

// In the order in which they were blocked, so that none starves.
void H2Session::WakeBlocked() {
  H2Stream* stream = blocked_first_;
  while (stream != nullptr) {
    H2Stream* next = stream->next_blocked;
    if (CanSend(*stream, !stream->blocked_at_end)) {
      Unblock(*stream);
      sink_.OnCanSend(*stream);
    }
    stream = next;
  }
}

void H2Session::ReturnConnectionWindow(std::uint32_t bytes) {
  unreturned_ += bytes;
  if (unreturned_ < options_.connection_window_bytes / 2 || ended_) return;
  SendWindowUpdate(0, unreturned_);
  receive_window_ += unreturned_;
  unreturned_ = 0;
}

void H2Session::Consume(H2Stream& stream, std::uint32_t bytes) {
  if (!stream.linked || bytes == 0) return;  // Unlink gave the connection its part.
  SLUICE_DCHECK(bytes <= stream.received);
  stream.received -= bytes;
  ReturnConnectionWindow(bytes);
  stream.unreturned += bytes;
  if (stream.peer_ended || stream.unreturned < options_.stream_window_bytes / 2) return;
  SendWindowUpdate(stream.id, stream.unreturned);
  stream.receive_window += stream.unreturned;
  stream.unreturned = 0;
}

}  // namespace sluice::http
