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
#include "observe/cells.h"

namespace sluice::upstream {

// Statistics of one host, a cache line per worker; admin sums them for /clusters.
struct HostStats {
  struct alignas(64) PerWorker {
    observe::Counter cx_total, cx_connect_fail, rq_total, rq_success, rq_error, rq_timeout;
    observe::Gauge cx_active, rq_active;
  };
  explicit HostStats(unsigned worker_count) : workers(worker_count) {}
  std::vector<PerWorker> workers;
};

struct Host {
  base::Address address;
  std::string hostname;  // For auto_host_rewrite and %UPSTREAM_HOST_NAME%; "" when none is known.
  std::uint32_t weight = 1;
  config::Endpoint::Health health = config::Endpoint::Health::kUnknown;
  std::shared_ptr<HostStats> stats;  // Kept while the address stays in the set. Not compared.

  bool operator==(const Host& other) const {
    return address == other.address && hostname == other.hostname && weight == other.weight &&
           health == other.health;
  }
};

struct HostSet {
  std::vector<Host> hosts;  // Unique addresses, in the order they were given.
  // Indices into `hosts` to walk in a circle: each host as often as its weight says, spread evenly
  // (smooth weighted round robin). Only hosts that may be used; empty: none.
  std::vector<std::uint32_t> schedule;
  std::uint32_t healthy = 0;
  bool panic = false;  // Fewer healthy hosts than the threshold: all are used.
  std::uint32_t drop_percent_millionths = 0;

  bool operator==(const HostSet&) const = default;
};

struct HostSetOptions {
  std::uint32_t panic_threshold_percent = 50;
  std::uint32_t drop_percent_millionths = 0;
  unsigned workers = 1;
};

// Unresolved endpoints (family kNone) are skipped; of equal addresses the first counts. Hosts that
// are in `previous` (may be null) keep their statistics.
std::shared_ptr<const HostSet> BuildHostSet(const std::vector<config::Endpoint>& endpoints,
                                            const HostSet* previous, const HostSetOptions& options);

}  // namespace sluice::upstream
