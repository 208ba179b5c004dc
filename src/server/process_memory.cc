#include "server/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <fstream>

namespace sluice::server {

ProcessMemory ReadProcessMemory() {
  const struct mallinfo2 info = mallinfo2();
  ProcessMemory memory;
  memory.allocated = info.uordblks + info.hblkhd;
  memory.heap = info.arena + info.hblkhd;
  memory.heap_free = info.fordblks;
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (statm >> size_pages >> resident_pages) {
    memory.physical = resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return memory;
}

}  // namespace sluice::server
