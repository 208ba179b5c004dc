#pragma once
// How a worker's exchanges hold the configuration they started with. Decisions 2.
//
// Worker's thread only: the counter is not atomic. A snapshot that is no longer current and whose
// last pin is gone is handed to `retire`, because workers never free configuration.

#include <cstdint>
#include <memory>
#include <utility>

#include "config/snapshot.h"

namespace sluice::proxy {

// Takes what a worker lets go of, to be freed on another thread (post it there).
struct Retire {
  void (*retire)(void* owner, std::shared_ptr<const void> garbage) = nullptr;  // Null: freed here.
  void* owner = nullptr;

  void operator()(std::shared_ptr<const void> garbage) const {
    if (retire != nullptr && garbage != nullptr) retire(owner, std::move(garbage));
  }
};

class SnapshotPin;

class SnapshotHolder {
 public:
  explicit SnapshotHolder(Retire retire) : retire_(retire) {}
  // REQUIRES: no pin is left.
  ~SnapshotHolder();
  SnapshotHolder(const SnapshotHolder&) = delete;
  SnapshotHolder& operator=(const SnapshotHolder&) = delete;

  // Makes `snapshot` current; the one before lives until its last pin ends.
  void Adopt(std::shared_ptr<const config::Snapshot> snapshot);
  // REQUIRES: something was adopted.
  SnapshotPin Pin();

  const config::Snapshot* current() const;  // Null before the first Adopt.
  // Counts Adopt calls: what caches of something looked up in current() compare.
  std::uint64_t version() const { return version_; }
  // Snapshots not yet retired, the current one included.
  std::size_t alive() const { return alive_; }

 private:
  friend class SnapshotPin;
  struct Node {
    std::shared_ptr<const config::Snapshot> snapshot;
    SnapshotHolder* holder;
    std::uint64_t pins;
  };
  void Unpin(Node* node);

  Retire retire_;
  Node* current_ = nullptr;
  std::uint64_t version_ = 0;
  std::size_t alive_ = 0;
};

// Movable; ends at destruction or reset().
class SnapshotPin {
 public:
  SnapshotPin() = default;
  SnapshotPin(SnapshotPin&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  SnapshotPin& operator=(SnapshotPin&& other) noexcept {
    if (this != &other) {
      reset();
      node_ = std::exchange(other.node_, nullptr);
    }
    return *this;
  }
  ~SnapshotPin() { reset(); }

  void reset() {
    if (node_ != nullptr) node_->holder->Unpin(std::exchange(node_, nullptr));
  }
  explicit operator bool() const { return node_ != nullptr; }
  const config::Snapshot& operator*() const { return *node_->snapshot; }
  const config::Snapshot* operator->() const { return node_->snapshot.get(); }

 private:
  friend class SnapshotHolder;
  explicit SnapshotPin(SnapshotHolder::Node* node) : node_(node) {}
  SnapshotHolder::Node* node_ = nullptr;
};

}  // namespace sluice::proxy
