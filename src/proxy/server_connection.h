#pragma once
// One client connection: its stream, its place in the worker's list, its statistics, its protocol.
//
// Worker's thread. Owns itself: deleted when its serving coroutine has ended.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "net/stream.h"
#include "observe/stats.h"
#include "proxy/serve_h1.h"
#include "proxy/worker_context.h"

namespace sluice::proxy {

class ServerConnection {
 public:
  ServerConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                   LocalPtr<ListenerEntry> entry, observe::ListenerStats& stats);
  ~ServerConnection();
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  void Start();
  void BeginDrain() { h1_.Drain(); }
  // Resets.
  void Close() {
    h1_.Abandon();
    stream_->Close(true);
  }

  WorkerContext& context() { return context_; }
  net::Stream& stream() { return *stream_; }
  std::uint64_t id() const { return id_; }
  std::string_view listener() const { return entry_->name; }
  // Of the snapshot that is current now.
  const LocalPtr<ListenerPlan>& plan() { return context_.PlanOf(*entry_); }
  // Where this connection is counted, whatever later snapshots say.
  observe::HttpStats& stats() { return http_stats_; }
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
  static void OnServed(void* self);

  WorkerContext& context_;
  std::unique_ptr<net::Stream> stream_;
  const LocalPtr<ListenerEntry> entry_;
  observe::ListenerStats& listener_stats_;
  observe::HttpStats& http_stats_;
  const base::Monotonic accepted_;
  const std::uint64_t id_;
  ServerConnection* next_ = nullptr;
  ServerConnection* previous_ = nullptr;
  bool closed_by_client_ = false;
  bool interrupted_ = false;
  H1Server h1_;
};

}  // namespace sluice::proxy
