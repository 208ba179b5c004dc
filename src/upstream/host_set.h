#pragma once
// main builds, workers read: the endpoints of one cluster, now, with tables to balance over.
//
// Immutable and shared; published on its own, apart from configuration. Building is pure.
// envoy-behaviour.md 3.4 (priorities, localities, panic).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/cluster.h"
#include "observe/cells.h"
#include "upstream/hash_table.h"

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
  std::uint32_t priority = 0;
  std::uint32_t locality = 0;
  std::uint32_t locality_weight = 0;
  std::shared_ptr<HostStats> stats;  // Kept while the address stays in the set. Not compared.

  bool operator==(const Host& other) const {
    return address == other.address && hostname == other.hostname && weight == other.weight &&
           health == other.health && priority == other.priority && locality == other.locality &&
           locality_weight == other.locality_weight;
  }
};

// Hosts that one pick chooses among: a locality, or all of a lot.
struct HostGroup {
  std::vector<std::uint32_t> members;  // Indices into HostSet::hosts, each once.
  // To walk in a circle: each member as often as its weight says, spread evenly (smooth weighted
  // round robin).
  std::vector<std::uint32_t> schedule;
  bool equal_weights = true;
  bool operator==(const HostGroup&) const = default;
};

// Hosts of one priority that share its load: the healthy ones, the degraded ones, or in panic all.
struct HostLot {
  std::uint32_t upto = 100;  // Percent of the load that this lot and those before it take.
  bool panic = false;
  std::vector<HostGroup> groups;           // One, or one for each locality that has a weight.
  std::vector<std::uint32_t> group_order;  // Like `schedule`, over groups. Empty: there is one.
  std::shared_ptr<const HashTable> table;  // Of balancers that hash. Made of the above.

  bool operator==(const HostLot& other) const {
    return upto == other.upto && panic == other.panic && groups == other.groups &&
           group_order == other.group_order;
  }
};

struct HostSet {
  std::vector<Host> hosts;    // Unique addresses, in the order they were given.
  std::vector<HostLot> lots;  // Every one has members. Empty: no host may be used.
  config::LoadBalancing balancing;
  std::uint32_t healthy = 0;  // Degraded ones count.
  bool panic = false;         // Of any lot.
  std::uint32_t drop_percent_millionths = 0;

  bool operator==(const HostSet&) const = default;
};

struct HostSetOptions {
  std::uint32_t panic_threshold_percent = 50;
  std::uint32_t drop_percent_millionths = 0;
  unsigned workers = 1;
  config::LoadBalancing balancing = {};
  std::uint32_t overprovisioning_percent = 140;
};

// Unresolved endpoints (family kNone) are skipped; of equal addresses the first counts. Hosts that
// are in `previous` (may be null) keep their statistics, and equal lots their tables.
std::shared_ptr<const HostSet> BuildHostSet(const std::vector<config::Endpoint>& endpoints,
                                            const HostSet* previous, const HostSetOptions& options);

}  // namespace sluice::upstream
