#pragma once
// How a cluster spreads requests over its hosts. Values; any thread may read.
// envoy-behaviour.md 3.4.

#include <cstdint>

namespace sluice::config {

struct LoadBalancing {
  enum class Policy : std::uint8_t { kRoundRobin, kLeastRequest, kRandom, kRingHash, kMaglev };
  enum class Hash : std::uint8_t { kXx, kMurmur2 };

  Policy policy = Policy::kRoundRobin;
  // Least request.
  std::uint32_t choices = 2;
  double active_request_bias = 1.0;
  bool full_scan = false;
  // Ring hash.
  std::uint64_t ring_min = 1024;
  std::uint64_t ring_max = 8'388'608;
  Hash hash = Hash::kXx;
  // Maglev; a prime.
  std::uint64_t table_size = 65537;

  bool hash_hostname = false;      // Hosts are hashed by name, not by address.
  bool locality_weighted = false;  // Localities take traffic by weight and health.

  bool operator==(const LoadBalancing&) const = default;
};

}  // namespace sluice::config
