#include "upstream/clusters.h"

#include "base/strings.h"
#include "upstream/cluster.h"

namespace sluice::upstream {
namespace {

constexpr std::uint64_t kReturnCreditsMs = 1000;

}  // namespace

struct Clusters::State {
  explicit State(const WorkerParts& worker_parts)
      : parts(worker_parts), credits_timer(&State::OnCreditsTimer, this) {}

  static void OnCreditsTimer(void* self) {
    auto& state = *static_cast<State*>(self);
    for (auto& [name, cluster] : state.by_name) cluster->ReturnCredits();
    state.credits_timer.Arm(state.parts.loop.timers(), kReturnCreditsMs);
  }
  static void OnUnused(void* self, Cluster* cluster) {
    static_cast<State*>(self)->leaving.erase(cluster);
  }

  WorkerParts parts;
  net::Timer credits_timer;
  // Removed clusters with exchanges in flight; the last one frees it.
  absl::flat_hash_map<Cluster*, std::unique_ptr<Cluster>> leaving;
  base::StringMap<std::unique_ptr<Cluster>> by_name;
};

Clusters::Clusters(const WorkerParts& parts) : state_(std::make_unique<State>(parts)) {
  state_->credits_timer.Arm(parts.loop.timers(), kReturnCreditsMs);
}

// HTTP/2 connections have coroutines of their own, which end in turns of the loop.
Clusters::~Clusters() {
  const auto abort = [this] {
    bool any = false;
    for (auto& [name, cluster] : state_->by_name) any |= cluster->AbortH2();
    for (auto& [cluster, owned] : state_->leaving) any |= cluster->AbortH2();
    return any;
  };
  while (abort()) state_->parts.loop.RunOnce(0);
}

void Clusters::Set(ClusterParts parts) {
  const std::string name = parts.config->name;
  auto it = state_->by_name.find(name);
  if (it != state_->by_name.end()) {
    it->second->Update(std::move(parts));
    return;
  }
  auto cluster = std::make_unique<Cluster>(state_->parts, std::move(parts));
  cluster->set_on_unused(&State::OnUnused, state_.get());
  state_->by_name.emplace(name, std::move(cluster));
}

void Clusters::SetHosts(std::string_view name, std::shared_ptr<const HostSet> hosts) {
  const auto it = state_->by_name.find(name);
  if (it != state_->by_name.end()) it->second->SetHosts(std::move(hosts));
}

void Clusters::Remove(std::string_view name) {
  const auto it = state_->by_name.find(name);
  if (it == state_->by_name.end()) return;
  std::unique_ptr<Cluster> cluster = std::move(it->second);
  state_->by_name.erase(it);
  cluster->Retain();  // Closing idle connections below must not free it under us.
  cluster->MarkRemoved();
  Cluster* raw = cluster.get();
  state_->leaving.emplace(raw, std::move(cluster));
  raw->Unretain();
}

Cluster* Clusters::Find(std::string_view name) {
  const auto it = state_->by_name.find(name);
  return it == state_->by_name.end() ? nullptr : it->second.get();
}

std::size_t Clusters::size() const { return state_->by_name.size(); }

void Clusters::CloseIdle() {
  for (auto& [name, cluster] : state_->by_name) cluster->CloseIdle();
}

}  // namespace sluice::upstream
