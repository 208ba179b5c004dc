#pragma once
// Counter cells: written by one thread, read by admin at scrape, no lock, no shared cache line.
//
// A block of cells belongs to one worker (or main). Registry (observe/registry.h) hands blocks out
// and sums them per stat name at scrape. Decisions 8.

#include <atomic>
#include <bit>
#include <cstdint>

namespace sluice::observe {

// Written by its owning thread only; any thread reads.
class Counter {
 public:
  void Add(std::uint64_t n = 1) {
    cell_.store(cell_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t Get() const { return cell_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> cell_{0};
};

class Gauge {
 public:
  void Add(std::int64_t n) {
    cell_.store(cell_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Set(std::int64_t n) { cell_.store(n, std::memory_order_relaxed); }
  std::int64_t Get() const { return cell_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> cell_{0};
};

// Log-linear buckets over unsigned values (milliseconds, microseconds, bytes): 8 steps per power of
// two, so a quantile is off by at most 12.5 %. Rendered into Envoy's bucket bounds at scrape.
class Histogram {
 public:
  static constexpr unsigned kSteps = 8;
  static constexpr unsigned kBuckets = kSteps + (40 - 3) * kSteps;  // Values up to 2^40.

  void Record(std::uint64_t value) {
    Bump(buckets_[BucketOf(value)]);
    count_.Add();
    sum_.Add(value);
  }
  std::uint64_t Count() const { return count_.Get(); }
  std::uint64_t Sum() const { return sum_.Get(); }
  std::uint64_t BucketCount(unsigned bucket) const {
    return buckets_[bucket].load(std::memory_order_relaxed);
  }

  static unsigned BucketOf(std::uint64_t value) {
    if (value < kSteps) return static_cast<unsigned>(value);
    const auto log = static_cast<unsigned>(std::bit_width(value)) - 1;  // >= 3
    if (log >= 40) return kBuckets - 1;
    return kSteps + (log - 3) * kSteps + static_cast<unsigned>(value >> (log - 3) & (kSteps - 1));
  }
  // Smallest value of a bucket; BucketFloor(b + 1) is its exclusive upper bound.
  static std::uint64_t BucketFloor(unsigned bucket) {
    if (bucket < kSteps) return bucket;
    const unsigned log = (bucket - kSteps) / kSteps + 3;
    return (std::uint64_t{kSteps} + (bucket - kSteps) % kSteps) << (log - 3);
  }

 private:
  static void Bump(std::atomic<std::uint32_t>& cell) {
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  std::atomic<std::uint32_t> buckets_[kBuckets]{};
  Counter count_;
  Counter sum_;
};

}  // namespace sluice::observe
