#pragma once
// worker: moves bytes between an HTTP/2 session and a stream. Both sides of the proxy use it.
//
// What a turn of the loop produced leaves in one write at its end. While nothing is to be read or
// written it holds no buffer.

#include <cstdint>
#include <string_view>

#include "http/h2_session.h"
#include "net/buffer.h"
#include "net/deferred.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "observe/stats.h"

namespace sluice::base {
class Random;
}
namespace sluice::config {
struct H2Keepalive;
}

namespace sluice::upstream {

// Counts what a session tells.
void CountH2Event(http::H2Event event, observe::Http2Stats& stats);
// Until the next ping.
std::uint64_t NextPingMs(const config::H2Keepalive& keepalive, base::Random& random);

class H2Link {
 public:
  struct Owner {
    void* self;
    // Something was received: look at what the session says. May be null.
    void (*received)(void* self);
    // Nothing more will be received: the peer or we ended it. Streams are to be failed.
    void (*ended)(void* self, bool by_peer);
  };
  struct Parts {
    net::Loop& loop;
    net::Stream& stream;
    net::BufferPool& buffers;
    http::H2Session& session;
    observe::Counter& received;
    observe::Counter& sent;
  };

  H2Link(const Parts& parts, const Owner& owner);
  H2Link(const H2Link&) = delete;
  H2Link& operator=(const H2Link&) = delete;

  // Bytes that somebody has read from the stream already. Before Run().
  void Seed(std::string_view received);
  // Until both directions are over; the stream is closed then.
  net::Task<void> Run();
  // The session may have something to send: at the end of this turn.
  void Kick() {
    if (!parts_.session.pending().empty()) flush_.Schedule();
  }
  // Sends what is pending, lets the peer read it for `linger_ms` (0: no waiting), and closes.
  void Finish(std::uint64_t linger_ms);
  // At once.
  void Abort();
  // Bytes of an incomplete frame are waiting for the rest.
  bool mid_frame() const { return !input_.empty(); }
  // The peer did not read what we sent to the end, nor close, in the time it was given.
  bool lingered_out() const { return lingered_out_; }

 private:
  net::Task<void> ReadAll();
  net::Task<void> WriteAll();
  void Take();
  // One read; false: nothing more will come.
  bool ReadOnce(bool& blocked);
  // False: the stream does not take more now, or is broken.
  bool WriteSome();
  void EndReading(bool by_peer);
  static void OnFlush(void* self);
  static void OnLingerOver(void* self);

  const Parts parts_;
  const Owner owner_;
  net::Buffer input_;
  net::Deferred flush_;
  net::Waiter write_wait_;
  net::Timer linger_timer_;
  std::uint64_t linger_ms_ = 0;
  bool finishing_ = false;  // No more than what is pending.
  bool reading_ended_ = false;
  bool write_blocked_ = false;
  bool lingered_out_ = false;
};

}  // namespace sluice::upstream
