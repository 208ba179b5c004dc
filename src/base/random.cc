#include "base/random.h"

#include <sys/random.h>

#include <array>

#include "base/check.h"

namespace sluice::base {
namespace {

// "000102...feff"
constexpr std::array<char, 512> MakeHexPairs() {
  std::array<char, 512> pairs{};
  constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = kDigits[i >> 4];
    pairs[2 * i + 1] = kDigits[i & 15];
  }
  return pairs;
}
constexpr std::array<char, 512> kHexPairs = MakeHexPairs();

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
  const std::uint64_t words[2] = {
      (random.Next() & 0xffffffffffff0fffU) | 0x0000000000004000U,
      (random.Next() & 0x3fffffffffffffffU) | 0x8000000000000000U,
  };
  char* to = out;
  for (int byte = 0; byte < 16; ++byte) {
    if (byte == 4 || byte == 6 || byte == 8 || byte == 10) *to++ = '-';
    const auto value = static_cast<std::size_t>(words[byte / 8] >> (56 - 8 * (byte % 8)) & 0xff);
    *to++ = kHexPairs[2 * value];
    *to++ = kHexPairs[2 * value + 1];
  }
}

}  // namespace sluice::base
