#pragma once
// The compiled tcp_proxy filter: where the bytes of a connection go. Values; any thread may read.
// envoy-behaviour.md 4.6.

#include <cstdint>
#include <string>
#include <vector>

#include "config/access_log.h"

namespace sluice::config {

struct TcpProxy {
  struct WeightedCluster {
    std::string name;
    std::uint32_t weight = 1;
    bool operator==(const WeightedCluster&) const = default;
  };

  std::string stat_prefix;
  std::vector<WeightedCluster> clusters;  // At least one.
  std::uint64_t weight_sum = 1;

  // Milliseconds; 0: off.
  std::uint64_t idle_timeout_ms = 3'600'000;
  std::uint64_t max_duration_ms = 0;
  std::uint32_t duration_jitter_percent = 0;  // Of max_duration_ms, on top.
  std::uint32_t connect_attempts = 1;
  std::uint64_t backoff_base_ms = 0;
  std::uint64_t backoff_max_ms = 0;
  bool hash_source_ip = false;

  std::vector<AccessLog> access_logs;
  std::uint64_t log_interval_ms = 0;
  bool log_on_start = false;
  bool log_on_connected = false;

  bool operator==(const TcpProxy&) const = default;
};

}  // namespace sluice::config
