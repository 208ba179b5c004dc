#pragma once
// Dice as an argument, so that decisions stay functions and tests print their seed.

#include <cstdint>
#include <string>

namespace sluice::base {

// One thread each.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t Next() = 0;
};

// xoshiro256**: fast, not for secrets. Seeded by the caller.
class FastRandom final : public Random {
 public:
  explicit FastRandom(std::uint64_t seed);
  std::uint64_t Next() override;

 private:
  std::uint64_t state_[4];
};

// 64 bits from the operating system, for seeds.
std::uint64_t RandomSeed();

// Writes a version-4 UUID (36 characters, RFC 9562) to `out`.
void WriteUuid(Random& random, char* out);

}  // namespace sluice::base
