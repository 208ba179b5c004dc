#pragma once
// worker: HTTP/1 connections to the hosts of a cluster, and the way an exchange gets one.
//
// forward.cc makes an Attempt, awaits Acquire(), talks over attempt.connection(), and ends with
// Finish(). Everything is accounted exactly once, whichever way it ends, by the destructor.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/h1_codec.h"
#include "net/buffer.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "upstream/clusters.h"

namespace sluice::upstream {

struct Epoch;
struct HostPool;
class H2ClientStream;
class H2Connection;

// An open connection; belongs to the pool while idle and to one attempt while busy.
class Connection {
 public:
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  net::Stream& stream() { return *stream_; }
  net::Buffer& input() { return input_; }  // Bytes read and not yet consumed.
  http::H1Parser& parser() { return parser_; }
  const Host& host() const;
  // True once a response was received on it: a failure before the first response byte of a later
  // request may be the keep-alive race and is safe to replay.
  bool reused() const { return responses_ > 0; }
  std::uint64_t id() const { return id_; }

 private:
  friend class Attempt;
  friend class Cluster;
  // REQUIRES: the connection is booked with the cluster.
  Connection(Cluster& cluster, HostPool& pool, std::uint8_t booking,
             std::unique_ptr<net::Stream> stream);
  static void OnIdleGone(void* self);
  static void OnIdleTimeout(void* self);

  Cluster& cluster_;  // Retained.
  HostPool& pool_;
  Epoch* epoch_;
  std::unique_ptr<net::Stream> stream_;
  net::Buffer input_;
  http::H1Parser parser_;
  net::Timer idle_timer_;
  base::Monotonic connected_;
  std::uint64_t id_;
  std::uint32_t responses_ = 0;
  std::uint8_t booking_;  // Cluster::Booking
  bool busy_ = true;
};

enum class AcquireResult : std::uint8_t {
  kOk,
  kNoHealthyHost,   // 503 UH
  kOverflow,        // A circuit breaker is open: 503 UO.
  kConnectFailed,   // 503 UF; failure_reason() has the transport's words.
  kConnectTimeout,  // 503 UF, "connection timeout"
  kClosed,          // Close() was called.
  kDropped,         // drop_overload
};

// What a connection is wanted for. TCP takes a fresh one of its own, counts no request, and does
// not wait for a credit.
enum class Use : std::uint8_t { kHttp, kTcp };

class Attempt {
 public:
  // Takes a request credit of the cluster; retains the cluster until destroyed.
  explicit Attempt(Cluster& cluster, Use use = Use::kHttp);
  ~Attempt();
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Before acquiring: a host of `hosts` is passed over, up to `picks_max` times. `hosts` must
  // outlive the acquiring.
  void Avoid(std::span<const base::Address> hosts, unsigned picks_max) {
    avoided_ = hosts;
    picks_max_ = picks_max;
  }
  // What the client speaks, for clusters that do the same upstream.
  void set_downstream_http2(bool http2) { downstream_http2_ = http2; }
  // Of the request, for balancers that hash. REQUIRES: no host was chosen yet.
  void set_hash(std::optional<std::uint64_t> hash) { hash_ = hash; }
  // For PROXY headers: who speaks, and to which address of ours. They outlive the attempt. Without
  // them the header tells no addresses.
  void set_downstream(const base::Address* remote, const base::Address* local) {
    downstream_remote_ = remote;
    downstream_local_ = local;
  }
  // A pooled connection without awaiting anything; false: use Acquire. Never a fresh connection.
  bool TryAcquireIdle();
  // Pooled or fresh, waiting for hosts (first DNS answer), a free connection or the handshake.
  // `fresh_only`: do not use a pooled one (the replay after a keep-alive race).
  net::Task<AcquireResult> Acquire(bool fresh_only);
  // Ends a pending Acquire with kClosed, or closes the connection in use. Any state, idempotent.
  void Close();

  Connection& connection();  // REQUIRES: acquired, and http2() null.
  // Not null: acquired, and it is a share of this connection. Open the stream on it, and say so, so
  // that Close() finds it.
  H2Connection* http2() const { return h2_; }
  void set_stream(H2ClientStream* stream) { stream_ = stream; }
  bool acquired() const { return connection_ != nullptr || h2_ != nullptr; }
  const config::Cluster& config() const;
  observe::ClusterStats& stats();
  Cluster& cluster() { return cluster_; }
  const Host* host() const;  // The chosen one; null before choosing.
  std::string_view failure_reason() const { return failure_; }

  // The response was complete. `reusable`: both sides said keep-alive and nothing is left over.
  // Otherwise, and when never called, the connection is closed with the attempt.
  void Finish(bool reusable);
  // For statistics per host and cluster: what the try came to.
  void CountResponse(int status);
  // Of a response that another try takes the place of: the host's alone.
  void CountRetried(int status);
  void CountTimeout();

 private:
  friend class Cluster;
  enum class Wait : std::uint8_t { kGo, kTimeout, kClosed, kOverflow };
  bool TakeCredit();
  // The connection is for this attempt alone.
  bool unshared() const;
  void AppendProxyHeader(std::string& out) const;
  bool Dropped();
  bool ChooseHost();
  bool Avoided(const HostPool& pool) const;
  // HTTP/2 is sure, or not known not to be.
  bool WantsHttp2() const;
  bool TakePooled();
  // The connection that was made becomes what its protocol says.
  void TakeConnected();
  net::Task<AcquireResult> Connect();
  net::Task<Wait> WaitPending(std::uint64_t timeout_ms);
  AcquireResult ConnectFailed();
  static void OnTimer(void* self);

  Cluster& cluster_;
  const Use use_;
  Epoch* epoch_;
  HostPool* pool_ = nullptr;
  std::unique_ptr<Connection> connection_;
  H2Connection* h2_ = nullptr;
  H2ClientStream* stream_ = nullptr;
  std::unique_ptr<net::Stream> connecting_;
  net::Waiter waiter_;
  net::Timer timer_;
  Attempt* pending_next_ = nullptr;
  Attempt* pending_previous_ = nullptr;
  std::string failure_;
  std::span<const base::Address> avoided_;
  unsigned picks_max_ = 0;
  std::uint8_t booking_ = 0;  // Of `connecting_`: Cluster::Booking.
  std::optional<std::uint64_t> hash_;
  const base::Address* downstream_remote_ = nullptr;
  const base::Address* downstream_local_ = nullptr;
  std::optional<bool> dropped_;  // The dice are rolled once per attempt.
  bool downstream_http2_ = false;
  bool credited_ = false;
  bool pending_ = false;
  bool timed_out_ = false;
  bool closed_ = false;
};

const config::Cluster& ConfigOf(const Cluster& cluster);
observe::ClusterStats& StatsOf(Cluster& cluster);

}  // namespace sluice::upstream
