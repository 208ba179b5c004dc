#pragma once
// worker: a worker's live view of the clusters: balancer cursor, pools, breakers, statistics.
//
// One per worker, its thread only. State outlives configuration: it is keyed by cluster name and a
// new snapshot with an equal cluster keeps every connection; a changed one drains the old pools.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "config/snapshot.h"
#include "net/buffer.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"
#include "observe/registry.h"
#include "upstream/host_set.h"
#include "upstream/shared.h"

namespace sluice::upstream {

class Cluster;
class Connection;

// What main hands to every worker for a cluster beside its configuration: made once, shared.
struct ClusterParts {
  std::shared_ptr<const config::Cluster> config;
  std::shared_ptr<const net::TlsClientContext> tls;  // Null: cleartext.
  std::shared_ptr<SharedBreaker> breaker;            // Kept across updates of the cluster.
  std::shared_ptr<const HostSet> hosts;              // Null: not known yet (DNS under way).
};

struct WorkerParts {
  net::Loop& loop;
  net::BufferPool& buffers;
  observe::Registry& registry;
  base::Random& random;
  unsigned worker = 0;
  unsigned workers = 1;
  // A seam for tests.
  std::unique_ptr<net::Stream> (*connect)(net::Loop&, const base::Address&,
                                          const net::ConnectOptions&) = &net::StartConnect;
};

class Clusters {
 public:
  explicit Clusters(const WorkerParts& parts);
  ~Clusters();

  // Adds or replaces; equal configuration keeps pools and only takes new hosts.
  void Set(ClusterParts parts);
  // Hosts alone changed. Connections to hosts that are gone are closed when idle.
  void SetHosts(std::string_view name, std::shared_ptr<const HostSet> hosts);
  // Requests in flight finish; idle connections close now; the object goes with its last exchange.
  void Remove(std::string_view name);

  // Null: no such cluster. Valid until the next call of a member, unless retained by a Try.
  Cluster* Find(std::string_view name);
  std::size_t size() const;
  // Closes idle connections of all clusters (shutdown).
  void CloseIdle();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::upstream
