#pragma once
// All compiled configuration of one moment: an immutable tree of shared parts.
//
// Built on the config thread, published by main, read by workers and admin, freed on the config
// thread. A change copies one shard of one map and the top arrays, never a whole map.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "config/cluster.h"
#include "config/listener.h"
#include "config/route.h"
#include "config/runtime.h"
#include "config/secret.h"

namespace sluice::config {

// Name to shared value in 256 shards. Copying copies 256 pointers; Set and Erase copy one shard.
template <typename T>
class ShardedMap {
 public:
  using Value = std::shared_ptr<const T>;

  const T* Find(std::string_view name) const {
    const Value* value = FindShared(name);
    return value == nullptr ? nullptr : value->get();
  }
  const Value* FindShared(std::string_view name) const {
    const std::size_t hash = Hash(name);
    const auto& shard = shards_[hash % kShards];
    if (shard == nullptr) return nullptr;
    const auto it = shard->find(name);
    return it == shard->end() ? nullptr : &it->second;
  }
  void Set(std::string_view name, Value value) {
    auto& shard = shards_[Hash(name) % kShards];
    auto copy = shard == nullptr ? std::make_shared<Shard>() : std::make_shared<Shard>(*shard);
    const bool added = copy->insert_or_assign(std::string(name), std::move(value)).second;
    shard = std::move(copy);
    size_ += added ? 1 : 0;
  }
  bool Erase(std::string_view name) {
    auto& shard = shards_[Hash(name) % kShards];
    if (shard == nullptr || !shard->contains(name)) return false;
    auto copy = std::make_shared<Shard>(*shard);
    copy->erase(copy->find(name));
    shard = std::move(copy);
    --size_;
    return true;
  }
  std::size_t size() const { return size_; }
  // In no particular order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& shard : shards_) {
      if (shard == nullptr) continue;
      for (const auto& [name, value] : *shard) visit(std::string_view(name), value);
    }
  }

 private:
  static constexpr std::size_t kShards = 256;
  using Shard = base::StringMap<Value>;
  static std::size_t Hash(std::string_view name) { return base::StringHash{}(name); }

  std::array<std::shared_ptr<const Shard>, kShards> shards_;
  std::size_t size_ = 0;
};

struct Snapshot {
  std::uint64_t generation = 0;    // Counts publications; for logs and tests, not for decisions.
  ShardedMap<Listener> listeners;  // Warm ones only.
  ShardedMap<RouteTable> route_tables;       // By RouteConfiguration name (RDS).
  std::shared_ptr<const ScopeTable> scopes;  // Of SRDS; null: none arrived.
  ShardedMap<Cluster> clusters;              // Warm ones only.
  ShardedMap<Secret> secrets;                // By SDS name: static ones and delivered ones.
  std::shared_ptr<const Runtime> runtime;    // Null: no layer has a value.
};

// Which names differ from the snapshot published before. What adopt() visits.
struct ChangeList {
  std::vector<std::string> listeners;
  std::vector<std::string> route_tables;
  std::vector<std::string> clusters;
  std::vector<std::string> secrets;
  bool runtime = false;
  bool scopes = false;

  bool empty() const {
    return listeners.empty() && route_tables.empty() && clusters.empty() && secrets.empty() &&
           !runtime && !scopes;
  }
};

}  // namespace sluice::config
