#pragma once
// worker: HTTP/1 connections to the hosts of a cluster, and the way an exchange gets one.
//
// forward.cc makes an Attempt, awaits Acquire(), talks over attempt.connection(), and ends with
// Finish(). Everything is accounted exactly once, whichever way it ends, by the destructor.

#include <cstdint>
#include <memory>
#include <string_view>

#include "http/h1_codec.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "net/task.h"
#include "upstream/clusters.h"

namespace sluice::upstream {

// An open connection; belongs to the pool while idle and to one attempt while busy.
class Connection {
 public:
  net::Stream& stream();
  net::Buffer& input();           // Bytes read and not yet consumed.
  http::H1Parser& parser();
  const Host& host() const;
  // True once a response was received on it: a failure before the first response byte of a later
  // request may be the keep-alive race and is safe to replay.
  bool reused() const;
  std::uint64_t id() const;

 private:
  friend class Pool;
  friend class Attempt;
  friend class Clusters;
  struct State;
  explicit Connection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;

 public:
  ~Connection();
};

enum class AcquireResult : std::uint8_t {
  kOk,
  kNoHealthyHost,     // 503 UH
  kOverflow,          // A circuit breaker is open: 503 UO.
  kConnectFailed,     // 503 UF; failure_reason() has the transport's words.
  kConnectTimeout,    // 503 UF, "connection timeout"
  kClosed,            // Close() was called.
  kDropped,           // drop_overload
};

class Attempt {
 public:
  // Takes a request credit of the cluster; retains the cluster until destroyed.
  explicit Attempt(Cluster& cluster);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // A pooled connection without awaiting anything; false: use Acquire. Never a fresh connection.
  bool TryAcquireIdle();
  // Pooled or fresh, waiting for hosts (first DNS answer), a free connection or the handshake.
  // `fresh_only`: do not use a pooled one (the replay after a keep-alive race).
  net::Task<AcquireResult> Acquire(bool fresh_only);
  // Ends a pending Acquire with kClosed, or closes the connection in use. Any state, idempotent.
  void Close();

  Connection& connection();               // REQUIRES: acquired.
  bool acquired() const;
  const config::Cluster& config() const;
  observe::ClusterStats& stats();
  const Host* host() const;               // The chosen one; null before choosing.
  std::string_view failure_reason() const;

  // The response was complete. `reusable`: both sides said keep-alive and nothing is left over.
  // Otherwise, and when never called, the connection is closed with the attempt.
  void Finish(bool reusable);
  // For statistics per host and cluster: what the try came to.
  void CountResponse(int status);
  void CountTimeout();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

const config::Cluster& ConfigOf(const Cluster& cluster);
observe::ClusterStats& StatsOf(Cluster& cluster);

}  // namespace sluice::upstream
