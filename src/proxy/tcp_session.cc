#include "proxy/tcp_session.h"

#include <algorithm>

#include "base/xxhash.h"
#include "proxy/server_connection.h"
#include "upstream/cluster.h"

namespace sluice::proxy {

using observe::FlagBit;
using observe::ResponseFlag;

TcpSession::TcpSession(ServerConnection& connection)
    : connection_(connection),
      context_(connection.context()),
      back_off_(context_.loop()),
      idle_timer_(&OnIdle, this),
      duration_timer_(&OnDurationOver, this),
      log_timer_(&OnLogDue, this),
      back_off_timer_(&OnBackedOff, this) {}

TcpSession::~TcpSession() = default;

net::Task<void> TcpSession::Serve() {
  Begin();
  if (!cluster_.empty() && co_await Connect()) {
    co_await Relay();
  } else {
    connection_.stream().Close();
  }
  End();
}

// ---- what the chain says

void TcpSession::Begin() {
  const ListenerPlan& plan = *connection_.plan();
  info_.direct_remote = &connection_.stream().remote();
  info_.local = &connection_.local();
  info_.remote = connection_.remote();
  info_.connection_id = connection_.id();
  info_.is_tcp = true;
  info_.start = context_.loop().now();
  info_.start_wall = context_.WallNow();
  stats_ = plan.tcp_stats;
  stats_->downstream_cx_total.Add();
  log_ = plan.log;
  chain_ = plan.chain->name;
  info_.filter_chain_name = chain_;
  TakeConfig(*plan.chain->tcp);
}

// A copy: the connection may outlive many versions of its configuration.
void TcpSession::TakeConfig(const config::TcpProxy& config) {
  cluster_ = DrawCluster(config);
  idle_ms_ = config.idle_timeout_ms;
  log_ms_ = config.log_interval_ms;
  log_on_connected_ = config.log_on_connected;
  attempts_max_ = config.connect_attempts;
  back_off_base_ms_ = config.backoff_base_ms;
  back_off_max_ms_ = config.backoff_max_ms;
  if (config.hash_source_ip && connection_.remote().is_ip()) {
    hash_ = base::XxHash64(connection_.remote().IpText());
  }
  info_.cluster = cluster_;
  StartTimers(config);
  if (config.log_on_start) Log();
}

void TcpSession::StartTimers(const config::TcpProxy& config) {
  net::TimerWheel& timers = context_.loop().timers();
  if (config.max_duration_ms != 0) {
    const std::uint64_t spread = config.max_duration_ms * config.duration_jitter_percent / 100;
    const std::uint64_t jitter = spread == 0 ? 0 : context_.options().random.Next() % (spread + 1);
    duration_timer_.Arm(timers, config.max_duration_ms + jitter);
  }
  if (log_ms_ != 0) log_timer_.Arm(timers, log_ms_);
}

const std::string& TcpSession::DrawCluster(const config::TcpProxy& config) {
  if (config.clusters.size() == 1) return config.clusters.front().name;
  std::uint64_t ticket = context_.options().random.Next() % config.weight_sum;
  for (const config::TcpProxy::WeightedCluster& cluster : config.clusters) {
    if (ticket < cluster.weight) return cluster.name;
    ticket -= cluster.weight;
  }
  return config.clusters.back().name;
}

// ---- connecting

net::Task<bool> TcpSession::Connect() {
  while (!ended_) {
    upstream::Cluster* cluster = context_.options().clusters.Find(cluster_);
    if (cluster == nullptr) {
      stats_->downstream_cx_no_route.Add();
      info_.flags |= FlagBit(ResponseFlag::kNoClusterFound);
      co_return false;
    }
    attempt_.emplace(*cluster, upstream::Use::kTcp);
    attempt_->set_hash(hash_);
    attempt_->set_downstream(&connection_.remote(), &connection_.local());
    ++info_.attempts;
    const upstream::AcquireResult result = co_await attempt_->Acquire(true);
    if (result == upstream::AcquireResult::kOk) co_return true;
    if (!ConnectAgain(result)) co_return false;
    co_await BackOff();
  }
  co_return false;
}

bool TcpSession::ConnectAgain(upstream::AcquireResult result) {
  using upstream::AcquireResult;
  info_.upstream_transport_failure.assign(attempt_->failure_reason());
  if (const upstream::Host* host = attempt_->host(); host != nullptr) {
    info_.upstream_remote = host->address;
    info_.upstream_hostname.assign(host->hostname);
  }
  switch (result) {
    case AcquireResult::kOk:
    case AcquireResult::kClosed:
      return false;
    case AcquireResult::kNoHealthyHost:
      info_.flags |= FlagBit(ResponseFlag::kNoHealthyUpstream);
      return false;
    case AcquireResult::kOverflow:
      info_.flags |= FlagBit(ResponseFlag::kUpstreamOverflow);
      return false;
    case AcquireResult::kDropped:
      info_.flags |= FlagBit(ResponseFlag::kDropOverload);
      return false;
    case AcquireResult::kConnectFailed:
    case AcquireResult::kConnectTimeout:
      break;
  }
  info_.flags |= FlagBit(ResponseFlag::kUpstreamConnectionFailure);
  if (info_.attempts < attempts_max_ && !ended_) return true;
  info_.flags |= FlagBit(ResponseFlag::kUpstreamRetryLimitExceeded);
  attempt_->stats().upstream_cx_connect_attempts_exceeded.Add();
  return false;
}

net::Task<void> TcpSession::BackOff() {
  attempt_.reset();
  if (back_off_base_ms_ == 0 || ended_) co_return;
  const std::uint32_t doublings = std::min(info_.attempts - 1, 16U);
  const std::uint64_t most = std::min(back_off_base_ms_ << doublings, back_off_max_ms_);
  back_off_.Clear();
  back_off_timer_.Arm(context_.loop().timers(), 1 + context_.options().random.Next() % most);
  co_await back_off_.Wait();
  back_off_timer_.Cancel();
}

void TcpSession::OnBackedOff(void* self) { static_cast<TcpSession*>(self)->back_off_.Wake(); }

// ---- relaying

net::Task<void> TcpSession::Relay() {
  upstream::Connection& up = attempt_->connection();
  observe::ClusterStats& cluster = attempt_->stats();
  info_.upstream_connected = true;
  info_.upstream_remote = up.host().address;
  info_.upstream_local = up.stream().local();
  info_.upstream_hostname.assign(up.host().hostname);
  info_.upstream_ready = context_.loop().now();
  info_.flags &= ~FlagBit(ResponseFlag::kUpstreamConnectionFailure);
  if (log_on_connected_) Log();
  const RelayWay upwards = {
      .from = &connection_.stream(),
      .to = &up.stream(),
      .received = &stats_->downstream_cx_rx_bytes_total,
      .sent = &cluster.upstream_cx_tx_bytes_total,
      .paused = &stats_->downstream_flow_control_paused_reading_total,
      .resumed = &stats_->downstream_flow_control_resumed_reading_total,
      .buffered = &stats_->downstream_cx_rx_bytes_buffered,
  };
  const RelayWay downwards = {
      .from = &up.stream(),
      .to = &connection_.stream(),
      .received = &cluster.upstream_cx_rx_bytes_total,
      .sent = &stats_->downstream_cx_tx_bytes_total,
      .paused = &cluster.upstream_flow_control_paused_reading_total,
      .resumed = &cluster.upstream_flow_control_resumed_reading_total,
      .buffered = &stats_->downstream_cx_tx_bytes_buffered,
  };
  ByteRelay relay({context_.loop(), context_.options().buffers, context_.pipes(),
                   context_.worker_stats(), &OnProgress, this},
                  upwards, downwards);
  relay_ = &relay;
  Touch();
  if (!ended_) co_await relay.Run();
  relay_ = nullptr;
  NoteEnd(relay);
}

void TcpSession::NoteEnd(const ByteRelay& relay) {
  info_.bytes_received = relay.up_bytes();
  info_.bytes_sent = relay.down_bytes();
  using Broke = ByteRelay::Broke;
  const Broke broke = ended_ ? Broke::kNone : relay.broke();
  if (broke == Broke::kClient) {
    connection_.set_closed_by_client();
    info_.flags |= FlagBit(ResponseFlag::kDownstreamConnectionTermination);
  } else if (broke == Broke::kUpstream) {
    info_.flags |= FlagBit(ResponseFlag::kUpstreamConnectionTermination);
  } else if (broke == Broke::kMemory) {
    info_.flags |= FlagBit(ResponseFlag::kOverloadManager);
  }
  info_.upstream_transport_failure.assign(attempt_->connection().stream().failure());
  attempt_->Finish(false);
  connection_.stream().Close();
}

// ---- the end

void TcpSession::End() {
  idle_timer_.Cancel();
  duration_timer_.Cancel();
  log_timer_.Cancel();
  info_.end = context_.loop().now();
  Log();
  const WorkerHooks& hooks = context_.options().hooks;
  if (hooks.ended != nullptr) hooks.ended(hooks.owner, info_);
  attempt_.reset();
  log_.reset();
}

void TcpSession::Log() {
  observe::AccessLogger* logger = context_.options().access_logger;
  if (logger == nullptr || !log_) return;
  if (relay_ != nullptr) {
    info_.bytes_received = relay_->up_bytes();
    info_.bytes_sent = relay_->down_bytes();
  }
  const base::Monotonic end = info_.end;
  if (end == base::Monotonic()) info_.end = context_.loop().now();
  for (const config::AccessLog& log : log_->logs) logger->Log(log, info_);
  info_.end = end;
}

void TcpSession::OnLogDue(void* self) {
  auto& session = *static_cast<TcpSession*>(self);
  session.Log();
  session.log_timer_.Arm(session.context_.loop().timers(), session.log_ms_);
}

void TcpSession::Touch() {
  if (idle_ms_ != 0) idle_timer_.Arm(context_.loop().timers(), idle_ms_);
}

void TcpSession::OnIdle(void* self) {
  auto& session = *static_cast<TcpSession*>(self);
  session.stats_->idle_timeout.Add();
  const bool holds = session.relay_ != nullptr && session.relay_->holds_bytes();
  session.Cut("tcp_session_idle_timeout", holds);
}

void TcpSession::OnDurationOver(void* self) {
  auto& session = *static_cast<TcpSession*>(self);
  session.stats_->max_downstream_connection_duration.Add();
  session.info_.flags |= FlagBit(ResponseFlag::kDurationTimeout);
  session.Cut("max_connection_duration", true);
}

// Ends both sides; by reset where the end is not to look like one that the other side meant.
void TcpSession::Cut(std::string_view details, bool reset) {
  info_.connection_termination_details = details;
  ended_ = true;
  if (reset && relay_ != nullptr) relay_->Abandon();
  connection_.stream().Close(reset);
  if (attempt_.has_value()) attempt_->Close();
  back_off_.Wake();
}

void TcpSession::Abandon() {
  ended_ = true;
  if (relay_ != nullptr) relay_->Abandon();
  if (attempt_.has_value()) attempt_->Close();
  back_off_.Wake();
}

}  // namespace sluice::proxy
