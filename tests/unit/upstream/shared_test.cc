#include "upstream/shared.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sluice::upstream {
namespace {

TEST(Lease, NeverExceedsTheLimitTogether) {
  for (const std::uint32_t limit : {0U, 1U, 3U, 64U, 65U, 1024U}) {
    SharedLimit shared;
    shared.SetLimit(limit);
    Lease a(shared, 2);
    Lease b(shared, 2);
    std::uint32_t got = 0;
    while (true) {
      const bool one = a.TryAcquire();
      const bool two = b.TryAcquire();
      got += (one ? 1U : 0U) + (two ? 1U : 0U);
      if (!one && !two) break;
      ASSERT_LE(got, limit);
    }
    EXPECT_EQ(got, limit);
    EXPECT_EQ(shared.taken(), limit);
  }
}

TEST(Lease, SmallLimitsComeBackAtOnce) {
  SharedLimit shared;
  shared.SetLimit(1);
  Lease a(shared, 2);
  Lease b(shared, 2);
  ASSERT_TRUE(a.TryAcquire());
  EXPECT_FALSE(b.TryAcquire());
  a.Release();
  EXPECT_TRUE(b.TryAcquire());
  b.Release();
}

TEST(Lease, BigLimitsAreNotTouchedPerRequest) {
  SharedLimit shared;
  shared.SetLimit(1024);
  Lease lease(shared, 2);
  ASSERT_TRUE(lease.TryAcquire());
  lease.Release();
  const std::uint32_t taken = shared.taken();
  EXPECT_GT(taken, 0U);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(lease.TryAcquire());
    lease.Release();
    ASSERT_EQ(shared.taken(), taken);
  }
  lease.Return();
  EXPECT_EQ(shared.taken(), 0U);
}

TEST(Lease, LoweredLimitStopsNewOnesOnly) {
  SharedLimit shared;
  shared.SetLimit(2);
  Lease lease(shared, 1);
  ASSERT_TRUE(lease.TryAcquire());
  ASSERT_TRUE(lease.TryAcquire());
  shared.SetLimit(1);
  EXPECT_FALSE(lease.TryAcquire());
  lease.Release();
  EXPECT_FALSE(lease.TryAcquire());
  lease.Release();
  EXPECT_TRUE(lease.TryAcquire());
  lease.Release();
}

TEST(Lease, DestructionGivesEverythingUnusedBack) {
  SharedLimit shared;
  shared.SetLimit(1000);
  {
    Lease lease(shared, 1);
    ASSERT_TRUE(lease.TryAcquire());
    lease.Release();
  }
  EXPECT_EQ(shared.taken(), 0U);
}

}  // namespace
}  // namespace sluice::upstream
