#include "xds/assemble.h"

#include <algorithm>
#include <tuple>

namespace sluice::xds {
namespace {

std::optional<base::Monotonic> DeadlineAfter(base::Monotonic now, std::uint64_t timeout_ms) {
  if (timeout_ms == 0) return std::nullopt;
  return now + base::milliseconds(static_cast<std::int64_t>(timeout_ms));
}

// The RDS names a listener's connection managers refer to.
template <typename Visit>
void ForEachRds(const config::Listener& listener, Visit visit) {
  for (const config::FilterChain& chain : listener.filter_chains) {
    if (chain.http != nullptr && !chain.http->rds_name.empty()) visit(*chain.http);
  }
}

std::vector<std::string> Keys(const auto& map) {
  std::vector<std::string> keys;
  for (const auto& [name, value] : map) keys.push_back(name);
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

Assembler::Assembler(std::vector<std::shared_ptr<const config::Cluster>> clusters,
                     std::vector<std::shared_ptr<const config::Listener>> listeners)
    : static_clusters_(std::move(clusters)),
      static_listeners_(std::move(listeners)),
      live_(std::make_shared<config::Snapshot>()) {}

Update Assembler::Initial(base::Monotonic now) {
  Update update;
  auto next = std::make_shared<config::Snapshot>(*live_);
  ++next->generation;
  for (const auto& cluster : static_clusters_) {
    next->clusters.Set(cluster->name, cluster);
    update.changes.clusters.push_back(cluster->name);
  }
  for (const auto& listener : static_listeners_) {
    bool inline_routes = true;
    ForEachRds(*listener, [&](const config::HttpConnectionManager&) { inline_routes = false; });
    if (!inline_routes) {
      Warm(*listener, now);
      continue;
    }
    next->listeners.Set(listener->name, listener);
    update.changes.listeners.push_back(listener->name);
  }
  live_ = next;
  update.snapshot = live_;
  return update;
}

void Assembler::OnApplied(ResourceType type, const ApplyResult& result, const Store& store,
                          base::Monotonic now) {
  for (const std::string& name : result.changed) {
    switch (type) {
      case ResourceType::kCluster: {
        const config::Cluster& cluster = *store.clusters().Find(name);
        clusters_[name] = {DeadlineAfter(now, cluster.eds_fetch_timeout_ms), false};
        removed_clusters_.erase(name);
        break;
      }
      case ResourceType::kListener: {
        Warm(*store.listeners().Find(name), now);
        removed_listeners_.erase(name);
        break;
      }
      case ResourceType::kEndpoints:
        changed_assignments_.insert(name);
        break;
      case ResourceType::kRoutes:
        changed_routes_.insert(name);
        break;
      default:
        break;  // The store holds no others yet.
    }
  }
  for (const std::string& name : result.removed) {
    if (type == ResourceType::kCluster) {
      clusters_.erase(name);
      removed_clusters_.insert(name);
    } else if (type == ResourceType::kListener) {
      listeners_.erase(name);
      removed_listeners_.insert(name);
    }
  }
}

void Assembler::Warm(const config::Listener& listener, base::Monotonic now) {
  std::uint64_t timeout_ms = 15000;
  ForEachRds(listener, [&](const config::HttpConnectionManager& http) {
    timeout_ms = http.rds_fetch_timeout_ms;
  });
  listeners_[listener.name] = {DeadlineAfter(now, timeout_ms), false};
}

std::shared_ptr<const config::Listener> Assembler::FindListener(const Store& store,
                                                                std::string_view name) const {
  for (const auto& listener : static_listeners_) {
    if (listener->name == name) return listener;
  }
  const auto* listener = store.listeners().FindShared(name);
  return listener == nullptr ? nullptr : *listener;
}

bool Assembler::Expired(Warming& warming, base::Monotonic now) {
  if (!warming.deadline || now < *warming.deadline) return false;
  if (!warming.timed_out) {
    warming.timed_out = true;
    ++fetch_timeouts_;
  }
  return true;
}

void Assembler::TakeClusters(const Store& store, base::Monotonic now, config::Snapshot& next,
                             Update& update) {
  for (auto it = clusters_.begin(); it != clusters_.end();) {
    const auto* cluster = store.clusters().FindShared(it->first);
    const bool is_eds = (*cluster)->type == config::Cluster::Type::kEds;
    const std::string& service = (*cluster)->eds_service_name;
    if (is_eds && store.assignments().Find(service) == nullptr && !Expired(it->second, now)) {
      ++it;
      continue;
    }
    next.clusters.Set(it->first, *cluster);
    update.changes.clusters.push_back(it->first);
    clusters_.erase(it++);
  }
  for (const std::string& name : removed_clusters_) {
    if (next.clusters.Erase(name)) update.changes.clusters.push_back(name);
  }
  removed_clusters_.clear();
}

void Assembler::TakeAssignments(const Store& store, const config::Snapshot& next, Update& update) {
  const auto add = [&](const config::Cluster& cluster) {
    const auto* assignment = store.assignments().FindShared(cluster.eds_service_name);
    // Timed out: an empty set, so that requests fail at once instead of waiting for hosts.
    update.assignments.emplace_back(
        cluster.name, assignment != nullptr ? *assignment : std::make_shared<config::Assignment>());
  };
  base::StringSet added;
  for (const std::string& name : update.changes.clusters) {
    const config::Cluster* cluster = next.clusters.Find(name);
    if (cluster == nullptr || cluster->type != config::Cluster::Type::kEds) continue;
    add(*cluster);
    added.insert(name);
  }
  if (changed_assignments_.empty()) return;
  base::StringSet pending = std::exchange(changed_assignments_, {});
  // Nearly always a cluster is its own service name; only aliases need the walk.
  bool aliases = false;
  for (const std::string& service : pending) {
    const config::Cluster* cluster = next.clusters.Find(service);
    if (cluster == nullptr || cluster->eds_service_name != service) {
      aliases = true;
    } else if (added.insert(service).second) {
      add(*cluster);
    }
  }
  if (!aliases) return;
  next.clusters.ForEach([&](std::string_view name, const auto& cluster) {
    if (cluster->type == config::Cluster::Type::kEds &&
        pending.contains(cluster->eds_service_name) && added.insert(std::string(name)).second) {
      add(*cluster);
    }
  });
}

void Assembler::TakeRoutes(const Store& store, config::Snapshot& next, Update& update) {
  for (const std::string& name : changed_routes_) {
    const auto* table = store.routes().FindShared(name);
    if (table == nullptr) continue;
    next.route_tables.Set(name, *table);
    update.changes.route_tables.push_back(name);
  }
  changed_routes_.clear();
  std::vector<std::string> gone;
  next.route_tables.ForEach([&](std::string_view name, const auto&) {
    if (store.routes().Find(name) == nullptr) gone.emplace_back(name);
  });
  for (const std::string& name : gone) {
    next.route_tables.Erase(name);
    update.changes.route_tables.push_back(name);
  }
}

void Assembler::TakeListeners(const Store& store, base::Monotonic now, config::Snapshot& next,
                              Update& update) {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const auto listener = FindListener(store, it->first);
    bool warm = true;
    ForEachRds(*listener, [&](const config::HttpConnectionManager& http) {
      warm = warm && store.routes().Find(http.rds_name) != nullptr;
    });
    if (!warm && !Expired(it->second, now)) {
      ++it;
      continue;
    }
    next.listeners.Set(it->first, listener);
    update.changes.listeners.push_back(it->first);
    listeners_.erase(it++);
  }
  for (const std::string& name : removed_listeners_) {
    if (next.listeners.Erase(name)) update.changes.listeners.push_back(name);
  }
  removed_listeners_.clear();
}

Update Assembler::Take(const Store& store, base::Monotonic now) {
  Update update;
  auto next = std::make_shared<config::Snapshot>(*live_);
  TakeClusters(store, now, *next, update);
  TakeAssignments(store, *next, update);
  TakeRoutes(store, *next, update);
  TakeListeners(store, now, *next, update);
  if (!update.changes.empty()) {
    ++next->generation;
    live_ = next;
  }
  update.snapshot = live_;
  return update;
}

std::optional<base::Monotonic> Assembler::NextDeadline() const {
  std::optional<base::Monotonic> first;
  for (const auto* warming : {&clusters_, &listeners_}) {
    for (const auto& [name, each] : *warming) {
      if (each.deadline && (!first || *each.deadline < *first)) first = each.deadline;
    }
  }
  return first;
}

std::vector<Want> Assembler::Wants(ResourceType type, const Store& store) const {
  std::vector<Want> wants;
  const auto add_cluster = [&](const config::Cluster& cluster) {
    if (cluster.type != config::Cluster::Type::kEds) return;
    wants.push_back({cluster.eds_service_name, cluster.eds_source,
                     base::Cat("cluster.", cluster.stat_name, "."), cluster.eds_fetch_timeout_ms});
  };
  const auto add_listener = [&](const config::Listener& listener) {
    ForEachRds(listener, [&](const config::HttpConnectionManager& http) {
      wants.push_back({http.rds_name, http.rds_source,
                       base::Cat("http.", http.stat_prefix, ".rds.", http.rds_name, "."),
                       http.rds_fetch_timeout_ms});
    });
  };
  if (type == ResourceType::kEndpoints) {
    store.clusters().ForEach([&](std::string_view, const auto& each) { add_cluster(*each); });
    for (const auto& cluster : static_clusters_) add_cluster(*cluster);
  } else if (type == ResourceType::kRoutes) {
    store.listeners().ForEach([&](std::string_view, const auto& each) { add_listener(*each); });
    // The version that still serves while its successor warms keeps its table.
    live_->listeners.ForEach([&](std::string_view, const auto& each) { add_listener(*each); });
    for (const auto& listener : static_listeners_) add_listener(*listener);
  }
  std::sort(wants.begin(), wants.end(), [](const Want& a, const Want& b) {
    return std::tie(a.name, a.stats) < std::tie(b.name, b.stats);
  });
  const auto last = std::unique(wants.begin(), wants.end(),
                                [](const Want& a, const Want& b) { return a.name == b.name; });
  wants.erase(last, wants.end());
  return wants;
}

std::set<std::string> Assembler::WantedAssignments(const Store& store) const {
  std::set<std::string> names;
  for (Want& want : Wants(ResourceType::kEndpoints, store)) names.insert(std::move(want.name));
  return names;
}

std::set<std::string> Assembler::WantedRoutes(const Store& store) const {
  std::set<std::string> names;
  for (Want& want : Wants(ResourceType::kRoutes, store)) names.insert(std::move(want.name));
  return names;
}

std::vector<std::string> Assembler::WarmingClusters() const { return Keys(clusters_); }
std::vector<std::string> Assembler::WarmingListeners() const { return Keys(listeners_); }

}  // namespace sluice::xds
