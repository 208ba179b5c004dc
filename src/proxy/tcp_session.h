#pragma once
// One connection that tcp_proxy takes: to a host of a cluster, bytes both ways, a line in the log.
//
// Worker's thread. Belongs to a ServerConnection. Holds no configuration while bytes flow.
// envoy-behaviour.md 4.6.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/tcp_proxy.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"
#include "observe/stream_info.h"
#include "proxy/byte_relay.h"
#include "proxy/session.h"
#include "proxy/worker_context.h"
#include "upstream/pool.h"

namespace sluice::proxy {

class ServerConnection;

class TcpSession final : public Session {
 public:
  // REQUIRES: the chain of `connection` has a tcp_proxy.
  explicit TcpSession(ServerConnection& connection);
  ~TcpSession() override;
  TcpSession(const TcpSession&) = delete;
  TcpSession& operator=(const TcpSession&) = delete;

  // ---- Session
  net::Task<void> Serve() override;
  // Bytes have no end to wait for: it goes on until the drain is over.
  void Drain() override {}
  void Abandon() override;

 private:
  void Begin();
  void TakeConfig(const config::TcpProxy& config);
  void StartTimers(const config::TcpProxy& config);
  const std::string& DrawCluster(const config::TcpProxy& config);
  net::Task<bool> Connect();
  // One attempt has failed; whether another one follows.
  bool ConnectAgain(upstream::AcquireResult result);
  net::Task<void> BackOff();
  net::Task<void> Relay();
  void NoteEnd(const ByteRelay& relay);
  void End();
  void Log();
  void Touch();
  void Cut(std::string_view details, bool reset);
  static void OnProgress(void* self) { static_cast<TcpSession*>(self)->Touch(); }
  static void OnIdle(void* self);
  static void OnDurationOver(void* self);
  static void OnLogDue(void* self);
  static void OnBackedOff(void* self);

  ServerConnection& connection_;
  WorkerContext& context_;
  observe::TcpStats* stats_ = nullptr;
  std::string cluster_;
  std::string chain_;
  LocalPtr<LogPlan> log_;
  std::optional<upstream::Attempt> attempt_;
  ByteRelay* relay_ = nullptr;  // While it runs.
  net::Waiter back_off_;
  net::Timer idle_timer_;
  net::Timer duration_timer_;
  net::Timer log_timer_;
  net::Timer back_off_timer_;
  observe::StreamInfo info_;
  std::optional<std::uint64_t> hash_;
  std::uint64_t idle_ms_ = 0;
  std::uint64_t log_ms_ = 0;
  std::uint64_t back_off_base_ms_ = 0;
  std::uint64_t back_off_max_ms_ = 0;
  std::uint32_t attempts_max_ = 1;
  bool log_on_connected_ = false;
  bool ended_ = false;  // By us: a timeout, or the worker closes everything.
};

}  // namespace sluice::proxy
