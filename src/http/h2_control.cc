// Frames about the connection and about streams as such.
#include <limits>

#include "http/h2_session.h"

namespace sluice::http {

// Priorities of RFC 7540 are deprecated: checked, counted, and without effect.
void H2Session::OnPriority(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream == 0) return Fail(H2Error::kProtocolError, "PRIORITY on stream 0");
  if (--priority_credit_ < 0) return Flood(H2Event::kPriorityFlood, "too many PRIORITY frames");
  const bool idle = IsIdle(frame.stream);
  if (payload.size() != 5) {
    if (idle) return Fail(H2Error::kFrameSizeError, "PRIORITY of a wrong size");
    return StreamError(frame.stream, H2Error::kFrameSizeError);
  }
  if ((ReadH2Uint32(payload.data()) & kH2StreamIdMax) != frame.stream) return;
  if (idle) return Fail(H2Error::kProtocolError, "a stream that depends on itself");
  StreamError(frame.stream, H2Error::kProtocolError);
}

void H2Session::OnRstStream(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream == 0) return Fail(H2Error::kProtocolError, "RST_STREAM on stream 0");
  if (payload.size() != 4) return Fail(H2Error::kFrameSizeError, "RST_STREAM of a wrong size");
  if (IsIdle(frame.stream)) return Fail(H2Error::kProtocolError, "RST_STREAM on an idle stream");
  H2Stream* stream = Find(frame.stream);
  if (stream == nullptr) {
    // It may be ours that crossed this one; from now on the peer has no excuse.
    NoteClosed(frame.stream, How::kResetByPeer);
    return;
  }
  stream->reset = true;
  Unlink(*stream, How::kResetByPeer);
  sink_.OnEvent(H2Event::kRxReset);
  sink_.OnReset(*stream, static_cast<H2Error>(ReadH2Uint32(payload.data())), true);
}

// ---- SETTINGS (RFC 9113 section 6.5)

void H2Session::OnSettings(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream != 0) return Fail(H2Error::kProtocolError, "SETTINGS on a stream");
  if (frame.has(kH2Ack)) {
    if (!payload.empty()) Fail(H2Error::kFrameSizeError, "an acknowledgement with settings");
    return;
  }
  if (payload.size() % 6 != 0) return Fail(H2Error::kFrameSizeError, "SETTINGS of a wrong size");
  // No word about a limit in the first SETTINGS means there is none.
  if (!settings_seen_) peer_streams_max_ = std::numeric_limits<std::uint32_t>::max();
  settings_seen_ = true;
  for (; !payload.empty(); payload.remove_prefix(6)) {
    const auto id = static_cast<H2Setting>(ReadH2Uint16(payload.data()));
    if (!TakeSetting(id, ReadH2Uint32(payload.data() + 2))) return;
  }
  SendControl(H2FrameType::kSettings, kH2Ack, 0, {});
}

bool H2Session::TakeSetting(H2Setting id, std::uint32_t value) {
  switch (id) {
    case H2Setting::kHeaderTableSize:
      encoder_.SetTableBytes(value);
      break;
    case H2Setting::kEnablePush:
      if (value > 1 || (role_ == Role::kClient && value != 0)) {
        Fail(H2Error::kProtocolError, "ENABLE_PUSH out of range");
      }
      break;
    case H2Setting::kMaxConcurrentStreams:
      peer_streams_max_ = value;
      break;
    case H2Setting::kInitialWindowSize:
      if (value > kH2WindowMax) {
        Fail(H2Error::kFlowControlError, "INITIAL_WINDOW_SIZE out of range");
        break;
      }
      SetPeerWindow(value);
      break;
    case H2Setting::kMaxFrameSize:
      if (value < kH2FrameBytesMax || value > 0xffffff) {
        Fail(H2Error::kProtocolError, "MAX_FRAME_SIZE out of range");
      }
      break;  // More than the default is never used.
    case H2Setting::kEnableConnectProtocol:
      if (value > 1 || (peer_allows_connect_ && value == 0)) {
        Fail(H2Error::kProtocolError, "ENABLE_CONNECT_PROTOCOL out of range");
      }
      peer_allows_connect_ = value == 1;
      break;
    case H2Setting::kMaxHeaderListSize:
      break;  // Advice; a peer that means it refuses by itself.
  }
  return !ended_;
}

// RFC 9113 section 6.9.2: the change applies to streams that exist, below zero if need be.
void H2Session::SetPeerWindow(std::uint32_t value) {
  const std::int64_t change = std::int64_t{value} - peer_stream_window_;
  peer_stream_window_ = value;
  for (auto& [id, stream] : streams_) {
    stream->send_window += change;
    if (stream->send_window > kH2WindowMax) {
      return Fail(H2Error::kFlowControlError, "a window beyond its maximum");
    }
  }
  if (change > 0) WakeBlocked();
}

void H2Session::OnPing(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream != 0) return Fail(H2Error::kProtocolError, "PING on a stream");
  if (payload.size() != 8) return Fail(H2Error::kFrameSizeError, "PING of a wrong size");
  if (frame.has(kH2Ack)) return sink_.OnPingAck();
  SendControl(H2FrameType::kPing, kH2Ack, 0, payload);
}

void H2Session::OnGoaway(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream != 0) return Fail(H2Error::kProtocolError, "GOAWAY on a stream");
  if (payload.size() < 8) return Fail(H2Error::kFrameSizeError, "GOAWAY of a wrong size");
  peer_goes_away_ = true;
  sink_.OnGoaway(ReadH2Uint32(payload.data()) & kH2StreamIdMax,
                 static_cast<H2Error>(ReadH2Uint32(payload.data() + 4)));
}

void H2Session::OnWindowUpdate(const H2FrameHeader& frame, std::string_view payload) {
  if (payload.size() != 4) return Fail(H2Error::kFrameSizeError, "WINDOW_UPDATE of a wrong size");
  if (--window_update_credit_ < 0) {
    return Flood(H2Event::kWindowUpdateFlood, "too many WINDOW_UPDATE frames");
  }
  const std::int64_t more = ReadH2Uint32(payload.data()) & kH2StreamIdMax;
  if (frame.stream == 0) {
    if (more == 0) return Fail(H2Error::kProtocolError, "a WINDOW_UPDATE of nothing");
    send_window_ += more;
    if (send_window_ > kH2WindowMax) {
      return Fail(H2Error::kFlowControlError, "a window beyond its maximum");
    }
    return WakeBlocked();
  }
  if (IsIdle(frame.stream)) {
    return Fail(H2Error::kProtocolError, "WINDOW_UPDATE on an idle stream");
  }
  H2Stream* stream = Find(frame.stream);
  if (more == 0) return StreamError(frame.stream, H2Error::kProtocolError);
  if (stream == nullptr) return;
  stream->send_window += more;
  if (stream->send_window > kH2WindowMax) {
    return StreamError(frame.stream, H2Error::kFlowControlError);
  }
  if (stream->blocked && CanSend(*stream, !stream->blocked_at_end)) {
    Unblock(*stream);
    sink_.OnCanSend(*stream);
  }
}

}  // namespace sluice::http
