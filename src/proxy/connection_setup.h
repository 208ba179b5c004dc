#pragma once
// From an accepted socket to a session: listener filters, filter chain, TLS handshake, protocol.
//
// Worker's thread. Belongs to a ServerConnection while there is something to wait for; a plain-text
// listener without listener filters needs none of it. envoy-behaviour.md 4.2, 4.3.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/listener.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "proxy/session.h"

namespace sluice::proxy {

class ServerConnection;

// What listener filters found out about a connection.
struct Detected {
  bool tls = false;                    // It begins with a ClientHello.
  std::string server_name;             // Lower-case; "": none.
  std::vector<std::string> protocols;  // ALPN, in the client's order.
  // What a PROXY header says; unset: the socket's own.
  std::optional<base::Address> remote;
  std::optional<base::Address> local;
};

class ConnectionSetup {
 public:
  ConnectionSetup(ServerConnection& connection, std::shared_ptr<const config::Listener> listener);
  ~ConnectionSetup();
  ConnectionSetup(const ConnectionSetup&) = delete;
  ConnectionSetup& operator=(const ConnectionSetup&) = delete;

  // Ends with a chain chosen, and TLS shaken where the chain has it, or with good() false.
  net::Task<void> Run();
  bool good() const { return good_; }
  const config::Listener& listener() const { return *listener_; }

 private:
  enum class Verdict : std::uint8_t { kNext, kMore, kClose };

  net::Task<bool> RunListenerFilters();
  // One filter, over everything that has arrived.
  Verdict Look(const config::ListenerFilter& filter, std::string_view bytes);
  // A header leaves the stream: `consumed_`.
  Verdict ReadProxyHeader(const config::ProxyProtocolFilter& filter, std::string_view bytes);
  bool Consume();
  Verdict InspectTls(const config::TlsInspectorFilter& filter, std::string_view bytes);
  net::Task<bool> ShakeHands(std::uint64_t timeout_ms);
  void CountHandshake();
  static void OnTimeout(void* self);

  ServerConnection& connection_;
  std::shared_ptr<const config::Listener> listener_;
  net::Timer timer_;
  net::Waiter* wait_ = nullptr;
  std::size_t consumed_ = 0;  // Of what was peeked: not for whoever serves the connection.
  bool timed_out_ = false;
  bool good_ = false;
};

// The session for a connection whose chain is known: by the chain's terminal filter and, for HTTP,
// by codec_type, ALPN and preface.
std::unique_ptr<Session> MakeSession(ServerConnection& connection);

}  // namespace sluice::proxy
