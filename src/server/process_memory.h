#pragma once
// What memory this process uses, from the allocator and the kernel. Any thread.

#include <cstdint>

namespace sluice::server {

struct ProcessMemory {
  std::uint64_t allocated = 0;  // Handed out by malloc and not freed.
  std::uint64_t heap = 0;       // What malloc took from the kernel.
  std::uint64_t heap_free = 0;  // Of that, not handed out.
  std::uint64_t physical = 0;   // Resident set size.
};

// Walks malloc's lists of free chunks, arena by arena: microseconds to a few milliseconds.
ProcessMemory ReadProcessMemory();

}  // namespace sluice::server
