// Workers count and come and go while admin reads and resets.

#include "observe/registry.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace sluice::observe {
namespace {

TEST(RegistryThreads, WorkersCountWhileAdminReads) {
  constexpr unsigned kWorkers = 4;
  constexpr unsigned kRounds = 2000;
  Registry registry;
  std::atomic<unsigned> running{kWorkers};
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      for (unsigned i = 0; i < kRounds; ++i) {
        const std::string name = "c" + std::to_string(i % 7);
        auto& stats = registry.Get<ClusterStats>(Scope::kCluster, "kept", w);
        stats.upstream_rq_total.Add();
        stats.upstream_rq_code.Add(100 + static_cast<int>(i % 500));
        stats.upstream_rq_time.Record(i * 37);
        stats.upstream_cx_active.Set(i);
        auto& passing = registry.Get<ClusterStats>(Scope::kCluster, name, w);
        passing.upstream_rq_total.Add();
        passing.upstream_cx_connect_ms.Record(i);
        registry.Release(Scope::kCluster, name, w);
        registry.SetText("version", name);
      }
      running.fetch_sub(1);
    });
  }
  std::uint64_t last = 0;
  std::uint64_t samples = 0;
  do {
    registry.Visit([&](const Registry::Sample& sample) {
      ++samples;
      if (sample.full_name != "cluster.kept.upstream_rq_total") return;
      EXPECT_GE(sample.counter, last);
      last = sample.counter;
    });
    EXPECT_LE(registry.Texts().size(), 1U);
  } while (running.load() > 0);
  for (std::thread& worker : workers) worker.join();
  EXPECT_GT(samples, 0U);
  EXPECT_EQ(registry.CounterValue("cluster.kept.upstream_rq_total"), kWorkers * kRounds);
  registry.ResetCounters();
  EXPECT_EQ(registry.CounterValue("cluster.kept.upstream_rq_total"), 0U);
}

}  // namespace
}  // namespace sluice::observe
