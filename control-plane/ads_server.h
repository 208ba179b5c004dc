#pragma once
// xDS over gRPC: one Watch per stream, aggregated or of one type, state of the world or delta;
// single questions (Fetch*); gRPC's own health service and reflection.
//
// Everything here belongs to the control plane's loop. gRPC's threads only hand bytes to it, and
// get bytes that are already serialised; a stream is not read on until its request was handled.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "base/clock.h"
#include "net/loop.h"
#include "snapshot.h"
#include "watches.h"

namespace sluice::control {

// PEM files, read again when they change. Without client_ca_file clients need no certificate.
struct AdsTls {
  std::string certificate_file, key_file, client_ca_file;
};

struct AdsServerOptions {
  base::Address address;  // TCP (port 0: any) or a Unix socket.
  std::string token;      // Demanded as "authorization: Bearer ..."; "": none.
  bool insecure = false;  // Off loopback without token and client certificates all the same.
  AdsTls tls;             // Files "": plain text.
  std::size_t streams_max = 10'000;  // Beyond them: RESOURCE_EXHAUSTED.
  int request_bytes_max = 64 * 1024 * 1024;
  std::size_t grpc_bytes_max = 1ULL << 30;  // What gRPC may buffer for all connections.
};

struct AdsCounters {
  WatchCounters watches;
  std::uint64_t streams_opened = 0;
  std::uint64_t streams_refused = 0;  // Too many, without the token, or of no such method.
  std::uint64_t streams_failed = 0;   // Ended by us because of what was sent.
};

class AdsServer {
 public:
  AdsServer(AdsServerOptions options, net::Loop& loop);
  ~AdsServer();  // Stops.
  AdsServer(const AdsServer&) = delete;
  AdsServer& operator=(const AdsServer&) = delete;

  // Binds; the address with its real port. Refuses an address off loopback that has neither token,
  // client certificates nor `insecure`; and certificates that are none.
  absl::StatusOr<base::Address> Start();
  // Ends every stream and waits for gRPC's threads, running the loop meanwhile: call it outside of
  // the loop's turns. Idempotent.
  void Stop();

  void SetSnapshot(std::shared_ptr<const Snapshot> snapshot);
  // One per stream, in the order they came.
  std::vector<ProxyStatus> Proxies() const;
  AdsCounters counters() const;
  // Null before the first SetSnapshot().
  std::shared_ptr<const Snapshot> snapshot() const;

 private:
  class Service;  // Keeps gRPC out of headers.
  std::unique_ptr<Service> service_;
};

}  // namespace sluice::control
