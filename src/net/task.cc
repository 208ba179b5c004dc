#include "net/task.h"

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_FRAMES_FROM_MALLOC 1  // So that a use after free is seen as one.
#endif
#endif

namespace sluice::net {
namespace {

constexpr std::size_t kClassBytes = 64;
constexpr std::size_t kCachedBytesMax = 4096;
[[maybe_unused]] constexpr std::size_t kClasses = kCachedBytesMax / kClassBytes;
[[maybe_unused]] constexpr std::size_t kListBytesMax = 64 * 1024;  // Per size class and thread.

void* FromHeap(std::size_t bytes) {
  void* frame = std::malloc(bytes);
  SLUICE_CHECK(frame != nullptr);
  return frame;
}

#ifndef SLUICE_FRAMES_FROM_MALLOC

struct FreeFrameNode {
  FreeFrameNode* next;
};

struct FrameLists {
  FreeFrameNode* first[kClasses];
  std::uint16_t count[kClasses];
  bool closed;  // The thread is ending: frames go straight to the heap.
};

constinit thread_local FrameLists lists = {};

// Apart from the lists, so that their hot path needs no guard for a destructor.
struct ListsCloser {
  ListsCloser() {}
  ~ListsCloser() {
    lists.closed = true;
    for (FreeFrameNode*& first : lists.first) {
      while (first != nullptr) std::free(std::exchange(first, first->next));
    }
  }
  void Touch() {}
};
thread_local ListsCloser lists_closer;

#endif

}  // namespace

#ifdef SLUICE_FRAMES_FROM_MALLOC

void* AllocateFrame(std::size_t bytes) { return FromHeap(bytes); }
void FreeFrame(void* frame, std::size_t) { std::free(frame); }

#else

void* AllocateFrame(std::size_t bytes) {
  const std::size_t size_class = (bytes - 1) / kClassBytes;
  if (size_class >= kClasses) return FromHeap(bytes);
  FreeFrameNode*& first = lists.first[size_class];
  if (first != nullptr) {
    --lists.count[size_class];
    return std::exchange(first, first->next);
  }
  lists_closer.Touch();
  return FromHeap((size_class + 1) * kClassBytes);
}

void FreeFrame(void* frame, std::size_t bytes) {
  const std::size_t size_class = (bytes - 1) / kClassBytes;
  if (size_class >= kClasses || lists.closed ||
      lists.count[size_class] >= kListBytesMax / ((size_class + 1) * kClassBytes)) {
    std::free(frame);
    return;
  }
  ++lists.count[size_class];
  lists.first[size_class] = new (frame) FreeFrameNode{lists.first[size_class]};
}

#endif

}  // namespace sluice::net
