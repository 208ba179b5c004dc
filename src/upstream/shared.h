#pragma once
// The one mutable thing that workers share: circuit-breaker credits of a cluster. Atomics only.
//
// A worker leases credits in batches and gives unused ones back, so the sum over all workers never
// exceeds the limit and the common case touches no shared line. Limits <= 64 go one by one.
// envoy-behaviour.md 3.5; decisions 12.

#include <atomic>
#include <cstdint>

namespace sluice::upstream {

// The credits of one limit, for all workers.
class SharedLimit {
 public:
  void SetLimit(std::uint32_t limit) { limit_.store(limit, std::memory_order_relaxed); }
  std::uint32_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // Takes up to `wanted` credits; how many it got.
  std::uint32_t Take(std::uint32_t wanted);
  void Give(std::uint32_t credits) { taken_.fetch_sub(credits, std::memory_order_relaxed); }
  std::uint32_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::uint32_t> taken_{0};
  std::atomic<std::uint32_t> limit_{1024};
};

struct SharedBreaker {
  SharedLimit connections;
  SharedLimit pending;
  SharedLimit requests;
  SharedLimit retries;
};

// One worker's share of one limit. Worker's thread only.
class Lease {
 public:
  Lease(SharedLimit& shared, unsigned workers) : shared_(shared), workers_(workers) {}
  ~Lease() { Return(); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  bool TryAcquire();
  void Release();
  std::uint32_t used() const { return used_; }
  // Gives back what is leased and not used.
  void Return();

 private:
  std::uint32_t Batch() const;

  SharedLimit& shared_;
  unsigned workers_;
  std::uint32_t leased_ = 0;
  std::uint32_t used_ = 0;
};

}  // namespace sluice::upstream
