#pragma once
// main builds, workers read: the endpoints of one cluster, now, with a table to balance over.
//
// Immutable and shared; published on its own, apart from configuration. Building is pure.
// envoy-behaviour.md 3.4 (round robin, panic).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/cluster.h"

namespace sluice::upstream {

struct Host {
  base::Address address;
  std::string hostname;  // For auto_host_rewrite and %UPSTREAM_HOST_NAME%; "" when none is known.
  std::uint32_t weight = 1;
  config::Endpoint::Health health = config::Endpoint::Health::kUnknown;

  bool operator==(const Host&) const = default;
};

struct HostSet {
  std::vector<Host> hosts;               // Unique addresses, in the order they were given.
  // Indices into `hosts` to walk in a circle: each host as often as its weight says, spread evenly
  // (smooth weighted round robin). Only hosts that may be used; empty: none.
  std::vector<std::uint32_t> schedule;
  std::uint32_t healthy = 0;
  bool panic = false;                    // Fewer healthy hosts than the threshold: all are used.
  std::uint32_t drop_percent_millionths = 0;

  bool operator==(const HostSet&) const = default;
};

// Unresolved endpoints (family kNone) are skipped; of equal addresses the first counts.
std::shared_ptr<const HostSet> BuildHostSet(const std::vector<config::Endpoint>& endpoints,
                                            std::uint32_t panic_threshold_percent,
                                            std::uint32_t drop_percent_millionths);

}  // namespace sluice::upstream
