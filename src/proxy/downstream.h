#pragma once
// The client's side of one exchange, whatever its protocol: where the request's body comes from and
// where the response goes. serve_h1.h implements it.
//
// Worker's thread. Nothing here awaits: reads and flushes answer kBlocked, and the exchange waits.
// Responses are queued (bytes by reference) and go out with Flush().

#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "net/stream.h"
#include "net/waiter.h"
#include "proxy/body_read.h"
#include "proxy/worker_context.h"

namespace sluice::observe {
struct TlsInfo;
}

namespace sluice::proxy {

// What does not change while a connection lives.
struct ConnectionFacts {
  const base::Address& remote;
  const base::Address& local;
  std::uint64_t id;
  bool tls;
  http::Version protocol;  // Of its heads; HTTP/1.0 and 1.1 are one here.
  bool response_trailers;  // They reach the client.
  // The connection's TLS; null without.
  const observe::TlsInfo* (*tls_info)(void* owner) = nullptr;
  void* tls_owner = nullptr;
  std::string_view server_name = {};  // That the client asked for; "": none.
};

class Downstream {
 public:
  virtual ~Downstream() = default;

  virtual ConnectionFacts facts() const = 0;
  virtual const LocalPtr<ListenerPlan>& plan() const = 0;

  // ---- request
  virtual std::uint64_t request_head_bytes() const = 0;
  // `may_read`: also from the wire, which invalidates earlier pieces.
  virtual BodyRead ReadBody(bool may_read) = 0;
  virtual net::Waiter::Awaiter WaitBody() = 0;
  virtual const http::Fields& request_trailers() const = 0;
  virtual const http::H1Error& request_error() const = 0;  // After kBroken.
  // `gone(owner)` once the client has left; null clears.
  virtual void WatchHangup(void (*gone)(void*), void* owner) = 0;
  // That call came: for the statistics of the connection.
  virtual void OnClientGone() = 0;

  // ---- response
  virtual void QueueInterim(const http::ResponseHead& head) = 0;
  // Settles `head.body` for this client. `close`: the connection shall end with this response.
  virtual void QueueHead(http::ResponseHead& head, bool close) = 0;
  virtual void QueueBody(std::string_view piece) = 0;  // REQUIRES: !QueueFull().
  virtual void QueueEnd(const http::Fields& trailers) = 0;
  virtual bool QueueFull() const = 0;
  virtual bool QueueEmpty() const = 0;
  virtual net::IoStatus Flush() = 0;
  virtual net::Waiter::Awaiter WaitFlush() = 0;

  // From here on both directions carry bytes as they come; QueueEnd() shuts the client's side down.
  virtual void BecomeTunnel() = 0;
  // The response will not be completed, and the client must be able to tell.
  virtual void Abort() = 0;
};

}  // namespace sluice::proxy
