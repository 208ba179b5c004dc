// worker: which host of a cluster the next request goes to. No lock, no allocation.
#include <cmath>

#include "upstream/cluster.h"

namespace sluice::upstream {
namespace {

using Policy = config::LoadBalancing::Policy;

}  // namespace

HostPool* Cluster::PickHost(std::optional<std::uint64_t> hash) {
  if (hosts_ == nullptr || hosts_->lots.empty()) return nullptr;
  const HostSet& set = *hosts_;
  const bool hashes =
      set.balancing.policy == Policy::kRingHash || set.balancing.policy == Policy::kMaglev;
  std::size_t lot = 0;
  std::size_t cursor = 0;
  std::uint64_t dice = 0;
  if (hashes) dice = hash ? *hash : parts_.random.Next();
  if (set.lots.size() > 1) {
    const std::uint64_t percent = (hashes ? dice : parts_.random.Next()) % set.lots.back().upto;
    for (; set.lots[lot].upto <= percent; ++lot) cursor += 1 + set.lots[lot].groups.size();
  }
  if (set.lots[lot].panic) stats_->lb_healthy_panic.Add();
  return pools_[PickOf(set.lots[lot], cursor, dice)];
}

std::uint32_t Cluster::PickOf(const HostLot& lot, std::size_t cursor, std::uint64_t hash) {
  if (lot.table != nullptr) return lot.table->Find(hash);
  std::size_t index = 0;
  if (!lot.group_order.empty()) {
    index = lot.group_order[cursors_[cursor]++ % lot.group_order.size()];
  }
  const HostGroup& group = lot.groups[index];
  switch (hosts_->balancing.policy) {
    case Policy::kRandom:
      return group.members[parts_.random.Next() % group.members.size()];
    case Policy::kLeastRequest:
      return PickLeastBusy(group);
    case Policy::kRoundRobin:
    case Policy::kRingHash:
    case Policy::kMaglev:
      break;
  }
  return group.schedule[cursors_[cursor + 1 + index]++ % group.schedule.size()];
}

double Cluster::Load(std::uint32_t host) const {
  const Host& of = hosts_->hosts[host];
  const auto active = static_cast<double>(of.stats->workers[parts_.worker].rq_active.Get());
  const double bias = hosts_->balancing.active_request_bias;
  const double load = bias == 1.0 ? active : std::pow(active, bias);
  return load / of.weight;
}

// Candidates are drawn by weight, so idle hosts are used as their weights say; among them the one
// with the least to do for its weight wins.
std::uint32_t Cluster::PickLeastBusy(const HostGroup& group) {
  if (group.members.size() == 1) return group.members.front();
  base::Random& random = parts_.random;
  if (hosts_->balancing.full_scan) {
    const std::size_t size = group.members.size();
    const std::size_t start = random.Next() % size;
    std::uint32_t best = group.members[start];
    double least = Load(best);
    for (std::size_t i = 1; i < size; ++i) {
      const std::uint32_t host = group.members[(start + i) % size];
      const double load = Load(host);
      if (load >= least) continue;
      best = host;
      least = load;
    }
    return best;
  }
  const auto draw = [&] { return group.schedule[random.Next() % group.schedule.size()]; };
  std::uint32_t best = draw();
  double least = Load(best);
  if (hosts_->balancing.active_request_bias == 0) return best;
  for (std::uint32_t i = 1; i < hosts_->balancing.choices; ++i) {
    const std::uint32_t host = draw();
    const double load = Load(host);
    if (load >= least) continue;
    best = host;
    least = load;
  }
  return best;
}

}  // namespace sluice::upstream
