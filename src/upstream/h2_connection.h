#pragma once
// worker: HTTP/2 with an upstream: a connection that many attempts share, and a stream on it.
//
// A connection is in its host's list while it takes new streams. It owns itself: it goes when its
// bytes have ended and the last attempt has left.

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>

#include "http/h2_session.h"
#include "http/head.h"
#include "net/stream.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "upstream/clusters.h"
#include "upstream/h2_boxes.h"
#include "upstream/h2_link.h"

namespace sluice::upstream {

struct Epoch;
struct HostPool;
class H2Connection;

// The stream of one try. Reused from try to try.
class H2ClientStream : public http::H2Stream {
 public:
  H2ClientStream(net::Loop& loop, net::BufferPool& buffers);
  ~H2ClientStream();
  H2ClientStream(const H2ClientStream&) = delete;
  H2ClientStream& operator=(const H2ClientStream&) = delete;

  // REQUIRES: closed.
  void Open(H2Connection& connection);
  // Resets what is not complete. Idempotent.
  void Close();
  // Every wait returns, every later call fails.
  void Cancel();

  H2Connection* connection = nullptr;
  H2Inbox inbox;
  H2Outbox outbox;
  std::deque<http::ResponseHead> interims;
  http::ResponseHead head;
  http::Fields trailer_fields;
  net::Waiter read_wait;
  net::Waiter flush_wait;
  bool head_ready = false;
  bool begun = false;    // Any byte of a response was seen.
  bool refused = false;  // The peer said that it did not look at the request.
  bool gone = false;     // With its connection, or cancelled.
  bool broken = false;   // The peer broke the rules.
  // ---- the connection's list
  H2ClientStream* next = nullptr;
  H2ClientStream* previous = nullptr;
};

class H2Connection final : public http::H2Sink {
 public:
  // REQUIRES: the connection is booked with the cluster. Puts itself into the list of `pool`; the
  // attempt that makes it is attached.
  H2Connection(Cluster& cluster, HostPool& pool, std::uint8_t booking,
               std::unique_ptr<net::Stream> stream);

  // Takes one more stream.
  bool HasRoom() const;
  // An attempt will use it, and does so no more. May delete it.
  void Attach();
  void Detach();
  void Link(H2ClientStream& stream);
  void Unlink(H2ClientStream& stream);
  // No new streams; ends with the last one.
  void Drain();
  // At once.
  void Abort() { link_.Abort(); }

  http::H2Session& session() { return session_; }
  void Kick() { link_.Kick(); }
  net::Stream& stream() { return *stream_; }
  const Host& host() const;
  const Epoch* epoch() const { return epoch_; }
  bool reused() const { return responses_ > 0; }
  net::BufferPool& buffers();
  net::Loop& loop();

  // ---- H2Sink
  http::H2Stream* OnOpen() override { return nullptr; }
  void OnHead(http::H2Stream& stream, bool end) override;
  void OnData(http::H2Stream& stream, std::string_view data, bool end) override;
  void OnTrailers(http::H2Stream& stream) override;
  void OnReset(http::H2Stream& stream, http::H2Error error, bool by_peer) override;
  void OnCanSend(http::H2Stream& stream) override;
  void OnGoaway(std::uint32_t last, http::H2Error error) override;
  void OnPingAck() override;
  void OnEvent(http::H2Event event) override;

 private:
  ~H2Connection() override;
  void OnReceived();
  void OnLinkEnded(bool by_peer);
  void LeavePool();
  void MaybeEnd();
  static void OnDone(void* self);
  static void OnIdle(void* self);
  static void OnPingTimer(void* self);

  Cluster& cluster_;  // Retained.
  HostPool& pool_;
  Epoch* epoch_;
  std::unique_ptr<net::Stream> stream_;
  observe::Http2Stats& h2_stats_;
  http::H2Session session_;
  H2Link link_;
  net::Timer idle_timer_;
  net::Timer ping_timer_;
  base::Monotonic connected_;
  base::Monotonic heard_;  // When something was received last.
  H2ClientStream* first_ = nullptr;
  std::uint32_t attached_ = 0;  // Attempts.
  std::uint32_t streams_total_ = 0;
  std::uint32_t responses_ = 0;
  std::uint8_t booking_;
  bool in_pool_ = true;
  bool draining_ = false;
  bool ended_ = false;  // Nothing more is received.
  bool done_ = false;   // Its coroutine has ended.
  bool by_peer_ = false;
  bool ping_unanswered_ = false;
};

}  // namespace sluice::upstream
