#include "upstream/host_set.h"

#include <algorithm>
#include <numeric>

#include "absl/container/flat_hash_map.h"

namespace sluice::upstream {
namespace {

using Health = config::Endpoint::Health;

constexpr std::uint64_t kScheduleMax = 16384;

bool Usable(Health health) {
  return health == Health::kUnknown || health == Health::kHealthy || health == Health::kDegraded;
}

// Weights small enough that their sum makes a schedule of bounded length; ratios kept as well as
// that length allows, and nobody with a weight falls to zero.
std::vector<std::uint64_t> ScaledWeights(const HostSet& set,
                                         const std::vector<std::uint32_t>& members) {
  std::vector<std::uint64_t> weights;
  std::uint64_t divisor = 0;
  std::uint64_t sum = 0;
  for (const std::uint32_t index : members) {
    const std::uint64_t weight = set.hosts[index].weight;
    weights.push_back(weight);
    divisor = std::gcd(divisor, weight);
    sum += weight;
  }
  if (divisor > 1) {
    for (std::uint64_t& weight : weights) weight /= divisor;
    sum /= divisor;
  }
  const std::uint64_t limit = std::max<std::uint64_t>(kScheduleMax, members.size());
  if (sum > limit) {
    for (std::uint64_t& weight : weights) {
      weight = std::max<std::uint64_t>(1, weight * limit / sum);
    }
  }
  return weights;
}

// Interleaves by earliest virtual deadline, as Envoy's EDF scheduler would pick.
std::vector<std::uint32_t> Interleave(const std::vector<std::uint32_t>& members,
                                      const std::vector<std::uint64_t>& weights) {
  const bool equal = std::all_of(weights.begin(), weights.end(),
                                 [&](std::uint64_t w) { return w == weights.front(); });
  if (equal) return members;
  struct Entry {
    double deadline;
    std::size_t order;
  };
  const auto later = [](const Entry& a, const Entry& b) {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.order > b.order;
  };
  std::vector<Entry> heap;
  for (std::size_t i = 0; i < members.size(); ++i) {
    heap.push_back({1.0 / static_cast<double>(weights[i]), i});
  }
  std::make_heap(heap.begin(), heap.end(), later);
  std::vector<std::uint32_t> schedule;
  const std::uint64_t rounds = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  schedule.reserve(rounds);
  std::vector<std::uint64_t> served(members.size(), 0);
  while (schedule.size() < rounds) {
    std::pop_heap(heap.begin(), heap.end(), later);
    Entry& entry = heap.back();
    const std::size_t i = entry.order;
    schedule.push_back(members[i]);
    ++served[i];
    if (served[i] == weights[i]) {
      heap.pop_back();
    } else {
      // From the count, not by adding up: no rounding drift over a long schedule.
      entry.deadline = static_cast<double>(served[i] + 1) / static_cast<double>(weights[i]);
      std::push_heap(heap.begin(), heap.end(), later);
    }
  }
  return schedule;
}

}  // namespace

std::shared_ptr<const HostSet> BuildHostSet(const std::vector<config::Endpoint>& endpoints,
                                            const HostSet* previous,
                                            const HostSetOptions& options) {
  auto set = std::make_shared<HostSet>();
  set->drop_percent_millionths = options.drop_percent_millionths;
  absl::flat_hash_map<base::Address, std::shared_ptr<HostStats>> known;
  if (previous != nullptr) {
    for (const Host& host : previous->hosts) known.emplace(host.address, host.stats);
  }
  absl::flat_hash_map<base::Address, bool> seen;
  std::vector<std::uint32_t> usable;
  std::vector<std::uint32_t> all;
  for (const config::Endpoint& endpoint : endpoints) {
    if (endpoint.address.family() == base::Address::Family::kNone) continue;
    if (!seen.emplace(endpoint.address, true).second) continue;
    Host host{endpoint.address, endpoint.hostname, std::max(endpoint.weight, 1U), endpoint.health,
              nullptr};
    const auto it = known.find(host.address);
    host.stats = it != known.end() && it->second->workers.size() == options.workers
                     ? it->second
                     : std::make_shared<HostStats>(options.workers);
    const auto index = static_cast<std::uint32_t>(set->hosts.size());
    all.push_back(index);
    if (Usable(host.health)) usable.push_back(index);
    set->hosts.push_back(std::move(host));
  }
  set->healthy = static_cast<std::uint32_t>(usable.size());
  if (all.empty()) return set;
  set->panic = usable.size() * 100 < std::size_t{options.panic_threshold_percent} * all.size();
  const std::vector<std::uint32_t>& members = set->panic ? all : usable;
  if (!members.empty()) set->schedule = Interleave(members, ScaledWeights(*set, members));
  return set;
}

}  // namespace sluice::upstream
