#pragma once
// The world: owns every thread and every room's objects, wires them, and ends them in order.
//
// Main's thread. There is no singleton; what a room needs is handed to it from here.

#include <atomic>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "config/bootstrap.h"
#include "server/admin.h"
#include "server/options.h"

namespace sluice::server {

class Server {
 public:
  Server(Options options, std::unique_ptr<config::Bootstrap> bootstrap);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until a signal or /quitquitquit; the exit code.
  int Run();

 private:
  struct World;
  bool Begin();
  bool StartCsds();
  void OnSignal(int signal);
  void ReopenLogs();
  void DrainListeners(AdminSources::Drain how);
  void BeginShutdown(bool grace);
  void StopAccepting();
  void Finish();

  std::unique_ptr<World> world_;
};

// Reads, compiles and checks the bootstrap the options name; prints every error to stderr and
// returns null when there is one.
std::unique_ptr<config::Bootstrap> LoadBootstrapFor(const Options& options);

}  // namespace sluice::server
