#include "upstream/cluster.h"

#include <algorithm>

#include "base/check.h"
#include "upstream/h2_connection.h"

namespace sluice::upstream {

Cluster::Cluster(const WorkerParts& parts, ClusterParts cluster)
    : parts_(parts),
      stat_name_(cluster.config->stat_name),
      stats_(&parts.registry.Get<observe::ClusterStats>(observe::Scope::kCluster, stat_name_,
                                                        parts.worker)),
      epoch_(new Epoch{std::move(cluster.config), std::move(cluster.tls), 1}),
      cursor_start_(parts.random.Next() % 65536) {
  TakeBreaker(std::move(cluster.breaker));
  if (cluster.hosts != nullptr) SetHosts(std::move(cluster.hosts));
}

Cluster::~Cluster() {
  CloseIdle();
  UnrefEpoch(epoch_);
  for (auto& [address, pool] : by_address_) {
    SLUICE_DCHECK(pool->refs == 0);
    delete pool;
  }
  parts_.registry.Release(observe::Scope::kCluster, stat_name_, parts_.worker);
}

void Cluster::TakeBreaker(std::shared_ptr<SharedBreaker> breaker) {
  if (breaker == breaker_) return;
  // Main keeps the breaker object of a cluster for the cluster's life, so nothing is leased here.
  SLUICE_CHECK(breaker_ == nullptr);
  breaker_ = std::move(breaker);
  connections_ = std::make_unique<Lease>(breaker_->connections, parts_.workers);
  requests_ = std::make_unique<Lease>(breaker_->requests, parts_.workers);
  pending_ = std::make_unique<Lease>(breaker_->pending, parts_.workers);
}

// One credit at a time: retries are rare, and the count is exact. A budget is each worker's share
// of its own requests, so that nobody has to count those of all.
bool Cluster::TakeRetry() {
  const config::BreakerLimits& limits = config().breakers[0];
  if (limits.retry_budget_millionths.has_value()) {
    const std::uint64_t part = std::uint64_t{requests_->used()} * *limits.retry_budget_millionths;
    const bool within = (std::uint64_t{retries_} + 1) * 1'000'000 <= part;
    if (!within && breaker_->retries.taken() >= limits.retries_min) return false;
  }
  if (breaker_->retries.Take(1) == 0) return false;
  ++retries_;
  return true;
}

void Cluster::GiveRetry() {
  --retries_;
  breaker_->retries.Give(1);
}

void Cluster::Update(ClusterParts cluster) {
  removed_ = false;
  TakeBreaker(std::move(cluster.breaker));
  const bool same = *cluster.config == *epoch_->config;
  if (!same) {
    UnrefEpoch(epoch_);
    epoch_ = new Epoch{std::move(cluster.config), std::move(cluster.tls), 1};
    CloseIdle();
  }
  if (cluster.hosts != nullptr) SetHosts(std::move(cluster.hosts));
  WakePending();
}

void Cluster::SetHosts(std::shared_ptr<const HostSet> hosts) {
  hosts_ = std::move(hosts);
  for (auto& [address, pool] : by_address_) pool->in_set = false;
  pools_.clear();
  std::size_t circles = 0;
  for (const HostLot& lot : hosts_->lots) circles += 1 + lot.groups.size();
  cursors_.resize(circles, cursor_start_);
  for (const Host& host : hosts_->hosts) {
    HostPool*& pool = by_address_[host.address];
    if (pool == nullptr) {
      pool = new HostPool(host);
    } else {
      pool->host = host;
    }
    pool->in_set = true;
    pools_.push_back(pool);
  }
  std::vector<HostPool*> gone;
  for (auto& [address, pool] : by_address_) {
    if (!pool->in_set) gone.push_back(pool);
  }
  for (HostPool* pool : gone) {
    ++pool->refs;
    CloseIdleOf(*pool);
    UnrefPool(pool);
  }
  WakePending();
}

bool Cluster::ShouldDrop() {
  if (hosts_ == nullptr || hosts_->drop_percent_millionths == 0) return false;
  return parts_.random.Next() % 1'000'000 < hosts_->drop_percent_millionths;
}

std::unique_ptr<Connection> Cluster::TakeIdle(HostPool& pool) {
  while (!pool.idle.empty()) {
    std::unique_ptr<Connection> connection = std::move(pool.idle.back());
    pool.idle.pop_back();
    connection->idle_timer_.Cancel();
    connection->stream_->WatchHangup(nullptr, nullptr);
    if (connection->stream_->closed()) continue;
    if (connection->stream_->ReadyToRead()) {
      // A byte or a FIN that nobody asked for: not a connection to send a request on.
      const std::span<char> space = connection->input_.Reserve(net::BufferPool::kBlockBytes);
      if (space.empty()) continue;
      const net::IoResult read = connection->stream_->Read(space);
      if (read.status != net::IoStatus::kWouldBlock) {
        if (read.status == net::IoStatus::kOk) stats_->upstream_cx_protocol_error.Add();
        continue;
      }
    }
    connection->busy_ = true;
    return connection;
  }
  return nullptr;
}

H2Connection* Cluster::FindH2(HostPool& pool) {
  for (H2Connection* connection : pool.h2) {
    if (connection->epoch() == epoch_ && connection->HasRoom()) return connection;
  }
  return nullptr;
}

bool Cluster::AbortH2() {
  for (H2Connection* connection : std::vector<H2Connection*>(h2_)) connection->Abort();
  return !h2_.empty();
}

void Cluster::PutIdle(std::unique_ptr<Connection> connection) {
  Connection& c = *connection;
  c.busy_ = false;
  const std::uint32_t requests_max = config().requests_per_connection_max;
  const bool used_up = requests_max > 0 && c.responses_ >= requests_max;
  if (used_up) stats_->upstream_cx_max_requests.Add();
  if (!c.input_.empty()) {
    stats_->upstream_cx_protocol_error.Add();  // Bytes after the response: poison.
  } else if (!used_up && c.epoch_ == epoch_ && c.pool_.in_set && !removed_ &&
             !c.stream_->closed()) {
    c.input_.Release();
    c.parser_.Reset();
    c.stream_->WatchHangup(&Connection::OnIdleGone, &c);
    if (config().idle_timeout_ms > 0) {
      c.idle_timer_.Arm(parts_.loop.timers(), config().idle_timeout_ms);
    }
    c.pool_.idle.push_back(std::move(connection));
  }
  connection.reset();
  WakePending();
}

void Cluster::DropIdle(Connection& connection) {
  std::vector<std::unique_ptr<Connection>>& idle = connection.pool_.idle;
  const auto it = std::find_if(idle.begin(), idle.end(),
                               [&](const auto& each) { return each.get() == &connection; });
  SLUICE_CHECK(it != idle.end());
  const std::unique_ptr<Connection> gone = std::move(*it);
  idle.erase(it);
}

Cluster::Booking Cluster::BookConnection(HostPool& pool, Use use) {
  Booking booking = Booking::kCredited;
  if (!connections_->TryAcquire()) {
    stats_->upstream_cx_overflow.Add();
    if (pool.connections > 0 || use == Use::kTcp) return Booking::kRefused;
    booking = Booking::kWithoutCredit;
  }
  ++pool.connections;
  RefPool(&pool);
  stats_->upstream_cx_total.Add();
  stats_->upstream_cx_active.Add(1);
  HostStats::PerWorker& host = pool.host.stats->workers[parts_.worker];
  host.cx_total.Add();
  host.cx_active.Add(1);
  return booking;
}

void Cluster::UnbookConnection(HostPool& pool, Booking booking) {
  if (booking == Booking::kCredited) connections_->Release();
  --pool.connections;
  stats_->upstream_cx_active.Add(-1);
  stats_->upstream_cx_destroy.Add();
  pool.host.stats->workers[parts_.worker].cx_active.Add(-1);
  UnrefPool(&pool);
  WakePending();
}

void Cluster::CloseIdleOf(HostPool& pool) {
  // Closing calls back into the pool: it is empty by then.
  std::vector<std::unique_ptr<Connection>> closing;
  closing.swap(pool.idle);
  for (H2Connection* connection : std::vector<H2Connection*>(pool.h2)) connection->Drain();
}

void Cluster::CloseIdle() {
  std::vector<HostPool*> pools;
  for (auto& [address, pool] : by_address_) {
    ++pool->refs;
    pools.push_back(pool);
  }
  for (HostPool* pool : pools) {
    CloseIdleOf(*pool);
    UnrefPool(pool);
  }
}

void Cluster::MarkRemoved() {
  removed_ = true;
  CloseIdle();
  WakePending();
}

void Cluster::ReturnCredits() {
  connections_->Return();
  requests_->Return();
  pending_->Return();
}

void Cluster::AddPending(Attempt& attempt) {
  attempt.pending_previous_ = pending_last_;
  attempt.pending_next_ = nullptr;
  (pending_last_ != nullptr ? pending_last_->pending_next_ : pending_first_) = &attempt;
  pending_last_ = &attempt;
}

void Cluster::RemovePending(Attempt& attempt) {
  (attempt.pending_previous_ != nullptr ? attempt.pending_previous_->pending_next_
                                        : pending_first_) = attempt.pending_next_;
  (attempt.pending_next_ != nullptr ? attempt.pending_next_->pending_previous_ : pending_last_) =
      attempt.pending_previous_;
}

void Cluster::WakePending() {
  for (Attempt* attempt = pending_first_; attempt != nullptr; attempt = attempt->pending_next_) {
    attempt->waiter_.Wake();
  }
}

void Cluster::UnrefEpoch(Epoch* epoch) {
  if (--epoch->refs == 0) delete epoch;
}

HostPool* Cluster::RefPool(HostPool* pool) {
  ++pool->refs;
  return pool;
}

void Cluster::UnrefPool(HostPool* pool) {
  if (--pool->refs > 0 || pool->in_set) return;
  by_address_.erase(pool->host.address);
  delete pool;
}

void Cluster::Unretain() {
  if (--retained_ == 0 && removed_ && on_unused_ != nullptr) on_unused_(on_unused_owner_, this);
}

}  // namespace sluice::upstream
