// What the process says of itself: /server_info, /memory and the "server." gauges.
#include "observe/stats.h"
#include "server/admin_handlers.h"
#include "server/process_memory.h"
#include "server/version.h"

namespace sluice::server {
namespace {

std::int64_t UptimeSeconds(const AdminSources& sources) {
  return std::chrono::duration_cast<base::seconds>(sources.clock.WallNow() - sources.started)
      .count();
}

ServerState StateOf(const AdminSources& sources) {
  return sources.healthcheck_failed ? ServerState::kDraining : sources.state.load();
}

}  // namespace

void UpdateServerGauges(AdminSources& sources) {
  observe::ServerStats& stats = sources.stats;
  const ServerState state = StateOf(sources);
  stats.uptime.Set(UptimeSeconds(sources));
  stats.live.Set(state == ServerState::kLive ? 1 : 0);
  stats.state.Set(static_cast<std::int64_t>(state));
  stats.version.Set(kVersionMajor * 10'000 + kVersionMinor * 100 + kVersionPatch);
  stats.total_connections.Set(sources.registry.GaugeValue("worker.connections").value_or(0));
  const ProcessMemory memory = ReadProcessMemory();
  stats.memory_allocated.Set(static_cast<std::int64_t>(memory.allocated));
  stats.memory_heap_size.Set(static_cast<std::int64_t>(memory.heap));
  stats.memory_physical_size.Set(static_cast<std::int64_t>(memory.physical));
}

}  // namespace sluice::server
