#pragma once
// A bounded byte ring of access-log records between one worker and the log thread: no lock, no
// system call, no allocation. Full means drop: a slow disk never holds a worker up.

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/check.h"

namespace sluice::observe {

class LogRing {
 public:
  // `bytes` is rounded up to a power of two. Pages are touched only as records pass.
  explicit LogRing(std::size_t bytes)
      : capacity_(std::bit_ceil(bytes < kMin ? kMin : bytes)),
        bytes_(std::make_unique_for_overwrite<char[]>(capacity_)) {}
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  std::size_t capacity() const { return capacity_; }

  // Producer. False when there is no room; nothing is written then. `sink` travels with the record.
  bool Push(std::uint32_t sink, std::string_view record) {
    if (record.size() > capacity_ / 2) return false;
    const std::size_t need = Padded(record.size());
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail + need - head_seen_ > capacity_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail + need - head_seen_ > capacity_) return false;
    }
    const Header header{static_cast<std::uint32_t>(record.size()), sink};
    Write(tail, {reinterpret_cast<const char*>(&header), sizeof(header)});
    Write(tail + sizeof(header), record);
    // Sequentially consistent, with the consumer's sleep flag: see LogWriter::Wake.
    tail_.store(tail + need, std::memory_order_seq_cst);
    return true;
  }
  // Producer: an upper bound of the bytes waiting, cheap.
  std::size_t WaitingAtMost() const {
    return static_cast<std::size_t>(tail_.load(std::memory_order_relaxed) - head_seen_);
  }
  // Producer: the bytes waiting.
  std::size_t Waiting() {
    head_seen_ = head_.load(std::memory_order_acquire);
    return WaitingAtMost();
  }

  // Consumer. take(sink, first, second) for each record waiting at the call, in order; a record
  // that wraps comes in two parts. Returns how many.
  template <typename Take>
  std::size_t Drain(Take take) {
    const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    std::size_t records = 0;
    while (head != tail) {
      Header header;
      std::memcpy(&header, bytes_.get() + At(head), sizeof(header));  // Aligned: never wraps.
      const std::size_t start = At(head + sizeof(header));
      const std::size_t first = std::min<std::size_t>(header.size, capacity_ - start);
      take(header.sink, std::string_view(bytes_.get() + start, first),
           std::string_view(bytes_.get(), header.size - first));
      head += Padded(header.size);
      head_.store(head, std::memory_order_release);
      ++records;
    }
    return records;
  }
  // Consumer.
  bool Empty() const {
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_seq_cst);
  }

 private:
  static constexpr std::size_t kMin = 4096;
  struct Header {
    std::uint32_t size;
    std::uint32_t sink;
  };

  static std::size_t Padded(std::size_t size) {
    return (sizeof(Header) + size + 7) & ~std::size_t{7};
  }
  std::size_t At(std::uint64_t position) const {
    return static_cast<std::size_t>(position & (capacity_ - 1));
  }
  void Write(std::uint64_t position, std::string_view text) {
    const std::size_t start = At(position);
    const std::size_t first = std::min(text.size(), capacity_ - start);
    std::memcpy(bytes_.get() + start, text.data(), first);
    if (first < text.size()) std::memcpy(bytes_.get(), text.data() + first, text.size() - first);
  }

  const std::size_t capacity_;
  const std::unique_ptr<char[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // Written by the producer.
  std::uint64_t head_seen_ = 0;                     // The producer's copy of head_.
  alignas(64) std::atomic<std::uint64_t> head_{0};  // Written by the consumer.
};

}  // namespace sluice::observe
