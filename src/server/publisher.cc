#include "server/publisher.h"

#include "base/log.h"
#include "base/status.h"

namespace sluice::server {

Publisher::Publisher(Options options)
    : options_(options),
      stats_(options.registry.Get<observe::ClusterManagerStats>(observe::Scope::kClusterManager, "",
                                                                observe::Registry::kMainOwner)),
      secret_files_(options.loop, [this] { OnSecretFile(); }),
      clusters_({options.loop, options.resolver, options.registry, options.random,
                 static_cast<unsigned>(options.workers.size()),
                 [this](const upstream::ClusterParts& parts) {
                   if (batch_ != nullptr) {
                     batch_->clusters.push_back(parts);
                     return;
                   }
                   batch_ = std::make_shared<WorkerUpdate>();
                   batch_->clusters.push_back(parts);
                   Send();
                 },
                 [this](const std::string& name, std::shared_ptr<const upstream::HostSet> hosts) {
                   stats_.cluster_updated.Add();
                   const bool alone = batch_ == nullptr;
                   if (alone) batch_ = std::make_shared<WorkerUpdate>();
                   batch_->hosts.emplace_back(name, std::move(hosts));
                   if (alone) Send();
                 },
                 [this](const std::string& name) {
                   if (batch_ != nullptr) batch_->removed_clusters.push_back(name);
                 }}),
      listeners_({options.loop, options.registry, options.workers}),
      listener_tls_(secret_files_, options.workers, options.static_secrets) {}

void Publisher::OnSecretFile() {
  const std::shared_ptr<const config::Snapshot> current = Current();
  if (current != nullptr) listener_tls_.Refresh(*current);
}

void Publisher::Send() {
  std::shared_ptr<const WorkerUpdate> update = std::exchange(batch_, nullptr);
  if (update->empty()) return;
  for (const std::unique_ptr<Worker>& worker : options_.workers) worker->Apply(update);
}

std::vector<std::pair<std::string, absl::Status>> Publisher::Publish(const xds::Update& update) {
  const std::shared_ptr<const config::Snapshot> before = Current();
  batch_ = std::make_shared<WorkerUpdate>();
  for (const std::string& name : update.changes.clusters) {
    const bool known = before != nullptr && before->clusters.Find(name) != nullptr;
    if (const auto* cluster = update.snapshot->clusters.FindShared(name)) {
      (known ? stats_.cluster_modified : stats_.cluster_added).Add();
      clusters_.Set(*cluster);
    } else {
      stats_.cluster_removed.Add();
      clusters_.Remove(name);
    }
  }
  for (const auto& [name, assignment] : update.assignments) {
    clusters_.SetAssignment(name, assignment);
  }
  stats_.active_clusters.Set(static_cast<std::int64_t>(update.snapshot->clusters.size()));
  if (!update.changes.empty()) batch_->snapshot = update.snapshot;
  Send();  // Workers know the configuration before the first connection that needs it.
  {
    const base::MutexLock lock(mutex_);
    current_ = update.snapshot;
  }
  std::vector<std::pair<std::string, absl::Status>> failed;
  for (const std::string& name : update.changes.listeners) {
    if (update.snapshot->listeners.Find(name) != nullptr) continue;
    listeners_.Remove(name);
    listener_tls_.Remove(name);
  }
  for (const std::string& name : update.changes.listeners) {
    const auto* listener = update.snapshot->listeners.FindShared(name);
    if (listener == nullptr) continue;
    listener_tls_.Set(*listener, *update.snapshot);
    absl::Status status = listeners_.Set(*listener);
    if (status.ok()) continue;
    SLUICE_LOG(kError, kConfig, "listener ", name, ": ", base::MessageOf(status));
    failed.emplace_back(name, std::move(status));
  }
  listeners_.CloseOrphans();
  if (!update.changes.secrets.empty()) listener_tls_.Refresh(*update.snapshot);
  secret_files_.Sweep();
  return failed;
}

std::shared_ptr<const config::Snapshot> Publisher::Current() const {
  const base::MutexLock lock(mutex_);
  return current_;
}

}  // namespace sluice::server
