// main builds, workers read.
#include "upstream/host_set.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "absl/container/flat_hash_map.h"

namespace sluice::upstream {
namespace {

using Health = config::Endpoint::Health;

constexpr std::uint64_t kScheduleMax = 16384;

bool IsHealthy(const Host& host) {
  return host.health == Health::kUnknown || host.health == Health::kHealthy;
}

bool IsDegraded(const Host& host) { return host.health == Health::kDegraded; }

// Small enough that their sum makes a schedule of bounded length; ratios kept as well as that
// length allows, and nobody with a weight falls to zero.
std::vector<std::uint64_t> Scaled(std::vector<std::uint64_t> weights) {
  std::uint64_t divisor = 0;
  std::uint64_t sum = 0;
  for (const std::uint64_t weight : weights) {
    divisor = std::gcd(divisor, weight);
    sum += weight;
  }
  if (divisor > 1) {
    for (std::uint64_t& weight : weights) weight /= divisor;
    sum /= divisor;
  }
  const std::uint64_t limit = std::max<std::uint64_t>(kScheduleMax, weights.size());
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

// ---- priorities

using Members = std::vector<std::uint32_t>;

struct Priority {
  Members all;
  Members healthy;
  Members degraded;
  // Of 100.
  std::uint32_t health = 0;
  std::uint32_t degraded_health = 0;
  std::uint32_t healthy_load = 0;
  std::uint32_t degraded_load = 0;
  bool panic = false;
};

std::uint32_t Availability(std::size_t good, std::size_t all, std::uint32_t factor) {
  if (all == 0) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(100, factor * good / all));
}

std::vector<Priority> SplitByPriority(const HostSet& set, std::uint32_t factor) {
  std::vector<Priority> priorities;
  for (std::uint32_t i = 0; i < set.hosts.size(); ++i) {
    const Host& host = set.hosts[i];
    if (priorities.size() <= host.priority) priorities.resize(host.priority + 1);
    Priority& priority = priorities[host.priority];
    priority.all.push_back(i);
    if (IsHealthy(host)) priority.healthy.push_back(i);
    if (IsDegraded(host)) priority.degraded.push_back(i);
  }
  for (Priority& p : priorities) {
    p.health = Availability(p.healthy.size(), p.all.size(), factor);
    p.degraded_health = Availability(p.degraded.size(), p.all.size(), factor);
  }
  return priorities;
}

// Healthy hosts of each priority in turn take what they can, then degraded ones.
void ShareLoad(std::vector<Priority>& priorities, std::uint32_t availability) {
  std::uint32_t left = 100;
  Priority* first = nullptr;
  const auto take = [&](Priority& p, std::uint32_t health, std::uint32_t& load) {
    load = std::min(left, health * 100 / availability);
    left -= load;
    if (load > 0 && first == nullptr) first = &p;
  };
  for (Priority& p : priorities) take(p, p.health, p.healthy_load);
  for (Priority& p : priorities) take(p, p.degraded_health, p.degraded_load);
  // What rounding lost.
  if (first != nullptr)
    (first->healthy_load > 0 ? first->healthy_load : first->degraded_load) += left;
}

// Everybody is in panic: load goes by numbers of hosts.
void ShareInTotalPanic(std::vector<Priority>& priorities, std::size_t hosts) {
  std::uint32_t left = 100;
  Priority* first = nullptr;
  for (Priority& p : priorities) {
    p.panic = true;
    p.degraded_load = 0;
    p.healthy_load = static_cast<std::uint32_t>(100 * p.all.size() / hosts);
    left -= p.healthy_load;
    if (first == nullptr && !p.all.empty()) first = &p;
  }
  if (first != nullptr) first->healthy_load += left;
}

void DecideLoads(std::vector<Priority>& priorities, std::size_t hosts, std::uint32_t threshold) {
  std::uint32_t sum = 0;
  for (const Priority& p : priorities) sum += p.health + p.degraded_health;
  const std::uint32_t availability = std::min(sum, 100U);
  if (availability == 0) {
    if (threshold > 0) ShareInTotalPanic(priorities, hosts);
    return;
  }
  ShareLoad(priorities, availability);
  if (availability == 100) return;
  bool total = true;
  for (Priority& p : priorities) {
    p.panic = (p.healthy.size() + p.degraded.size()) * 100 < threshold * p.all.size() ||
              (p.all.empty() && threshold > 0);
    total = total && p.panic;
  }
  if (total) ShareInTotalPanic(priorities, hosts);
}

// ---- groups

HostGroup MakeGroup(const HostSet& set, Members members) {
  HostGroup group;
  std::vector<std::uint64_t> weights;
  for (const std::uint32_t index : members) weights.push_back(set.hosts[index].weight);
  group.equal_weights =
      std::adjacent_find(weights.begin(), weights.end(), std::not_equal_to<>()) == weights.end();
  group.schedule = Interleave(members, Scaled(std::move(weights)));
  group.members = std::move(members);
  return group;
}

struct LocalityPart {
  Members members;
  std::uint64_t weight;
};

// Localities of `members` with the weight each has here: its own times its availability, as a
// share of all hosts of it (in panic: its own).
std::vector<LocalityPart> SplitByLocality(const HostSet& set, const Priority& priority,
                                          const Members& members, bool panic,
                                          std::uint32_t factor) {
  std::map<std::uint32_t, LocalityPart> parts;
  std::map<std::uint32_t, std::size_t> totals;
  for (const std::uint32_t index : priority.all) ++totals[set.hosts[index].locality];
  for (const std::uint32_t index : members) {
    const Host& host = set.hosts[index];
    LocalityPart& part = parts[host.locality];
    part.members.push_back(index);
    part.weight = host.locality_weight;
  }
  std::vector<LocalityPart> out;
  for (auto& [locality, part] : parts) {
    if (!panic) part.weight *= Availability(part.members.size(), totals[locality], factor);
    if (part.weight > 0) out.push_back(std::move(part));
  }
  return out;
}

HostLot MakeLot(const HostSet& set, const Priority& priority, const Members& members, bool panic,
                std::uint32_t factor) {
  HostLot lot;
  lot.panic = panic;
  std::vector<LocalityPart> parts;
  if (set.balancing.locality_weighted) {
    parts = SplitByLocality(set, priority, members, panic, factor);
  }
  if (parts.empty()) {
    // Envoy, too, ignores weights when nobody has one.
    lot.groups.push_back(MakeGroup(set, members));
    return lot;
  }
  std::vector<std::uint64_t> weights;
  Members order;
  for (LocalityPart& part : parts) {
    weights.push_back(part.weight);
    order.push_back(static_cast<std::uint32_t>(lot.groups.size()));
    lot.groups.push_back(MakeGroup(set, std::move(part.members)));
  }
  if (order.size() > 1) lot.group_order = Interleave(order, Scaled(std::move(weights)));
  return lot;
}

void MakeLots(HostSet& set, const HostSetOptions& options) {
  std::vector<Priority> priorities = SplitByPriority(set, options.overprovisioning_percent);
  DecideLoads(priorities, set.hosts.size(), options.panic_threshold_percent);
  std::uint32_t upto = 0;
  const auto add = [&](const Priority& p, const Members& members, std::uint32_t load) {
    if (load == 0 || members.empty()) return;
    HostLot lot = MakeLot(set, p, members, p.panic, options.overprovisioning_percent);
    upto += load;
    lot.upto = upto;
    set.panic = set.panic || p.panic;
    set.lots.push_back(std::move(lot));
  };
  for (const Priority& p : priorities) {
    add(p, p.panic ? p.all : p.healthy, p.healthy_load);
  }
  for (const Priority& p : priorities) {
    add(p, p.panic ? p.all : p.degraded, p.degraded_load);
  }
}

// ---- tables of balancers that hash

bool Hashes(const config::LoadBalancing& balancing) {
  return balancing.policy == config::LoadBalancing::Policy::kRingHash ||
         balancing.policy == config::LoadBalancing::Policy::kMaglev;
}

std::shared_ptr<const HashTable> MakeTable(const HostSet& set, const HostLot& lot) {
  std::vector<HashMember> members;
  for (std::size_t i = 0; i < lot.groups.size(); ++i) {
    const HostGroup& group = lot.groups[i];
    double share = 1.0;
    if (!lot.group_order.empty()) {
      share = static_cast<double>(std::ranges::count(lot.group_order, i)) /
              static_cast<double>(lot.group_order.size());
    }
    double sum = 0;
    for (const std::uint32_t index : group.members) sum += set.hosts[index].weight;
    for (const std::uint32_t index : group.members) {
      const Host& host = set.hosts[index];
      const bool by_name = set.balancing.hash_hostname && !host.hostname.empty();
      members.push_back(
          {by_name ? host.hostname : host.address.ToString(), index, share * host.weight / sum});
    }
  }
  return std::make_shared<const HashTable>(members, set.balancing);
}

// A table is costly: one that would come out the same is taken over.
void MakeTables(HostSet& set, const HostSet* previous) {
  if (!Hashes(set.balancing)) return;
  const bool same = previous != nullptr && previous->hosts == set.hosts &&
                    previous->balancing == set.balancing && previous->lots == set.lots;
  for (std::size_t i = 0; i < set.lots.size(); ++i) {
    set.lots[i].table = same ? previous->lots[i].table : MakeTable(set, set.lots[i]);
  }
}

}  // namespace

std::shared_ptr<const HostSet> BuildHostSet(const std::vector<config::Endpoint>& endpoints,
                                            const HostSet* previous,
                                            const HostSetOptions& options) {
  auto set = std::make_shared<HostSet>();
  set->drop_percent_millionths = options.drop_percent_millionths;
  set->balancing = options.balancing;
  absl::flat_hash_map<base::Address, std::shared_ptr<HostStats>> known;
  if (previous != nullptr) {
    for (const Host& host : previous->hosts) known.emplace(host.address, host.stats);
  }
  absl::flat_hash_map<base::Address, bool> seen;
  for (const config::Endpoint& endpoint : endpoints) {
    if (endpoint.address.family() == base::Address::Family::kNone) continue;
    if (!seen.emplace(endpoint.address, true).second) continue;
    Host host{endpoint.address,  endpoint.hostname, std::max(endpoint.weight, 1U), endpoint.health,
              endpoint.priority, endpoint.locality, endpoint.locality_weight,      nullptr};
    const auto it = known.find(host.address);
    host.stats = it != known.end() && it->second->workers.size() == options.workers
                     ? it->second
                     : std::make_shared<HostStats>(options.workers);
    if (IsHealthy(host) || IsDegraded(host)) ++set->healthy;
    set->hosts.push_back(std::move(host));
  }
  if (set->hosts.empty()) return set;
  MakeLots(*set, options);
  MakeTables(*set, previous);
  return set;
}

}  // namespace sluice::upstream
