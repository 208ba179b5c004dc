#pragma once
// A worker thread: one loop, one core. Accepts, serves, adopts what main publishes.
//
// Constructed, started and joined by main. Every other member may be called from main only and
// posts to the worker; order is kept.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/snapshot.h"
#include "net/loop.h"
#include "observe/log_writer.h"
#include "observe/registry.h"
#include "proxy/snapshot_pin.h"
#include "proxy/tls_chains.h"
#include "upstream/clusters.h"

namespace sluice::server {

// What one publication changes on a worker. Shared by all of them, never changed after.
struct WorkerUpdate {
  std::shared_ptr<const config::Snapshot> snapshot;  // Null: only hosts changed.
  std::vector<upstream::ClusterParts> clusters;      // Applied before the snapshot,
  std::vector<std::string> removed_clusters;         // these after it.
  std::vector<std::pair<std::string, std::shared_ptr<const upstream::HostSet>>> hosts;

  bool empty() const {
    return snapshot == nullptr && clusters.empty() && removed_clusters.empty() && hosts.empty();
  }
};

// What workers share; outlives them.
struct WorkerShared {
  const base::Clock& clock;
  observe::Registry& registry;
  observe::LogWriter& log_writer;
  std::uint64_t connections_max;  // Downstream, per worker.
  std::size_t buffer_bytes_max;   // Per worker.
  proxy::Retire retire;
  unsigned workers;
};

class Worker {
 public:
  Worker(unsigned index, const WorkerShared& shared);
  // Joins. REQUIRES: Stop() when it was started.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  void Stop();
  void Apply(std::shared_ptr<const WorkerUpdate> update);

  // Serves `fd` (not owned; closed by main after StopAccepting's `done`) as `listener`. With an id
  // that is known already, connections accepted from now on belong to the new listener version.
  void Accept(std::uint64_t id, int fd, std::shared_ptr<const config::Listener> listener);
  // Takes what is queued, then stops; `done` runs on the worker.
  void StopAccepting(std::uint64_t id, net::Loop::Function done);
  // The TLS contexts of a listener's chains; null: it has none any more. New handshakes take them.
  void SetTls(std::string listener, std::shared_ptr<const proxy::TlsChains> chains);
  // Connections of `listener` ("": all) close after their current exchange.
  void BeginDrain(std::string listener);
  // Resets all connections of the worker.
  void CloseAll();
  // `done` runs on the worker once it has no connection; at once when there is none.
  void NotifyIdle(net::Loop::Function done);

 private:
  struct State;
  void Run();

  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace sluice::server
