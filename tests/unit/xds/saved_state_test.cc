// The state file's bytes: what goes in comes out, and nothing of a damaged one does.
#include "xds/saved_state.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"

namespace sluice::xds {
namespace {

SavedState Sample() {
  SavedState state;
  state.node = std::string("node\0cluster", 12);
  state.saved = base::WallTime(base::milliseconds(1704164645678));
  state.types.push_back(
      {ResourceType::kCluster,
       "7",
       {{"a", "v1", std::string("\0\1\2", 3)}, {"b", "", std::string(999, 'x')}}});
  state.types.push_back({ResourceType::kListener, "", {}});
  state.types.push_back({ResourceType::kRoutes, "8", {{"table", "w", ""}}});
  return state;
}

TEST(SavedState, ComesBackAsItWas) {
  const auto back = DecodeState(EncodeState(Sample()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, Sample());
  const auto empty = DecodeState(EncodeState({}));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, SavedState());
}

TEST(SavedState, EveryChangedByteIsNoticed) {
  const std::string good = EncodeState(Sample());
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int change : {1, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ change);
      EXPECT_FALSE(DecodeState(bad).ok()) << "byte " << i;
    }
  }
}

TEST(SavedState, EveryTruncationAndExtensionIsNoticed) {
  const std::string good = EncodeState(Sample());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeState(std::string_view(good).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeState(good + '\0').ok());
  EXPECT_FALSE(DecodeState(good + good).ok());
}

// The same FNV-1a, so that what lies behind the checksum is reached.
std::uint64_t Fnv(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

TEST(SavedState, AForgedChecksumReachesNothingBeyondTheFile) {
  const std::string good = EncodeState(Sample());
  constexpr std::size_t kHeader = 15 + 16;
  base::FastRandom random(17);
  std::size_t refused = 0;
  for (int run = 0; run < 20'000; ++run) {
    std::string bad = good;
    for (std::uint64_t i = 0; i <= random.Next() % 4; ++i) {
      bad[kHeader + random.Next() % (bad.size() - kHeader)] = static_cast<char>(random.Next());
    }
    if (run % 3 == 0) bad.resize(kHeader + random.Next() % (bad.size() - kHeader));
    const std::string_view body = std::string_view(bad).substr(kHeader);
    std::uint64_t numbers[] = {Fnv(body), body.size()};
    for (int n = 0; n < 2; ++n) {
      for (int i = 0; i < 8; ++i) {
        bad[15 + static_cast<std::size_t>(8 * n + i)] =
            static_cast<char>(numbers[n] >> (8 * i) & 0xff);
      }
    }
    const auto state = DecodeState(bad);  // ASan watches.
    refused += state.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 5'000U);
}

TEST(SavedState, GarbageSaysWhatItIsNot) {
  EXPECT_EQ(DecodeState("").status().message(), "is no state file of this version");
  EXPECT_EQ(DecodeState("sluice-state-2\n").status().message(), "is no state file of this version");
  EXPECT_EQ(DecodeState("sluice-state-1\nxx").status().message(), "is cut short");
}

}  // namespace
}  // namespace sluice::xds
