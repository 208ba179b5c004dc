#pragma once
// worker: one cluster as a worker sees it: configuration of the moment (Epoch), hosts with their
// connections (HostPool), credits, and the exchanges that wait for one of these.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "upstream/clusters.h"
#include "upstream/pool.h"

namespace sluice::upstream {

// The configuration a cluster had at some time. Counted without atomics: worker's thread only.
// Connections made under an older epoch are not reused.
struct Epoch {
  std::shared_ptr<const config::Cluster> config;
  std::shared_ptr<const net::TlsClientContext> tls;
  int refs = 0;
};

// A host and its connections. Lives while it is in the host set or anything refers to it.
struct HostPool {
  // What ALPN chose the last time, for clusters that leave it to ALPN.
  enum class Learned : std::uint8_t { kNothing, kHttp1, kHttp2 };
  explicit HostPool(Host h) : host(std::move(h)) {}
  Host host;
  std::vector<std::unique_ptr<Connection>> idle;  // The youngest last: reused first.
  std::vector<H2Connection*> h2;                  // That take new streams.
  std::uint32_t h2_connecting = 0;
  std::uint32_t h2_failures = 0;  // Connects that failed, ever.
  Learned learned = Learned::kNothing;
  std::uint32_t connections = 0;  // Idle, busy and connecting.
  std::uint32_t refs = 0;         // Attempts and connections.
  bool in_set = true;
};

class Cluster {
 public:
  Cluster(const WorkerParts& parts, ClusterParts cluster);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void Update(ClusterParts cluster);
  void SetHosts(std::shared_ptr<const HostSet> hosts);
  void CloseIdle();
  void MarkRemoved();
  void ReturnCredits();

  // The host for a request, by the cluster's balancer (pick_host.cc); null when there is none to
  // use. `hash`: of the request, for balancers that hash; without one they pick at random.
  HostPool* PickHost(std::optional<std::uint64_t> hash = std::nullopt);
  bool hosts_known() const { return hosts_ != nullptr; }
  // True for this one request when drop_overload says so.
  bool ShouldDrop();

  // An idle connection of `pool` that is still good; null when there is none.
  std::unique_ptr<Connection> TakeIdle(HostPool& pool);
  // An HTTP/2 connection of `pool` with room for a stream; null when there is none.
  H2Connection* FindH2(HostPool& pool);
  void AddH2(H2Connection& connection) { h2_.push_back(&connection); }
  void RemoveH2(H2Connection& connection) { std::erase(h2_, &connection); }
  // Shutdown: they go with the next turns of the loop.
  bool AbortH2();
  void PutIdle(std::unique_ptr<Connection> connection);
  // Books a new connection (gauges, a credit). Like Envoy, a host without any connection may always
  // have one, credit or not: else a worker could starve while another one idles. Not so for TCP.
  enum class Booking : std::uint8_t { kRefused, kCredited, kWithoutCredit };
  Booking BookConnection(HostPool& pool, Use use);
  void UnbookConnection(HostPool& pool, Booking booking);
  void WakePending();
  void AddPending(Attempt& attempt);
  void RemovePending(Attempt& attempt);

  Epoch* RefEpoch() {
    ++epoch_->refs;
    return epoch_;
  }
  static void UnrefEpoch(Epoch* epoch);
  HostPool* RefPool(HostPool* pool);
  void UnrefPool(HostPool* pool);
  // Attempts keep the object; the owner deletes it when removed and unused.
  void Retain() { ++retained_; }
  void Unretain();
  void set_on_unused(void (*on_unused)(void*, Cluster*), void* owner) {
    on_unused_ = on_unused;
    on_unused_owner_ = owner;
  }
  bool unused() const { return retained_ == 0; }
  bool removed() const { return removed_; }

  const WorkerParts& parts() const { return parts_; }
  const config::Cluster& config() const { return *epoch_->config; }
  const Epoch* epoch() const { return epoch_; }
  observe::ClusterStats& stats() { return *stats_; }
  Lease& requests() { return *requests_; }
  Lease& pending() { return *pending_; }
  // A retry may be made now; each must be given back.
  bool TakeRetry();
  void GiveRetry();

 private:
  friend class Connection;
  void TakeBreaker(std::shared_ptr<SharedBreaker> breaker);
  void CloseIdleOf(HostPool& pool);
  // Of the lot at `lot`, whose circles start at `cursor`.
  std::uint32_t PickOf(const HostLot& lot, std::size_t cursor, std::uint64_t hash);
  std::uint32_t PickLeastBusy(const HostGroup& group);
  // Lower is less busy.
  double Load(std::uint32_t host) const;
  // The idle connection that this is leaves the pool and is closed.
  void DropIdle(Connection& connection);

  WorkerParts parts_;
  std::string stat_name_;
  observe::ClusterStats* stats_;
  Epoch* epoch_;
  std::shared_ptr<SharedBreaker> breaker_;
  std::unique_ptr<Lease> connections_;
  std::unique_ptr<Lease> requests_;
  std::unique_ptr<Lease> pending_;
  std::uint32_t retries_ = 0;  // In flight, from this worker.
  std::shared_ptr<const HostSet> hosts_;
  std::vector<HostPool*> pools_;  // By index into hosts_->hosts.
  absl::flat_hash_map<base::Address, HostPool*> by_address_;
  std::vector<H2Connection*> h2_;  // All there are.
  // Where each circle of hosts_ stands: per lot, that of its groups and those inside them.
  std::vector<std::size_t> cursors_;
  std::size_t cursor_start_;
  Attempt* pending_first_ = nullptr;
  Attempt* pending_last_ = nullptr;
  std::uint32_t retained_ = 0;
  bool removed_ = false;
  void (*on_unused_)(void*, Cluster*) = nullptr;
  void* on_unused_owner_ = nullptr;
};

}  // namespace sluice::upstream
