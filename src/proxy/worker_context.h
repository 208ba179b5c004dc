#pragma once
// What one worker gives its connections and exchanges: loop, buffers, clusters, the current
// configuration, statistics, the wall clock and the pool of exchange objects.
//
// Worker's thread only, from construction to destruction. Owned by server/worker.cc. Before it is
// destroyed every connection must be gone: CloseAll(), then turn the loop until active() is 0.

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/strings.h"
#include "config/access_log.h"
#include "config/listener.h"
#include "net/buffer.h"
#include "net/loop.h"
#include "net/pipe_pool.h"
#include "observe/access_log.h"
#include "observe/registry.h"
#include "observe/stats.h"
#include "observe/stream_info.h"
#include "proxy/snapshot_pin.h"
#include "proxy/tls_chains.h"
#include "upstream/clusters.h"

namespace sluice::filters {
class Chain;
class Context;
}  // namespace sluice::filters

namespace sluice::proxy {

class Exchange;
class Mirror;
class ServerConnection;

// Seams for tests.
struct WorkerHooks {
  void* owner = nullptr;
  // An exchange ended; after its access log.
  void (*ended)(void* owner, const observe::StreamInfo& info) = nullptr;
  // May add filters in front of the router, behind those of the configuration.
  void (*add_filters)(void* owner, filters::Chain& chain, filters::Context& context) = nullptr;
};

struct WorkerOptions {
  net::Loop& loop;
  net::BufferPool& buffers;
  upstream::Clusters& clusters;
  observe::Registry& registry;
  base::Random& random;
  unsigned worker = 0;
  observe::AccessLogger* access_logger = nullptr;  // Null: nothing is logged.
  Retire retire;
  WorkerHooks hooks;
};

// A pointer to something with `std::uint32_t references`; not atomic.
template <typename T>
class LocalPtr {
 public:
  LocalPtr() = default;
  explicit LocalPtr(T* object) : object_(object) { Take(); }
  LocalPtr(const LocalPtr& other) : object_(other.object_) { Take(); }
  LocalPtr(LocalPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  LocalPtr& operator=(LocalPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~LocalPtr() {
    if (object_ != nullptr && --object_->references == 0) delete object_;
  }
  void reset() { *this = LocalPtr(); }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  void Take() {
    if (object_ != nullptr) ++object_->references;
  }
  T* object_ = nullptr;
};

// The access logs of a connection manager: a copy, kept by exchanges that have unpinned.
struct LogPlan {
  std::uint32_t references = 0;
  std::vector<config::AccessLog> logs;
};

// What a worker derived from one chain of one version of a listener. Exchanges keep it while
// pinned.
struct ListenerPlan {
  ListenerPlan() = default;
  ~ListenerPlan() { retire(std::move(listener)); }
  ListenerPlan(const ListenerPlan&) = delete;
  ListenerPlan& operator=(const ListenerPlan&) = delete;

  std::uint32_t references = 0;
  std::uint64_t id = 0;  // Never used again for another plan.
  std::shared_ptr<const config::Listener> listener;
  const config::FilterChain* chain = nullptr;
  const config::HttpConnectionManager* http = nullptr;  // Null: a TCP chain.
  observe::HttpStats* stats = nullptr;                  // Set with `http`,
  observe::CorsStats* cors = nullptr;                   // as this.
  observe::TcpStats* tcp_stats = nullptr;               // Of a TCP chain.
  bool filters = false;                                 // Any filter but the router.
  bool suppress_envoy_headers = false;
  LocalPtr<LogPlan> log;
  Retire retire;
};

// A filter chain of a listener, by name and key: what its connections hold on to while they are
// idle.
struct ListenerEntry {
  std::uint32_t references = 0;
  std::string name;
  std::string chain;
  bool gone = false;            // The chain, or what it was in TLS: connections of it drain.
  LocalPtr<ListenerPlan> plan;  // Never null; refreshed by WorkerContext::PlanOf.
  std::uint64_t version = 0;    // Of the snapshots, when it was looked up.
};

class WorkerContext {
 public:
  explicit WorkerContext(const WorkerOptions& options);
  ~WorkerContext();
  WorkerContext(const WorkerContext&) = delete;
  WorkerContext& operator=(const WorkerContext&) = delete;

  // ---- configuration
  void Adopt(std::shared_ptr<const config::Snapshot> snapshot);
  SnapshotHolder& snapshots() { return snapshots_; }

  // ---- connections
  // From now on (for `listener`, or with an empty name for all): responses say Connection: close
  // and idle connections close. What is accepted later drains too, after its first request.
  void BeginDrain(std::string_view listener = {});
  bool draining(std::string_view listener) const;
  // Resets every connection, tunnels too.
  void CloseAll();
  // Connections that exist, and exchanges that run.
  std::size_t active() const { return active_; }
  std::size_t exchanges() const { return exchanges_; }
  // `idle(owner)` runs on the loop, not inline, whenever active() has become 0.
  void set_on_idle(void (*idle)(void*), void* owner) {
    on_idle_ = idle;
    on_idle_owner_ = owner;
  }

  // ---- for the room's own files
  const WorkerOptions& options() const { return options_; }
  net::Loop& loop() { return options_.loop; }
  // `listener` counts while no snapshot has one of its name. `chain` is one of its own.
  LocalPtr<ListenerEntry> EntryFor(std::shared_ptr<const config::Listener> listener,
                                   const config::FilterChain& chain);
  // Of the current snapshot, or the last one that had the chain.
  const LocalPtr<ListenerPlan>& PlanOf(ListenerEntry& entry);
  // Scratch for bytes that are looked at before anything may suspend.
  std::span<char> PeekSpace(std::size_t bytes);
  observe::TlsInspectorStats& tls_inspector_stats();
  observe::WorkerStats& worker_stats();
  observe::ProxyProtoStats& proxy_proto_stats(const std::string& prefix);
  // What TCP and tunnels splice through.
  net::PipePool& pipes() { return pipes_; }
  // ---- TLS of clients
  void SetTls(std::string_view listener, std::shared_ptr<const TlsChains> chains);
  // Null: a secret is missing.
  std::shared_ptr<const net::TlsServerContext> TlsFor(const ListenerEntry& entry) const;
  // One handshake at a time may use the processor in a turn of the loop: the others wait in line,
  // and every other connection is served in between. True: go on now; else `waiter` is woken.
  bool MayShake(net::Waiter& waiter);
  void LeaveLine(net::Waiter& waiter);

  base::WallTime WallNow();     // From loop().now(); at most a second's drift between readings.
  std::string_view DateText();  // IMF-fixdate of now.
  std::uint64_t NextId() { return next_id_ += 1; }
  void CountExchange(int change) { exchanges_ += static_cast<std::size_t>(change); }
  std::unique_ptr<Exchange> TakeExchange();
  void GiveExchange(std::unique_ptr<Exchange> exchange);
  void Link(ServerConnection& connection);
  // Copies of requests count as connections: they outlive exchanges, not this.
  void Link(Mirror& mirror);
  void Unlink(Mirror& mirror);
  void Unlink(ServerConnection& connection);

 private:
  LocalPtr<ListenerPlan> MakePlan(std::shared_ptr<const config::Listener> listener,
                                  const config::FilterChain& chain, const ListenerPlan* previous);
  void TakeHttp(ListenerPlan& plan, const ListenerPlan* previous);
  static void TakeLogs(ListenerPlan& plan, const std::vector<config::AccessLog>& logs,
                       const ListenerPlan* previous);
  // Entries whose chain is not in the current snapshot any more: their connections drain.
  void DropGoneChains();
  void ReadWallClock();
  void PostNextShake();
  void NextShake();
  void CountGone();

  WorkerOptions options_;
  SnapshotHolder snapshots_;
  using Chains = base::StringMap<LocalPtr<ListenerEntry>>;
  base::StringMap<Chains> entries_;  // By listener and key of the chain.
  base::StringMap<std::shared_ptr<const TlsChains>> tls_;
  std::deque<net::Waiter*> shaking_;  // In line.
  bool shaken_ = false;               // In this turn.
  bool next_shake_posted_ = false;
  std::vector<char> peek_space_;
  observe::TlsInspectorStats* tls_inspector_stats_ = nullptr;
  observe::WorkerStats* worker_stats_ = nullptr;
  net::PipePool pipes_;
  base::StringMap<observe::ProxyProtoStats*> proxy_proto_stats_;
  base::StringSet draining_listeners_;
  bool draining_all_ = false;
  ServerConnection* first_ = nullptr;
  Mirror* first_mirror_ = nullptr;
  std::size_t active_ = 0;
  std::size_t exchanges_ = 0;
  void (*on_idle_)(void*) = nullptr;
  void* on_idle_owner_ = nullptr;
  std::vector<std::unique_ptr<Exchange>> free_exchanges_;
  std::uint64_t next_id_ = 0;
  base::Monotonic wall_read_at_;
  base::WallTime wall_;
  std::string date_;
};

}  // namespace sluice::proxy
