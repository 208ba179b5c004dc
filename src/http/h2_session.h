#pragma once
// One HTTP/2 connection as a machine: bytes in, events out; heads, data and trailers in, bytes out
// (RFC 9113). No socket, no clock. HPACK is nghttp2's; frames, states, flow control and the guards
// against floods are here, because those are what attacks aim at.
//
// One thread. The owner feeds Receive() and takes pending(); both sides of a connection use it. A
// stream object belongs to the sink and is linked here from its first frame until it is closed:
// ended in both directions, or reset. Received body bytes are the sink's; it gives their window
// back with Consume(), so what is not read is not sent.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "http/h2_frame.h"
#include "http/h2_head.h"
#include "http/h2_hpack.h"
#include "http/head.h"

namespace sluice::http {

// Names and meanings of Envoy's Http2ProtocolOptions.
struct H2Options {
  std::uint32_t hpack_table_bytes = 4096;               // What the peer's encoder may use.
  std::uint32_t streams_max = 100;                      // Envoy: 1024.
  std::uint32_t stream_window_bytes = 64 * 1024;        // Envoy: 16 MiB.
  std::uint32_t connection_window_bytes = 1024 * 1024;  // Envoy: 24 MiB.
  std::uint32_t outbound_frames_max = 10'000;
  std::uint32_t outbound_control_frames_max = 1'000;
  std::uint32_t empty_frames_max = 1;  // In a row, without END_STREAM.
  std::uint32_t priority_frames_per_stream_max = 100;
  std::uint32_t window_updates_per_data_frame_max = 10;
  bool allow_connect = false;  // Extended CONNECT (RFC 8441).
  // A malformed message resets its stream instead of ending the connection.
  bool stream_error_on_invalid_message = false;
  std::vector<std::pair<std::uint16_t, std::uint32_t>> custom_settings;

  bool operator==(const H2Options&) const = default;
};

class H2Session;

// What a session keeps per stream. Whoever implements streams holds one.
struct H2Stream {
  std::uint32_t id = 0;  // 0: not yet.
  bool linked = false;   // In the session's map: frames may come and go.
  bool peer_ended = false;
  bool we_ended = false;
  bool reset = false;           // Either side.
  bool head_received = false;   // The final one.
  bool counts_body = false;     // `body_left` holds.
  bool bodiless = false;        // Not one byte may come.
  bool tunnel = false;          // Extended CONNECT.
  bool blocked_at_end = false;  // Blocked, and only END_STREAM is left, which needs no window.
  bool blocked = false;         // In the session's list of those that could not send all.
  Method request_method = Method::kGet;  // Client role: what was asked.
  std::int64_t send_window = 0;
  std::int64_t receive_window = 0;
  std::uint32_t unreturned = 0;  // Consumed, but the peer was not told.
  std::uint32_t received = 0;    // Delivered and not yet consumed.
  std::uint64_t body_left = 0;
  RequestHead* request = nullptr;    // Server role: where the head goes.
  ResponseHead* response = nullptr;  // Client role.
  Fields* trailers = nullptr;        // Of the received message.
  H2Stream* next_blocked = nullptr;
  H2Stream* previous_blocked = nullptr;
};

// For statistics.
enum class H2Event : std::uint8_t {
  kHeaderOverflow,
  kHeadersWithoutStream,
  kEmptyFramesFlood,
  kPriorityFlood,
  kWindowUpdateFlood,
  kOutboundFlood,
  kOutboundControlFlood,
  kMessagingError,
  kStreamRefused,
  kGoawaySent,
  kRxReset,
  kTxReset,
  kTrailers,
};

// What a session tells. Calls come from inside Receive(), Consume() or Sent(); they may call the
// session back, and may end or destroy the stream they are about.
class H2Sink {
 public:
  virtual ~H2Sink() = default;
  // The peer opens a stream. Null refuses it; else `request` and `trailers` are set. Server role.
  virtual H2Stream* OnOpen() = 0;
  // A head is in stream.request or stream.response; an informational one ends nothing.
  virtual void OnHead(H2Stream& stream, bool end) = 0;
  // To be copied. An empty piece with `end` ends the message, as `trailers` do.
  virtual void OnData(H2Stream& stream, std::string_view data, bool end) = 0;
  virtual void OnTrailers(H2Stream& stream) = 0;
  // It is no longer linked. `by_peer`: RST_STREAM came; else the peer broke a rule of the stream.
  virtual void OnReset(H2Stream& stream, H2Error error, bool by_peer) = 0;
  // It could not send all, and may try again: later, not from in here.
  virtual void OnCanSend(H2Stream& stream) = 0;
  // The peer takes no stream above `last`.
  virtual void OnGoaway(std::uint32_t last, H2Error error) = 0;
  virtual void OnPingAck() = 0;
  virtual void OnEvent(H2Event event) = 0;
};

class H2Session {
 public:
  enum class Role : std::uint8_t { kServer, kClient };

  // Queues our preface and settings. `sink` outlives it.
  H2Session(Role role, const H2Options& options, const H2HeadLimits& limits, H2Sink& sink);
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

  // ---- bytes
  // Contiguous input from where the last call stopped consuming; how much was consumed now. Never
  // needs more than kInputBytesMax at once to go on.
  static constexpr std::size_t kInputBytesMax = kH2FrameBytesMax + kH2FrameHeaderBytes;
  std::size_t Receive(std::string_view input);
  // What is to be written next, and that so much of it was.
  std::string_view pending() const { return std::string_view(out_).substr(out_at_); }
  void Sent(std::size_t bytes);

  // True once the connection must end, after what is pending: by our GOAWAY, or at once.
  bool ended() const { return ended_; }
  H2Error error() const { return error_; }
  std::string_view error_text() const { return error_text_; }  // Static.

  // ---- streams
  // Client role. False: no ids left, or the peer is going away.
  bool CanOpen() const { return !ended_ && !peer_goes_away_ && next_id_ <= kH2StreamIdMax; }
  // Opens `stream` with a request; `response` and `trailers` are set. REQUIRES: CanOpen().
  void SendRequest(H2Stream& stream, const RequestHead& head, bool end);
  // Also informational ones. `head.body` of kNone does not end the stream by itself: `end` does.
  void SendResponse(H2Stream& stream, const ResponseHead& head, bool end);
  void SendTrailers(H2Stream& stream, const Fields& trailers);  // Ends.
  // As much of `data` as windows and room allow; `end` goes with its last byte. What remains: the
  // stream is told by OnCanSend.
  std::size_t SendData(H2Stream& stream, std::string_view data, bool end);
  // True when SendData would take a byte (or an empty end).
  bool CanSend(const H2Stream& stream, bool any_data) const;
  // The sink is done with so many received bytes.
  void Consume(H2Stream& stream, std::uint32_t bytes);
  // Idempotent; unlinks. Without effect on one that is closed.
  void Reset(H2Stream& stream, H2Error error);

  // ---- connection
  void SendPing();
  // "I will take no more": the first of two, when `final` is not set, promises nothing yet.
  void SendGoaway(bool final, H2Error error = H2Error::kNoError);
  // Ends the connection for `error`.
  void Fail(H2Error error, std::string_view text);

  std::size_t streams() const { return streams_.size(); }
  std::uint32_t peer_streams_max() const { return peer_streams_max_; }
  bool peer_allows_connect() const { return peer_allows_connect_; }
  // Fields came without their end.
  bool mid_block() const { return in_block_; }
  bool peer_settings_seen() const { return settings_seen_; }
  std::uint32_t last_peer_stream() const { return last_peer_id_; }
  // Bytes queued, for back-pressure of the connection as a whole.
  bool full() const { return pending().size() >= kOutBytesMax; }

 private:
  static constexpr std::size_t kOutBytesMax = 64 * 1024;
  enum class How : std::uint8_t { kEnded, kResetByUs, kResetByPeer };
  struct Closed {
    std::uint32_t id = 0;
    How how = How::kEnded;
  };

  // ---- h2_receive.cc
  bool ReceivePreface(std::string_view& input);
  bool ReceiveFrame(std::string_view& input);
  bool CheckFrame(const H2FrameHeader& frame);
  void Dispatch(const H2FrameHeader& frame, std::string_view payload);
  bool BeginData(const H2FrameHeader& frame, std::string_view& input);
  bool ContinueData(std::string_view& input);
  void EndData();
  void OnHeaders(const H2FrameHeader& frame, std::string_view payload);
  void OnContinuation(const H2FrameHeader& frame, std::string_view payload);
  bool BeginBlock(std::uint32_t id, bool end_stream);
  bool BeginPeerStream(std::uint32_t id);
  void TakeBlock(std::string_view fragment, bool last);
  void EndBlock();
  void EndHead(H2Stream& stream);
  void CountEmptyFrame(bool empty);

  // ---- h2_control.cc
  void OnPriority(const H2FrameHeader& frame, std::string_view payload);
  void OnRstStream(const H2FrameHeader& frame, std::string_view payload);
  void OnSettings(const H2FrameHeader& frame, std::string_view payload);
  bool TakeSetting(H2Setting id, std::uint32_t value);
  void SetPeerWindow(std::uint32_t value);
  void OnPing(const H2FrameHeader& frame, std::string_view payload);
  void OnGoaway(const H2FrameHeader& frame, std::string_view payload);
  void OnWindowUpdate(const H2FrameHeader& frame, std::string_view payload);

  // ---- h2_send.cc
  void SendSettings();
  void SendControl(H2FrameType type, std::uint8_t flags, std::uint32_t stream,
                   std::string_view payload);
  void SendReset(std::uint32_t id, H2Error error);
  void SendWindowUpdate(std::uint32_t id, std::uint32_t bytes);
  void SendBlock(std::uint32_t id, bool end);
  void CountOut(bool control);
  void ReturnConnectionWindow(std::uint32_t bytes);
  void Block(H2Stream& stream);
  void Unblock(H2Stream& stream);
  void WakeBlocked();
  void EndSending(H2Stream& stream);

  // ---- h2_session.cc
  H2Stream* Find(std::uint32_t id);
  bool IsIdle(std::uint32_t id) const;
  const Closed* FindClosed(std::uint32_t id) const;
  void Link(H2Stream& stream, std::uint32_t id);
  void Unlink(H2Stream& stream, How how);
  void NoteClosed(std::uint32_t id, How how);
  void CloseIfDone(H2Stream& stream);
  // The peer broke a rule of one stream.
  void StreamError(std::uint32_t id, H2Error error);
  void MessagingError(std::uint32_t id, std::string_view text);
  void Flood(H2Event event, std::string_view text);

  const Role role_;
  const H2Options options_;
  const H2HeadLimits limits_;
  H2Sink& sink_;
  absl::flat_hash_map<std::uint32_t, H2Stream*> streams_;
  HpackDecoder decoder_;
  HpackEncoder encoder_;

  // Receiving.
  std::size_t preface_left_;
  bool settings_seen_ = false;
  H2FrameHeader data_;           // The DATA frame that is coming in, or one that is skipped.
  std::uint32_t data_left_ = 0;  // Of its payload, padding not included.
  std::uint32_t padding_left_ = 0;
  bool in_data_ = false;
  bool in_block_ = false;  // Between HEADERS and END_HEADERS.
  bool block_ends_stream_ = false;
  bool block_ignored_ = false;
  H2Error block_error_ = H2Error::kNoError;  // The stream is reset once the block is read.
  bool block_is_trailers_ = false;
  std::uint32_t block_id_ = 0;
  std::uint32_t block_frames_ = 0;
  std::uint32_t last_peer_id_ = 0;
  std::uint32_t next_id_;
  std::uint32_t goaway_last_ = kH2StreamIdMax;  // What our last GOAWAY said.
  bool goaway_sent_ = false;
  bool peer_goes_away_ = false;
  Closed closed_[16];
  std::size_t closed_at_ = 0;

  // Flow control.
  std::int64_t send_window_ = kH2WindowDefault;
  std::int64_t receive_window_;
  std::uint32_t unreturned_ = 0;
  std::int64_t peer_stream_window_ = kH2WindowDefault;
  std::uint32_t peer_frame_bytes_max_ = kH2FrameBytesMax;
  std::uint32_t peer_streams_max_ = 100;  // Until its first SETTINGS.
  bool peer_allows_connect_ = false;
  H2Stream* blocked_first_ = nullptr;
  H2Stream* blocked_last_ = nullptr;

  // Sending.
  std::string out_;
  std::size_t out_at_ = 0;
  std::uint64_t out_end_ = 0;              // Bytes ever queued.
  std::vector<std::uint64_t> frame_ends_;  // Of frames not yet sent: end * 2 + control.
  std::size_t frame_ends_at_ = 0;
  std::uint32_t control_pending_ = 0;

  // Guards.
  std::uint32_t empty_frames_ = 0;
  std::int64_t priority_credit_ = 0;
  std::int64_t window_update_credit_ = 0;

  bool ended_ = false;
  H2Error error_ = H2Error::kNoError;
  std::string_view error_text_;
};

}  // namespace sluice::http
