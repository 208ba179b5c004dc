#include "upstream/main_clusters.h"

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/status.h"
#include "upstream/tls_rules.h"

namespace sluice::upstream {
namespace {

net::DnsFamily FamilyOf(config::DnsOptions::Family family) {
  switch (family) {
    case config::DnsOptions::Family::kAuto:
      return net::DnsFamily::kAuto;
    case config::DnsOptions::Family::kV4Only:
      return net::DnsFamily::kV4Only;
    case config::DnsOptions::Family::kV6Only:
      return net::DnsFamily::kV6Only;
    case config::DnsOptions::Family::kV4Preferred:
      return net::DnsFamily::kV4Preferred;
    case config::DnsOptions::Family::kAll:
      return net::DnsFamily::kAll;
  }
  return net::DnsFamily::kAuto;
}

bool IsDns(const config::Cluster& cluster) {
  return cluster.type == config::Cluster::Type::kStrictDns ||
         cluster.type == config::Cluster::Type::kLogicalDns;
}

}  // namespace

// One name of a cluster, asked for again and again.
struct MainClusters::NameQuery {
  MainClusters* owner = nullptr;
  Entry* entry = nullptr;
  std::string name;
  std::vector<base::Address> addresses;  // The last good answer, port 0.
  bool answered = false;
  std::uint64_t ticket = 0;  // 0: none under way.
  unsigned failures = 0;
  net::Timer timer;
};

struct MainClusters::Entry {
  std::shared_ptr<const config::Cluster> config;
  std::shared_ptr<const net::TlsClientContext> tls;
  std::shared_ptr<SharedBreaker> breaker;
  std::shared_ptr<const config::Assignment> assignment;  // EDS; null: none yet.
  std::shared_ptr<const HostSet> hosts;
  std::vector<std::unique_ptr<NameQuery>> queries;
  observe::ClusterMainStats* stats = nullptr;
  bool tls_broken = false;
};

MainClusters::MainClusters(Options options)
    : options_(std::move(options)), view_(std::make_shared<ClustersView>()) {}

MainClusters::~MainClusters() {
  for (auto& [name, entry] : entries_) {
    for (const auto& query : entry->queries) {
      if (query->ticket != 0) options_.resolver.Cancel(query->ticket);
    }
  }
}

std::shared_ptr<const net::TlsClientContext> MainClusters::TlsContext(
    const config::UpstreamTls& tls) {
  // Contexts are shared: each one of the system's CAs costs milliseconds and megabytes.
  std::string key;
  const auto add = [&key](std::string_view part) { base::Append(key, part.size(), ":", part); };
  for (const std::string& part :
       {tls.ca_pem, tls.certificate_pem, tls.private_key_pem, tls.rules.crl_pem,
        tls.parameters.ciphers, tls.parameters.curves, tls.parameters.signature_algorithms}) {
    add(part);
  }
  for (const auto* pins : {&tls.rules.spki_sha256, &tls.rules.certificate_sha256}) {
    base::Append(key, pins->size(), ".");
    for (const std::string& pin : *pins) add(pin);
  }
  base::Append(key, tls.rules.allow_expired ? 1 : 0, tls.rules.only_leaf_crl ? 1 : 0, ".",
               tls.rules.verify_depth_max, ".");
  base::Append(key, tls.verify ? 1 : 0, ".", tls.version_min, ".", tls.version_max);
  for (const std::string& protocol : tls.alpn) base::Append(key, ".", protocol);
  std::weak_ptr<const net::TlsClientContext>& known = tls_contexts_[key];
  if (auto context = known.lock()) return context;
  net::TlsClientOptions options;
  options.ca_pem = tls.ca_pem;
  options.verify = tls.verify;
  options.certificate_pem = tls.certificate_pem;
  options.private_key_pem = tls.private_key_pem;
  options.version_min = tls.version_min;
  options.version_max = tls.version_max;
  options.alpn = tls.alpn;
  options.ciphers = tls.parameters.ciphers;
  options.curves = tls.parameters.curves;
  options.signature_algorithms = tls.parameters.signature_algorithms;
  options.verification = RulesOf(tls.rules);
  options.verification.accept_untrusted = false;  // `verify` says that.
  auto made = net::NewTlsClientContext(options);
  if (!made.ok()) {
    SLUICE_LOG(kError, kUpstream, "TLS context: ", base::MessageOf(made.status()));
    return nullptr;
  }
  known = *made;
  return *made;
}

void MainClusters::Set(std::shared_ptr<const config::Cluster> cluster) {
  std::unique_ptr<Entry>& slot = entries_[cluster->name];
  const std::unique_ptr<Entry> previous = std::move(slot);
  slot = std::make_unique<Entry>();
  Entry& entry = *slot;
  entry.config = std::move(cluster);
  if (previous != nullptr) {
    entry.breaker = previous->breaker;
    entry.assignment = previous->assignment;
    entry.hosts = previous->hosts;
  } else {
    entry.breaker = std::make_shared<SharedBreaker>();
  }
  entry.stats = &options_.registry.Get<observe::ClusterMainStats>(
      observe::Scope::kClusterMain, entry.config->stat_name, observe::Registry::kMainOwner);
  if (previous != nullptr) {
    options_.registry.Release(observe::Scope::kClusterMain, previous->config->stat_name,
                              observe::Registry::kMainOwner);
  }
  const config::BreakerLimits& limits = entry.config->breakers[0];
  entry.breaker->connections.SetLimit(limits.connections_max);
  entry.breaker->pending.SetLimit(limits.pending_max);
  entry.breaker->requests.SetLimit(limits.requests_max);
  entry.breaker->retries.SetLimit(limits.retry_budget_millionths.has_value()
                                      ? std::numeric_limits<std::uint32_t>::max()
                                      : limits.retries_max);
  if (entry.config->tls) {
    entry.tls = TlsContext(*entry.config->tls);
    entry.tls_broken = entry.tls == nullptr;  // Fails closed: such a cluster has no hosts.
  }
  if (IsDns(*entry.config)) StartQueries(entry, previous.get());
  if (previous != nullptr) {
    for (const auto& query : previous->queries) {
      if (query->ticket != 0) options_.resolver.Cancel(query->ticket);
    }
  }
  Rebuild(entry);
  options_.set({entry.config, entry.tls, entry.breaker, entry.hosts});
}

// Endpoint i of a DNS cluster has query i; endpoints with an IP keep an empty one.
void MainClusters::StartQueries(Entry& entry, const Entry* previous) {
  for (const config::Endpoint& endpoint : entry.config->assignment.endpoints) {
    auto query = std::make_unique<NameQuery>();
    query->owner = this;
    query->entry = &entry;
    query->name = endpoint.dns_name;
    query->timer.Set(
        [](void* self) {
          auto& due = *static_cast<NameQuery*>(self);
          due.owner->Ask(*due.entry, due);
        },
        query.get());
    if (previous != nullptr) {
      for (const auto& old : previous->queries) {
        if (old->name != query->name || !old->answered) continue;
        query->addresses = old->addresses;
        query->answered = true;
      }
    }
    entry.queries.push_back(std::move(query));
  }
  for (const auto& query : entry.queries) {
    if (!query->name.empty()) Ask(entry, *query);
  }
}

void MainClusters::Ask(Entry& entry, NameQuery& query) {
  entry.stats->update_attempt.Add();
  query.ticket = options_.resolver.Resolve(
      query.name, FamilyOf(entry.config->dns.family),
      [this, &entry, &query](net::DnsAnswer answer) { OnAnswer(entry, query, std::move(answer)); });
}

void MainClusters::OnAnswer(Entry& entry, NameQuery& query, net::DnsAnswer answer) {
  const config::DnsOptions& dns = entry.config->dns;
  query.ticket = 0;
  std::uint64_t again_ms = dns.refresh_ms;
  if (answer.status == net::DnsAnswer::Status::kFailure) {
    entry.stats->update_failure.Add();
    const std::uint64_t ceiling =
        std::min(dns.failure_max_ms, dns.failure_base_ms << std::min(query.failures, 16U));
    ++query.failures;
    again_ms =
        std::max<std::uint64_t>(1, options_.random.Next() % std::max<std::uint64_t>(ceiling, 1));
    SLUICE_LOG(kWarning, kDns, "cluster ", entry.config->name, ": ", query.name,
               " does not resolve (", answer.error, "); the last answer stays");
  } else {
    entry.stats->update_success.Add();
    if (answer.status == net::DnsAnswer::Status::kNoRecords) entry.stats->update_empty.Add();
    query.failures = 0;
    query.addresses = std::move(answer.addresses);
    if (dns.respect_ttl && answer.ttl_s > 0) again_ms = std::uint64_t{answer.ttl_s} * 1000;
  }
  query.answered = true;
  query.timer.Arm(options_.loop.timers(), again_ms);
  const std::shared_ptr<const HostSet> before = entry.hosts;
  Rebuild(entry);
  if (entry.hosts != before) options_.set_hosts(entry.config->name, entry.hosts);
}

void MainClusters::SetAssignment(std::string_view name,
                                 std::shared_ptr<const config::Assignment> assignment) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  Entry& entry = *it->second;
  entry.assignment = std::move(assignment);
  const std::shared_ptr<const HostSet> before = entry.hosts;
  Rebuild(entry);
  if (entry.hosts != before) options_.set_hosts(entry.config->name, entry.hosts);
}

// Makes entry.hosts from what is known; keeps the old object when nothing differs.
void MainClusters::Rebuild(Entry& entry) {
  const config::Cluster& config = *entry.config;
  std::vector<config::Endpoint> endpoints;
  const config::Assignment* policy = &config.assignment;
  if (entry.tls_broken) {
  } else if (config.type == config::Cluster::Type::kEds) {
    if (entry.assignment == nullptr) return PublishView(entry);
    endpoints = entry.assignment->endpoints;
    policy = entry.assignment.get();
  } else if (IsDns(config)) {
    bool any_answered = false;
    for (std::size_t i = 0; i < entry.queries.size(); ++i) {
      const NameQuery& query = *entry.queries[i];
      any_answered = any_answered || query.answered || query.name.empty();
      const config::Endpoint& model = config.assignment.endpoints[i];
      if (query.name.empty()) endpoints.push_back(model);
      for (const base::Address& address : query.addresses) {
        config::Endpoint endpoint = model;
        endpoint.address = address;
        endpoint.address.set_port(model.dns_port);
        endpoints.push_back(std::move(endpoint));
        if (config.type == config::Cluster::Type::kLogicalDns) break;
      }
    }
    if (!any_answered) return PublishView(entry);
  } else {
    endpoints = config.assignment.endpoints;
  }
  auto hosts = BuildHostSet(endpoints, entry.hosts.get(),
                            {config.panic_threshold_percent, policy->drop_percent_millionths,
                             options_.workers, config.balancing, policy->overprovisioning_percent});
  if (entry.hosts == nullptr || !(*hosts == *entry.hosts)) {
    entry.hosts = std::move(hosts);
    entry.stats->membership_change.Add();
  } else {
    entry.stats->update_no_rebuild.Add();
  }
  entry.stats->membership_total.Set(static_cast<std::int64_t>(entry.hosts->hosts.size()));
  entry.stats->membership_healthy.Set(entry.hosts->healthy);
  entry.stats->membership_degraded.Set(
      std::ranges::count(entry.hosts->hosts, config::Endpoint::Health::kDegraded, &Host::health));
  std::uint32_t heaviest = 0;
  for (const Host& host : entry.hosts->hosts) heaviest = std::max(heaviest, host.weight);
  entry.stats->max_host_weight.Set(heaviest);
  CountTables(entry);
  PublishView(entry);
}

void MainClusters::CountTables(Entry& entry) {
  std::uint64_t size = 0;
  std::uint64_t fewest = UINT64_MAX;
  std::uint64_t most = 0;
  for (const HostLot& lot : entry.hosts->lots) {
    if (lot.table == nullptr) continue;
    size += lot.table->size();
    fewest = std::min(fewest, lot.table->fewest());
    most = std::max(most, lot.table->most());
  }
  if (size == 0) fewest = 0;
  const auto policy = entry.config->balancing.policy;
  const auto set = [](observe::Gauge& gauge, std::uint64_t value) {
    gauge.Set(static_cast<std::int64_t>(value));
  };
  if (policy == config::LoadBalancing::Policy::kRingHash) {
    set(entry.stats->ring_hash_lb_size, size);
    set(entry.stats->ring_hash_lb_min_hashes_per_host, fewest);
    set(entry.stats->ring_hash_lb_max_hashes_per_host, most);
  } else if (policy == config::LoadBalancing::Policy::kMaglev) {
    set(entry.stats->maglev_lb_min_entries_per_host, fewest);
    set(entry.stats->maglev_lb_max_entries_per_host, most);
  }
}

void MainClusters::PublishView(Entry& entry) {
  auto shown =
      std::make_shared<const ClusterView>(ClusterView{entry.config, entry.hosts, entry.breaker});
  auto next = std::make_shared<ClustersView>(*View());
  next->Set(entry.config->name, std::move(shown));
  const base::MutexLock lock(view_mutex_);
  view_ = std::move(next);
}

void MainClusters::Remove(std::string_view name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  Entry& entry = *it->second;
  for (const auto& query : entry.queries) {
    if (query->ticket != 0) options_.resolver.Cancel(query->ticket);
  }
  options_.registry.Release(observe::Scope::kClusterMain, entry.config->stat_name,
                            observe::Registry::kMainOwner);
  const std::string removed(name);
  entries_.erase(it);
  {
    auto next = std::make_shared<ClustersView>(*View());
    next->Erase(removed);
    const base::MutexLock lock(view_mutex_);
    view_ = std::move(next);
  }
  options_.remove(removed);
}

std::shared_ptr<const ClustersView> MainClusters::View() const {
  const base::MutexLock lock(view_mutex_);
  return view_;
}

std::shared_ptr<const HostSet> MainClusters::Hosts(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : it->second->hosts;
}

}  // namespace sluice::upstream
