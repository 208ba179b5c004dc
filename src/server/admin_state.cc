// Commands that ask for or change the state of the process.
#include <algorithm>

#include "base/strings.h"
#include "server/admin_handlers.h"

namespace sluice::server {

namespace {

std::string_view StateLine(ServerState state) {
  switch (state) {
    case ServerState::kLive:
      return "LIVE\n";
    case ServerState::kDraining:
      return "DRAINING\n";
    case ServerState::kPreInitializing:
      return "PRE_INITIALIZING\n";
    case ServerState::kInitializing:
      return "INITIALIZING\n";
  }
  return "";
}

}  // namespace

std::int64_t ConfigAgeSeconds(const AdminSources& sources) {
  const std::shared_ptr<const XdsView> view = sources.xds();
  if (view->accepted == base::WallTime()) return 0;
  const auto age = sources.clock.WallNow() - view->accepted;
  return std::max<std::int64_t>(std::chrono::duration_cast<base::seconds>(age).count(), 0);
}

std::string ConfigOrigin(const AdminSources& sources) {
  const std::shared_ptr<const XdsView> view = sources.xds();
  if (!sources.bootstrap.ads) return "configuration: the bootstrap's";
  const std::string age = base::Cat(", accepted ", ConfigAgeSeconds(sources), " s ago");
  if (view->restored) {
    return base::Cat("configuration: stored", age, "; the control plane has not answered yet");
  }
  if (view->accepted == base::WallTime()) return "configuration: none yet";
  return base::Cat("configuration: the control plane's", age,
                   view->connected ? "" : "; the control plane is away");
}

web::WebResponse HandleReady(AdminSources& sources, const web::WebRequest& request) {
  const ServerState state = StateOf(sources);
  std::string text(StateLine(state));
  if (request.Query("verbose")) {
    base::Append(text, ConfigOrigin(sources), "\n");
    const std::shared_ptr<const XdsView> view = sources.xds();
    base::Append(text, "warming: ", view->warming_clusters.size(), " clusters, ",
                 view->warming_listeners.size(), " listeners\n");
  }
  return AdminText(std::move(text), state == ServerState::kLive ? 200 : 503);
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
    for (const std::string& what : view->missing) json.Text(what);
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
