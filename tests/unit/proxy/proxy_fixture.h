#pragma once
// The request path in memory: clients and upstreams are ends of in-memory streams, the clock stands
// still until told, and the test turns the loop.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "config/listener.h"
#include "config/snapshot.h"
#include "config/tcp_proxy.h"
#include "net/loop.h"
#include "net/socket.h"
#include "observe/registry.h"
#include "proxy/serve_connection.h"
#include "proxy/worker_context.h"
#include "upstream/clusters.h"

namespace sluice::proxy {

class FakeClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return now_; }
  // Wall time is the same number: the tests begin at 00:16:40 of 1 January 1970.
  base::WallTime WallNow() const override {
    return base::WallTime(
        std::chrono::duration_cast<base::WallTime::duration>(now_.time_since_epoch()));
  }
  void Pass(base::milliseconds time) { now_ += time; }

 private:
  base::Monotonic now_{base::seconds(1000)};
};

// One end of a stream that a test holds: what came, and whether the far side ended.
class Peer {
 public:
  explicit Peer(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}
  // Takes up to `bytes_max` of what is there.
  void Pump(std::size_t bytes_max = ~std::size_t{0});
  // Writes what fits; the rest goes with later Pump()s.
  void Send(std::string_view bytes);
  void ShutdownWrite();
  void Close(bool reset = false) { stream_->Close(reset); }

  const std::string& received() const { return received_; }
  std::string TakeReceived() { return std::exchange(received_, {}); }
  bool ended() const { return ended_; }    // FIN or reset.
  bool broken() const { return broken_; }  // Reset.
  bool unsent() const { return !unsent_.empty(); }

 private:
  std::unique_ptr<net::Stream> stream_;
  std::string received_;
  std::string unsent_;
  bool ended_ = false;
  bool broken_ = false;
  bool shut_down_ = false;
};

// What is logged of an exchange, copied out of StreamInfo at its end.
struct Logged {
  int code;
  std::string details;
  std::string flags;
  std::string route;
  std::string cluster;
  std::uint64_t received;
  std::uint64_t sent;
  std::uint32_t attempts;
};

class ProxyFixture {
 public:
  struct Options {
    std::size_t stream_capacity = 64 * 1024;
    std::size_t buffer_bytes_max = 1024 * 1024;
    void (*add_filters)(void* owner, filters::Chain& chain, filters::Context& context) = nullptr;
    void* filters_owner = nullptr;
  };
  ProxyFixture() : ProxyFixture(Options{}) {}
  explicit ProxyFixture(const Options& options);
  ~ProxyFixture();

  // Edit these, then Publish().
  config::HttpConnectionManager& http() { return http_; }
  config::RouteTable& table() { return table_; }
  config::VirtualHost& host() { return host_; }
  config::Cluster& cluster() { return cluster_; }
  std::optional<config::TcpProxy> tcp;  // Set: the chain's filter, instead of http().
  config::Route& AddRoute(std::string_view prefix, std::string_view cluster = "c");
  void Publish();

  std::shared_ptr<Peer> Connect();
  // Turns until nothing moves, pumping every peer.
  void Settle();
  void Pass(std::uint64_t ms);
  // A request written whole; what the client has after things settled.
  std::string Ask(Peer& client, std::string_view request);

  // Called for each connection made to an upstream; it is in upstreams() already.
  std::function<void(Peer&)> on_connect;
  // Called after every turn: where scripted upstreams answer.
  std::function<void()> on_turn;
  std::vector<std::shared_ptr<Peer>>& upstreams() { return upstreams_; }
  bool refuse_connections = false;
  // 10.0.0.1 and on: how many hosts Publish() gives the cluster.
  unsigned hosts = 1;
  std::shared_ptr<const config::Runtime> runtime;  // For Publish().
  Peer* stuck = nullptr;                           // An upstream that does not read.
  // Whom connections were made to, refused ones too.
  std::vector<std::string> connected;
  void connection_limit(std::uint32_t limit) { breaker_->connections.SetLimit(limit); }
  // Pump() of clients: how much they read per turn.
  std::size_t client_bytes_per_turn = ~std::size_t{0};

  WorkerContext& context() { return *context_; }
  upstream::SharedBreaker& breaker() { return *breaker_; }
  upstream::Clusters& clusters() { return *clusters_; }
  net::BufferPool& buffers() { return buffers_; }
  net::Loop& loop() { return loop_; }
  observe::HttpStats& stats();
  observe::ClusterStats& cluster_stats(std::string_view cluster = "c");
  observe::CorsStats& cors_stats();
  observe::TcpStats& tcp_stats();
  observe::ListenerStats& listener_stats() { return listener_stats_; }
  std::vector<Logged>& logged() { return logged_; }
  std::vector<std::shared_ptr<const void>>& retired() { return retired_; }

  // Closes every client and checks that nothing is left behind: connections, exchanges, gauges.
  void ExpectAllGone();

 private:
  static std::unique_ptr<net::Stream> FakeConnect(net::Loop& loop, const base::Address& address,
                                                  const net::ConnectOptions& options);
  static void OnEnded(void* owner, const observe::StreamInfo& info);
  static void OnRetire(void* owner, std::shared_ptr<const void> garbage);

  Options options_;
  FakeClock clock_;
  net::Loop loop_;
  net::BufferPool buffers_;
  observe::Registry registry_;
  base::FastRandom random_;
  observe::ListenerStats listener_stats_;
  std::vector<Logged> logged_;
  std::vector<std::shared_ptr<const void>> retired_;
  std::vector<std::shared_ptr<Peer>> upstreams_;
  std::vector<std::shared_ptr<Peer>> clients_;
  config::HttpConnectionManager http_;
  config::RouteTable table_;
  config::VirtualHost host_;
  config::Cluster cluster_;
  std::shared_ptr<const config::Listener> listener_;
  std::shared_ptr<upstream::SharedBreaker> breaker_;
  std::uint64_t generation_ = 0;
  std::unique_ptr<upstream::Clusters> clusters_;
  std::unique_ptr<WorkerContext> context_;
};

}  // namespace sluice::proxy
