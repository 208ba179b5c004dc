#include "net/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace sluice::net {

bool PipePool::Take(Pipe& pipe) {
  if (in_use_ >= kInUseMax) return false;
  if (!free_.empty()) {
    pipe = std::move(free_.back());
    free_.pop_back();
  } else {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return false;
    pipe.read = FileDescriptor(ends[0]);
    pipe.write = FileDescriptor(ends[1]);
  }
  ++in_use_;
  return true;
}

void PipePool::Give(Pipe pipe, bool empty) {
  --in_use_;
  if (empty && free_.size() < kFreeMax) free_.push_back(std::move(pipe));
}

}  // namespace sluice::net
