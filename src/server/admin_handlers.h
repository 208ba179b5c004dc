#pragma once
// The admin port's commands: one row per path in admin.cc, one function each in admin_*.cc.
//
// Admin thread. A handler reads immutable views and cells; commands hand over to main.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/admin.h"
#include "server/json_writer.h"
#include "web/message.h"

namespace sluice::server {

using AdminHandler = web::WebResponse (*)(AdminSources& sources, const web::WebRequest& request);

struct AdminParameter {
  std::string_view name;
  std::string_view help;
};

struct AdminCommand {
  std::string_view path;
  bool mutates;  // POST only.
  std::string_view help;
  AdminHandler handle;
  std::span<const AdminParameter> parameters;
};

// Text or JSON with Envoy's headers.
web::WebResponse AdminText(std::string body, unsigned status = 200);
web::WebResponse AdminJson(std::string body);
// ?format=text (the default) or json; nullopt for another.
std::optional<bool> WantsJson(const web::WebRequest& request);
// An envoy.config.core.v3.Address as the next value.
void WriteAddressJson(const base::Address& address, JsonWriter& json);

// admin_state.cc
web::WebResponse HandleReady(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleHealthcheckFail(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleHealthcheckOk(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleDrainListeners(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleQuit(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleReopenLogs(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleResetCounters(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleInitDump(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleHotRestartVersion(AdminSources& sources, const web::WebRequest& request);

// admin.cc: any path. Finds the command, or says why not.
web::WebResponse HandleAdmin(AdminSources& sources, const web::WebRequest& request);

// admin_events.cc
web::WebResponse HandleEvents(AdminSources& sources, const web::WebRequest& request);

// admin_listeners.cc
web::WebResponse HandleListeners(AdminSources& sources, const web::WebRequest& request);

// admin_stats.cc
web::WebResponse HandleStats(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandlePrometheus(AdminSources& sources, const web::WebRequest& request);

// admin_clusters.cc
web::WebResponse HandleClusters(AdminSources& sources, const web::WebRequest& request);
// core.v3.HealthStatus.
std::string_view HealthName(config::Endpoint::Health health);

// admin_config_dump.cc
web::WebResponse HandleConfigDump(AdminSources& sources, const web::WebRequest& request);

// admin_certs.cc
web::WebResponse HandleCerts(AdminSources& sources, const web::WebRequest& request);

// admin_runtime.cc
web::WebResponse HandleRuntime(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleRuntimeModify(AdminSources& sources, const web::WebRequest& request);

// admin_logging.cc
web::WebResponse HandleLogging(AdminSources& sources, const web::WebRequest& request);

// admin_process.cc
web::WebResponse HandleServerInfo(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleMemory(AdminSources& sources, const web::WebRequest& request);
// DRAINING also while /healthcheck/fail holds.
ServerState StateOf(const AdminSources& sources);
// A sentence for each setting that gives up safety, for whoever reads /server_info.
std::vector<std::string> InsecureSettings(const AdminSources& sources);
// Since the control plane's configuration was accepted last; 0 when it never was.
std::int64_t ConfigAgeSeconds(const AdminSources& sources);
// One line about where the configuration that serves comes from.
std::string ConfigOrigin(const AdminSources& sources);
// "server." gauges, as of now.
void UpdateServerGauges(AdminSources& sources);

}  // namespace sluice::server
