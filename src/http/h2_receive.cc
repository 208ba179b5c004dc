// What comes in, frame by frame: the preface, DATA, and blocks of fields.
#include <algorithm>

#include "base/check.h"
#include "http/h2_session.h"

namespace sluice::http {
namespace {

using Type = H2FrameType;

constexpr bool Is(const H2FrameHeader& frame, Type type) {
  return frame.type == static_cast<std::uint8_t>(type);
}

// A block of this size in frames of a byte each is no block.
constexpr std::uint32_t kBlockFramesMax = 64;

// Takes padding and priority off; false: the frame is too short for what its flags say.
bool StripHeaders(const H2FrameHeader& frame, std::string_view& payload, std::uint32_t& parent) {
  std::size_t padding = 0;
  if (frame.has(kH2Padded)) {
    if (payload.empty()) return false;
    padding = static_cast<unsigned char>(payload.front());
    payload.remove_prefix(1);
  }
  if (frame.has(kH2Priority)) {
    if (payload.size() < 5) return false;
    parent = ReadH2Uint32(payload.data()) & kH2StreamIdMax;
    payload.remove_prefix(5);
  }
  if (padding > payload.size()) return false;
  payload.remove_suffix(padding);
  return true;
}

H2HeadReader& Reader() {
  // Blocks do not interleave on a connection, but connections of a thread do.
  thread_local H2HeadReader reader;
  return reader;
}

}  // namespace

std::size_t H2Session::Receive(std::string_view input) {
  const std::size_t size = input.size();
  while (!ended_ && ReceivePreface(input) && ReceiveFrame(input)) {
  }
  return ended_ ? size : size - input.size();
}

// False: more bytes are needed.
bool H2Session::ReceivePreface(std::string_view& input) {
  if (preface_left_ == 0) return true;
  const std::string_view expected = kH2Preface.substr(kH2Preface.size() - preface_left_);
  const std::size_t size = std::min(input.size(), expected.size());
  if (input.substr(0, size) != expected.substr(0, size)) {
    Fail(H2Error::kProtocolError, "no HTTP/2 preface");
    return false;
  }
  input.remove_prefix(size);
  preface_left_ -= size;
  return preface_left_ == 0;
}

// One frame, or a part of a DATA frame. False: more bytes are needed.
bool H2Session::ReceiveFrame(std::string_view& input) {
  if (in_data_) return ContinueData(input);
  if (input.size() < kH2FrameHeaderBytes) return false;
  const H2FrameHeader frame = ReadH2FrameHeader(input.data());
  if (!CheckFrame(frame)) return true;
  if (Is(frame, Type::kData)) return BeginData(frame, input);
  if (input.size() < kH2FrameHeaderBytes + frame.length) return false;
  const std::string_view payload = input.substr(kH2FrameHeaderBytes, frame.length);
  input.remove_prefix(kH2FrameHeaderBytes + frame.length);
  Dispatch(frame, payload);
  return true;
}

// What holds for frames whatever their type.
bool H2Session::CheckFrame(const H2FrameHeader& frame) {
  if (frame.length > kH2FrameBytesMax) {
    Fail(H2Error::kFrameSizeError, "a frame larger than allowed");
  } else if (!settings_seen_ && (!Is(frame, Type::kSettings) || frame.has(kH2Ack))) {
    Fail(H2Error::kProtocolError, "the first frame is not SETTINGS");
  } else if (in_block_ && (!Is(frame, Type::kContinuation) || frame.stream != block_id_)) {
    Fail(H2Error::kProtocolError, "a block of fields was interrupted");
  }
  return !ended_;
}

void H2Session::Dispatch(const H2FrameHeader& frame, std::string_view payload) {
  switch (static_cast<Type>(frame.type)) {
    case Type::kHeaders:
      return OnHeaders(frame, payload);
    case Type::kContinuation:
      return OnContinuation(frame, payload);
    case Type::kPriority:
      return OnPriority(frame, payload);
    case Type::kRstStream:
      return OnRstStream(frame, payload);
    case Type::kSettings:
      return OnSettings(frame, payload);
    case Type::kPing:
      return OnPing(frame, payload);
    case Type::kGoaway:
      return OnGoaway(frame, payload);
    case Type::kWindowUpdate:
      return OnWindowUpdate(frame, payload);
    case Type::kPushPromise:
      return Fail(H2Error::kProtocolError, "PUSH_PROMISE, which was never allowed");
    case Type::kData:
      return;  // Never gets here.
  }
  // Extensions are skipped (RFC 9113 section 5.5).
}

void H2Session::CountEmptyFrame(bool empty) {
  if (!empty) {
    empty_frames_ = 0;
  } else if (++empty_frames_ > options_.empty_frames_max) {
    Flood(H2Event::kEmptyFramesFlood, "too many empty frames in a row");
  }
}

// ---- DATA (RFC 9113 section 6.1)

bool H2Session::BeginData(const H2FrameHeader& frame, std::string_view& input) {
  const bool padded = frame.has(kH2Padded);
  const std::size_t needed = kH2FrameHeaderBytes + (padded && frame.length > 0 ? 1 : 0);
  if (input.size() < needed) return false;
  std::uint32_t padding = 0;
  if (padded) {
    // The pad length and what it counts take window, too.
    padding = frame.length > 0
                  ? std::uint32_t{static_cast<unsigned char>(input[kH2FrameHeaderBytes])} + 1
                  : 1;
    if (padding > frame.length) {
      Fail(H2Error::kProtocolError, "more padding than payload");
      return true;
    }
  }
  input.remove_prefix(needed);
  if (frame.stream == 0) {
    Fail(H2Error::kProtocolError, "DATA on stream 0");
    return true;
  }
  if (frame.length > receive_window_) {
    Fail(H2Error::kFlowControlError, "DATA beyond the connection's window");
    return true;
  }
  receive_window_ -= frame.length;
  data_ = frame;
  data_left_ = frame.length - padding;
  padding_left_ = padded ? padding - 1 : 0;
  in_data_ = true;
  if (padding > 0) ReturnConnectionWindow(padding);
  const bool end = frame.has(kH2EndStream);
  CountEmptyFrame(data_left_ == 0 && !end);
  H2Stream* stream = Find(frame.stream);
  if (stream == nullptr) {
    if (IsIdle(frame.stream)) {
      Fail(H2Error::kProtocolError, "DATA on an idle stream");
    } else if (const Closed* closed = FindClosed(frame.stream);
               closed != nullptr && closed->how != How::kResetByUs) {
      Fail(H2Error::kStreamClosed, "DATA on a closed stream");
    }
    return true;
  }
  if (stream->peer_ended) {
    StreamError(frame.stream, H2Error::kStreamClosed);
  } else if (!stream->head_received) {
    MessagingError(frame.stream, "DATA before the head");
  } else if (frame.length > stream->receive_window) {
    StreamError(frame.stream, H2Error::kFlowControlError);
  } else if ((stream->bodiless && data_left_ > 0) ||
             (stream->counts_body &&
              (data_left_ > stream->body_left || (end && data_left_ != stream->body_left)))) {
    MessagingError(frame.stream, "the body's length differs from content-length");
  } else {
    stream->receive_window -= frame.length;
    stream->unreturned += padding;
    if (stream->counts_body) stream->body_left -= data_left_;
  }
  return true;
}

bool H2Session::ContinueData(std::string_view& input) {
  if (data_left_ > 0) {
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(input.size(), data_left_));
    if (size == 0) return false;
    const std::string_view piece = input.substr(0, size);
    input.remove_prefix(size);
    data_left_ -= size;
    H2Stream* stream = Find(data_.stream);
    if (stream == nullptr || stream->peer_ended) {
      ReturnConnectionWindow(size);  // Nobody wants it.
    } else {
      stream->received += size;
      const bool end = data_left_ == 0 && padding_left_ == 0 && data_.has(kH2EndStream);
      if (end) {
        in_data_ = false;
        stream->peer_ended = true;
      }
      const std::uint32_t id = stream->id;
      sink_.OnData(*stream, piece, end);
      if (end) {
        if (H2Stream* still = Find(id); still != nullptr) CloseIfDone(*still);
        return true;
      }
    }
  }
  if (data_left_ == 0 && padding_left_ > 0) {
    const auto size =
        static_cast<std::uint32_t>(std::min<std::size_t>(input.size(), padding_left_));
    if (size == 0) return false;
    input.remove_prefix(size);
    padding_left_ -= size;
  }
  if (data_left_ > 0 || padding_left_ > 0) return true;
  EndData();
  return true;
}

// Of a frame whose end did not come with its last byte of data.
void H2Session::EndData() {
  in_data_ = false;
  if (!data_.has(kH2EndStream)) return;
  H2Stream* stream = Find(data_.stream);
  if (stream == nullptr || stream->peer_ended) return;
  stream->peer_ended = true;
  sink_.OnData(*stream, {}, true);
  if (H2Stream* still = Find(data_.stream); still != nullptr) CloseIfDone(*still);
}

// ---- HEADERS and CONTINUATION (RFC 9113 sections 6.2, 6.10)

void H2Session::OnHeaders(const H2FrameHeader& frame, std::string_view payload) {
  if (frame.stream == 0) return Fail(H2Error::kProtocolError, "HEADERS on stream 0");
  std::uint32_t parent = 0;
  if (!StripHeaders(frame, payload, parent)) {
    return Fail(H2Error::kProtocolError, "more padding than payload");
  }
  if (!BeginBlock(frame.stream, frame.has(kH2EndStream))) return;
  if (frame.has(kH2Priority) && parent == frame.stream) block_error_ = H2Error::kProtocolError;
  CountEmptyFrame(payload.empty() && !frame.has(kH2EndHeaders));
  TakeBlock(payload, frame.has(kH2EndHeaders));
}

void H2Session::OnContinuation(const H2FrameHeader& frame, std::string_view payload) {
  if (!in_block_) return Fail(H2Error::kProtocolError, "CONTINUATION without HEADERS");
  const bool last = frame.has(kH2EndHeaders);
  CountEmptyFrame(payload.empty() && !last);
  if (++block_frames_ > kBlockFramesMax) {
    sink_.OnEvent(H2Event::kHeaderOverflow);
    return Fail(H2Error::kEnhanceYourCalm, "a block of fields in too many frames");
  }
  TakeBlock(payload, last);
}

// Decides whose the block is. False: the connection has failed.
bool H2Session::BeginBlock(std::uint32_t id, bool end_stream) {
  in_block_ = true;
  block_id_ = id;
  block_ends_stream_ = end_stream;
  block_ignored_ = block_is_trailers_ = false;
  block_error_ = H2Error::kNoError;
  block_frames_ = 0;
  H2Stream* stream = Find(id);
  if (stream == nullptr) return BeginPeerStream(id);
  H2HeadReader& reader = Reader();
  if (stream->peer_ended) {
    block_error_ = H2Error::kStreamClosed;
    block_ignored_ = true;
    reader.BeginIgnored(limits_);
  } else if (stream->head_received) {
    block_is_trailers_ = true;
    reader.BeginTrailers(*stream->trailers, limits_);
  } else {
    reader.BeginResponse(*stream->response, limits_, stream->request_method, stream->tunnel);
  }
  return true;
}

bool H2Session::BeginPeerStream(std::uint32_t id) {
  H2HeadReader& reader = Reader();
  block_ignored_ = true;
  reader.BeginIgnored(limits_);
  const bool of_client = id % 2 == 1;
  if (role_ == Role::kClient || !of_client) {
    if (IsIdle(id)) {
      Fail(H2Error::kProtocolError, "HEADERS on a stream that is not the peer's to open");
      return false;
    }
  }
  if (!IsIdle(id)) {
    const Closed* closed = FindClosed(id);
    if (closed != nullptr && closed->how == How::kResetByUs) return true;
    if (closed == nullptr && role_ == Role::kClient) return true;
    Fail(closed != nullptr ? H2Error::kStreamClosed : H2Error::kProtocolError,
         "HEADERS on a closed stream, or ids out of order");
    return false;
  }
  last_peer_id_ = id;
  if (id > goaway_last_) {  // It was told; the client tries elsewhere.
    NoteClosed(id, How::kResetByUs);
    return true;
  }
  H2Stream* stream = streams_.size() < options_.streams_max ? sink_.OnOpen() : nullptr;
  if (stream == nullptr) {
    sink_.OnEvent(H2Event::kStreamRefused);
    block_error_ = H2Error::kRefusedStream;
    return true;
  }
  block_ignored_ = false;
  Link(*stream, id);
  reader.BeginRequest(*stream->request, limits_, options_.allow_connect);
  return true;
}

void H2Session::TakeBlock(std::string_view fragment, bool last) {
  if (ended_) return;
  H2HeadReader& reader = Reader();
  while (true) {
    switch (decoder_.Next(fragment, last)) {
      case HpackDecoder::Step::kField:
        reader.Add(decoder_.name(), decoder_.value());
        if (reader.bomb()) {
          sink_.OnEvent(H2Event::kHeaderOverflow);
          return Fail(H2Error::kEnhanceYourCalm, "a block of fields that unpacks without end");
        }
        continue;
      case HpackDecoder::Step::kMore:
        return;
      case HpackDecoder::Step::kEnd:
        in_block_ = false;
        reader.Finish(block_ends_stream_);
        return EndBlock();
      case HpackDecoder::Step::kBroken:
        return Fail(H2Error::kCompressionError, "a broken block of fields");
    }
  }
}

// The whole block was decoded, so the tables agree; now it may be refused.
void H2Session::EndBlock() {
  const H2HeadReader& reader = Reader();
  if (block_error_ != H2Error::kNoError) return StreamError(block_id_, block_error_);
  if (block_ignored_) return sink_.OnEvent(H2Event::kHeadersWithoutStream);
  H2Stream* stream = Find(block_id_);
  SLUICE_DCHECK(stream != nullptr);
  if (reader.too_large()) {
    sink_.OnEvent(H2Event::kHeaderOverflow);
    return StreamError(block_id_, H2Error::kEnhanceYourCalm);
  }
  if (!reader.broken().empty()) return MessagingError(block_id_, reader.broken());
  if (!block_is_trailers_) return EndHead(*stream);
  if (stream->counts_body && stream->body_left != 0) {
    return MessagingError(block_id_, "the body's length differs from content-length");
  }
  sink_.OnEvent(H2Event::kTrailers);
  stream->peer_ended = true;
  sink_.OnTrailers(*stream);
  if (H2Stream* still = Find(block_id_); still != nullptr) CloseIfDone(*still);
}

void H2Session::EndHead(H2Stream& stream) {
  const H2HeadReader& reader = Reader();
  const bool final =
      role_ == Role::kServer || stream.response->status >= 200 || stream.response->status == 101;
  if (final) {
    stream.head_received = true;
    if (role_ == Role::kServer) stream.tunnel = reader.extended_connect();
    const BodyFraming::Kind kind =
        role_ == Role::kServer ? stream.request->body.kind : stream.response->body.kind;
    stream.bodiless = role_ == Role::kClient && kind == BodyFraming::Kind::kNone;
    stream.counts_body = !stream.bodiless && kind != BodyFraming::Kind::kTunnel &&
                         reader.content_length().has_value();
    stream.body_left = reader.content_length().value_or(0);
    stream.peer_ended = block_ends_stream_;
  }
  const std::uint32_t id = stream.id;
  sink_.OnHead(stream, block_ends_stream_);
  if (H2Stream* still = Find(id); still != nullptr) CloseIfDone(*still);
}

}  // namespace sluice::http
