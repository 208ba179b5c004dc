// Clusters and endpoints that went from the configuration but not yet from a client's routes.

#include <algorithm>

#include "watches.h"
#include "watches_types.h"

namespace sluice::control {
namespace {

constexpr Type kLingeringTypes[] = {Type::kClusters, Type::kEndpoints};

}  // namespace

void SnapshotHistory::Add(const std::shared_ptr<const Snapshot>& snapshot) {
  if (snapshot == nullptr) return;
  AddOne(snapshot);
  for (const Snapshot::Fleet& fleet : snapshot->fleets) AddOne(fleet.snapshot);
}

void SnapshotHistory::AddOne(const std::shared_ptr<const Snapshot>& snapshot) {
  // Only changes of clusters matter here.
  if (FindByClusters(snapshot->Of(Type::kClusters).version) != nullptr) return;
  newest_first_.push_front(snapshot);
  if (newest_first_.size() > kKept) newest_first_.pop_back();
}

std::shared_ptr<const Snapshot> SnapshotHistory::FindByClusters(std::string_view version) const {
  const auto found = std::find_if(newest_first_.begin(), newest_first_.end(), [&](const auto& s) {
    return s->Of(Type::kClusters).version == version;
  });
  return found == newest_first_.end() ? nullptr : *found;
}

std::shared_ptr<const Snapshot> SnapshotHistory::FindByCluster(std::string_view name,
                                                               std::string_view version) const {
  const auto found = std::find_if(newest_first_.begin(), newest_first_.end(), [&](const auto& s) {
    const auto& clusters = s->Of(Type::kClusters).resources;
    const auto cluster = clusters.find(name);
    return cluster != clusters.end() && cluster->second->version == version;
  });
  return found == newest_first_.end() ? nullptr : *found;
}

void Watch::KeepLingering(const Snapshot& next) {
  const bool routed = Of(Type::kListeners).subscribed || Of(Type::kRoutes).subscribed;
  for (const Type type : kLingeringTypes) {
    auto& lingering = lingering_[static_cast<std::size_t>(type)];
    const auto& resources = next.Of(type).resources;
    std::erase_if(lingering, [&](const auto& entry) { return resources.contains(entry.first); });
    const TypeState& state = Of(type);
    if (!routed || options_.only || snapshot_->Of(type).version == next.Of(type).version) continue;
    for (const auto& [name, resource] : snapshot_->Of(type).resources) {
      if (state.known.contains(name) && !resources.contains(name)) lingering[name] = resource;
    }
  }
}

void Watch::LingerFrom(const Snapshot& old) {
  for (const Type type : kLingeringTypes) {
    const auto& resources = snapshot_->Of(type).resources;
    for (const auto& [name, resource] : old.Of(type).resources) {
      if (!resources.contains(name)) lingering_[static_cast<std::size_t>(type)][name] = resource;
    }
  }
  reconnected_ = !lingering_[0].empty();
}

void Watch::LingerAfterReconnect(const TypeState& state) {
  if (options_.history == nullptr || snapshot_ == nullptr || options_.only || !state.wildcard) {
    return;
  }
  if (options_.protocol == Protocol::kStateOfTheWorld) {
    const auto old = options_.history->FindByClusters(state.claimed_version);
    if (old != nullptr) LingerFrom(*old);
    return;
  }
  const auto& clusters = snapshot_->Of(Type::kClusters).resources;
  for (const auto& [name, version] : state.known) {
    if (clusters.contains(name)) continue;
    const auto old = options_.history->FindByCluster(name, version);
    if (old == nullptr) continue;
    lingering_[0][name] = old->Of(Type::kClusters).resources.find(name)->second;
    const auto& endpoints = old->Of(Type::kEndpoints).resources;
    const auto assignment = endpoints.find(name);
    if (assignment != endpoints.end()) lingering_[1][name] = assignment->second;
    reconnected_ = true;
  }
}

}  // namespace sluice::control
