#include "net/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace sluice::net {
namespace {

constexpr std::size_t kBlock = BufferPool::kBlockBytes;

// Appends as much of `text` as Reserve gives room for.
std::size_t Put(Buffer& buffer, std::string_view text, std::size_t bytes_max) {
  std::size_t put = 0;
  while (put < text.size()) {
    const std::span<char> space = buffer.Reserve(bytes_max);
    if (space.empty()) break;
    const std::size_t bytes = text.copy(space.data(), space.size(), put);
    buffer.Commit(bytes);
    put += bytes;
  }
  return put;
}

TEST(Buffer, HoldsNoBlockUntilReservedAndNoneAfterRelease) {
  BufferPool pool(1 << 20);
  Buffer buffer(pool);
  EXPECT_EQ(pool.bytes_in_use(), 0u);
  EXPECT_EQ(Put(buffer, "hello", kBlock), 5u);
  EXPECT_EQ(buffer.data(), "hello");
  EXPECT_EQ(pool.bytes_in_use(), kBlock);
  buffer.Consume(5);
  EXPECT_TRUE(buffer.empty());
  buffer.Release();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(Buffer, StopsAtTheLimitItsOwnerNames) {
  BufferPool pool(1 << 20);
  Buffer buffer(pool);
  const std::string text(100'000, 'x');
  EXPECT_EQ(Put(buffer, text, 1000), 1000u);
  EXPECT_TRUE(buffer.Reserve(1000).empty());
  EXPECT_EQ(Put(buffer, text, 60'000), 59'000u);
  EXPECT_EQ(buffer.data().size(), 60'000u);
  EXPECT_TRUE(buffer.Reserve(60'000).empty());
}

TEST(Buffer, GrowingAndMovingKeepsTheBytes) {
  BufferPool pool(1 << 20);
  Buffer buffer(pool);
  std::string sent, got;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 97), static_cast<char>('a' + i % 26));
    ASSERT_EQ(Put(buffer, piece, 200'000), piece.size());
    sent += piece;
    if (i % 3 == 0) {
      const std::size_t take = buffer.data().size() / 2;
      got += buffer.data().substr(0, take);
      buffer.Consume(take);
    }
  }
  got += buffer.data();
  EXPECT_EQ(got, sent);
}

TEST(BufferPool, ExhaustedPoolGivesNoRoomUntilSomethingReturns) {
  BufferPool pool(2 * kBlock);
  Buffer a(pool), b(pool), c(pool);
  EXPECT_EQ(Put(a, "a", kBlock), 1u);
  EXPECT_EQ(Put(b, "b", kBlock), 1u);
  EXPECT_EQ(Put(c, "c", kBlock), 0u);
  a.Consume(1);
  a.Release();
  EXPECT_EQ(Put(c, "c", kBlock), 1u);
  EXPECT_EQ(pool.bytes_in_use(), 2 * kBlock);
}

}  // namespace
}  // namespace sluice::net
