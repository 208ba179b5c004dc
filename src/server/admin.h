#pragma once
// The admin port: Envoy's endpoints, served on the admin thread from immutable views and atomic
// cells. It asks no other thread while rendering and never blocks a worker. envoy-behaviour.md 5.
//
// Start and Stop belong to main. The functions in AdminSources may be called from the admin thread.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "config/bootstrap.h"
#include "config/snapshot.h"
#include "observe/log_writer.h"
#include "observe/registry.h"
#include "server/certificate_expiries.h"
#include "server/config_thread.h"
#include "server/event_log.h"
#include "server/listener_tls.h"
#include "server/listeners.h"
#include "server/options.h"
#include "upstream/main_clusters.h"

namespace sluice::server {

// /ready and /server_info: written by main, read by anyone.
enum class ServerState : std::uint8_t { kLive, kDraining, kPreInitializing, kInitializing };

// In the registry: main and the config thread are kMainOwner and the one below.
inline constexpr unsigned kAdminOwner = observe::Registry::kMainOwner - 2;

struct AdminSources {
  const base::Clock& clock;
  observe::Registry& registry;
  const Options& options;
  const config::Bootstrap& bootstrap;
  const std::atomic<ServerState>& state;
  const std::atomic<bool>& healthcheck_failed;
  base::WallTime started;
  std::function<std::shared_ptr<const XdsView>()> xds;
  std::function<std::shared_ptr<const upstream::ClustersView>()> clusters;
  std::function<std::shared_ptr<const ListenersView>()> listeners;
  std::function<std::shared_ptr<const config::Snapshot>()> snapshot;
  // Commands; each hands over to main and returns at once.
  std::function<void(bool fail)> set_healthcheck;
  // Graceful: connections close as they can, listening ends after --drain-time-s, or never.
  enum class Drain : std::uint8_t { kStop, kGraceful, kGracefulForEver };
  std::function<void(Drain how)> drain_listeners;
  std::function<void()> quit;
  std::function<void(std::vector<std::pair<std::string, std::string>> values)> modify_runtime;
  std::function<void()> reopen_logs;
  // Admin's own block, of owner kAdminOwner: "server." gauges that are only known when somebody
  // asks. No other thread writes it.
  observe::ServerStats& stats;
  observe::LogWriter& log_writer;
  const EventLog& events;
  CertificateExpiries expiries{};  // Admin thread.
  // What listeners show and whom they trust.
  std::function<std::shared_ptr<const ListenerCertificatesView>()> listener_certificates{};
};

class Admin {
 public:
  explicit Admin(AdminSources sources);
  ~Admin();  // Stops.

  // Binds bootstrap.admin_address and serves; the bound address.
  absl::StatusOr<base::Address> Start();
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::server
