#include "base/xxhash.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

// The reference vectors of the algorithm: every length class.
TEST(XxHash64, GivesThePublishedValues) {
  EXPECT_EQ(XxHash64(""), 0xEF46DB3751D8E999ULL);
  EXPECT_EQ(XxHash64("a"), 0xD24EC4F1A98C6E5BULL);
  EXPECT_EQ(XxHash64("abc"), 0x44BC2CF5AD770999ULL);
  EXPECT_EQ(XxHash64("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1ULL);
}

TEST(XxHash64, DependsOnSeedAndEveryByte) {
  const std::string_view text = "0123456789abcdefghijklmnopqrstuvwxyz";
  EXPECT_NE(XxHash64(text), XxHash64(text, 1));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other(text);
    other[i] ^= 1;
    EXPECT_NE(XxHash64(other), XxHash64(text)) << i;
    EXPECT_NE(XxHash64(text.substr(0, i)), XxHash64(text)) << i;
  }
}

}  // namespace
}  // namespace sluice::base
