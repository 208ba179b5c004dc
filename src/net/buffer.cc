#include "net/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace sluice::net {
namespace {

#if defined(__has_feature) && __has_feature(address_sanitizer)
constexpr std::size_t kFreeBlocksMax = 0;  // So that a use after Release is seen as one.
#else
constexpr std::size_t kFreeBlocksMax = 64;
#endif

}  // namespace

BufferPool::~BufferPool() {
  SLUICE_DCHECK(bytes_in_use_ == 0);
  for (char* block : free_) std::free(block);
}

char* BufferPool::Take(std::size_t bytes) {
  if (bytes > bytes_max_ - bytes_in_use_) return nullptr;
  char* block = nullptr;
  if (bytes == kBlockBytes && !free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else {
    block = static_cast<char*>(std::malloc(bytes));
    if (block == nullptr) return nullptr;
  }
  bytes_in_use_ += bytes;
  return block;
}

void BufferPool::Give(char* block, std::size_t bytes) {
  bytes_in_use_ -= bytes;
  if (bytes == kBlockBytes && free_.size() < kFreeBlocksMax) {
    free_.push_back(block);
  } else {
    std::free(block);
  }
}

std::span<char> Buffer::Reserve(std::size_t bytes_max) {
  const std::size_t size = end_ - begin_;
  if (size >= bytes_max) return {};
  if (block_ == nullptr) {
    block_ = pool_.Take(BufferPool::kBlockBytes);
    if (block_ == nullptr) return {};
    capacity_ = BufferPool::kBlockBytes;
  }
  const std::size_t tail = capacity_ - end_;
  // Moving little to the front beats reading into a sliver.
  const bool sliver = tail < capacity_ / 8 && size <= capacity_ / 4;
  if (begin_ > 0 && (tail == 0 || sliver)) {
    std::memmove(block_, block_ + begin_, size);
    begin_ = 0;
    end_ = size;
  } else if (tail == 0) {
    // Size == capacity_ < bytes_max here.
    const std::size_t grown = std::min(2 * capacity_, std::max(bytes_max, capacity_ + 1));
    char* block = pool_.Take(grown);
    if (block == nullptr) return {};
    std::memcpy(block, block_, size);
    pool_.Give(block_, capacity_);
    block_ = block;
    capacity_ = grown;
  }
  return {block_ + end_, std::min(capacity_ - end_, bytes_max - size)};
}

void Buffer::Consume(std::size_t bytes) {
  SLUICE_DCHECK(bytes <= end_ - begin_);
  begin_ += bytes;
  if (begin_ == end_) begin_ = end_ = 0;
}

void Buffer::Release() {
  if (block_ != nullptr) pool_.Give(block_, capacity_);
  block_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

}  // namespace sluice::net
