#pragma once
// A TLS server for tests: ends TLS on one socket and passes the bytes on to another, both ways,
// ends and resets included. So the far side of a TLS client is an ordinary stream.

#include <memory>
#include <string>
#include <thread>

#include "net/socket.h"

namespace sluice::net {

struct TlsRelayOptions {
  std::string certificate_pem;
  std::string private_key_pem;
  int version_max = 0x0304;
  std::string alpn;               // Chosen when offered.
  std::string client_ca_pem;      // Set: a client certificate is required.
  bool send_close_notify = true;  // False: an end from the plain side is a bare FIN.
};

class TlsRelay {
 public:
  // Serves one connection: TLS on `encrypted`, bytes on `plain`. Both are blocking sockets here.
  TlsRelay(const TlsRelayOptions& options, FileDescriptor encrypted, FileDescriptor plain);
  ~TlsRelay();

 private:
  void Serve();
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace sluice::net
