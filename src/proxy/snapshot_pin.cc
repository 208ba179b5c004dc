#include "proxy/snapshot_pin.h"

#include "base/check.h"

namespace sluice::proxy {

SnapshotHolder::~SnapshotHolder() {
  if (current_ != nullptr) Unpin(std::exchange(current_, nullptr));
  SLUICE_DCHECK(alive_ == 0);
}

void SnapshotHolder::Adopt(std::shared_ptr<const config::Snapshot> snapshot) {
  SLUICE_DCHECK(snapshot != nullptr);
  // Being current is a pin, too.
  Node* previous = std::exchange(current_, new Node{std::move(snapshot), this, 1});
  ++alive_;
  ++version_;
  if (previous != nullptr) Unpin(previous);
}

SnapshotPin SnapshotHolder::Pin() {
  SLUICE_DCHECK(current_ != nullptr);
  ++current_->pins;
  return SnapshotPin(current_);
}

const config::Snapshot* SnapshotHolder::current() const {
  return current_ == nullptr ? nullptr : current_->snapshot.get();
}

void SnapshotHolder::Unpin(Node* node) {
  if (--node->pins > 0) return;
  --alive_;
  retire_(std::move(node->snapshot));
  delete node;
}

}  // namespace sluice::proxy
