#pragma once
// From the store to snapshots: what is warm goes live, what lacks references waits.
//
// Config thread; no I/O, the caller passes the time. envoy-behaviour.md 1.9.
// A cluster of type EDS is warm when its assignment is there, or 15 s after (then without hosts);
// an update starts with the endpoints it knows. A listener is warm when its route table is there or
// its fetch time-out has passed; meanwhile the old version serves.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "config/snapshot.h"
#include "xds/store.h"
#include "xds/want.h"

namespace sluice::xds {

// What main publishes, in one piece.
struct Update {
  std::shared_ptr<const config::Snapshot> snapshot;
  config::ChangeList changes;
  // Endpoint assignments of EDS clusters, by cluster name: new, changed, or of a changed cluster.
  std::vector<std::pair<std::string, std::shared_ptr<const config::Assignment>>> assignments;

  bool empty() const { return changes.empty() && assignments.empty(); }
};

class Assembler {
 public:
  // Static resources are live from the start.
  Assembler(std::vector<std::shared_ptr<const config::Cluster>> clusters,
            std::vector<std::shared_ptr<const config::Listener>> listeners);

  // The first update: static resources alone. Static listeners with RDS warm like others.
  Update Initial(base::Monotonic now);
  // After the store took a response. REQUIRES: `result` is of `store` and `type`.
  void OnApplied(ResourceType type, const ApplyResult& result, const Store& store,
                 base::Monotonic now);
  // What became live since the last call; empty() when nothing did.
  Update Take(const Store& store, base::Monotonic now);
  // When Take must be called again although nothing arrived; nullopt: never.
  std::optional<base::Monotonic> NextDeadline() const;

  // What to subscribe to: assignments of EDS clusters, tables of listeners, warming ones included.
  std::vector<Want> Wants(ResourceType type, const Store& store) const;
  std::set<std::string> WantedAssignments(const Store& store) const;
  std::set<std::string> WantedRoutes(const Store& store) const;

  std::vector<std::string> WarmingClusters() const;
  std::vector<std::string> WarmingListeners() const;
  // Fetches that timed out since the last call, for init_fetch_timeout.
  std::uint64_t TakeFetchTimeouts() { return std::exchange(fetch_timeouts_, 0); }

 private:
  struct Warming {
    std::optional<base::Monotonic> deadline;  // Unset: waits for ever.
    bool timed_out = false;
  };
  void TakeClusters(const Store& store, base::Monotonic now, config::Snapshot& next,
                    Update& update);
  void TakeAssignments(const Store& store, const config::Snapshot& next, Update& update);
  void TakeListeners(const Store& store, base::Monotonic now, config::Snapshot& next,
                     Update& update);
  void TakeRoutes(const Store& store, config::Snapshot& next, Update& update);
  bool Expired(Warming& warming, base::Monotonic now);
  void Warm(const config::Listener& listener, base::Monotonic now);
  std::shared_ptr<const config::Listener> FindListener(const Store& store,
                                                       std::string_view name) const;

  std::vector<std::shared_ptr<const config::Cluster>> static_clusters_;
  std::vector<std::shared_ptr<const config::Listener>> static_listeners_;
  std::shared_ptr<const config::Snapshot> live_;
  base::StringMap<Warming> clusters_;  // Changed or new, not live yet.
  base::StringMap<Warming> listeners_;
  std::set<std::string> removed_clusters_;
  std::set<std::string> removed_listeners_;
  base::StringSet changed_assignments_;  // By service name.
  base::StringSet changed_routes_;
  std::uint64_t fetch_timeouts_ = 0;
};

}  // namespace sluice::xds
