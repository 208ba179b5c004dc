#pragma once
// One client connection: its stream, its place in the worker's list, its statistics, its session.
//
// Worker's thread. Owns itself: deleted when its session has ended, or its setup without one.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/stream.h"
#include "observe/stats.h"
#include "observe/tls_info.h"
#include "proxy/connection_setup.h"
#include "proxy/session.h"
#include "proxy/worker_context.h"

namespace sluice::proxy {

class ServerConnection {
 public:
  ServerConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                   observe::ListenerStats& stats);
  ~ServerConnection();
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  // May delete it.
  void Start(std::shared_ptr<const config::Listener> listener);
  void BeginDrain();
  // Resets.
  void Close();

  WorkerContext& context() { return context_; }
  net::Stream& stream() { return *stream_; }
  std::uint64_t id() const { return id_; }
  observe::ListenerStats& listener_stats() { return listener_stats_; }
  // The name of its listener.
  std::string_view listener() const;
  // The client's address and ours: of the socket, or as a PROXY header tells.
  const base::Address& remote() const;
  const base::Address& local() const;

  // ---- during setup
  Detected& detected();
  // False: no chain takes this connection.
  bool ChooseChain(const std::shared_ptr<const config::Listener>& listener);
  const ListenerEntry& entry() const { return *entry_; }
  // From here on stream() is the TLS stream over what it was.
  void BeginTls(std::shared_ptr<const net::TlsServerContext> context);

  // ---- for sessions
  // Of the snapshot that is current now.
  const LocalPtr<ListenerPlan>& plan() { return context_.PlanOf(*entry_); }
  bool chain_gone() const { return entry_ && entry_->gone; }
  // Counts it as a connection of its chain's connection manager, till it ends.
  void CountHttp();
  // By what the client turned out to speak; once.
  void CountProtocol(bool http2);
  // Where it is counted, whatever later snapshots say. REQUIRES: CountHttp().
  observe::HttpStats& stats() { return *http_stats_; }
  // For facts(): of the client's TLS, null without.
  using TlsInfoOf = const observe::TlsInfo* (*)(void* connection);
  TlsInfoOf tls_info() const;
  std::string_view server_name() const;
  // The client ended it, not we.
  void set_closed_by_client() { closed_by_client_ = true; }
  // It ends in the middle of an exchange.
  void set_interrupted() { interrupted_ = true; }

  // ---- the worker's list
  ServerConnection* next() const { return next_; }
  ServerConnection* previous() const { return previous_; }
  void set_next(ServerConnection* next) { next_ = next; }
  void set_previous(ServerConnection* previous) { previous_ = previous; }
  void set_neighbours(ServerConnection* previous, ServerConnection* next) {
    previous_ = previous;
    next_ = next;
  }

 private:
  void StartSession();
  void Serve();
  void CountHttpEnd(std::uint64_t lasted_ms);
  static void OnSetUp(void* self);
  static void OnServed(void* self);

  WorkerContext& context_;
  std::unique_ptr<net::Stream> stream_;
  LocalPtr<ListenerEntry> entry_;  // Null until the chain is chosen.
  observe::ListenerStats& listener_stats_;
  observe::HttpStats* http_stats_ = nullptr;
  observe::Gauge* protocol_cell_ = nullptr;  // Where it counts as open.
  const base::Monotonic accepted_;
  const std::uint64_t id_;
  ServerConnection* next_ = nullptr;
  ServerConnection* previous_ = nullptr;
  bool closed_by_client_ = false;
  bool interrupted_ = false;
  std::unique_ptr<const observe::TlsInfo> tls_info_;  // Once somebody asked.
  std::unique_ptr<Detected> detected_;                // Null: no listener filter ran.
  std::unique_ptr<ConnectionSetup> setup_;            // While it waits for something.
  std::unique_ptr<Session> session_;
};

}  // namespace sluice::proxy
