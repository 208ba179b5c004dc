#pragma once
// What serves a client once its connection is set up: HTTP/1, HTTP/2 or TCP.
//
// Worker's thread. Belongs to a ServerConnection, which made it when listener filters, the choice
// of the filter chain and the TLS handshake were over, and deletes it after Serve() has ended.

#include <memory>

#include "net/task.h"

namespace sluice::proxy {

class Session {
 public:
  virtual ~Session() = default;

  // Until the connection is to be closed; closes the stream.
  virtual net::Task<void> Serve() = 0;
  // Ends with what is under way, at once when there is nothing. May come before Serve().
  virtual void Drain() = 0;
  // Whatever is under way ends without an answer. The stream is closed right after.
  virtual void Abandon() = 0;
  // After Serve(): who goes on with the connection, when the client turned out to speak another
  // protocol. The stream is open then.
  virtual std::unique_ptr<Session> Next() { return nullptr; }
};

}  // namespace sluice::proxy
