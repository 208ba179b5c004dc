#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/status.h"

namespace sluice::base {
namespace {

TEST(SystemClock, NeverGoesBack) {
  const Clock& clock = SystemClock();
  Monotonic before = clock.Now();
  for (int i = 0; i < 1000; ++i) {
    const Monotonic now = clock.Now();
    EXPECT_GE(now, before);
    before = now;
  }
  EXPECT_GT(clock.WallNow().time_since_epoch(), std::chrono::years(50));
}

TEST(FastRandom, RepeatsForOneSeedAndDiffersForOthers) {
  FastRandom a(1);
  FastRandom b(1);
  FastRandom c(2);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    EXPECT_NE(value, c.Next());
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(FastRandom, SetsEveryBitHalfOfTheTime) {
  FastRandom random(0);  // The poorest seed.
  int counts[64] = {};
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t value = random.Next();
    for (int bit = 0; bit < 64; ++bit) counts[bit] += static_cast<int>(value >> bit & 1);
  }
  for (const int count : counts) {
    EXPECT_GT(count, 4700);  // Six standard deviations.
    EXPECT_LT(count, 5300);
  }
}

TEST(RandomSeed, IsNotTheSameTwice) { EXPECT_NE(RandomSeed(), RandomSeed()); }

TEST(WriteUuid, WritesVersionFour) {
  FastRandom random(RandomSeed());
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    std::string uuid(36, ' ');
    WriteUuid(random, uuid.data());
    for (std::size_t at = 0; at < uuid.size(); ++at) {
      const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
      EXPECT_EQ(uuid[at] == '-', dash) << uuid;
      if (!dash) {
        EXPECT_NE(std::string_view("0123456789abcdef").find(uuid[at]), std::string::npos);
      }
    }
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string_view("89ab").find(uuid[19]), std::string_view::npos);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Status, SpeaksStringView) {
  const absl::Status status = InvalidArgument("bad thing");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(status), "bad thing");
  EXPECT_EQ(NotFound("x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Unavailable("x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(FailedPrecondition("x").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Internal("x").code(), absl::StatusCode::kInternal);
}

TEST(CheckDeathTest, SaysWhichCondition) {
  SLUICE_CHECK(1 + 1 == 2);
  EXPECT_DEATH(SLUICE_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3");
}

TEST(Mutex, ExcludesOthers) {
  Mutex mutex;
  int counter = 0;
  const auto count = [&] {
    for (int i = 0; i < 10000; ++i) {
      const MutexLock lock(mutex);
      ++counter;
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(counter, 20000);
}

}  // namespace
}  // namespace sluice::base
