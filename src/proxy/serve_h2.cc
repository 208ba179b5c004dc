#include "proxy/serve_h2.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "proxy/h2_downstream.h"
#include "proxy/server_connection.h"

namespace sluice::proxy {
namespace {

// A client that resets most of what it asks for, so early, and so often, wants our work and not
// our answers. Envoy's overload.premature_reset_total_stream_count and its lifetime.
constexpr std::uint32_t kStreamsBeforeJudging = 500;
constexpr std::chrono::seconds kPrematureLife{1};

http::H2HeadLimits HeadLimits(const config::HttpConnectionManager& http) {
  return {http.h1.head_bytes_max, http.h1.fields_max};
}

}  // namespace

H2Server::H2Server(ServerConnection& connection, std::string_view received)
    : connection_(connection),
      h2_stats_(connection.context().options().registry.Get<observe::Http2Stats>(
          observe::Scope::kHttp2, "", connection.context().options().worker)),
      session_(http::H2Session::Role::kServer, connection.plan()->http->h2,
               HeadLimits(*connection.plan()->http), *this),
      link_(
          {connection.context().loop(), connection.stream(), connection.context().options().buffers,
           session_, connection.stats().downstream_cx_rx_bytes_total,
           connection.stats().downstream_cx_tx_bytes_total},
          {this, [](void* self) { static_cast<H2Server*>(self)->OnReceived(); },
           [](void* self, bool by_peer) { static_cast<H2Server*>(self)->OnLinkEnded(by_peer); }}),
      empty_wait_(connection.context().loop()),
      idle_timer_(&OnIdle, this),
      slow_timer_(&OnSlow, this),
      duration_timer_(&OnDurationOver, this),
      drain_timer_(&OnDrainStep, this),
      ping_timer_(&OnPingTimer, this),
      streams_max_(connection.plan()->http->h2.streams_max),
      idle_ms_(connection.plan()->http->idle_timeout_ms),
      linger_ms_(connection.plan()->http->delayed_close_timeout_ms),
      slow_ms_(connection.plan()->http->request_headers_timeout_ms) {
  connection.CountProtocol(true);
  const config::HttpConnectionManager& http = *connection.plan()->http;
  if (http.max_connection_duration_ms != 0) {
    duration_timer_.Arm(timers(), http.max_connection_duration_ms);
  }
  if (slow_ms_ != 0) slow_timer_.Arm(timers(), slow_ms_);
  if (idle_ms_ != 0) idle_timer_.Arm(timers(), idle_ms_);
  if (http.h2_keepalive.interval_ms != 0) {
    ArmPing(upstream::NextPingMs(http.h2_keepalive, connection.context().options().random));
  }
  link_.Seed(received);
}

H2Server::~H2Server() = default;

WorkerContext& H2Server::context() { return connection_.context(); }
const LocalPtr<ListenerPlan>& H2Server::plan() { return connection_.plan(); }
observe::HttpStats& H2Server::stats() { return connection_.stats(); }
net::TimerWheel& H2Server::timers() { return connection_.context().loop().timers(); }

ConnectionFacts H2Server::facts() {
  return {connection_.remote(),          connection_.local(),   connection_.id(),
          connection_.stream().is_tls(), http::Version::kHttp2, true,
          connection_.tls_info(),        &connection_,          connection_.server_name()};
}

net::Task<void> H2Server::Serve() {
  co_await link_.Run();
  if (link_.lingered_out()) stats().downstream_cx_delayed_close_timeout.Add();
  // Exchanges walk to their end by themselves once they were told.
  while (streams_ > 0) co_await empty_wait_.Wait();
}

// ---- the end

void H2Server::OnReceived() {
  if (session_.ended()) {
    stats().downstream_cx_protocol_error.Add();
    EndNow();
    return;
  }
  const bool incomplete =
      link_.mid_frame() || session_.mid_block() || !session_.peer_settings_seen();
  if (!incomplete) {
    slow_timer_.Cancel();
  } else if (!slow_timer_.armed() && slow_ms_ != 0) {
    slow_timer_.Arm(timers(), slow_ms_);
  }
}

void H2Server::OnLinkEnded(bool by_peer) {
  ended_ = true;
  if (by_peer) connection_.set_closed_by_client();
  if (streams_ > 0) connection_.set_interrupted();
  idle_timer_.Cancel();
  slow_timer_.Cancel();
  duration_timer_.Cancel();
  drain_timer_.Cancel();
  ping_timer_.Cancel();
  FailStreams();
}

void H2Server::FailStreams() {
  for (H2Downstream* stream = first_; stream != nullptr;) {
    H2Downstream* next = stream->next;
    if (stream->started()) {
      stream->TakeGone();
    } else {
      EndStream(*stream);
    }
    stream = next;
  }
}

void H2Server::EndNow() { link_.Finish(linger_ms_); }

void H2Server::MaybeFinish() {
  if (streams_ > 0 || ended_) return;
  if (goaway_final_) {
    EndNow();
  } else if (idle_ms_ != 0) {
    idle_timer_.Arm(timers(), idle_ms_);
  }
}

void H2Server::Drain() {
  if (draining_ || ended_) return;
  draining_ = true;
  stats().downstream_cx_drain_close.Add();
  session_.SendGoaway(false);
  Kick();
  // Requests that are on their way now are still served.
  drain_timer_.Arm(timers(), std::max<std::uint64_t>(plan()->http->drain_timeout_ms, 1));
}

void H2Server::OnDrainStep(void* self) {
  auto& server = *static_cast<H2Server*>(self);
  server.goaway_final_ = true;
  server.session_.SendGoaway(true);
  server.Kick();
  server.MaybeFinish();
}

void H2Server::Abandon() { link_.Abort(); }

void H2Server::OnIdle(void* self) {
  auto& server = *static_cast<H2Server*>(self);
  if (server.streams_ > 0) return;
  server.stats().downstream_cx_idle_timeout.Add();
  server.session_.SendGoaway(true);
  server.EndNow();
}

void H2Server::OnSlow(void* self) {
  auto& server = *static_cast<H2Server*>(self);
  server.stats().downstream_rq_header_timeout.Add();
  server.session_.Fail(http::H2Error::kEnhanceYourCalm, "a frame that does not get complete");
  server.EndNow();
}

void H2Server::OnDurationOver(void* self) {
  auto& server = *static_cast<H2Server*>(self);
  server.stats().downstream_cx_max_duration_reached.Add();
  server.Drain();
}

// ---- pings

void H2Server::ArmPing(std::uint64_t after_ms) { ping_timer_.Arm(timers(), after_ms); }

void H2Server::OnPingTimer(void* self) {
  auto& server = *static_cast<H2Server*>(self);
  const config::H2Keepalive& keepalive = server.plan()->http->h2_keepalive;
  if (server.ping_unanswered_) {
    server.h2_stats_.keepalive_timeout.Add();
    server.link_.Abort();
    return;
  }
  server.ping_unanswered_ = true;
  server.session_.SendPing();
  server.Kick();
  server.ArmPing(keepalive.timeout_ms);
}

void H2Server::OnPingAck() {
  if (!std::exchange(ping_unanswered_, false)) return;
  const config::H2Keepalive& keepalive = plan()->http->h2_keepalive;
  if (keepalive.interval_ms == 0) return ping_timer_.Cancel();
  ArmPing(upstream::NextPingMs(keepalive, context().options().random));
}

// ---- streams

http::H2Stream* H2Server::OnOpen() {
  // The limit holds for what runs, also when the client has reset it and it is still winding up.
  if (streams_ >= streams_max_) return nullptr;
  auto* stream = new H2Downstream(*this, context().TakeExchange());
  stream->next = first_;
  if (first_ != nullptr) first_->previous = stream;
  first_ = stream;
  ++streams_;
  ++streams_total_;
  h2_stats_.streams_active.Add(1);
  idle_timer_.Cancel();
  return stream;
}

// RFC 8441 has no use for the key, but a server of HTTP/1 will not do without.
void H2Server::AddWebSocketKey(http::RequestHead& head) {
  const auto protocol = head.fields.Get(http::Name::kUpgrade);
  if (!protocol || !base::EqualsIgnoreCase(*protocol, "websocket")) return;
  if (head.fields.Get("sec-websocket-key")) return;
  base::Random& random = context().options().random;
  const std::uint64_t words[] = {random.Next(), random.Next()};
  char bytes[16];
  std::memcpy(bytes, words, sizeof(bytes));
  head.fields.Add("sec-websocket-key", base::Base64Encode({bytes, sizeof(bytes)}));
}

void H2Server::OnHead(http::H2Stream& stream, bool) {
  if (stream.tunnel) AddWebSocketKey(*stream.request);
  const std::uint32_t requests_max = plan()->http->requests_per_connection_max;
  stats().downstream_rq_http2_total.Add();
  if (requests_max != 0 && streams_total_ >= requests_max && !draining_) {
    stats().downstream_cx_max_requests_reached.Add();
    Drain();
  }
  static_cast<H2Downstream&>(stream).Start();  // May have ended when it returns.
}

void H2Server::OnData(http::H2Stream& stream, std::string_view data, bool end) {
  auto& mine = static_cast<H2Downstream&>(stream);
  mine.TakeData(data);
  if (end) mine.TakeEnd();
}

void H2Server::OnTrailers(http::H2Stream& stream) { static_cast<H2Downstream&>(stream).TakeEnd(); }

void H2Server::OnReset(http::H2Stream& stream, http::H2Error, bool) {
  auto& mine = static_cast<H2Downstream&>(stream);
  CountReset(mine);
  if (mine.started()) {
    mine.TakeGone();
  } else {
    EndStream(mine);
  }
}

void H2Server::OnCanSend(http::H2Stream& stream) { static_cast<H2Downstream&>(stream).CanSend(); }

// The client opens no more; what it has asked for is answered.
void H2Server::OnGoaway(std::uint32_t, http::H2Error) {
  goaway_final_ = true;
  MaybeFinish();
}

void H2Server::OnEvent(http::H2Event event) { upstream::CountH2Event(event, h2_stats_); }

// Whether the client reset it or made us do so comes to the same.
void H2Server::CountReset(const H2Downstream& stream) {
  if (stream.answered()) return;
  if (context().loop().now() - stream.opened_at() > kPrematureLife) return;
  ++resets_;
  if (streams_total_ < kStreamsBeforeJudging || resets_ * 2 < streams_total_) return;
  stats().downstream_rq_too_many_premature_resets.Add();
  session_.Fail(http::H2Error::kEnhanceYourCalm, "too many streams reset at once");
}

void H2Server::EndStream(H2Downstream& stream) {
  if (stream.linked) {
    // Answered before the request was complete: the rest of it has no reader.
    session_.Reset(stream,
                   stream.answered() ? http::H2Error::kNoError : http::H2Error::kInternalError);
    Kick();
  }
  if (stream.next != nullptr) stream.next->previous = stream.previous;
  (stream.previous != nullptr ? stream.previous->next : first_) = stream.next;
  --streams_;
  h2_stats_.streams_active.Add(-1);
  delete &stream;
  if (streams_ > 0) return;
  if (ended_) {
    empty_wait_.Wake();
  } else {
    MaybeFinish();
  }
}

}  // namespace sluice::proxy
