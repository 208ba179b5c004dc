#pragma once
// From the store to snapshots: what is warm goes live, what lacks references waits.
//
// Config thread; no I/O, the caller passes the time. envoy-behaviour.md 1.9.
// A cluster of type EDS is warm when its assignment is there, or 15 s after (then without hosts,
// unless an older version serves: that one goes on); an update starts with the endpoints it knows.
// A listener is warm when its route tables, scopes, virtual hosts, secrets and filter
// configurations are there or its fetch time-out has passed; meanwhile the old version serves.

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
#include "xds/references.h"
#include "xds/store.h"

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
            std::vector<std::shared_ptr<const config::Listener>> listeners,
            std::vector<std::shared_ptr<const config::Secret>> secrets = {});

  // What the runtime's layers amount to, from the next Initial() or Take() on.
  void SetRuntime(std::shared_ptr<const config::Runtime> runtime);
  // Layers that RTDS delivers.
  void WantRuntime(std::vector<Want> layers);
  // The first update: static resources alone. Static listeners with references warm like others.
  Update Initial(base::Monotonic now);
  // After the store took a response. REQUIRES: `result` is of `store` and `type`.
  void OnApplied(ResourceType type, const ApplyResult& result, const Store& store,
                 base::Monotonic now);
  // What became live since the last call; empty() when nothing did. Forgets in `store` what nobody
  // refers to any more, and marks there what serves.
  Update Take(Store& store, base::Monotonic now);
  // When Take must be called again although nothing arrived; nullopt: never.
  std::optional<base::Monotonic> NextDeadline() const;

  // What to subscribe to by name: of what serves and of what warms. kScopedRoutes, "*": all scopes.
  const References& references() const { return references_; }

  std::vector<std::string> WarmingClusters() const;
  std::vector<std::string> WarmingListeners() const;
  // What a warming listener or cluster waits for: "route table a", for /init_dump.
  std::vector<std::string> MissingOf(const Store& store, const std::string& listener) const;
  // Fetches that timed out since the last call, for init_fetch_timeout.
  std::uint64_t TakeFetchTimeouts() { return std::exchange(fetch_timeouts_, 0); }

 private:
  struct Warming {
    std::optional<base::Monotonic> deadline;  // Unset: waits for ever.
    bool timed_out = false;
  };
  void TakeClusters(Store& store, base::Monotonic now, config::Snapshot& next, Update& update);
  void TakeAssignments(const Store& store, const config::Snapshot& next, Update& update);
  void TakeSecrets(const Store& store, config::Snapshot& next, Update& update);
  void TakeListeners(Store& store, base::Monotonic now, config::Snapshot& next, Update& update);
  void TakeFilterConfigs(const Store& store, config::Snapshot& next, Update& update);
  void TakeRoutes(const Store& store, base::Monotonic now, config::Snapshot& next, Update& update);
  void TakeScopes(const Store& store, config::Snapshot& next, Update& update);
  void TakeDropped(Store& store, config::Snapshot& next, Update& update);
  bool Expired(Warming& warming, base::Monotonic now);
  Want TableOfScope(const std::string& name) const;
  void Warm(const config::Listener& listener, base::Monotonic now);
  std::shared_ptr<const config::Listener> FindListener(const Store& store,
                                                       std::string_view name) const;
  void VisitMissing(
      const Store& store, const config::Snapshot& next, const config::Listener& listener,
      const std::function<void(std::string_view kind, std::string_view)>& visit) const;

  std::vector<std::shared_ptr<const config::Cluster>> static_clusters_;
  std::vector<std::shared_ptr<const config::Listener>> static_listeners_;
  std::vector<std::shared_ptr<const config::Secret>> static_secrets_;
  std::shared_ptr<const config::Snapshot> live_;
  References references_;
  base::StringMap<Warming> clusters_;  // Changed or new, not live yet.
  base::StringMap<Warming> listeners_;
  base::StringMap<Warming> tables_;  // Changed or new, VHDS has not answered.
  std::set<std::string> removed_clusters_;
  std::set<std::string> removed_listeners_;
  base::StringSet changed_assignments_;  // By service name.
  base::StringSet changed_routes_;       // Also tables whose virtual hosts of VHDS changed.
  base::StringSet changed_secrets_;
  base::StringSet changed_filter_configs_;
  // Live listeners as they were written, when filters of theirs are discovered.
  base::StringMap<std::shared_ptr<const config::Listener>> unresolved_;
  bool scopes_answered_ = false;
  bool scopes_changed_ = false;
  config::ConfigSourceRef scoped_tables_;  // Where the tables come from that scopes name.
  std::shared_ptr<const config::Runtime> runtime_;
  std::uint64_t fetch_timeouts_ = 0;
};

}  // namespace sluice::xds
