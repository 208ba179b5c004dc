#include "upstream/h2_connection.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "upstream/cluster.h"

namespace sluice::upstream {
namespace {

// Informational responses nobody has read; more is an attack.
constexpr std::size_t kInterimsMax = 32;

http::H2HeadLimits HeadLimits(const config::Cluster& config) {
  return {config.response_head_bytes_max, config.response_fields_max};
}

}  // namespace

// ---- H2ClientStream
// ------------------------------------------------------------------------------

H2ClientStream::H2ClientStream(net::Loop& loop, net::BufferPool& buffers)
    : inbox(buffers), read_wait(loop), flush_wait(loop) {
  H2Stream::response = &head;
  H2Stream::trailers = &trailer_fields;
}

H2ClientStream::~H2ClientStream() { Close(); }

void H2ClientStream::Open(H2Connection& to) {
  SLUICE_DCHECK(connection == nullptr);
  connection = &to;
  static_cast<H2Stream&>(*this).id = 0;
  peer_ended = we_ended = reset = head_received = false;
  interims.clear();
  head.Clear();
  trailer_fields.Clear();
  inbox.Clear();
  outbox.Reset();
  read_wait.Clear();
  flush_wait.Clear();
  head_ready = begun = refused = gone = broken = false;
  connection->Link(*this);
}

void H2ClientStream::Close() {
  if (connection == nullptr) return;
  connection->session().Reset(*this, http::H2Error::kCancel);
  connection->Kick();
  connection->Unlink(*this);
  connection = nullptr;
  inbox.Clear();
  outbox.Reset();
}

void H2ClientStream::Cancel() {
  if (connection == nullptr) return;
  gone = true;
  connection->session().Reset(*this, http::H2Error::kCancel);
  connection->Kick();
  reset = true;
  read_wait.Wake();
  flush_wait.Wake();
}

// ---- H2Connection
// --------------------------------------------------------------------------------

H2Connection::H2Connection(Cluster& cluster, HostPool& pool, std::uint8_t booking,
                           std::unique_ptr<net::Stream> stream)
    : cluster_(cluster),
      pool_(pool),
      epoch_(cluster.RefEpoch()),
      stream_(std::move(stream)),
      h2_stats_(cluster.parts().registry.Get<observe::Http2Stats>(
          observe::Scope::kHttp2, epoch_->config->stat_name, cluster.parts().worker)),
      session_(http::H2Session::Role::kClient, epoch_->config->h2, HeadLimits(*epoch_->config),
               *this),
      link_(
          {cluster.parts().loop, *stream_, cluster.parts().buffers, session_,
           cluster.stats().upstream_cx_rx_bytes_total, cluster.stats().upstream_cx_tx_bytes_total},
          {this, [](void* self) { static_cast<H2Connection*>(self)->OnReceived(); },
           [](void* self, bool by_peer) {
             static_cast<H2Connection*>(self)->OnLinkEnded(by_peer);
           }}),
      idle_timer_(&OnIdle, this),
      ping_timer_(&OnPingTimer, this),
      connected_(cluster.parts().loop.now()),
      heard_(connected_),
      booking_(booking) {
  cluster_.Retain();
  cluster_.stats().upstream_cx_http2_total.Add();
  cluster_.AddH2(*this);
  pool_.h2.push_back(this);
  const config::H2Keepalive& keepalive = epoch_->config->h2_keepalive;
  if (keepalive.interval_ms != 0) {
    ping_timer_.Arm(cluster_.parts().loop.timers(), NextPingMs(keepalive, cluster_.parts().random));
  }
  Attach();  // By who made it: it may end before this returns.
  net::Start(link_.Run(), &OnDone, this);
}

H2Connection::~H2Connection() {
  SLUICE_DCHECK(attached_ == 0 && first_ == nullptr);
  LeavePool();
  observe::ClusterStats& stats = cluster_.stats();
  (by_peer_ ? stats.upstream_cx_destroy_remote : stats.upstream_cx_destroy_local).Add();
  stats.upstream_cx_length_ms.Record(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     cluster_.parts().loop.now() - connected_)
                                     .count()));
  cluster_.parts().registry.Release(observe::Scope::kHttp2, epoch_->config->stat_name,
                                    cluster_.parts().worker);
  Cluster::UnrefEpoch(epoch_);
  cluster_.RemoveH2(*this);
  cluster_.UnbookConnection(pool_, static_cast<Cluster::Booking>(booking_));
  cluster_.Unretain();  // May delete the cluster.
}

const Host& H2Connection::host() const { return pool_.host; }
net::Loop& H2Connection::loop() { return cluster_.parts().loop; }
net::BufferPool& H2Connection::buffers() { return cluster_.parts().buffers; }

void H2Connection::OnDone(void* self) {
  auto& connection = *static_cast<H2Connection*>(self);
  connection.done_ = true;
  if (connection.attached_ == 0) delete &connection;
}

// ---- the pool's view

bool H2Connection::HasRoom() const {
  const std::uint32_t max = std::min(epoch_->config->h2.streams_max, session_.peer_streams_max());
  return in_pool_ && !ended_ && session_.CanOpen() && attached_ < max;
}

void H2Connection::Attach() {
  ++attached_;
  ++streams_total_;
  idle_timer_.Cancel();
  h2_stats_.streams_active.Add(1);
  const config::Cluster& config = *epoch_->config;
  if (config.requests_per_connection_max > 0 &&
      streams_total_ >= config.requests_per_connection_max && in_pool_) {
    cluster_.stats().upstream_cx_max_requests.Add();
    draining_ = true;
    LeavePool();
  }
  const config::H2Keepalive& keepalive = config.h2_keepalive;
  const auto silent = cluster_.parts().loop.now() - heard_;
  if (keepalive.idle_interval_ms != 0 && !ping_unanswered_ &&
      silent > std::chrono::milliseconds(keepalive.idle_interval_ms)) {
    OnPingTimer(this);
  }
}

void H2Connection::Detach() {
  --attached_;
  h2_stats_.streams_active.Add(-1);
  if (done_) {
    if (attached_ == 0) delete this;
    return;
  }
  MaybeEnd();
  if (in_pool_ && !ended_) cluster_.WakePending();
}

void H2Connection::Link(H2ClientStream& stream) {
  stream.previous = nullptr;
  stream.next = first_;
  if (first_ != nullptr) first_->previous = &stream;
  first_ = &stream;
  if (ended_) stream.gone = true;
}

void H2Connection::Unlink(H2ClientStream& stream) {
  if (stream.next != nullptr) stream.next->previous = stream.previous;
  (stream.previous != nullptr ? stream.previous->next : first_) = stream.next;
  stream.next = stream.previous = nullptr;
}

void H2Connection::LeavePool() {
  if (!std::exchange(in_pool_, false)) return;
  std::erase(pool_.h2, this);
}

void H2Connection::Drain() {
  draining_ = true;
  LeavePool();
  MaybeEnd();
}

void H2Connection::MaybeEnd() {
  if (attached_ > 0 || ended_) return;
  if (draining_) {
    session_.SendGoaway(true);
    link_.Finish(0);
  } else if (epoch_->config->idle_timeout_ms > 0) {
    idle_timer_.Arm(cluster_.parts().loop.timers(), epoch_->config->idle_timeout_ms);
  }
}

void H2Connection::OnIdle(void* self) {
  auto& connection = *static_cast<H2Connection*>(self);
  connection.cluster_.stats().upstream_cx_idle_timeout.Add();
  connection.Drain();
}

// ---- the end

void H2Connection::OnReceived() {
  heard_ = cluster_.parts().loop.now();
  if (!session_.ended()) return;
  cluster_.stats().upstream_cx_protocol_error.Add();
  for (H2ClientStream* stream = first_; stream != nullptr; stream = stream->next) {
    stream->broken = true;
  }
  link_.Finish(0);
}

void H2Connection::OnLinkEnded(bool by_peer) {
  ended_ = true;
  by_peer_ = by_peer;
  idle_timer_.Cancel();
  ping_timer_.Cancel();
  LeavePool();
  observe::ClusterStats& stats = cluster_.stats();
  if (by_peer && attached_ == 0) stats.upstream_cx_close_notify.Add();
  if (attached_ > 0) {
    stats.upstream_cx_destroy_with_active_rq.Add();
    (by_peer ? stats.upstream_cx_destroy_remote_with_active_rq
             : stats.upstream_cx_destroy_local_with_active_rq)
        .Add();
  }
  for (H2ClientStream* stream = first_; stream != nullptr; stream = stream->next) {
    stream->gone = true;
    if (!stream->peer_ended) stream->reset = true;
    stream->read_wait.Wake();
    stream->flush_wait.Wake();
  }
}

// ---- pings

void H2Connection::OnPingTimer(void* self) {
  auto& connection = *static_cast<H2Connection*>(self);
  if (connection.ping_unanswered_) {
    connection.h2_stats_.keepalive_timeout.Add();
    connection.link_.Abort();
    return;
  }
  connection.ping_unanswered_ = true;
  connection.session_.SendPing();
  connection.Kick();
  connection.ping_timer_.Arm(connection.cluster_.parts().loop.timers(),
                             connection.epoch_->config->h2_keepalive.timeout_ms);
}

void H2Connection::OnPingAck() {
  if (!std::exchange(ping_unanswered_, false)) return;
  const config::H2Keepalive& keepalive = epoch_->config->h2_keepalive;
  if (keepalive.interval_ms == 0) return ping_timer_.Cancel();
  ping_timer_.Arm(cluster_.parts().loop.timers(), NextPingMs(keepalive, cluster_.parts().random));
}

// ---- streams

void H2Connection::OnHead(http::H2Stream& stream, bool) {
  auto& mine = static_cast<H2ClientStream&>(stream);
  mine.begun = true;
  if (mine.head_received) {
    ++responses_;
    mine.head_ready = true;
  } else if (mine.interims.size() < kInterimsMax) {
    mine.interims.push_back(mine.head);
  } else {
    mine.broken = true;
    session_.Reset(mine, http::H2Error::kEnhanceYourCalm);
  }
  mine.read_wait.Wake();
}

void H2Connection::OnData(http::H2Stream& stream, std::string_view data, bool) {
  auto& mine = static_cast<H2ClientStream&>(stream);
  if (!data.empty() && !mine.inbox.Append(data)) {
    session_.Reset(mine, http::H2Error::kEnhanceYourCalm);
    mine.gone = true;
  }
  mine.read_wait.Wake();
}

void H2Connection::OnTrailers(http::H2Stream& stream) {
  static_cast<H2ClientStream&>(stream).read_wait.Wake();
}

void H2Connection::OnReset(http::H2Stream& stream, http::H2Error error, bool by_peer) {
  auto& mine = static_cast<H2ClientStream&>(stream);
  if (by_peer && error == http::H2Error::kRefusedStream) mine.refused = true;
  if (!by_peer) mine.broken = true;
  mine.read_wait.Wake();
  mine.flush_wait.Wake();
}

void H2Connection::OnCanSend(http::H2Stream& stream) {
  static_cast<H2ClientStream&>(stream).flush_wait.Wake();
}

void H2Connection::OnGoaway(std::uint32_t last, http::H2Error) {
  draining_ = true;
  LeavePool();
  cluster_.stats().upstream_cx_close_notify.Add();
  for (H2ClientStream* stream = first_; stream != nullptr; stream = stream->next) {
    if (stream->id <= last || !stream->linked) continue;
    stream->refused = true;
    session_.Reset(*stream, http::H2Error::kCancel);
    stream->read_wait.Wake();
    stream->flush_wait.Wake();
  }
  MaybeEnd();
}

void H2Connection::OnEvent(http::H2Event event) { CountH2Event(event, h2_stats_); }

}  // namespace sluice::upstream
