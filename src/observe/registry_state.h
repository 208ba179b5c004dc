#pragma once
// The registry's table, shared by registry.cc (blocks) and registry_cursor.cc (reading).
//
// Everything here is guarded by State::mutex, but for the cells themselves and an Entry's
// constants.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "observe/registry.h"
#include "observe/stat_table.h"

namespace sluice::observe {

struct HistogramTotals {
  std::vector<std::uint64_t> buckets;  // Empty: all 0.
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
};

// Sums of one Entry, by row of its BlockType.
struct Totals {
  std::vector<std::uint64_t> counters;
  std::map<std::size_t, HistogramTotals> histograms;
  std::map<int, std::uint64_t> codes;
};

// All blocks of one (scope, name).
struct Entry {
  struct Held {
    unsigned owner;
    unsigned references;
    void* block;
  };

  Entry(Scope scope_in, ScopeNames names_in)
      : scope(scope_in), type(BlockTypeOf(scope_in)), names(std::move(names_in)) {}
  ~Entry() {
    for (const Held& held : blocks) type.destroy(held.block);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  const Scope scope;
  const BlockType& type;
  const ScopeNames names;
  std::vector<Held> blocks;
  std::unique_ptr<Totals> remainder;  // Of blocks that were released.
  std::unique_ptr<Totals> baseline;   // What counters showed at the last ResetCounters.
};

struct Registry::State {
  // By the entry's own prefix, so that walks are sorted.
  using Entries = std::map<std::string_view, std::shared_ptr<Entry>>;

  mutable base::Mutex mutex;
  // By (scope, family prefix): the same statistics with different tag values.
  std::map<std::pair<Scope, std::string>, Entries> groups SLUICE_GUARDED_BY(mutex);
  std::map<std::string, std::string, std::less<>> texts SLUICE_GUARDED_BY(mutex);
};

// Adds one cell of `block` to what `entry` kept of it. All need the mutex.
std::uint64_t RawCounter(const Entry& entry, std::size_t row);
std::map<int, std::uint64_t> RawCodes(const Entry& entry, std::size_t row);
std::uint64_t BaselineCounter(const Entry& entry, std::size_t row);
std::uint64_t BaselineCode(const Entry& entry, int code);

template <typename Cell>
const Cell& CellAt(const void* block, const StatRow& row) {
  return *reinterpret_cast<const Cell*>(static_cast<const char*>(block) + row.offset);
}

}  // namespace sluice::observe
