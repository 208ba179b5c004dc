#include "upstream/shared.h"

#include <algorithm>

namespace sluice::upstream {

std::uint32_t SharedLimit::Take(std::uint32_t wanted) {
  std::uint32_t taken = taken_.load(std::memory_order_relaxed);
  while (true) {
    const std::uint32_t limit = limit_.load(std::memory_order_relaxed);
    if (taken >= limit) return 0;
    const std::uint32_t got = std::min(wanted, limit - taken);
    if (taken_.compare_exchange_weak(taken, taken + got, std::memory_order_relaxed)) return got;
  }
}

std::uint32_t Lease::Batch() const {
  const std::uint32_t limit = shared_.limit();
  if (limit <= 64) return 1;
  return std::max<std::uint32_t>(1, limit / 8 / std::max(workers_, 1U));
}

bool Lease::TryAcquire() {
  if (used_ >= leased_) {
    leased_ += shared_.Take(Batch());
    if (used_ >= leased_) return false;
  }
  ++used_;
  return true;
}

void Lease::Release() {
  --used_;
  const std::uint32_t batch = Batch();
  // Keeps a batch at hand until Return(); small limits go back one by one, at once.
  const std::uint32_t keep = batch == 1 ? 0 : batch;
  const std::uint32_t spare = leased_ - used_;
  if (spare > 2 * keep) {
    shared_.Give(spare - keep);
    leased_ -= spare - keep;
  }
}

void Lease::Return() {
  if (leased_ > used_) {
    shared_.Give(leased_ - used_);
    leased_ = used_;
  }
}

}  // namespace sluice::upstream
