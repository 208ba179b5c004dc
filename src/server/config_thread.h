#pragma once
// The config thread: ADS protocol, parsing, compiling, assembling. Hands finished updates to main.
//
// Started and joined by main. Nothing of it runs on main or a worker, so a 20 MB route table costs
// them nothing. Also where configuration is freed that workers let go of.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "config/bootstrap.h"
#include "net/loop.h"
#include "observe/registry.h"
#include "server/event_log.h"
#include "server/runtime_layers.h"
#include "server/xds_transports.h"
#include "xds/assemble.h"
#include "xds/store.h"
#include "xds/transport.h"

namespace sluice::server {

// What admin shows of xDS.
struct XdsView {
  xds::StoreView store;
  std::vector<std::string> warming_clusters;
  std::vector<std::string> warming_listeners;
  RuntimeView runtime;
  bool connected = false;
  std::string control_plane;
  // Names that something refers to, by type; null: none. They may be here already.
  std::array<std::shared_ptr<const std::set<std::string>>, xds::kResourceTypes.size()> wanted;
  std::vector<std::string> missing;  // What warming listeners wait for.
  // When the newest configuration of the control plane was accepted; the epoch: never.
  base::WallTime accepted;
  bool restored = false;  // What serves came from --state-dir; the control plane has not answered.
};

class ConfigThread {
 public:
  struct Options {
    const base::Clock& clock;
    observe::Registry& registry;
    const config::Bootstrap& bootstrap;
    config::CompileOptions compile;
    // Runs on the config thread. Unset: no xDS.
    MakeTransport make_transport;
    // Runs on the config thread: hand over (post it to main).
    std::function<void(xds::Update)> publish;
    // Runs on the config thread, once: the first configuration is complete (or timed out).
    std::function<void()> initialized;
    EventLog* events = nullptr;  // Null: one of its own.
    std::string state_dir = {};  // "": nothing is kept.
  };
  explicit ConfigThread(Options options);
  ~ConfigThread();

  void Start();
  // Joins; what is queued is destroyed.
  void Stop();
  net::Loop& loop();
  // Any thread; /runtime_modify.
  void ModifyRuntime(std::vector<std::pair<std::string, std::string>> values);
  // Any thread.
  std::shared_ptr<const XdsView> View() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace sluice::server
