#include "http/grpc_timeout.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

TEST(GrpcTimeout, ReadsEveryUnit) {
  EXPECT_EQ(ParseGrpcTimeout("2H"), 7'200'000U);
  EXPECT_EQ(ParseGrpcTimeout("2M"), 120'000U);
  EXPECT_EQ(ParseGrpcTimeout("2S"), 2000U);
  EXPECT_EQ(ParseGrpcTimeout("250m"), 250U);
  EXPECT_EQ(ParseGrpcTimeout("1u"), 1U);
  EXPECT_EQ(ParseGrpcTimeout("1000001n"), 2U);
  EXPECT_EQ(ParseGrpcTimeout("99999999H"), 99'999'999ULL * 3'600'000);
  for (const std::string_view bad : {"", "5", "S", "5s", "-5S", "123456789S", "5 S", "0x5S"}) {
    EXPECT_EQ(ParseGrpcTimeout(bad), std::nullopt) << bad;
  }
}

TEST(GrpcTimeout, WritesTheFinestUnitThatFits) {
  EXPECT_EQ(GrpcTimeoutText(0), "0m");
  EXPECT_EQ(GrpcTimeoutText(99'999'999), "99999999m");
  EXPECT_EQ(GrpcTimeoutText(100'000'000), "100000S");
  EXPECT_EQ(GrpcTimeoutText(100'000'000'000), "1666666M");
  EXPECT_EQ(GrpcTimeoutText(6'000'000'000'000'000), "99999999H");
}

}  // namespace
}  // namespace sluice::http
