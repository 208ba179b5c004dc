#pragma once
// main builds, workers read: from a request's hash to a host, so that the same hash keeps its host
// while others come and go. Ketama ring and Maglev table, both as Envoy builds them.
//
// Pure. envoy-behaviour.md 3.4.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/load_balancing.h"

namespace sluice::upstream {

// A host that may be chosen.
struct HashMember {
  std::string key;     // What is hashed: its address, or its name.
  std::uint32_t host;  // What a look-up answers.
  double weight;       // Of 1.0 in all.
};

class HashTable {
 public:
  // REQUIRES: policy kRingHash or kMaglev; members not empty, weights > 0.
  HashTable(const std::vector<HashMember>& members, const config::LoadBalancing& balancing);

  std::uint32_t Find(std::uint64_t hash) const;
  std::size_t size() const { return table_.empty() ? ring_.size() : table_.size(); }
  // Entries of the member that has fewest, and most.
  std::uint64_t fewest() const { return fewest_; }
  std::uint64_t most() const { return most_; }

 private:
  struct Mark {
    std::uint64_t hash;
    std::uint32_t host;
  };
  void BuildRing(const std::vector<HashMember>& members, const config::LoadBalancing& balancing);
  void BuildTable(const std::vector<HashMember>& members, std::uint64_t size);
  void Count(std::uint64_t entries);

  std::vector<Mark> ring_;  // Sorted by hash.
  std::vector<std::uint32_t> table_;
  std::uint64_t fewest_ = UINT64_MAX;
  std::uint64_t most_ = 0;
};

// MurmurHash2 of 64 bits with the seed of libstdc++, as Envoy's MURMUR_HASH_2.
std::uint64_t MurmurHash2(std::string_view text);

}  // namespace sluice::upstream
