#pragma once
// HTTP/2 with one client: a session, its streams, and the exchange of each.
//
// Worker's thread. Belongs to a ServerConnection. Without streams it holds no buffer.

#include <cstdint>
#include <string_view>

#include "http/h2_session.h"
#include "net/task.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "observe/stats.h"
#include "proxy/downstream.h"
#include "proxy/session.h"
#include "upstream/h2_link.h"

namespace sluice::proxy {

class H2Downstream;
class ServerConnection;

class H2Server final : public Session, public http::H2Sink {
 public:
  // `received`: bytes that were read already, the preface first.
  H2Server(ServerConnection& connection, std::string_view received);
  ~H2Server() override;
  H2Server(const H2Server&) = delete;
  H2Server& operator=(const H2Server&) = delete;

  // ---- Session
  net::Task<void> Serve() override;
  // GOAWAY in two steps, and an end with the last stream.
  void Drain() override;
  void Abandon() override;

  // ---- for streams
  http::H2Session& session() { return session_; }
  void Kick() { link_.Kick(); }
  WorkerContext& context();
  const LocalPtr<ListenerPlan>& plan();
  ConnectionFacts facts();
  // Its exchange has ended; deletes it.
  void EndStream(H2Downstream& stream);

  // ---- H2Sink
  http::H2Stream* OnOpen() override;
  void OnHead(http::H2Stream& stream, bool end) override;
  void OnData(http::H2Stream& stream, std::string_view data, bool end) override;
  void OnTrailers(http::H2Stream& stream) override;
  void OnReset(http::H2Stream& stream, http::H2Error error, bool by_peer) override;
  void OnCanSend(http::H2Stream& stream) override;
  void OnGoaway(std::uint32_t last, http::H2Error error) override;
  void OnPingAck() override;
  void OnEvent(http::H2Event event) override;

 private:
  observe::HttpStats& stats();
  net::TimerWheel& timers();
  void OnReceived();
  void OnLinkEnded(bool by_peer);
  void FailStreams();
  void AddWebSocketKey(http::RequestHead& head);
  void CountReset(const H2Downstream& stream);
  // Ends the connection once nothing is under way and nothing more will be.
  void MaybeFinish();
  void EndNow();
  void ArmPing(std::uint64_t after_ms);

  static void OnIdle(void* self);
  static void OnSlow(void* self);
  static void OnDurationOver(void* self);
  static void OnDrainStep(void* self);
  static void OnPingTimer(void* self);

  ServerConnection& connection_;
  observe::Http2Stats& h2_stats_;
  http::H2Session session_;
  upstream::H2Link link_;
  net::Waiter empty_wait_;  // Streams are gone.
  net::Timer idle_timer_;
  net::Timer slow_timer_;  // The preface, or a frame or block that does not get complete.
  net::Timer duration_timer_;
  net::Timer drain_timer_;
  net::Timer ping_timer_;
  H2Downstream* first_ = nullptr;
  std::uint32_t streams_ = 0;  // Whose exchange runs: may outlive the session's streams.
  std::uint32_t streams_total_ = 0;
  std::uint32_t resets_ = 0;  // Streams that ended before their answer, and early.
  const std::uint32_t streams_max_;
  const std::uint64_t idle_ms_;
  const std::uint64_t linger_ms_;
  const std::uint64_t slow_ms_;
  bool draining_ = false;
  bool goaway_final_ = false;
  bool ended_ = false;  // The link receives no more.
  bool ping_unanswered_ = false;
};

}  // namespace sluice::proxy
