#pragma once
// A contiguous byte buffer that borrows its storage from a per-worker pool only while it holds
// bytes: an idle connection owns no buffer.
//
// Loop's thread only. Blocks are 16 KiB; a buffer may grow (by copy) to a limit its owner names.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::net {

class BufferPool {
 public:
  static constexpr std::size_t kBlockBytes = 16 * 1024;
  // `bytes_max` bounds what all buffers of the pool may hold at once; past it Reserve fails.
  explicit BufferPool(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  std::size_t bytes_in_use() const { return bytes_in_use_; }

 private:
  friend class Buffer;
  char* Take(std::size_t bytes);  // Null past bytes_max.
  void Give(char* block, std::size_t bytes);

  std::vector<char*> free_;  // At most 64 blocks of kBlockBytes.
  std::size_t bytes_in_use_ = 0;
  const std::size_t bytes_max_;
};

class Buffer {
 public:
  explicit Buffer(BufferPool& pool) : pool_(pool) {}
  ~Buffer() { Release(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::string_view data() const { return {block_ + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  // Makes room for at least one more byte, moving or growing up to `bytes_max` in all; the space
  // after data(). Empty when full at that size or when the pool is exhausted. Invalidates views.
  std::span<char> Reserve(std::size_t bytes_max);
  void Commit(std::size_t bytes) { end_ += bytes; }
  // Drops bytes from the front; an emptied buffer keeps its block until Release().
  void Consume(std::size_t bytes);
  // Gives the block back. REQUIRES: empty(), else the bytes are lost.
  void Release();

 private:
  BufferPool& pool_;
  char* block_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace sluice::net
