#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace sluice::base {
namespace {

std::uint64_t RotateLeft(std::uint64_t x, int k) { return x << k | x >> (64 - k); }

}  // namespace

FastRandom::FastRandom(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {  // splitmix64 spreads a poor seed over the whole state.
    seed += 0x9e3779b97f4a7c15U;
    std::uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    word = z ^ z >> 31;
  }
}

std::uint64_t FastRandom::Next() {
  const std::uint64_t result = RotateLeft(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = RotateLeft(state_[3], 45);
  return result;
}

std::uint64_t RandomSeed() {
  std::uint64_t seed = 0;
  SLUICE_CHECK(getrandom(&seed, sizeof(seed), 0) == static_cast<ssize_t>(sizeof(seed)));
  return seed;
}

void WriteUuid(Random& random, char* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::uint64_t words[2] = {
      (random.Next() & 0xffffffffffff0fffU) | 0x0000000000004000U,
      (random.Next() & 0x3fffffffffffffffU) | 0x8000000000000000U,
  };
  int nibble = 0;
  for (int i = 0; i < 36; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      out[i] = '-';
      continue;
    }
    out[i] = kHex[words[nibble / 16] >> (60 - 4 * (nibble % 16)) & 15];
    ++nibble;
  }
}

}  // namespace sluice::base
