#include "server/admin.h"

#include <algorithm>
#include <fstream>
#include <span>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "server/admin_access_log.h"
#include "server/admin_handlers.h"
#include "web/server.h"

namespace sluice::server {
namespace {

constexpr AdminParameter kFormat[] = {{"format", "File format to use; One of (text, json)"}};
constexpr AdminParameter kPrometheusParameters[] = {
    {"filter", "Regular expression (Google re2) for filtering stats"},
    {"type", "Stat types to include; One of (All, Counters, Histograms, Gauges)"},
    {"usedonly", "Only stats that were ever written (the default; off: all)"},
};
constexpr AdminParameter kStatsParameters[] = {
    {"usedonly", "Only stats that were ever written"},
    {"filter", "Regular expression (Google re2) for filtering stats"},
    {"format", "Format to use; One of (json, prometheus, text)"},
    {"type", "Stat types to include; One of (All, Counters, Histograms, Gauges, TextReadouts)"},
    {"histogram_buckets", "Histogram bucket display mode; One of (cumulative, disjoint, summary)"},
};

constexpr AdminParameter kConfigDumpParameters[] = {
    {"resource", "The resource to dump, a repeated field as dynamic_active_clusters"},
    {"name_regex", "Dump only the currently loaded resources whose names match the regex"},
    {"include_eds", "Dump currently loaded configuration including EDS"},
};
constexpr AdminParameter kReadyParameters[] = {
    {"verbose", "Also where the configuration comes from, how old it is, and what warms"},
};
constexpr AdminParameter kDrainParameters[] = {
    {"graceful", "Close connections as they can, stop listening after --drain-time-s"},
    {"skip_exit", "With graceful: go on listening"},
};
constexpr AdminParameter kEventsParameters[] = {
    {"kind", "Only these: accepted, rejected, removed, warmed, drained, connected and so on"},
    {"after", "Only what is newer: the `last` of an earlier answer"},
};
constexpr AdminParameter kLoggingParameters[] = {
    {"paths", "Change multiple logging levels by setting to <name1>:<level1>,<name2>:<level2>"},
    {"level",
     "Change all logging levels; One of (trace, debug, info, warning, error, critical, "
     "off)"},
    {"<logger>", "Change the level of one logger"},
};

// Sorted by path, as /help prints them.
constexpr AdminCommand kCommands[] = {
    {"/certs", false, "print certs on machine", &HandleCerts, {}},
    {"/clusters", false, "upstream cluster status", &HandleClusters, kFormat},
    {"/config_dump", false, "dump current configuration", &HandleConfigDump, kConfigDumpParameters},
    {"/drain_listeners", true, "drain listeners", &HandleDrainListeners, kDrainParameters},
    {"/events", false, "print what happened to the configuration lately", &HandleEvents,
     kEventsParameters},
    {"/healthcheck/fail",
     true,
     "cause the server to fail health checks",
     &HandleHealthcheckFail,
     {}},
    {"/healthcheck/ok", true, "cause the server to pass health checks", &HandleHealthcheckOk, {}},
    {"/hot_restart_version",
     false,
     "print the hot restart compatibility version",
     &HandleHotRestartVersion,
     {}},
    {"/init_dump", false, "print what initialization waits for", &HandleInitDump, {}},
    {"/listeners", false, "print listener info", &HandleListeners, kFormat},
    {"/logging", false, "query/change logging levels (change: POST)", &HandleLogging,
     kLoggingParameters},
    {"/memory", false, "print current allocation/heap usage", &HandleMemory, {}},
    {"/metrics", false, "print server stats in prometheus format", &HandlePrometheus,
     kPrometheusParameters},
    {"/quitquitquit", true, "exit the server", &HandleQuit, {}},
    {"/ready", false, "print server state, return 200 if LIVE, otherwise return 503", &HandleReady,
     kReadyParameters},
    {"/reopen_logs", true, "reopen access logs", &HandleReopenLogs, {}},
    {"/reset_counters", true, "reset all counters to zero", &HandleResetCounters, {}},
    {"/runtime", false, "print runtime values", &HandleRuntime, {}},
    {"/runtime_modify",
     true,
     "Adds or modifies runtime values as passed in query parameters. To delete a previously added "
     "key, use an empty string as the value",
     &HandleRuntimeModify,
     {}},
    {"/server_info", false, "print server version/status information", &HandleServerInfo, {}},
    {"/stats", false, "print server stats", &HandleStats, kStatsParameters},
    {"/stats/prometheus", false, "print server stats in prometheus format", &HandlePrometheus,
     kPrometheusParameters},
};

std::string HelpText() {
  std::string text =
      "admin commands are:\n  /: Admin home page\n  /help: print out list of admin commands\n";
  for (const AdminCommand& command : kCommands) {
    base::Append(text, "  ", command.path, command.mutates ? " (POST)" : "", ": ", command.help,
                 "\n");
    for (const AdminParameter& parameter : command.parameters) {
      base::Append(text, "      ", parameter.name, ": ", parameter.help, "\n");
    }
  }
  return text;
}

std::string HomePage() {
  std::string html =
      "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Sluice admin</title></head>"
      "<body>\n<h1>Sluice admin</h1>\n<table>\n";
  for (const AdminCommand& command : kCommands) {
    const std::string_view path = command.path.substr(1);
    base::Append(html, "<tr><td>");
    if (command.mutates) {
      base::Append(html, "<form action=\"", path, "\" method=\"post\"><button>", path,
                   "</button></form>");
    } else {
      base::Append(html, "<a href=\"", path, "\">", path, "</a>");
    }
    base::Append(html, "</td><td>", command.help, "</td></tr>\n");
  }
  return html + "</table>\n</body></html>\n";
}

}  // namespace

web::WebResponse AdminText(std::string body, unsigned status) {
  web::WebResponse response;
  response.status = status;
  response.headers = {{"Cache-Control", "no-cache, max-age=0"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

web::WebResponse AdminJson(std::string body) {
  web::WebResponse response = AdminText(std::move(body));
  response.content_type = "application/json";
  return response;
}

web::WebResponse HandleAdmin(AdminSources& sources, const web::WebRequest& request) {
  if (request.path == "/") {
    web::WebResponse page = AdminText(HomePage());
    page.content_type = "text/html; charset=UTF-8";
    return page;
  }
  if (request.path == "/help") return AdminText(HelpText());
  for (const AdminCommand& command : kCommands) {
    if (command.path != request.path) continue;
    const bool post = request.method == "POST";
    if (command.mutates && !post) {
      web::WebResponse refused =
          AdminText(base::Cat("Method ", request.method, " not allowed, POST required."), 405);
      refused.headers.push_back({"Allow", "POST"});
      return refused;
    }
    if (!command.mutates && !post && request.method != "GET") {
      web::WebResponse refused =
          AdminText(base::Cat("Method ", request.method, " not allowed."), 405);
      refused.headers.push_back({"Allow", "GET, HEAD, POST"});
      return refused;
    }
    return command.handle(sources, request);
  }
  return AdminText(base::Cat("invalid path. ", HelpText()), 404);
}

struct Admin::State {
  explicit State(AdminSources admin_sources) : sources(std::move(admin_sources)), log(sources) {}
  AdminSources sources;
  AdminAccessLog log;
  std::unique_ptr<web::WebServer> server;
};

Admin::Admin(AdminSources sources) : state_(std::make_unique<State>(std::move(sources))) {}

Admin::~Admin() { Stop(); }

absl::StatusOr<base::Address> Admin::Start() {
  const Options& options = state_->sources.options;
  for (const std::string& line : InsecureSettings(state_->sources)) {
    SLUICE_LOG(kWarning, kAdmin, "insecure: ", line);
  }
  web::WebServerOptions web;
  web.address = *state_->sources.bootstrap.admin_address;
  web.insecure = options.insecure_listen;
  web.open_paths = {"/ready"};
  if (!options.admin_token_file.empty()) {
    std::ifstream file(options.admin_token_file);
    std::getline(file, web.token);
    if (web.token.empty()) {
      return base::InvalidArgument(base::Cat("--admin-token-file ", options.admin_token_file,
                                             ": no token in its first line"));
    }
  }
  state_->server = std::make_unique<web::WebServer>(
      std::move(web), [state = state_.get()](const web::WebRequest& request) {
        return state->log.Logged(request, &HandleAdmin);
      });
  return state_->server->Start();
}

void Admin::Stop() {
  if (state_->server != nullptr) state_->server->Stop();
}

}  // namespace sluice::server
