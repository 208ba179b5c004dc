#pragma once
// A byte stream to a peer: plain, TLS or in memory. Non-blocking calls plus readiness to await.
//
// Loop's thread only; one coroutine may wait for each direction. The usual read:
//   for (;;) {
//     const IoResult r = stream.Read(space);
//     if (r.status != IoStatus::kWouldBlock) break;
//     co_await stream.WaitReadable();
//   }
// Close() makes every wait return and every later call answer kError.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/address.h"
#include "net/waiter.h"

namespace sluice::net {

enum class IoStatus : std::uint8_t { kOk, kWouldBlock, kEof, kError };

struct IoResult {
  IoStatus status;
  std::size_t bytes;  // kOk: > 0 (less than asked for is normal).
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult Read(std::span<char> space) = 0;
  // Gathers; kOk may be partial.
  virtual IoResult Write(std::span<const std::string_view> pieces) = 0;
  // What a read would give, left where it is: always from its first byte on. After kOk a wait to
  // read waits for more of it; kEof: there is not going to be more. EndPeek() before the first
  // Read(). Not for TLS streams.
  virtual IoResult Peek(std::span<char>) { return {IoStatus::kError, 0}; }
  virtual void EndPeek() {}
  // FIN or close_notify after what was written; the other direction stays open.
  virtual void ShutdownWrite() = 0;
  // Idempotent. `reset`: RST instead of an orderly close (SO_LINGER 0).
  virtual void Close(bool reset = false) = 0;
  virtual bool closed() const = 0;

  // Ready, closed or broken: try the call again.
  virtual Waiter::Awaiter WaitReadable() = 0;
  virtual Waiter::Awaiter WaitWritable() = 0;
  // False: waiting now would suspend.
  virtual bool ReadyToRead() const = 0;

  // `gone(owner)` runs (on the loop, not inline) when the peer has closed or reset while nobody
  // waits to read: how a client that left is noticed without a read. Null clears. A FIN that
  // came earlier reports too.
  virtual void WatchHangup(void (*gone)(void*), void* owner) = 0;

  virtual const base::Address& local() const = 0;
  virtual const base::Address& remote() const = 0;
  // Why it broke, for %UPSTREAM_TRANSPORT_FAILURE_REASON%: "", "delayed connect error: 111",
  // "TLS_error:...". Valid until destruction.
  virtual std::string_view failure() const = 0;
  virtual bool is_tls() const = 0;

  // Plain sockets move bytes without copying them through the process: into a pipe that is empty,
  // and out of one that holds `bytes`. Answers as Read and Write do.
  virtual bool can_splice() const { return false; }
  virtual IoResult SpliceInto(int, std::size_t) { return {IoStatus::kError, 0}; }
  virtual IoResult SpliceFrom(int, std::size_t) { return {IoStatus::kError, 0}; }
};

// Writes everything or fails; waits as needed. False: the stream broke or was closed.
Task<bool> WriteAll(Stream& stream, std::string_view a, std::string_view b = {},
                    std::string_view c = {});

}  // namespace sluice::net
