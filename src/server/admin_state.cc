// Commands that ask for or change the state of the process.
#include "server/admin_handlers.h"

namespace sluice::server {

web::WebResponse HandleReady(AdminSources& sources, const web::WebRequest&) {
  switch (StateOf(sources)) {
    case ServerState::kLive:
      return AdminText("LIVE\n");
    case ServerState::kDraining:
      return AdminText("DRAINING\n", 503);
    case ServerState::kPreInitializing:
      return AdminText("PRE_INITIALIZING\n", 503);
    case ServerState::kInitializing:
      return AdminText("INITIALIZING\n", 503);
  }
  return AdminText("", 500);
}

web::WebResponse HandleHealthcheckFail(AdminSources& sources, const web::WebRequest&) {
  sources.set_healthcheck(true);
  return AdminText("OK\n");
}

web::WebResponse HandleHealthcheckOk(AdminSources& sources, const web::WebRequest&) {
  sources.set_healthcheck(false);
  return AdminText("OK\n");
}

web::WebResponse HandleDrainListeners(AdminSources& sources, const web::WebRequest& request) {
  const bool graceful = request.Query("graceful").has_value();
  const bool skip_exit = request.Query("skip_exit").has_value();
  if (request.Query("inboundonly")) return AdminText("inboundonly is not supported\n", 400);
  if (skip_exit && !graceful) return AdminText("skip_exit requires graceful\n", 400);
  using Drain = AdminSources::Drain;
  sources.drain_listeners(skip_exit  ? Drain::kGracefulForEver
                          : graceful ? Drain::kGraceful
                                     : Drain::kStop);
  return AdminText("OK\n");
}

web::WebResponse HandleQuit(AdminSources& sources, const web::WebRequest&) {
  sources.quit();
  return AdminText("OK\n");
}

web::WebResponse HandleReopenLogs(AdminSources& sources, const web::WebRequest&) {
  sources.reopen_logs();
  return AdminText("OK\n");
}

web::WebResponse HandleResetCounters(AdminSources& sources, const web::WebRequest&) {
  sources.registry.ResetCounters();
  return AdminText("OK\n");
}

web::WebResponse HandleInitDump(AdminSources& sources, const web::WebRequest&) {
  const std::shared_ptr<const XdsView> view = sources.xds();
  std::string out;
  JsonWriter json(&out);
  json.OpenObject();
  if (!view->warming_clusters.empty() || !view->warming_listeners.empty()) {
    json.OpenList("unready_targets_dumps");
    json.OpenObject();
    json.Member("name", "init manager Server");
    json.OpenList("target_names");
    for (const std::string& name : view->warming_clusters) json.Text(base::Cat("cluster ", name));
    for (const std::string& name : view->warming_listeners) {
      json.Text(base::Cat("listener ", name));
    }
    json.Close();
    json.Close();
    json.Close();
  }
  json.Close();
  return AdminJson(std::move(out));
}

web::WebResponse HandleHotRestartVersion(AdminSources&, const web::WebRequest&) {
  return AdminText("disabled\n");
}

}  // namespace sluice::server
