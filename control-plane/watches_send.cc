// The half of a watch that decides what is sent, and when.

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "watches.h"
#include "watches_types.h"

namespace sluice::control {
namespace {

using Resources = std::vector<const Resource*>;

const Resource* Find(const Resources& sorted, std::string_view name) {
  const auto at = std::lower_bound(
      sorted.begin(), sorted.end(), name,
      [](const Resource* resource, std::string_view wanted) { return resource->name < wanted; });
  return at != sorted.end() && (*at)->name == name ? *at : nullptr;
}

constexpr Type kAllTypes[] = {Type::kClusters, Type::kEndpoints,    Type::kListeners,
                              Type::kRoutes,   Type::kVirtualHosts, Type::kSecrets};
static_assert(std::size(kAllTypes) == kTypes);
constexpr Type kLingeringTypes[] = {Type::kClusters, Type::kEndpoints};

constexpr std::size_t Index(Type type) { return static_cast<std::size_t>(type); }

}  // namespace

void Watch::SetSnapshot(std::shared_ptr<const Snapshot> root) {
  if (root == nullptr || root == root_) return;
  root_ = std::move(root);
  if (node_known_) Adopt(PickFleet(root_, node_, status_.fleet));
}

void Watch::Adopt(std::shared_ptr<const Snapshot> snapshot) {
  if (snapshot == nullptr || snapshot == snapshot_) return;
  if (snapshot_ != nullptr) KeepLingering(*snapshot);
  for (const Type type : kAllTypes) {
    if (snapshot_ == nullptr || snapshot_->Of(type).version != snapshot->Of(type).version) {
      Of(type).current = false;
    }
  }
  snapshot_ = std::move(snapshot);
  // Nobody waits for endpoints that went.
  const auto& endpoints = snapshot_->Of(Type::kEndpoints).resources;
  const auto gone = [&](const std::string& name) { return !endpoints.contains(name); };
  std::erase_if(awaited_endpoints_, gone);
  TypeState& state = Of(Type::kEndpoints);
  std::erase_if(state.owed,
                [&](const std::string& name) { return gone(name) && !state.names.contains(name); });
  patience_over_ = false;
  held_since_.reset();
  SendNext();
}

// Once the routes that named them are gone everywhere, what lingers may go; true when it went.
bool Watch::DropLingering() {
  if (lingering_[0].empty() && lingering_[1].empty()) return false;
  if (reconnected_ && !Of(Type::kRoutes).subscribed && !patience_over_) return false;
  for (const Type type : kAllTypes) {
    const TypeState& state = Of(type);
    if (!state.subscribed) continue;
    if (state.unacked || !state.current) return false;
    // Its old routes are still in use.
    if (type != Type::kEndpoints && !state.refused_version.empty()) return false;
  }
  for (const Type type : kLingeringTypes) {
    lingering_[Index(type)].clear();
    Of(type).current = false;
  }
  reconnected_ = false;
  return true;
}

void Watch::Sent() {
  in_flight_ = false;
  SendNext();
}

void Watch::Tick() {
  if (!held_since_ || clock_.Now() - *held_since_ < kWatchPatience) return;
  patience_over_ = true;
  awaited_endpoints_.clear();
  SendNext();
}

void Watch::SendNext() {
  if (snapshot_ == nullptr) return;
  while (!in_flight_) {
    held_ = false;
    const bool sent = std::any_of(std::begin(kAllTypes), std::end(kAllTypes),
                                  [this](Type type) { return TrySend(type); });
    if (sent) continue;
    const bool waits = reconnected_ && !Of(Type::kRoutes).subscribed;
    if (!held_ && !waits) {
      held_since_.reset();
    } else if (!held_since_) {
      held_since_ = clock_.Now();
    }
    if (!DropLingering()) return;
  }
}

bool Watch::TrySend(Type type) {
  TypeState& state = Of(type);
  if (!state.subscribed || state.unacked || state.current) return false;
  const Plan plan = MakePlan(type, state);
  if (!plan.due) {
    state.current = true;
    return false;
  }
  if (!state.asked && Held(type)) {
    held_ = true;
    return false;
  }
  Send(type, state, plan);
  return true;
}

// Whether a change of this type has to wait for what comes before it.
bool Watch::Held(Type type) const {
  if (type == Type::kClusters) return false;
  if (type == Type::kSecrets) return false;
  const bool routes = type > Type::kEndpoints;
  if (routes && !Of(Type::kClusters).refused_version.empty()) return true;
  if (patience_over_) return false;
  for (const Type before : kAllTypes) {
    if (before == type) break;
    const TypeState& state = Of(before);
    if (state.subscribed && (state.unacked || !state.current)) return true;
  }
  return routes && !awaited_endpoints_.empty();
}

std::vector<const Resource*> Watch::Wanted(Type type, const TypeState& state) const {
  static const std::map<std::string, std::shared_ptr<const Resource>, std::less<>> kNone;
  const auto& resources = snapshot_->Of(type).resources;
  const auto& lingering = Index(type) < lingering_.size() ? lingering_[Index(type)] : kNone;
  Resources wanted;
  if (state.wildcard) {
    wanted.reserve(resources.size() + lingering.size());
    for (const auto& [name, resource] : resources) {
      if (!resource->named_only || state.names.contains(name)) wanted.push_back(resource.get());
    }
    for (const auto& [name, resource] : lingering) wanted.push_back(resource.get());
    if (!lingering.empty()) {
      std::sort(wanted.begin(), wanted.end(),
                [](const Resource* a, const Resource* b) { return a->name < b->name; });
    }
    return wanted;
  }
  for (const std::string& name : state.names) {
    if (const auto at = resources.find(name); at != resources.end()) {
      wanted.push_back(at->second.get());
    } else if (const auto old = lingering.find(name); old != lingering.end()) {
      wanted.push_back(old->second.get());
    }
  }
  return wanted;
}

// Of what this client wants, not of all there is: a client that comes back with it surely has all
// of those resources, and changes elsewhere do not concern it.
std::string Watch::VersionOf(Type type, const TypeState& state, const Resources& wanted) const {
  const bool lingers = Index(type) < lingering_.size() && !lingering_[Index(type)].empty();
  // Not all listeners are everybody's.
  const bool all = state.wildcard && type != Type::kListeners;
  if (all && !lingers) return snapshot_->Of(type).version;
  std::string text;
  for (const Resource* resource : wanted) {
    text += resource->name;
    text += '\0';
    text += resource->version;
    text += '\0';
  }
  return ContentHash(text);
}

// A client that comes back with the version that it would get needs no answer.
void Watch::TakeClaim(Type type, TypeState& state, std::string_view version,
                      const Resources& wanted) {
  const std::string claimed = std::exchange(state.claimed_version, {});
  if (claimed.empty() || claimed != version) return;
  for (const Resource* resource : wanted) state.known[resource->name] = resource->version;
  state.asked = false;
  state.version = claimed;
  StatusOf(type).sent_version = claimed;
}

Watch::Plan Watch::MakePlan(Type type, TypeState& state) {
  Plan plan;
  const Resources wanted = Wanted(type, state);
  plan.version = VersionOf(type, state, wanted);
  TakeClaim(type, state, plan.version, wanted);
  if (!state.refused_version.empty()) {
    if (plan.version == state.refused_version && !state.asked) return plan;
    if (plan.version != state.refused_version) {
      for (const std::string& name : state.refused_names) state.known.erase(name);
      state.refused_names.clear();
      state.refused_version.clear();
    }
  }
  if (options_.protocol == Protocol::kDelta) {
    PlanDelta(state, wanted, plan);
  } else {
    PlanSotw(type, state, wanted, plan);
  }
  return plan;
}

void Watch::PlanSotw(Type type, TypeState& state, const Resources& wanted, Plan& plan) {
  for (const Resource* resource : wanted) {
    const auto at = state.known.find(resource->name);
    if (at == state.known.end() || at->second != resource->version ||
        state.owed.contains(resource->name)) {
      plan.include.push_back(resource);
    }
  }
  const auto gone = [&](const auto& entry) { return Find(wanted, entry.first) == nullptr; };
  plan.due = state.asked || !plan.include.empty();
  if (IsFullState(type)) {
    plan.due = plan.due || std::any_of(state.known.begin(), state.known.end(), gone);
    plan.include = wanted;
  } else {
    std::erase_if(state.known, gone);  // Not heard of by the client; sent again if it comes back.
  }
}

void Watch::PlanDelta(TypeState& state, const Resources& wanted, Plan& plan) {
  for (const Resource* resource : wanted) {
    const auto at = state.known.find(resource->name);
    if (at == state.known.end() || at->second != resource->version ||
        state.owed.contains(resource->name)) {
      plan.include.push_back(resource);
    }
  }
  std::set<std::string_view> removed;
  for (const auto& [name, version] : state.known) {
    if (Find(wanted, name) == nullptr) removed.insert(name);
  }
  for (const std::string& name : state.owed) {
    if ((state.wildcard || state.names.contains(name)) && Find(wanted, name) == nullptr) {
      removed.insert(name);
    }
  }
  plan.removed.assign(removed.begin(), removed.end());
  plan.due = state.asked || !plan.include.empty() || !plan.removed.empty();
}

// A client that got a cluster warms it until its endpoints come, again if they came before.
void Watch::OweEndpoints(const TypeState& clusters, const Plan& plan) {
  using envoy::config::cluster::v3::Cluster;
  TypeState& endpoints = Of(Type::kEndpoints);
  for (const Resource* resource : plan.include) {
    const auto at = clusters.known.find(resource->name);
    if (at != clusters.known.end() && at->second == resource->version) continue;
    Cluster cluster;
    if (!cluster.ParseFromString(resource->bytes) || cluster.type() != Cluster::EDS) continue;
    const std::string& service = cluster.eds_cluster_config().service_name();
    const std::string& name = service.empty() ? resource->name : service;
    if (!snapshot_->Of(Type::kEndpoints).resources.contains(name)) continue;
    endpoints.owed.insert(name);
    endpoints.current = false;
    if (!options_.only) awaited_endpoints_.insert(name);
  }
}

void Watch::Send(Type type, TypeState& state, const Plan& plan) {
  const bool delta = options_.protocol == Protocol::kDelta;
  if (type == Type::kClusters) OweEndpoints(state, plan);
  if (!delta && IsFullState(type)) state.known.clear();
  state.response_names.clear();
  for (const Resource* resource : plan.include) {
    state.known[resource->name] = resource->version;
    state.response_names.push_back(resource->name);
    if (type == Type::kEndpoints) awaited_endpoints_.erase(resource->name);
  }
  for (const std::string& name : plan.removed) state.known.erase(name);
  // Answered, if only by their absence; what nobody asked for yet stays owed.
  std::erase_if(state.owed, [&](const std::string& name) {
    return state.wildcard || state.names.contains(name);
  });
  state.asked = false;
  state.unacked = true;
  state.current = true;
  state.version = plan.version;
  state.nonce = base::Cat(next_nonce_++);
  ProxyStatus::OfType& status = StatusOf(type);
  status.sent_version = plan.version;
  status.changed = clock_.WallNow();
  ++counters_.pushes[Index(type)];
  in_flight_ = true;
  send_(cache_.Get({delta, type, plan.version, plan.include, plan.removed}, state.nonce));
}

}  // namespace sluice::control
