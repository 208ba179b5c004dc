#pragma once
// The admin port's commands: one row per path in admin.cc, one function each in admin_*.cc.
//
// Admin thread. A handler reads immutable views and cells; commands hand over to main.

#include <span>
#include <string_view>

#include "server/admin.h"
#include "web/message.h"

namespace sluice::server {

using AdminHandler = web::WebResponse (*)(AdminSources& sources, const web::WebRequest& request);

struct AdminParameter {
  std::string_view name;
  std::string_view help;
};

struct AdminCommand {
  std::string_view path;
  bool mutates;                       // POST only.
  std::string_view help;
  AdminHandler handle;
  std::span<const AdminParameter> parameters;
};

// Text or JSON with Envoy's headers.
web::WebResponse AdminText(std::string body, unsigned status = 200);
web::WebResponse AdminJson(std::string body);

// admin_state.cc
web::WebResponse HandleReady(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleHealthcheckFail(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleHealthcheckOk(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleDrainListeners(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleQuit(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleReopenLogs(AdminSources& sources, const web::WebRequest& request);
web::WebResponse HandleResetCounters(AdminSources& sources, const web::WebRequest& request);

}  // namespace sluice::server
