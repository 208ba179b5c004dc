#pragma once
// Hands out blocks of cells by scope and name, and sums them at scrape.
//
// Any thread may ask for a block (rare: a cluster's first use on a worker); a lock guards the table
// only. Cells never live in a snapshot: blocks are kept across config versions by stat name and
// freed when main says that every worker dropped them. One registry per process, owned by server.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/stats.h"

namespace sluice::observe {

enum class Scope : std::uint8_t {
  kCluster,
  kClusterMain,
  kHttp,
  kListener,
  kListenerTls,
  kClusterTls,
  kTlsInspector,
  kProxyProto,
  kTcp,
  kCors,
  kListenerManager,
  kClusterManager,
  kSubscription,
  kControlPlane,
  kServer,
  kRuntime,
  kStateFile,
  kWorker,
  kAccessLog,
  kHttp2
};

// A Prometheus label. `name` is a literal.
struct Label {
  std::string_view name;
  std::string value;
};

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // A zeroed block of this `owner` (worker index, or kMainOwner) under e.g. "python" for kCluster,
  // the stat prefix for kHttp and kCors, the address for kListener, the full prefix
  // ("cluster_manager.cds.") for kSubscription; ignored for the others. Asking again with the same
  // owner and name returns the same block. Pointers stay valid until Release.
  // REQUIRES: Block is the struct of that scope (stats.h).
  static constexpr unsigned kMainOwner = 0xFFFF;
  template <typename Block>
  Block& Get(Scope scope, std::string_view name, unsigned owner);

  // Gives one reference back; the block is freed when Get and Release balance. Its counters stay
  // in the sums as a remainder while any other owner's block of that name lives.
  void Release(Scope scope, std::string_view name, unsigned owner);

  // One statistic summed over its owners. Views live until the next sample.
  struct Sample {
    Scope scope = Scope::kServer;
    std::string_view scope_name;    // Value of the first tag: cluster name, stat prefix; or "".
    std::string_view name;          // "upstream_rq_2xx"
    std::string_view full_name;     // "cluster.python.upstream_rq_2xx"
    std::string_view family;        // "cluster.upstream_rq_xx": tags extracted.
    std::span<const Label> labels;  // The tags.
    enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram } kind = Kind::kCounter;
    std::uint64_t counter = 0;  // Since the last ResetCounters.
    std::int64_t gauge = 0;
    std::vector<std::uint64_t> buckets;  // kHistogram: Histogram::kBuckets long.
    std::uint64_t sum = 0;
    std::uint64_t count = 0;
    bool used = false;  // Ever written.
  };

  // Walks every statistic, one sample per Next, so that a reader may take its time: it holds the
  // lock for one statistic at a time, and costs 16 bytes per block name. What appears after
  // its construction is not seen. One thread; the registry must outlive it.
  class Cursor {
   public:
    // kByFamily: all names of one statistic together, families sorted. kByName: block by block
    // ("cluster.a." before "cluster.b."), statistics sorted within.
    enum class Order : std::uint8_t { kByFamily, kByName };
    Cursor(const Registry& registry, Order order);
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    bool Next(Sample& sample);

   private:
    struct Walk;
    std::unique_ptr<Walk> walk_;
  };

  // Visits every statistic, family by family (all names of one statistic together), sorted.
  void Visit(const std::function<void(const Sample&)>& visit) const;
  // The sum of "cluster.python.upstream_rq_total"; 0 when unknown.
  std::uint64_t CounterValue(std::string_view full_name) const;
  std::optional<std::int64_t> GaugeValue(std::string_view full_name) const;

  // Text values: "control_plane.identifier", "cluster_manager.cds.version_text".
  // An empty value removes the name.
  void SetText(std::string_view name, std::string_view value);
  std::vector<std::pair<std::string, std::string>> Texts() const;

  // Counters start from 0 again; gauges and histograms stay.
  void ResetCounters();

 private:
  struct State;
  void* GetBlock(Scope scope, std::string_view name, unsigned owner);

  std::unique_ptr<State> state_;
};

}  // namespace sluice::observe
