#include "xds/assemble.h"

#include <algorithm>

#include "xds/resolve.h"

namespace sluice::xds {
namespace {

std::optional<base::Monotonic> DeadlineAfter(base::Monotonic now, std::uint64_t timeout_ms) {
  if (timeout_ms == 0) return std::nullopt;
  return now + base::milliseconds(static_cast<std::int64_t>(timeout_ms));
}

std::vector<std::string> Keys(const auto& map) {
  std::vector<std::string> keys;
  for (const auto& [name, value] : map) keys.push_back(name);
  std::sort(keys.begin(), keys.end());
  return keys;
}

// Owners of references: versions in the store, and those that serve, which may be older.
std::string Stored(char kind, std::string_view name) { return base::Cat("stored ", kind, name); }
std::string Serving(char kind, std::string_view name) { return base::Cat("serving ", kind, name); }
constexpr char kCluster = 'c';
constexpr char kListener = 'l';
constexpr char kTable = 't';
constexpr char kScope = 's';

// The names behind Serving(kind, name) among `owners`.
std::vector<std::string> ServingNames(const std::set<std::string>& owners, char kind) {
  const std::string prefix = Serving(kind, "");
  std::vector<std::string> names;
  for (auto it = owners.lower_bound(prefix); it != owners.end() && it->starts_with(prefix); ++it) {
    names.push_back(it->substr(prefix.size()));
  }
  return names;
}

}  // namespace

Assembler::Assembler(std::vector<std::shared_ptr<const config::Cluster>> clusters,
                     std::vector<std::shared_ptr<const config::Listener>> listeners,
                     std::vector<std::shared_ptr<const config::Secret>> secrets)
    : static_clusters_(std::move(clusters)),
      static_listeners_(std::move(listeners)),
      static_secrets_(std::move(secrets)),
      live_(std::make_shared<config::Snapshot>()) {}

void Assembler::SetRuntime(std::shared_ptr<const config::Runtime> runtime) {
  runtime_ = runtime == nullptr || runtime->values().empty() ? nullptr : std::move(runtime);
}

void Assembler::WantRuntime(std::vector<Want> layers) {
  std::vector<Reference> references;
  for (Want& want : layers) references.push_back({ResourceType::kRuntime, std::move(want)});
  references_.Set("runtime", std::move(references));
}

Update Assembler::Initial(base::Monotonic now) {
  Update update;
  auto next = std::make_shared<config::Snapshot>(*live_);
  ++next->generation;
  next->runtime = runtime_;
  for (const auto& secret : static_secrets_) {
    next->secrets.Set(secret->name, secret);
    update.changes.secrets.push_back(secret->name);
  }
  for (const auto& cluster : static_clusters_) {
    next->clusters.Set(cluster->name, cluster);
    update.changes.clusters.push_back(cluster->name);
    references_.Set(Serving(kCluster, cluster->name), ReferencesOf(*cluster));
  }
  for (const auto& listener : static_listeners_) {
    std::vector<Reference> references = ReferencesOf(*listener);
    if (!references.empty()) {
      references_.Set(Stored(kListener, listener->name), std::move(references));
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
  if (type == ResourceType::kScopedRoutes) scopes_answered_ = true;
  for (const std::string& name : result.changed) {
    switch (type) {
      case ResourceType::kCluster: {
        const config::Cluster& cluster = *store.clusters().Find(name);
        clusters_[name] = {DeadlineAfter(now, cluster.eds_fetch_timeout_ms), false};
        removed_clusters_.erase(name);
        references_.Set(Stored(kCluster, name), ReferencesOf(cluster));
        break;
      }
      case ResourceType::kListener: {
        const config::Listener& listener = *store.listeners().Find(name);
        Warm(listener, now);
        removed_listeners_.erase(name);
        references_.Set(Stored(kListener, name), ReferencesOf(listener));
        break;
      }
      case ResourceType::kEndpoints:
        changed_assignments_.insert(name);
        break;
      case ResourceType::kRoutes: {
        const config::RouteTable& table = *store.routes().Find(name);
        changed_routes_.insert(name);
        if (table.vhds) {
          references_.Set(Stored(kTable, name),
                          {{ResourceType::kVirtualHosts,
                            {name, table.vhds_source, base::Cat("vhds.", name, "."),
                             table.vhds_fetch_timeout_ms}}});
          tables_.try_emplace(name,
                              Warming{DeadlineAfter(now, table.vhds_fetch_timeout_ms), false});
        } else {
          references_.Set(Stored(kTable, name), {});
        }
        break;
      }
      case ResourceType::kVirtualHosts:
        changed_routes_.insert(name);  // The table's name.
        break;
      case ResourceType::kScopedRoutes: {
        const config::RouteScope& scope = *store.scopes().Find(name);
        std::vector<Reference> references;
        if (!scope.table_name.empty()) {
          references.push_back({ResourceType::kRoutes, TableOfScope(scope.table_name)});
        }
        references_.Set(Stored(kScope, name), std::move(references));
        scopes_changed_ = true;
        break;
      }
      case ResourceType::kSecret:
        changed_secrets_.insert(name);
        break;
      case ResourceType::kExtensionConfig:
        changed_filter_configs_.insert(name);
        break;
      case ResourceType::kRuntime:
        break;  // A layer: the config thread merges them.
    }
  }
  for (const std::string& name : result.removed) {
    if (type == ResourceType::kCluster) {
      clusters_.erase(name);
      removed_clusters_.insert(name);
      references_.Set(Stored(kCluster, name), {});
    } else if (type == ResourceType::kListener) {
      listeners_.erase(name);
      removed_listeners_.insert(name);
      references_.Set(Stored(kListener, name), {});
    } else if (type == ResourceType::kScopedRoutes) {
      references_.Set(Stored(kScope, name), {});
      scopes_changed_ = true;
    }
  }
}

// As the connection managers with scopes want their tables.
Want Assembler::TableOfScope(const std::string& name) const {
  return {name, scoped_tables_, base::Cat("scoped_rds.rds.", name, "."), 15'000};
}

void Assembler::Warm(const config::Listener& listener, base::Monotonic now) {
  // Of several sources, the most patient one; 0 waits for ever.
  std::uint64_t timeout_ms = 1;
  const auto wait = [&](std::uint64_t other_ms) {
    timeout_ms = timeout_ms == 0 || other_ms == 0 ? 0 : std::max(timeout_ms, other_ms);
  };
  bool waits = false;
  for (const config::FilterChain& chain : listener.filter_chains) {
    if (chain.http == nullptr || chain.http->scoped == nullptr) continue;
    if (chain.http->scoped->over_xds) scoped_tables_ = chain.http->rds_source;
    wait(chain.http->scoped->fetch_timeout_ms);
  }
  for (const config::FilterChain& chain : listener.filter_chains) {
    VisitSecrets(chain, [&](const config::SecretRef& ref) {
      wait(ref.fetch_timeout_ms);
      waits = true;
    });
    if (chain.http == nullptr) continue;
    if (!chain.http->rds_name.empty() || chain.http->scoped != nullptr) {
      wait(chain.http->rds_fetch_timeout_ms);
      waits = true;
    }
    for (const config::HttpFilter& filter : chain.http->filters) {
      if (filter.discovery == nullptr) continue;
      wait(filter.discovery->fetch_timeout_ms);
      waits = true;
    }
  }
  listeners_[listener.name] = {DeadlineAfter(now, waits ? timeout_ms : 15'000), false};
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

void Assembler::TakeClusters(Store& store, base::Monotonic now, config::Snapshot& next,
                             Update& update) {
  for (auto it = clusters_.begin(); it != clusters_.end();) {
    const auto* cluster = store.clusters().FindShared(it->first);
    const bool is_eds = (*cluster)->type == config::Cluster::Type::kEds;
    const std::string& service = (*cluster)->eds_service_name;
    if (is_eds && store.assignments().Find(service) == nullptr) {
      const bool expired = Expired(it->second, now);
      // No time-out empties a serving cluster: its older version goes on until there are hosts.
      if (expired) it->second.deadline.reset();
      if (!expired || next.clusters.Find(it->first) != nullptr) {
        ++it;
        continue;
      }
    }
    next.clusters.Set(it->first, *cluster);
    update.changes.clusters.push_back(it->first);
    references_.Set(Serving(kCluster, it->first), ReferencesOf(**cluster));
    store.MarkLive(ResourceType::kCluster, it->first);
    clusters_.erase(it++);
  }
  for (const std::string& name : removed_clusters_) {
    if (next.clusters.Erase(name)) update.changes.clusters.push_back(name);
    references_.Set(Serving(kCluster, name), {});
  }
  removed_clusters_.clear();
}

void Assembler::TakeAssignments(const Store& store, const config::Snapshot& next, Update& update) {
  base::StringSet added;
  const auto add = [&](const std::string& name) {
    const config::Cluster* cluster = next.clusters.Find(name);
    if (cluster == nullptr || cluster->type != config::Cluster::Type::kEds) return;
    if (!added.insert(name).second) return;
    const auto* assignment = store.assignments().FindShared(cluster->eds_service_name);
    // Timed out: an empty set, so that requests fail at once instead of waiting for hosts.
    update.assignments.emplace_back(
        name, assignment != nullptr ? *assignment : std::make_shared<config::Assignment>());
  };
  for (const std::string& name : update.changes.clusters) add(name);
  for (const std::string& service : std::exchange(changed_assignments_, {})) {
    for (const std::string& name :
         ServingNames(references_.Owners(ResourceType::kEndpoints, service), kCluster)) {
      const config::Cluster* cluster = next.clusters.Find(name);
      if (cluster != nullptr && cluster->eds_service_name == service) add(name);
    }
  }
}

void Assembler::TakeSecrets(const Store& store, config::Snapshot& next, Update& update) {
  for (const std::string& name : std::exchange(changed_secrets_, {})) {
    const auto* secret = store.secrets().FindShared(name);
    if (secret == nullptr) continue;
    next.secrets.Set(name, *secret);
    update.changes.secrets.push_back(name);
  }
}

void Assembler::TakeRoutes(const Store& store, base::Monotonic now, config::Snapshot& next,
                           Update& update) {
  base::StringSet pending = std::exchange(changed_routes_, {});
  for (auto& [name, warming] : tables_) {
    if (store.hosts_of(name) != nullptr || Expired(warming, now)) pending.insert(name);
  }
  for (const std::string& name : pending) {
    const auto* table = store.routes().FindShared(name);
    if (table == nullptr) continue;
    std::shared_ptr<const config::RouteTable> value = *table;
    if ((*table)->vhds) {
      const Store::Hosts* hosts = store.hosts_of(name);
      const auto waiting = tables_.find(name);
      if (hosts == nullptr && waiting != tables_.end() && !waiting->second.timed_out) continue;
      if (waiting != tables_.end()) tables_.erase(waiting);
      std::vector<std::shared_ptr<const config::VirtualHost>> list;
      if (hosts != nullptr) {
        for (const auto& [host, each] : *hosts) list.push_back(each);
      }
      value = config::AddVirtualHosts(**table, list);
    }
    next.route_tables.Set(name, std::move(value));
    update.changes.route_tables.push_back(name);
  }
}

void Assembler::TakeScopes(const Store& store, config::Snapshot& next, Update& update) {
  if (!std::exchange(scopes_changed_, false)) return;
  std::vector<std::shared_ptr<const config::RouteScope>> scopes;
  store.scopes().ForEach([&](std::string_view, const auto& scope) { scopes.push_back(scope); });
  next.scopes = config::MakeScopeTable(std::move(scopes));
  update.changes.scopes = true;
}

void Assembler::VisitMissing(
    const Store& store, const config::Snapshot& next, const config::Listener& listener,
    const std::function<void(std::string_view kind, std::string_view)>& visit) const {
  const auto table = [&](const std::string& name) {
    if (!name.empty() && next.route_tables.Find(name) == nullptr) visit("route table", name);
  };
  for (const config::FilterChain& chain : listener.filter_chains) {
    VisitSecrets(chain, [&](const config::SecretRef& ref) {
      if (next.secrets.Find(ref.sds_name) == nullptr) visit("secret", ref.sds_name);
    });
    if (chain.http == nullptr) continue;
    table(chain.http->rds_name);
    if (chain.http->scoped != nullptr) {
      const config::ScopedRoutes& scoped = *chain.http->scoped;
      if (scoped.over_xds && !scopes_answered_) visit("scopes", scoped.name);
      for (const auto& scope : scoped.scopes) table(scope->table_name);
      if (scoped.over_xds) {
        store.scopes().ForEach(
            [&](std::string_view, const auto& scope) { table(scope->table_name); });
      }
    }
    for (const config::HttpFilter& filter : chain.http->filters) {
      if (filter.discovery == nullptr || filter.discovery->default_without_warming) continue;
      if (FindFilterConfig(filter, store.extension_configs()) == nullptr) {
        visit("filter configuration", filter.name);
      }
    }
  }
}

std::vector<std::string> Assembler::MissingOf(const Store& store,
                                              const std::string& listener) const {
  std::vector<std::string> missing;
  if (const auto found = FindListener(store, listener)) {
    VisitMissing(store, *live_, *found, [&](std::string_view kind, std::string_view name) {
      missing.push_back(base::Cat(kind, " ", name));
    });
  }
  return missing;
}

void Assembler::TakeListeners(Store& store, base::Monotonic now, config::Snapshot& next,
                              Update& update) {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    const auto listener = FindListener(store, it->first);
    bool warm = true;
    VisitMissing(store, next, *listener, [&](std::string_view, std::string_view) { warm = false; });
    if (!warm && !Expired(it->second, now)) {
      ++it;
      continue;
    }
    const std::string& name = it->first;
    next.listeners.Set(name, ResolveFilters(listener, store.extension_configs()));
    if (HasDiscovery(*listener)) {
      unresolved_[name] = listener;
    } else {
      unresolved_.erase(name);
    }
    update.changes.listeners.push_back(name);
    references_.Set(Serving(kListener, name), ReferencesOf(*listener));
    store.MarkLive(ResourceType::kListener, name);
    listeners_.erase(it++);
  }
  for (const std::string& name : removed_listeners_) {
    if (next.listeners.Erase(name)) update.changes.listeners.push_back(name);
    references_.Set(Serving(kListener, name), {});
    unresolved_.erase(name);
  }
  removed_listeners_.clear();
}

// A configuration that arrived after its listener went live: the listener stays, its value changes.
void Assembler::TakeFilterConfigs(const Store& store, config::Snapshot& next, Update& update) {
  std::set<std::string> listeners;
  for (const std::string& name : std::exchange(changed_filter_configs_, {})) {
    for (std::string& owner :
         ServingNames(references_.Owners(ResourceType::kExtensionConfig, name), kListener)) {
      listeners.insert(std::move(owner));
    }
  }
  for (const std::string& name : listeners) {
    const auto it = unresolved_.find(name);
    const config::Listener* live = next.listeners.Find(name);
    if (it == unresolved_.end() || live == nullptr) continue;
    auto resolved = ResolveFilters(it->second, store.extension_configs());
    if (*resolved == *live) continue;
    next.listeners.Set(name, std::move(resolved));
    const auto& changed = update.changes.listeners;
    if (std::ranges::find(changed, name) == changed.end()) {
      update.changes.listeners.push_back(name);
    }
  }
}

void Assembler::TakeDropped(Store& store, config::Snapshot& next, Update& update) {
  for (auto dropped = references_.TakeDropped(); !dropped.empty();
       dropped = references_.TakeDropped()) {
    for (const auto& [type, name] : dropped) {
      store.Forget(type, name);
      if (type == ResourceType::kRoutes) {
        tables_.erase(name);
        references_.Set(Stored(kTable, name), {});
        if (next.route_tables.Erase(name)) update.changes.route_tables.push_back(name);
      }
      if (type == ResourceType::kSecret && next.secrets.Erase(name)) {
        update.changes.secrets.push_back(name);
      }
      if (type == ResourceType::kScopedRoutes) scopes_answered_ = false;
    }
  }
}

Update Assembler::Take(Store& store, base::Monotonic now) {
  Update update;
  auto next = std::make_shared<config::Snapshot>(*live_);
  TakeClusters(store, now, *next, update);
  TakeAssignments(store, *next, update);
  TakeSecrets(store, *next, update);
  TakeRoutes(store, now, *next, update);
  TakeScopes(store, *next, update);
  TakeListeners(store, now, *next, update);
  TakeFilterConfigs(store, *next, update);
  TakeDropped(store, *next, update);
  update.changes.runtime = next->runtime != runtime_;
  next->runtime = runtime_;
  if (!update.changes.empty()) {
    ++next->generation;
    live_ = next;
  }
  update.snapshot = live_;
  return update;
}

std::optional<base::Monotonic> Assembler::NextDeadline() const {
  std::optional<base::Monotonic> first;
  for (const auto* warming : {&clusters_, &listeners_, &tables_}) {
    for (const auto& [name, each] : *warming) {
      if (each.deadline && (!first || *each.deadline < *first)) first = each.deadline;
    }
  }
  return first;
}

std::vector<std::string> Assembler::WarmingClusters() const { return Keys(clusters_); }
std::vector<std::string> Assembler::WarmingListeners() const { return Keys(listeners_); }

}  // namespace sluice::xds
