#include "proxy/serve_connection.h"

#include <chrono>
#include <utility>

#include "proxy/server_connection.h"

namespace sluice::proxy {

void StartConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                     std::shared_ptr<const config::Listener> listener,
                     observe::ListenerStats& stats) {
  auto* connection = new ServerConnection(context, std::move(stream),
                                          context.EntryFor(std::move(listener)), stats);
  connection->Start();
}

ServerConnection::ServerConnection(WorkerContext& context, std::unique_ptr<net::Stream> stream,
                                   LocalPtr<ListenerEntry> entry, observe::ListenerStats& stats)
    : context_(context),
      stream_(std::move(stream)),
      entry_(std::move(entry)),
      listener_stats_(stats),
      http_stats_(*entry_->plan->stats),
      accepted_(context.loop().now()),
      id_(context.NextId()),
      h1_(*this) {
  context_.Link(*this);
  listener_stats_.downstream_cx_total.Add();
  listener_stats_.downstream_cx_active.Add(1);
  http_stats_.downstream_cx_total.Add();
  http_stats_.downstream_cx_http1_total.Add();
  http_stats_.downstream_cx_active.Add(1);
  http_stats_.downstream_cx_http1_active.Add(1);
}

ServerConnection::~ServerConnection() {
  const auto lasted = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(context_.loop().now() - accepted_)
          .count());
  listener_stats_.downstream_cx_destroy.Add();
  listener_stats_.downstream_cx_active.Add(-1);
  listener_stats_.downstream_cx_length_ms.Record(lasted);
  http_stats_.downstream_cx_destroy.Add();
  (closed_by_client_ ? http_stats_.downstream_cx_destroy_remote
                     : http_stats_.downstream_cx_destroy_local)
      .Add();
  if (interrupted_) {
    http_stats_.downstream_cx_destroy_active_rq.Add();
    (closed_by_client_ ? http_stats_.downstream_cx_destroy_remote_active_rq
                       : http_stats_.downstream_cx_destroy_local_active_rq)
        .Add();
  }
  http_stats_.downstream_cx_active.Add(-1);
  http_stats_.downstream_cx_http1_active.Add(-1);
  http_stats_.downstream_cx_length_ms.Record(lasted);
  context_.Unlink(*this);
}

void ServerConnection::Start() {
  if (context_.draining(listener())) h1_.Drain();
  net::Start(h1_.Serve(), &OnServed, this);
}

void ServerConnection::OnServed(void* self) { delete static_cast<ServerConnection*>(self); }

}  // namespace sluice::proxy
