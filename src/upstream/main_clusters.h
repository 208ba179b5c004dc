#pragma once
// main: the endpoints of every cluster, now. Resolves names, takes assignments, builds host sets
// and TLS contexts, and hands the results to whoever publishes them to the workers.
//
// Main's loop only, but View(), which any thread may take. envoy-behaviour.md 3.2.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/random.h"
#include "config/snapshot.h"
#include "net/dns.h"
#include "net/loop.h"
#include "observe/registry.h"
#include "upstream/clusters.h"

namespace sluice::upstream {

// What admin shows of a cluster.
struct ClusterView {
  std::shared_ptr<const config::Cluster> config;
  std::shared_ptr<const HostSet> hosts;  // Null: not known yet.
  std::shared_ptr<const SharedBreaker> breaker;
};
using ClustersView = config::ShardedMap<ClusterView>;

class MainClusters {
 public:
  struct Options {
    net::Loop& loop;
    net::Resolver& resolver;
    observe::Registry& registry;
    base::Random& random;
    unsigned workers = 1;
    // Called inline from the members below and from DNS answers.
    std::function<void(const ClusterParts&)> set;
    std::function<void(const std::string& name, std::shared_ptr<const HostSet>)> set_hosts;
    std::function<void(const std::string& name)> remove;
  };
  explicit MainClusters(Options options);
  ~MainClusters();
  MainClusters(const MainClusters&) = delete;
  MainClusters& operator=(const MainClusters&) = delete;

  // Adds or replaces. A replaced cluster starts with the endpoints it knows.
  void Set(std::shared_ptr<const config::Cluster> cluster);
  void SetAssignment(std::string_view name, std::shared_ptr<const config::Assignment> assignment);
  void Remove(std::string_view name);

  std::shared_ptr<const ClustersView> View() const;
  // For a client of main's own (the control plane's channel): current addresses of a cluster.
  std::shared_ptr<const HostSet> Hosts(std::string_view name) const;

 private:
  struct Entry;
  struct NameQuery;
  void StartQueries(Entry& entry, const Entry* previous);
  void Ask(Entry& entry, NameQuery& query);
  void OnAnswer(Entry& entry, NameQuery& query, net::DnsAnswer answer);
  void Rebuild(Entry& entry);
  std::shared_ptr<const net::TlsClientContext> TlsContext(const config::UpstreamTls& tls);
  static void CountTables(Entry& entry);
  void PublishView(Entry& entry);

  Options options_;
  base::StringMap<std::unique_ptr<Entry>> entries_;
  base::StringMap<std::weak_ptr<const net::TlsClientContext>> tls_contexts_;
  mutable base::Mutex view_mutex_;
  std::shared_ptr<const ClustersView> view_ SLUICE_GUARDED_BY(view_mutex_);
};

}  // namespace sluice::upstream
