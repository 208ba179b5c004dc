#pragma once
// Pipes that splice(2) moves bytes through, lent while bytes are in flight.
//
// Loop's thread only. Each pipe is two descriptors and kernel memory, so their number is bounded:
// past it the caller copies.

#include <cstdint>
#include <vector>

#include "net/socket.h"

namespace sluice::net {

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

class PipePool {
 public:
  static constexpr std::size_t kInUseMax = 512;
  // What one pipe holds: the system's default.
  static constexpr std::size_t kPipeBytes = 64 * 1024;

  PipePool() = default;
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;

  // False: too many are in use, or the system has none.
  bool Take(Pipe& pipe);
  // `empty`: nothing is left in it, so that it can be lent again.
  void Give(Pipe pipe, bool empty);
  std::size_t in_use() const { return in_use_; }

 private:
  static constexpr std::size_t kFreeMax = 16;
  std::vector<Pipe> free_;
  std::size_t in_use_ = 0;
};

}  // namespace sluice::net
