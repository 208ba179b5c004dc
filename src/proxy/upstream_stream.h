#pragma once
// The upstream's side of one try, whatever its protocol: where the request goes and where the
// response comes from. The mirror of downstream.h. upstream_h1.h implements it.
//
// Worker's thread. Nothing here awaits: reads and flushes answer kBlocked, and the exchange waits.
// Requests are queued (bytes by reference) and go out with Flush(). A stream is opened on an
// upstream::Attempt that has acquired, by Exchange::OpenUpstream(); Attempt::Close() makes every
// wait return and every later call fail. Objects live in the exchange and are opened again and
// again: opening allocates nothing.

#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "net/stream.h"
#include "net/waiter.h"
#include "proxy/body_read.h"
#include "upstream/host_set.h"

namespace sluice::proxy {

// What does not change while a try uses the stream.
struct UpstreamFacts {
  const upstream::Host& host;
  const base::Address& local;
  http::Version protocol;
  // Its connection carried a response before: a failure before the first byte of this one may be
  // the keep-alive race.
  bool reused;
};

struct HeadRead {
  enum class Step : std::uint8_t {
    kHead,  // Of any status, 1xx too: after one of those, read again.
    kBlocked,
    kGone,    // The connection was closed or reset before a complete head.
    kReset,   // HTTP/2: this stream alone was reset; refused() tells more.
    kBroken,  // The peer broke the rules of its protocol.
    kFull,    // No buffer to read it into.
  };
  Step step;
  std::uint64_t bytes = 0;  // kHead: of the wire.
};

class UpstreamStream {
 public:
  virtual ~UpstreamStream() = default;

  virtual UpstreamFacts facts() const = 0;
  // Bytes of this request that left for the peer.
  virtual std::uint64_t sent_bytes() const = 0;
  // Any byte of a response was seen.
  virtual bool response_begun() const = 0;
  // The peer said that it did not look at the request (REFUSED_STREAM, GOAWAY): repeating it is
  // always safe.
  virtual bool refused() const = 0;
  // Why the transport broke, for %UPSTREAM_TRANSPORT_FAILURE_REASON%.
  virtual std::string_view failure() const = 0;

  // ---- request
  // First, once. `head` may die after the call; its method is remembered.
  virtual void QueueHead(const http::RequestHead& head) = 0;
  virtual void QueueBody(std::string_view piece) = 0;  // REQUIRES: !QueueFull().
  // Of every request, with or without a body. In a tunnel: shuts our side down.
  virtual void QueueEnd(const http::Fields& trailers) = 0;
  virtual bool QueueFull() const = 0;
  virtual bool QueueEmpty() const = 0;
  // kOk: all is out. kError: the peer listens no more, but may have answered.
  virtual net::IoStatus Flush() = 0;
  virtual net::Waiter::Awaiter WaitFlush() = 0;

  // ---- response
  virtual HeadRead ReadHead(http::ResponseHead& head) = 0;
  // `may_read`: also from the wire, which invalidates earlier pieces.
  virtual BodyRead ReadBody(bool may_read) = 0;
  virtual net::Waiter::Awaiter WaitRead() = 0;  // For heads and bodies.
  virtual const http::Fields& trailers() const = 0;

  // From here on both directions carry bytes as they come.
  virtual void BecomeTunnel() = 0;
  // The response is complete. `clean`: and so was the request, and neither side was a tunnel; then
  // its connection may serve others. Nothing may refer to its bytes any more. Ends the stream.
  virtual void Finish(bool clean) = 0;
};

}  // namespace sluice::proxy
