#pragma once
// Feeds bytes to an H2Session and writes down what came out, events and frames, as text: the same
// text however the bytes were cut is the property every test of the codec rests on.

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "http/h2_session.h"
#include "tests/unit/http/h1_drive.h"

namespace sluice::http {

inline std::string_view ErrorName(H2Error error) {
  static constexpr std::string_view kNames[] = {
      "NO_ERROR",           "PROTOCOL_ERROR",   "INTERNAL_ERROR",
      "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
      "FRAME_SIZE",         "REFUSED_STREAM",   "CANCEL",
      "COMPRESSION",        "CONNECT_ERROR",    "ENHANCE_YOUR_CALM",
      "INADEQUATE_SECURITY"};
  const auto index = static_cast<std::size_t>(error);
  return index < std::size(kNames) ? kNames[index] : "?";
}

// ---- frames by hand

inline std::string Frame(H2FrameType type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload) {
  std::string out;
  AppendH2FrameHeader(
      {static_cast<std::uint32_t>(payload.size()), static_cast<std::uint8_t>(type), flags, stream},
      out);
  return out.append(payload);
}

inline std::string Number32(std::uint32_t value) {
  std::string out;
  AppendH2Uint32(value, out);
  return out;
}

inline std::string Setting(std::uint16_t id, std::uint32_t value) {
  std::string out;
  AppendH2Uint16(id, out);
  AppendH2Uint32(value, out);
  return out;
}

inline std::string Settings(std::string_view payload = {}) {
  return Frame(H2FrameType::kSettings, 0, 0, payload);
}
inline std::string Data(std::uint32_t stream, std::string_view data, bool end = false) {
  return Frame(H2FrameType::kData, end ? kH2EndStream : 0, stream, data);
}
inline std::string Rst(std::uint32_t stream, H2Error error = H2Error::kCancel) {
  return Frame(H2FrameType::kRstStream, 0, stream, Number32(static_cast<std::uint32_t>(error)));
}
inline std::string WindowUpdate(std::uint32_t stream, std::uint32_t bytes) {
  return Frame(H2FrameType::kWindowUpdate, 0, stream, Number32(bytes));
}

using FieldList = std::vector<std::pair<std::string_view, std::string_view>>;

// Fields as literals that touch no table: any bytes can be said, and blocks can be repeated.
inline std::string Literals(const FieldList& fields) {
  const auto text = [](std::string& out, std::string_view value) {
    if (value.size() < 127) {
      out += static_cast<char>(value.size());
    } else {
      out += static_cast<char>(127);
      std::size_t rest = value.size() - 127;
      for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
      out += static_cast<char>(rest);
    }
    out.append(value);
  };
  std::string out;
  for (const auto& [name, value] : fields) {
    out += '\0';
    text(out, name);
    text(out, value);
  }
  return out;
}

inline std::string Headers(std::uint32_t stream, const FieldList& fields, bool end = true) {
  return Frame(H2FrameType::kHeaders,
               static_cast<std::uint8_t>(kH2EndHeaders | (end ? kH2EndStream : 0)), stream,
               Literals(fields));
}

// The four pseudo-headers, then `more`.
inline FieldList Get(const FieldList& more = {}, std::string_view method = "GET") {
  FieldList fields = {
      {":method", method}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.ex"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// ---- a session and its owner

struct DrivenStream : H2Stream {
  RequestHead request_head;
  ResponseHead response_head;
  Fields trailer_fields;
  std::string body;
  bool body_open = false;  // Received data that is not yet in the text.
  int can_send = 0;
};

class H2Drive final : public H2Sink {
 public:
  explicit H2Drive(H2Session::Role role = H2Session::Role::kServer, const H2Options& options = {},
                   const H2HeadLimits& limits = {})
      : session_(role, options, limits, *this) {
    TakeOutput();
    text_.clear();
    if (role == H2Session::Role::kServer) buffer_ = std::string(kH2Preface);
  }

  void Feed(std::string_view bytes) {
    buffer_.append(bytes);
    buffer_.erase(0, session_.Receive(buffer_));
    if (!stalled_) TakeOutput();
  }

  // The peer sends its own preface (server role).
  void ExpectPreface() { buffer_.clear(); }
  // As if the peer did not read.
  void Stall() { stalled_ = true; }
  void TakeOutput() {
    while (!session_.pending().empty()) {
      sent_.append(session_.pending());
      session_.Sent(session_.pending().size());
    }
  }

  // Events, then the frames that left; data that came in pieces is one event.
  std::string Text() {
    for (DrivenStream& stream : streams_) FlushData(stream, false);
    std::string out = text_ + DescribeFrames(sent_);
    if (session_.ended()) base::Append(out, "ended ", ErrorName(session_.error()), "\n");
    return out;
  }
  std::string_view sent() const { return sent_; }
  H2Session& session() { return session_; }
  const std::vector<H2Event>& events() const { return events_; }
  bool Saw(H2Event event) const {
    return std::find(events_.begin(), events_.end(), event) != events_.end();
  }
  DrivenStream& stream(std::size_t index) { return streams_.at(index); }
  std::size_t opened() const { return streams_.size(); }
  // Client role.
  DrivenStream& NewStream() {
    DrivenStream& stream = streams_.emplace_back();
    stream.response = &stream.response_head;
    stream.request = &stream.request_head;
    stream.trailers = &stream.trailer_fields;
    return stream;
  }

  bool consume = true;  // Received data at once.
  bool refuse = false;

  static std::string DescribeFrames(std::string_view bytes) {
    static constexpr std::string_view kTypes[] = {
        "DATA",         "HEADERS", "PRIORITY", "RST_STREAM",    "SETTINGS",
        "PUSH_PROMISE", "PING",    "GOAWAY",   "WINDOW_UPDATE", "CONTINUATION"};
    std::string out;
    if (bytes.starts_with(kH2Preface)) bytes.remove_prefix(kH2Preface.size());
    while (bytes.size() >= kH2FrameHeaderBytes) {
      const H2FrameHeader frame = ReadH2FrameHeader(bytes.data());
      const std::string_view payload = bytes.substr(kH2FrameHeaderBytes, frame.length);
      bytes.remove_prefix(kH2FrameHeaderBytes + frame.length);
      base::Append(out, "> ", kTypes[frame.type], " ", frame.stream, " flags=", frame.flags,
                   " bytes=", frame.length);
      if (frame.type == 3) base::Append(out, " ", ErrorName(H2Error{ReadH2Uint32(payload.data())}));
      if (frame.type == 7) {
        base::Append(out, " last=", ReadH2Uint32(payload.data()), " ",
                     ErrorName(H2Error{ReadH2Uint32(payload.data() + 4)}));
      }
      if (frame.type == 8) base::Append(out, " +", ReadH2Uint32(payload.data()));
      out += "\n";
    }
    return out;
  }

  // ---- H2Sink
  H2Stream* OnOpen() override { return refuse ? nullptr : &NewStream(); }
  void OnHead(H2Stream& stream, bool end) override {
    auto& driven = static_cast<DrivenStream&>(stream);
    const bool server = driven.request_head.version == Version::kHttp2;
    base::Append(text_, "head ", stream.id, " ",
                 server ? Describe(driven.request_head) : Describe(driven.response_head),
                 end ? " end\n" : "\n");
  }
  void OnData(H2Stream& stream, std::string_view data, bool end) override {
    auto& driven = static_cast<DrivenStream&>(stream);
    driven.body.append(data);
    driven.body_open = true;
    if (consume) session_.Consume(stream, static_cast<std::uint32_t>(data.size()));
    if (end) FlushData(driven, true);
  }
  void OnTrailers(H2Stream& stream) override {
    auto& driven = static_cast<DrivenStream&>(stream);
    FlushData(driven, false);
    base::Append(text_, "trailers ", stream.id);
    DescribeFields(driven.trailer_fields, text_);
    text_ += "\n";
  }
  void OnReset(H2Stream& stream, H2Error error, bool by_peer) override {
    FlushData(static_cast<DrivenStream&>(stream), false);
    base::Append(text_, "reset ", stream.id, " ", ErrorName(error), by_peer ? " by peer\n" : "\n");
  }
  void OnCanSend(H2Stream& stream) override { ++static_cast<DrivenStream&>(stream).can_send; }
  void OnGoaway(std::uint32_t last, H2Error error) override {
    base::Append(text_, "goaway ", last, " ", ErrorName(error), "\n");
  }
  void OnPingAck() override { text_ += "ping ack\n"; }
  void OnEvent(H2Event event) override { events_.push_back(event); }

 private:
  void FlushData(DrivenStream& stream, bool end) {
    if (!stream.body_open && !end) return;
    stream.body_open = false;
    base::Append(text_, "data ", stream.id, " ",
                 stream.body.size() <= 64 ? std::string_view(stream.body) : "...", " (",
                 stream.body.size(), end ? ") end\n" : ")\n");
  }

  std::string buffer_;
  std::string sent_;
  std::string text_;
  std::vector<H2Event> events_;
  std::deque<DrivenStream> streams_;
  bool stalled_ = false;
  H2Session session_;
};

}  // namespace sluice::http
