#pragma once
// Admin's handlers with hand-made sources: no thread, no socket, a clock that stands still.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "server/admin_handlers.h"

namespace sluice::server {

class StandingClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return base::Monotonic(base::seconds(1000)) + passed; }
  base::WallTime WallNow() const override { return Start() + passed; }
  // 2024-01-02T03:04:05.678Z
  static base::WallTime Start() { return base::WallTime(base::milliseconds(1704164645678)); }

  base::milliseconds passed{0};
};

class AdminFixture : public ::testing::Test {
 protected:
  AdminFixture();

  // Replaces the empty bootstrap; its static clusters go into `clusters`, with their hosts.
  void Load(std::string_view yaml);
  void AddCluster(std::shared_ptr<const config::Cluster> cluster, unsigned workers);

  struct Answer {
    unsigned status = 0;
    std::string type;
    std::string body;
    std::size_t pieces = 0;   // 0: not streamed.
    std::size_t largest = 0;  // Piece.
    std::string allow;
  };
  // "/stats?usedonly"; nothing is decoded.
  Answer Ask(std::string_view target, std::string_view method = "GET");
  std::string Body(std::string_view target) { return Ask(target).body; }
  // Against tests/golden/admin/<name>; SLUICE_UPDATE_GOLDEN=1 writes it.
  static void ExpectGolden(std::string_view name, const std::string& text);

  StandingClock clock;
  observe::Registry registry;
  Options options;
  config::Bootstrap bootstrap;
  std::atomic<ServerState> state{ServerState::kLive};
  std::atomic<bool> healthcheck_failed{false};
  std::shared_ptr<XdsView> xds = std::make_shared<XdsView>();
  std::shared_ptr<upstream::ClustersView> clusters = std::make_shared<upstream::ClustersView>();
  std::shared_ptr<ListenersView> listeners = std::make_shared<ListenersView>();
  std::string commands;  // What was asked for: "fail ", "ok ", "drain ", "graceful ", "quit ".
  observe::AccessLogStats log_stats;
  observe::LogWriter log_writer;
  EventLog events{clock};
  AdminSources sources;
};

}  // namespace sluice::server
