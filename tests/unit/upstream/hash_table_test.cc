// Ring and Maglev table as properties: weights hold, little moves when the set of hosts changes.

#include "upstream/hash_table.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string_view>

#include "base/strings.h"
#include "base/xxhash.h"

namespace sluice::upstream {
namespace {

using config::LoadBalancing;

constexpr LoadBalancing kRing = {.policy = LoadBalancing::Policy::kRingHash, .ring_min = 8192};
constexpr LoadBalancing kMurmurRing = {.policy = LoadBalancing::Policy::kRingHash,
                                       .ring_min = 8192,
                                       .hash = LoadBalancing::Hash::kMurmur2};
constexpr LoadBalancing kMaglev = {.policy = LoadBalancing::Policy::kMaglev};

std::vector<HashMember> Members(const std::vector<double>& weights) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  std::vector<HashMember> members;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    members.push_back({base::Cat("10.0.0.", i, ":80"), i, weights[i] / sum});
  }
  return members;
}

std::map<std::uint32_t, double> Shares(const HashTable& table) {
  constexpr int kKeys = 200'000;
  std::map<std::uint32_t, double> shares;
  for (int i = 0; i < kKeys; ++i) {
    shares[table.Find(base::XxHash64(base::Cat("client-", i)))] += 1.0 / kKeys;
  }
  return shares;
}

class HashTables : public testing::TestWithParam<LoadBalancing> {};
INSTANTIATE_TEST_SUITE_P(Kinds, HashTables, testing::Values(kRing, kMurmurRing, kMaglev),
                         [](const auto& info) {
                           return std::string(info.param == kMaglev ? "Maglev"
                                              : info.param == kRing ? "Ring"
                                                                    : "MurmurRing");
                         });

TEST_P(HashTables, SharesFollowWeights) {
  const auto shares = Shares(HashTable(Members({1, 2, 3, 4}), GetParam()));
  const double tolerance = GetParam() == kMaglev ? 0.005 : 0.06;
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_NEAR(shares.at(i), (i + 1) / 10.0, tolerance);
}

TEST_P(HashTables, TheSameHashKeepsItsHostAndOneThatLeavesMovesLittle) {
  std::vector<HashMember> members = Members(std::vector<double>(20, 1));
  const HashTable before(members, GetParam());
  const HashTable again(members, GetParam());
  members.erase(members.begin() + 7);
  for (HashMember& member : members) member.weight = 1.0 / 19;
  const HashTable after(members, GetParam());
  int moved = 0;
  int had_to = 0;
  constexpr int kKeys = 50'000;
  for (int i = 0; i < kKeys; ++i) {
    const std::uint64_t hash = base::XxHash64(base::Cat(i));
    EXPECT_EQ(before.Find(hash), again.Find(hash));
    if (before.Find(hash) == 7) {
      ++had_to;
      EXPECT_NE(after.Find(hash), 7U);
    } else if (before.Find(hash) != after.Find(hash)) {
      ++moved;
    }
  }
  EXPECT_GT(had_to, kKeys / 40);
  // A ring moves nothing but the marks that its size change costs; Maglev promises "a few".
  EXPECT_LT(moved, kKeys / 20) << "of " << kKeys;
}

TEST_P(HashTables, OneMemberTakesAll) {
  const HashTable table(Members({5}), GetParam());
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(table.Find(i * 0x123456789ABCDEFULL), 0U);
  EXPECT_EQ(table.Find(0), 0U);
  EXPECT_EQ(table.Find(UINT64_MAX), 0U);
}

TEST(HashTable, TheOrderOfMembersDoesNotMatterToMaglev) {
  std::vector<HashMember> members = Members({1, 2, 3});
  const HashTable one(members, kMaglev);
  std::swap(members[0], members[2]);
  const HashTable other(members, kMaglev);
  for (std::uint64_t i = 0; i < 65537; ++i) EXPECT_EQ(one.Find(i), other.Find(i));
}

TEST(HashTable, RingSizesAreKept) {
  const HashTable least(Members({1, 1, 1}), {.policy = LoadBalancing::Policy::kRingHash});
  EXPECT_GE(least.size(), 1024U);
  EXPECT_LE(least.size(), 1027U);
  EXPECT_EQ(least.most() - least.fewest(), 0U);
  // A light member gets its mark where the maximum allows.
  const HashTable light(Members({1, 9999}), {.policy = LoadBalancing::Policy::kRingHash});
  EXPECT_GE(light.size(), 10'000U);
  const HashTable capped(
      Members({1, 1}), {.policy = LoadBalancing::Policy::kRingHash, .ring_min = 1, .ring_max = 8});
  EXPECT_LE(capped.size(), 8U);
}

TEST(HashTable, MaglevCountsItsEntries) {
  const HashTable table(Members({1, 1, 2}),
                        {.policy = LoadBalancing::Policy::kMaglev, .table_size = 4001});
  EXPECT_EQ(table.size(), 4001U);
  EXPECT_NEAR(static_cast<double>(table.fewest()), 1000, 3);
  EXPECT_NEAR(static_cast<double>(table.most()), 2000, 3);
}

// libstdc++'s hash of strings is this very function on 64-bit machines.
TEST(MurmurHash2, IsLibstdcxxs) {
  const std::string_view text = "127.0.0.1:8080_1234567890abcdef";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(MurmurHash2(text.substr(0, i)), std::hash<std::string_view>{}(text.substr(0, i)));
  }
}

}  // namespace
}  // namespace sluice::upstream
