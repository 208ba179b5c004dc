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
  void Add(std::int64_t n) { Set(Get() + n); }
  // REQUIRES: |n| < 2^62.
  void Set(std::int64_t n) { cell_.store(n * 2 + 1, std::memory_order_relaxed); }
  std::int64_t Get() const { return cell_.load(std::memory_order_relaxed) >> 1; }
  // Ever written: a gauge that came back to 0 is still shown.
  bool Used() const { return cell_.load(std::memory_order_relaxed) != 0; }

 private:
  std::atomic<std::int64_t> cell_{0};  // Twice the value, plus 1 once written.
};

// Log-linear buckets over unsigned values (milliseconds, microseconds, bytes): 8 steps per power of
// two, so a quantile is off by at most 12.5 %. Rendered into Envoy's bucket bounds at scrape.
// Buckets are allocated in chunks, each by the first Record that needs it, and found in the order
// of first sight: most clusters see few different values, and one whole table would be 2.4 kB.
class Histogram {
 public:
  static constexpr unsigned kSteps = 8;
  static constexpr unsigned kBuckets = kSteps + (40 - 3) * kSteps;  // Values up to 2^40.

  Histogram() = default;
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  ~Histogram() {
    for (Chunk* chunk = first_.load(std::memory_order_relaxed); chunk != nullptr;) {
      Chunk* next = chunk->next.load(std::memory_order_relaxed);
      delete chunk;
      chunk = next;
    }
  }

  void Record(std::uint64_t value) {
    const unsigned bucket = BucketOf(value);
    std::atomic<Chunk*>* link = &first_;
    Chunk* chunk = link->load(std::memory_order_relaxed);
    while (chunk != nullptr && chunk->index != bucket / kChunkBuckets) {
      link = &chunk->next;
      chunk = link->load(std::memory_order_relaxed);
    }
    if (chunk == nullptr) {
      chunk = new Chunk(bucket / kChunkBuckets);
      link->store(chunk, std::memory_order_release);
    }
    chunk->cells[bucket % kChunkBuckets].Add();
    count_.Add();
    sum_.Add(value);
  }
  std::uint64_t Count() const { return count_.Get(); }
  std::uint64_t Sum() const { return sum_.Get(); }
  std::uint64_t BucketCount(unsigned bucket) const {
    std::uint64_t found = 0;
    ForEach([&](unsigned each, std::uint64_t count) { found += each == bucket ? count : 0; });
    return found;
  }
  // visit(unsigned bucket, std::uint64_t count) for each bucket that has been allocated.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Chunk* chunk = first_.load(std::memory_order_acquire); chunk != nullptr;
         chunk = chunk->next.load(std::memory_order_acquire)) {
      for (unsigned i = 0; i < kChunkBuckets; ++i) {
        visit(chunk->index * kChunkBuckets + i, chunk->cells[i].Get());
      }
    }
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
  static constexpr unsigned kChunkBuckets = 16;
  static_assert(kBuckets % kChunkBuckets == 0);
  struct Chunk {
    explicit Chunk(unsigned index_in) : index(index_in) {}
    const unsigned index;
    Counter cells[kChunkBuckets];
    std::atomic<Chunk*> next{nullptr};
  };

  std::atomic<Chunk*> first_{nullptr};
  Counter count_;
  Counter sum_;
};

// One counter per status code 100 to 599 that was seen, in the order of first sight: real upstreams
// use a handful of codes, so a short walk beats a 4 kB table per cluster and worker.
class CodeCounters {
 public:
  CodeCounters() = default;
  CodeCounters(const CodeCounters&) = delete;
  CodeCounters& operator=(const CodeCounters&) = delete;
  ~CodeCounters() {
    for (Chunk* chunk = first_.load(std::memory_order_relaxed); chunk != nullptr;) {
      Chunk* next = chunk->next.load(std::memory_order_relaxed);
      delete chunk;
      chunk = next;
    }
  }

  // Codes outside 100 to 599 are not counted.
  void Add(int code) {
    if (code < 100 || code > 599) return;
    const auto wanted = static_cast<std::uint16_t>(code);
    std::atomic<Chunk*>* link = &first_;
    for (;;) {
      Chunk* chunk = link->load(std::memory_order_relaxed);
      if (chunk == nullptr) {
        chunk = new Chunk;
        link->store(chunk, std::memory_order_release);
      }
      for (unsigned i = 0; i < kPerChunk; ++i) {
        const std::uint16_t held = chunk->codes[i].load(std::memory_order_relaxed);
        if (held != wanted && held != 0) continue;
        chunk->counts[i].Add();
        if (held == 0) chunk->codes[i].store(wanted, std::memory_order_release);
        return;
      }
      link = &chunk->next;
    }
  }
  std::uint64_t Get(int code) const {
    std::uint64_t count = 0;
    ForEach([&](int held, std::uint64_t n) { count += held == code ? n : 0; });
    return count;
  }
  // visit(int code, std::uint64_t count) for each code seen, in no order.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const Chunk* chunk = first_.load(std::memory_order_acquire); chunk != nullptr;
         chunk = chunk->next.load(std::memory_order_acquire)) {
      for (unsigned i = 0; i < kPerChunk; ++i) {
        const int code = chunk->codes[i].load(std::memory_order_acquire);
        if (code != 0) visit(code, chunk->counts[i].Get());
      }
    }
  }

 private:
  static constexpr unsigned kPerChunk = 6;
  struct Chunk {
    std::atomic<std::uint16_t> codes[kPerChunk]{};  // 0: free.
    Counter counts[kPerChunk];
    std::atomic<Chunk*> next{nullptr};
  };
  std::atomic<Chunk*> first_{nullptr};
};

}  // namespace sluice::observe
