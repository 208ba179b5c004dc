#pragma once
// Hands out blocks of cells by scope and name, and sums them at scrape.
//
// Any thread may ask for a block (rare: a cluster's first use on a worker); a lock guards the table
// only. Cells never live in a snapshot: blocks are kept across config versions by stat name and
// freed when main says that every worker dropped them. One registry per process, owned by server.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "observe/stats.h"

namespace sluice::observe {

enum class Scope : std::uint8_t {
  kCluster, kClusterMain, kHttp, kListener, kCors, kListenerManager, kClusterManager,
  kSubscription, kControlPlane, kServer, kWorker, kAccessLog
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A zeroed block of this `owner` (worker index, or kMainOwner) under e.g. "python" for kCluster,
  // the stat prefix for kHttp, the address for kListener, the full prefix
  // ("cluster_manager.cds.") for kSubscription. Asking again with the same owner and name returns
  // the same block. Pointers stay valid until Release.
  static constexpr unsigned kMainOwner = 0xFFFF;
  template <typename Block>
  Block& Get(Scope scope, std::string_view name, unsigned owner);

  // Gives one reference back; the block is freed when Get and Release balance. Its counters stay
  // in the sums as a remainder while any other owner's block of that name lives.
  void Release(Scope scope, std::string_view name, unsigned owner);

  // One statistic summed over its owners.
  struct Sample {
    Scope scope;
    std::string_view scope_name;   // Tag value: cluster name, stat prefix, ...
    std::string_view name;         // "upstream_rq_total"
    enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram } kind;
    std::uint64_t counter;         // Since the last ResetCounters.
    std::int64_t gauge;
    std::vector<std::uint64_t> buckets;  // kHistogram: Histogram::kBuckets long.
    std::uint64_t sum;
    std::uint64_t count;
    bool used;                     // Ever written.
  };
  // Visits every statistic, family by family (all names of one statistic together), sorted.
  void Visit(const std::function<void(const Sample&)>& visit) const;
  // The sum of "cluster.python.upstream_rq_total"; 0 when unknown.
  std::uint64_t CounterValue(std::string_view full_name) const;

  // Text values: "control_plane.identifier", "cluster_manager.cds.version_text".
  void SetText(std::string_view name, std::string_view value);
  std::vector<std::pair<std::string, std::string>> Texts() const;

  void ResetCounters();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::observe
