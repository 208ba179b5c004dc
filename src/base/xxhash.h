#pragma once
// XXH64, as Envoy hashes requests and hosts: a client must land on the same host behind either.
//
// Pure; any thread. Not for hostile keys of hash tables: the seed is public.

#include <cstdint>
#include <string_view>

namespace sluice::base {

std::uint64_t XxHash64(std::string_view text, std::uint64_t seed = 0);

}  // namespace sluice::base
