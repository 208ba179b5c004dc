#include "upstream/pool.h"

#include <algorithm>

#include "base/check.h"
#include "net/proxy_protocol.h"
#include "upstream/cluster.h"
#include "upstream/h2_connection.h"

namespace sluice::upstream {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// How often a queued exchange looks for a credit that another worker freed.
constexpr std::uint64_t kRecheckMs = 20;

http::H1Limits ResponseLimits(const config::Cluster& config) {
  http::H1Limits limits;
  limits.head_bytes_max = config.response_head_bytes_max;
  limits.fields_max = config.response_fields_max;
  limits.keep_trailers = true;
  return limits;
}

std::uint64_t MsSince(base::Monotonic start, base::Monotonic now) {
  return static_cast<std::uint64_t>(duration_cast<milliseconds>(now - start).count());
}

bool AcceptSan(void* owner, std::string_view san) {
  const Epoch& epoch = *static_cast<const Epoch*>(owner);
  for (const config::StringMatcher& matcher : epoch.config->tls->subject_alt_names) {
    if (matcher.Matches(san, config::Regex::kNoWorker)) return true;
  }
  return false;
}

net::TlsPeer PeerOf(Epoch& epoch, const Host& host) {
  const config::UpstreamTls& tls = *epoch.config->tls;
  net::TlsPeer peer;
  peer.sni = tls.sni;
  if (!tls.verify) return peer;
  if (!tls.subject_alt_names.empty()) {
    peer.accept_san = &AcceptSan;
    peer.accept_san_owner = &epoch;
  } else if (!tls.sni.empty()) {
    peer.verify_name = tls.sni;
  } else {
    peer.verify_name = host.hostname.empty() ? host.address.IpText() : host.hostname;
  }
  return peer;
}

}  // namespace

// ---- Connection
// ----------------------------------------------------------------------------------

Connection::Connection(Cluster& cluster, HostPool& pool, std::uint8_t booking,
                       std::unique_ptr<net::Stream> stream)
    : cluster_(cluster),
      pool_(pool),
      epoch_(cluster.RefEpoch()),
      stream_(std::move(stream)),
      input_(cluster.parts().buffers),
      parser_(ResponseLimits(*epoch_->config)),
      idle_timer_(&Connection::OnIdleTimeout, this),
      connected_(cluster.parts().loop.now()),
      id_(cluster.stats().upstream_cx_total.Get()),
      booking_(booking) {
  cluster_.Retain();
}

Connection::~Connection() {
  observe::ClusterStats& stats = cluster_.stats();
  const bool remote = stream_->closed() || stream_->ReadyToRead();
  (remote ? stats.upstream_cx_destroy_remote : stats.upstream_cx_destroy_local).Add();
  if (busy_) {
    stats.upstream_cx_destroy_with_active_rq.Add();
    (remote ? stats.upstream_cx_destroy_remote_with_active_rq
            : stats.upstream_cx_destroy_local_with_active_rq)
        .Add();
  }
  stats.upstream_cx_length_ms.Record(MsSince(connected_, cluster_.parts().loop.now()));
  stream_->WatchHangup(nullptr, nullptr);
  stream_->Close();
  Cluster::UnrefEpoch(epoch_);
  cluster_.UnbookConnection(pool_, static_cast<Cluster::Booking>(booking_));
  cluster_.Unretain();  // May delete the cluster.
}

const Host& Connection::host() const { return pool_.host; }

void Connection::OnIdleGone(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  connection.cluster_.stats().upstream_cx_close_notify.Add();
  connection.cluster_.DropIdle(connection);
}

void Connection::OnIdleTimeout(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  connection.cluster_.stats().upstream_cx_idle_timeout.Add();
  connection.cluster_.DropIdle(connection);
}

// ---- Attempt
// -------------------------------------------------------------------------------------

Attempt::Attempt(Cluster& cluster, Use use)
    : cluster_(cluster),
      use_(use),
      epoch_(cluster.RefEpoch()),
      waiter_(cluster.parts().loop),
      timer_(&Attempt::OnTimer, this) {
  cluster_.Retain();
}

Attempt::~Attempt() {
  connection_.reset();
  if (h2_ != nullptr) h2_->Detach();
  if (connecting_ != nullptr) {
    connecting_->Close();
    connecting_.reset();
    cluster_.UnbookConnection(*pool_, static_cast<Cluster::Booking>(booking_));
  }
  if (pending_) cluster_.RemovePending(*this);
  if (pool_ != nullptr) {
    pool_->host.stats->workers[cluster_.parts().worker].rq_active.Add(-1);
    cluster_.UnrefPool(pool_);
  }
  if (credited_) {
    cluster_.requests().Release();
    cluster_.stats().upstream_rq_active.Add(-1);
  }
  Cluster::UnrefEpoch(epoch_);
  cluster_.Unretain();  // May delete the cluster.
}

bool Attempt::TakeCredit() {
  if (credited_ || use_ == Use::kTcp) return true;
  if (!cluster_.requests().TryAcquire()) return false;
  credited_ = true;
  cluster_.stats().upstream_rq_active.Add(1);
  return true;
}

bool Attempt::unshared() const {
  return use_ == Use::kTcp || epoch_->config->proxy_protocol != config::ProxyProtocolOut::kNone;
}

void Attempt::AppendProxyHeader(std::string& out) const {
  static const base::Address kNobody;
  net::AppendProxyHeader(static_cast<int>(epoch_->config->proxy_protocol),
                         downstream_remote_ != nullptr ? *downstream_remote_ : kNobody,
                         downstream_local_ != nullptr ? *downstream_local_ : kNobody, out);
}

bool Attempt::Dropped() {
  if (!dropped_.has_value()) dropped_ = cluster_.ShouldDrop();
  return *dropped_;
}

bool Attempt::Avoided(const HostPool& pool) const {
  return std::find(avoided_.begin(), avoided_.end(), pool.host.address) != avoided_.end();
}

bool Attempt::ChooseHost() {
  if (pool_ != nullptr) return true;
  HostPool* pool = cluster_.PickHost(hash_);
  for (unsigned i = 0; i < picks_max_ && pool != nullptr && Avoided(*pool); ++i) {
    // The same hash would find the same host again.
    std::optional<std::uint64_t> other = hash_;
    if (other) *other ^= ~std::uint64_t{i};
    pool = cluster_.PickHost(other);
  }
  if (pool == nullptr) return false;
  pool_ = cluster_.RefPool(pool);
  HostStats::PerWorker& host = pool_->host.stats->workers[cluster_.parts().worker];
  host.rq_total.Add();
  host.rq_active.Add(1);
  return true;
}

bool Attempt::TryAcquireIdle() {
  if (closed_ || acquired() || unshared() || Dropped()) return false;
  if (!TakeCredit() || !ChooseHost()) return false;
  return TakePooled();
}

bool Attempt::WantsHttp2() const {
  if (unshared()) return false;
  switch (epoch_->config->protocol) {
    case config::Cluster::Protocol::kHttp1:
      return false;
    case config::Cluster::Protocol::kHttp2:
      return true;
    case config::Cluster::Protocol::kAlpn:
      return pool_->learned != HostPool::Learned::kHttp1;
    case config::Cluster::Protocol::kDownstream:
      return downstream_http2_;
  }
  return false;
}

bool Attempt::TakePooled() {
  if (WantsHttp2()) {
    h2_ = cluster_.FindH2(*pool_);
    if (h2_ == nullptr) return false;
    h2_->Attach();
  } else {
    connection_ = cluster_.TakeIdle(*pool_);
    if (connection_ == nullptr) return false;
  }
  cluster_.stats().upstream_rq_total.Add();
  return true;
}

net::Task<AcquireResult> Attempt::Acquire(bool fresh_only) {
  observe::ClusterStats& stats = cluster_.stats();
  if (Dropped()) co_return AcquireResult::kDropped;
  if (!TakeCredit()) {
    stats.upstream_rq_pending_overflow.Add();
    co_return AcquireResult::kOverflow;
  }
  if (!cluster_.hosts_known()) {  // A DNS cluster before its first answer.
    const Wait waited = co_await WaitPending(cluster_.config().connect_timeout_ms);
    if (waited == Wait::kClosed) co_return AcquireResult::kClosed;
    if (waited == Wait::kOverflow) co_return AcquireResult::kOverflow;
  }
  if (!ChooseHost()) {
    stats.upstream_cx_none_healthy.Add();
    co_return AcquireResult::kNoHealthyHost;
  }
  while (!closed_) {
    const bool http2 = WantsHttp2();
    if (!fresh_only && !unshared() && TakePooled()) co_return AcquireResult::kOk;
    if (http2 && pool_->h2_connecting > 0) {
      // One connection will do for all who wait, and so will its failure.
      const std::uint32_t failures = pool_->h2_failures;
      const Wait waited = co_await WaitPending(0);
      if (waited == Wait::kOverflow) co_return AcquireResult::kOverflow;
      fresh_only = false;
      if (closed_ || pool_->h2_failures == failures) continue;
      stats.upstream_rq_pending_failure_eject.Add();
      failure_ = "the connection that was waited for failed";
      co_return AcquireResult::kConnectFailed;
    }
    const Cluster::Booking booking = cluster_.BookConnection(*pool_, use_);
    if (booking != Cluster::Booking::kRefused) {
      booking_ = static_cast<std::uint8_t>(booking);
      if (http2) ++pool_->h2_connecting;
      const AcquireResult result = co_await Connect();
      if (http2) {
        --pool_->h2_connecting;
        if (result != AcquireResult::kOk && result != AcquireResult::kClosed) {
          ++pool_->h2_failures;
        }
        cluster_.WakePending();
      }
      co_return result;
    }
    if (use_ == Use::kTcp) co_return AcquireResult::kOverflow;
    const Wait waited = co_await WaitPending(0);
    if (waited == Wait::kOverflow) co_return AcquireResult::kOverflow;
  }
  co_return AcquireResult::kClosed;
}

// Queues until woken: hosts arrived, a connection came free, Close(), or the time is over
// (`timeout_ms` 0: looks again now and then, the exchange's own timeouts bound the wait).
net::Task<Attempt::Wait> Attempt::WaitPending(std::uint64_t timeout_ms) {
  observe::ClusterStats& stats = cluster_.stats();
  if (!cluster_.pending().TryAcquire()) {
    stats.upstream_rq_pending_overflow.Add();
    co_return Wait::kOverflow;
  }
  stats.upstream_rq_pending_total.Add();
  stats.upstream_rq_pending_active.Add(1);
  cluster_.AddPending(*this);
  pending_ = true;
  timed_out_ = false;
  waiter_.Clear();
  timer_.Arm(cluster_.parts().loop.timers(), timeout_ms > 0 ? timeout_ms : kRecheckMs);
  const bool for_hosts = timeout_ms > 0;
  do {
    co_await waiter_.Wait();
  } while (!closed_ && !timed_out_ && for_hosts && !cluster_.hosts_known());
  timer_.Cancel();
  cluster_.RemovePending(*this);
  pending_ = false;
  cluster_.pending().Release();
  stats.upstream_rq_pending_active.Add(-1);
  if (closed_) stats.upstream_rq_cancelled.Add();
  co_return closed_ ? Wait::kClosed : timed_out_ ? Wait::kTimeout : Wait::kGo;
}

net::Task<AcquireResult> Attempt::Connect() {
  observe::ClusterStats& stats = cluster_.stats();
  net::Loop& loop = cluster_.parts().loop;
  const config::Cluster& config = *epoch_->config;
  net::ConnectOptions options;
  if (config.keepalive) {
    options = {config.keepalive->probes, config.keepalive->time_s, config.keepalive->interval_s,
               true};
  }
  const base::Monotonic start = loop.now();
  connecting_ = cluster_.parts().connect(loop, pool_->host.address, options);
  timed_out_ = false;
  timer_.Arm(loop.timers(), config.connect_timeout_ms);
  bool would_block = false;
  while (!net::FinishConnect(*connecting_, would_block)) {
    if (!would_block) co_return ConnectFailed();
    co_await connecting_->WaitWritable();
  }
  if (config.proxy_protocol != config::ProxyProtocolOut::kNone) {
    std::string header;
    AppendProxyHeader(header);
    if (!co_await net::WriteAll(*connecting_, header)) co_return ConnectFailed();
  }
  if (epoch_->tls != nullptr) {
    connecting_ = net::NewTlsClientStream(loop, std::move(connecting_), *epoch_->tls,
                                          PeerOf(*epoch_, pool_->host));
    if (!co_await net::Handshake(*connecting_)) co_return ConnectFailed();
  }
  timer_.Cancel();
  if (closed_) co_return ConnectFailed();
  stats.upstream_cx_connect_ms.Record(MsSince(start, loop.now()));
  TakeConnected();
  if (use_ == Use::kHttp) stats.upstream_rq_total.Add();
  co_return AcquireResult::kOk;
}

void Attempt::TakeConnected() {
  using Protocol = config::Cluster::Protocol;
  bool http2 = WantsHttp2();
  if (epoch_->config->protocol == Protocol::kAlpn && !unshared()) {
    http2 = net::NegotiatedProtocol(*connecting_) == "h2";
    pool_->learned = http2 ? HostPool::Learned::kHttp2 : HostPool::Learned::kHttp1;
  }
  if (http2) {
    h2_ = new H2Connection(cluster_, *pool_, booking_, std::move(connecting_));
  } else {
    if (use_ == Use::kHttp) cluster_.stats().upstream_cx_http1_total.Add();
    connection_.reset(new Connection(cluster_, *pool_, booking_, std::move(connecting_)));
  }
}

AcquireResult Attempt::ConnectFailed() {
  observe::ClusterStats& stats = cluster_.stats();
  timer_.Cancel();
  failure_ = connecting_->failure();
  connecting_->Close();
  connecting_.reset();
  cluster_.UnbookConnection(*pool_, static_cast<Cluster::Booking>(booking_));
  if (closed_) {
    stats.upstream_rq_cancelled.Add();
    return AcquireResult::kClosed;
  }
  stats.upstream_cx_connect_fail.Add();
  stats.upstream_rq_pending_failure_eject.Add();
  HostStats::PerWorker& host = pool_->host.stats->workers[cluster_.parts().worker];
  host.cx_connect_fail.Add();
  host.rq_error.Add();
  if (!timed_out_) return AcquireResult::kConnectFailed;
  stats.upstream_cx_connect_timeout.Add();
  return AcquireResult::kConnectTimeout;
}

void Attempt::OnTimer(void* self) {
  auto& attempt = *static_cast<Attempt*>(self);
  attempt.timed_out_ = true;
  if (attempt.connecting_ != nullptr) attempt.connecting_->Close();
  attempt.waiter_.Wake();
}

void Attempt::Close() {
  closed_ = true;
  if (connecting_ != nullptr) connecting_->Close();
  if (connection_ != nullptr) connection_->stream().Close();
  if (stream_ != nullptr) stream_->Cancel();
  waiter_.Wake();
}

Connection& Attempt::connection() {
  SLUICE_DCHECK(connection_ != nullptr);
  return *connection_;
}

const config::Cluster& Attempt::config() const { return *epoch_->config; }
observe::ClusterStats& Attempt::stats() { return cluster_.stats(); }
const Host* Attempt::host() const { return pool_ == nullptr ? nullptr : &pool_->host; }

void Attempt::Finish(bool reusable) {
  SLUICE_DCHECK(connection_ != nullptr);
  ++connection_->responses_;
  if (reusable && !unshared()) {
    cluster_.PutIdle(std::move(connection_));
  } else {
    connection_->busy_ = false;  // The exchange is over: closing interrupts nothing.
    connection_.reset();
  }
}

void Attempt::CountResponse(int status) {
  observe::ClusterStats& stats = cluster_.stats();
  switch (status / 100) {
    case 1:
      stats.upstream_rq_1xx.Add();
      break;
    case 2:
      stats.upstream_rq_2xx.Add();
      break;
    case 3:
      stats.upstream_rq_3xx.Add();
      break;
    case 4:
      stats.upstream_rq_4xx.Add();
      break;
    default:
      stats.upstream_rq_5xx.Add();
      break;
  }
  stats.upstream_rq_code.Add(status);
  stats.upstream_rq_completed.Add();
  CountRetried(status);
}

void Attempt::CountRetried(int status) {
  if (pool_ == nullptr) return;
  HostStats::PerWorker& host = pool_->host.stats->workers[cluster_.parts().worker];
  (status >= 500 ? host.rq_error : host.rq_success).Add();
}

void Attempt::CountTimeout() {
  cluster_.stats().upstream_rq_timeout.Add();
  if (pool_ != nullptr) pool_->host.stats->workers[cluster_.parts().worker].rq_timeout.Add();
}

const config::Cluster& ConfigOf(const Cluster& cluster) { return cluster.config(); }
observe::ClusterStats& StatsOf(Cluster& cluster) { return cluster.stats(); }

}  // namespace sluice::upstream
