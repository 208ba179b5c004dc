// main builds, workers read.
#include "upstream/hash_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "base/xxhash.h"

namespace sluice::upstream {
namespace {

constexpr std::uint32_t kFree = UINT32_MAX;

std::uint64_t HashOf(std::string_view text, config::LoadBalancing::Hash hash) {
  return hash == config::LoadBalancing::Hash::kXx ? base::XxHash64(text) : MurmurHash2(text);
}

}  // namespace

std::uint64_t MurmurHash2(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995ULL;
  constexpr std::uint64_t kSeed = 0xc70f6907ULL;
  const auto mix = [](std::uint64_t value) { return value ^ (value >> 47); };
  const char* at = text.data();
  const std::size_t aligned = text.size() & ~std::size_t{7};
  std::uint64_t hash = kSeed ^ (text.size() * kMultiplier);
  for (const char* const end = at + aligned; at != end; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    hash = (hash ^ (mix(word * kMultiplier) * kMultiplier)) * kMultiplier;
  }
  if (const std::size_t rest = text.size() - aligned; rest != 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, rest);
    hash = (hash ^ word) * kMultiplier;
  }
  return mix(mix(hash) * kMultiplier);
}

HashTable::HashTable(const std::vector<HashMember>& members,
                     const config::LoadBalancing& balancing) {
  SLUICE_CHECK(!members.empty());
  if (balancing.policy == config::LoadBalancing::Policy::kMaglev) {
    BuildTable(members, balancing.table_size);
  } else {
    BuildRing(members, balancing);
  }
}

void HashTable::Count(std::uint64_t entries) {
  fewest_ = std::min(fewest_, entries);
  most_ = std::max(most_, entries);
}

// The lightest member gets at least one mark and, sizes permitting, all get whole ones; fractions
// carry over to the next, so that the sum is the ring's size.
void HashTable::BuildRing(const std::vector<HashMember>& members,
                          const config::LoadBalancing& balancing) {
  double lightest = 1.0;
  for (const HashMember& member : members) lightest = std::min(lightest, member.weight);
  const double scale =
      std::min(std::ceil(lightest * static_cast<double>(balancing.ring_min)) / lightest,
               static_cast<double>(balancing.ring_max));
  const auto size = static_cast<std::size_t>(std::ceil(scale));
  ring_.reserve(size);
  double made = 0;
  double wanted = 0;
  std::string text;
  for (const HashMember& member : members) {
    wanted += scale * member.weight;
    std::uint64_t marks = 0;
    for (; made < wanted; made += 1, ++marks) {
      text.clear();
      base::Append(text, member.key, "_", marks);
      ring_.push_back({HashOf(text, balancing.hash), member.host});
    }
    Count(marks);
  }
  std::sort(ring_.begin(), ring_.end(), [](const Mark& a, const Mark& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.host < b.host;
  });
}

// Members take turns in claiming the next free slot of their own permutation; a lighter one
// claims only in the rounds its weight earns.
void HashTable::BuildTable(const std::vector<HashMember>& members, std::uint64_t size) {
  struct Claimant {
    std::uint64_t slot;
    std::uint64_t skip;
    double wanted = 0;
    std::uint64_t taken = 0;
  };
  // A fixed order makes the table depend on the set of members alone.
  std::vector<const HashMember*> order;
  for (const HashMember& member : members) order.push_back(&member);
  std::sort(order.begin(), order.end(),
            [](const HashMember* a, const HashMember* b) { return a->key < b->key; });
  double heaviest = 0;
  std::vector<Claimant> claimants;
  for (const HashMember* member : order) {
    heaviest = std::max(heaviest, member->weight);
    claimants.push_back(
        {base::XxHash64(member->key) % size, base::XxHash64(member->key, 1) % (size - 1) + 1});
  }
  table_.assign(size, kFree);
  std::uint64_t filled = 0;
  for (std::uint64_t round = 1; filled < size; ++round) {
    for (std::size_t i = 0; i < order.size() && filled < size; ++i) {
      Claimant& claimant = claimants[i];
      if (static_cast<double>(round) * order[i]->weight < claimant.wanted) continue;
      claimant.wanted += heaviest;
      while (table_[claimant.slot] != kFree) {
        claimant.slot = (claimant.slot + claimant.skip) % size;
      }
      table_[claimant.slot] = order[i]->host;
      ++claimant.taken;
      ++filled;
    }
  }
  for (const Claimant& claimant : claimants) Count(claimant.taken);
}

std::uint32_t HashTable::Find(std::uint64_t hash) const {
  if (!table_.empty()) return table_[hash % table_.size()];
  const auto it = std::lower_bound(ring_.begin(), ring_.end(), hash,
                                   [](const Mark& mark, std::uint64_t h) { return mark.hash < h; });
  return it == ring_.end() ? ring_.front().host : it->host;
}

}  // namespace sluice::upstream
