#pragma once
// main: turns assembled updates into what workers adopt, in one piece per update, and binds or
// drains listeners. Nothing here takes longer than the change is big.
//
// Main's loop only.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/listener_tls.h"
#include "server/listeners.h"
#include "server/secret_files.h"
#include "server/worker.h"
#include "upstream/main_clusters.h"
#include "xds/assemble.h"

namespace sluice::server {

class Publisher {
 public:
  struct Options {
    net::Loop& loop;
    net::Resolver& resolver;
    observe::Registry& registry;
    base::Random& random;
    std::vector<std::unique_ptr<Worker>>& workers;
    std::vector<std::shared_ptr<const config::Secret>> static_secrets = {};
  };
  explicit Publisher(Options options);

  // Addresses that could not be bound, by listener; empty when all is well.
  std::vector<std::pair<std::string, absl::Status>> Publish(const xds::Update& update);

  Listeners& listeners() { return listeners_; }
  const ListenerTls& listener_tls() const { return listener_tls_; }
  upstream::MainClusters& clusters() { return clusters_; }
  // The snapshot published last; any thread.
  std::shared_ptr<const config::Snapshot> Current() const;

 private:
  void Send();
  void OnSecretFile();

  Options options_;
  observe::ClusterManagerStats& stats_;
  std::shared_ptr<WorkerUpdate> batch_;  // While Publish gathers.
  SecretFiles secret_files_;
  upstream::MainClusters clusters_;
  Listeners listeners_;
  ListenerTls listener_tls_;
  mutable base::Mutex mutex_;
  std::shared_ptr<const config::Snapshot> current_ SLUICE_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
