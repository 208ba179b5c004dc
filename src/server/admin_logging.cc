// /logging: GET shows the levels, POST changes them. envoy-behaviour.md 5.7.
#include "base/log.h"
#include "base/strings.h"
#include "server/admin_handlers.h"

namespace sluice::server {
namespace {

using base::Component;
using base::LogLevel;

constexpr std::string_view kUsage =
    "usage: /logging?<name>=<level> (change single level)\n"
    "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
    "usage: /logging?level=<level> (change all levels)\n"
    "levels: trace debug info warning error critical off\n";

std::string LevelsText() {
  std::string out = "active loggers:\n";
  for (unsigned i = 0; i < static_cast<unsigned>(Component::kCount); ++i) {
    const auto component = static_cast<Component>(i);
    base::Append(out, "  ", base::ComponentName(component), ": ",
                 base::LogLevelName(base::GetLogLevel(component)), "\n");
  }
  return out;
}

using Changes = std::vector<std::pair<Component, LogLevel>>;

// "" or what is wrong; nothing changes before all is known to be right.
std::string ReadOne(std::string_view name, std::string_view level_name, Changes& changes) {
  const auto component = base::ParseComponent(name);
  if (!component) return "error: unknown logger name";
  const auto level = base::ParseLogLevel(level_name);
  if (!level) return "error: unknown logger level";
  changes.emplace_back(*component, *level);
  return "";
}

std::string Change(std::string_view name, std::string_view value) {
  Changes changes;
  if (name == "level") {
    const auto level = base::ParseLogLevel(value);
    if (!level) return "error: unknown logger level";
    base::SetAllLogLevels(*level);
    return "";
  }
  if (name == "paths") {
    for (const std::string_view pair : base::Split(value, ',')) {
      const std::size_t colon = pair.find(':');
      if (colon == std::string_view::npos) return "error: unknown logger level";
      if (std::string wrong = ReadOne(pair.substr(0, colon), pair.substr(colon + 1), changes);
          !wrong.empty()) {
        return wrong;
      }
    }
  } else if (std::string wrong = ReadOne(name, value, changes); !wrong.empty()) {
    return wrong;
  }
  for (const auto& [component, level] : changes) base::SetLogLevel(component, level);
  return "";
}

}  // namespace

web::WebResponse HandleLogging(AdminSources&, const web::WebRequest& request) {
  if (request.query.empty()) return AdminText(LevelsText());
  if (request.method != "POST") {
    web::WebResponse refused =
        AdminText(base::Cat("Method ", request.method, " not allowed, POST required."), 405);
    refused.headers.push_back({"Allow", "POST"});
    return refused;
  }
  std::string wrong = "error: invalid number of parameters";
  if (request.query.size() == 1) {
    wrong = Change(request.query[0].first, request.query[0].second);
  }
  if (!wrong.empty()) return AdminText(base::Cat(wrong, "\n\n", kUsage), 400);
  return AdminText(LevelsText());
}

}  // namespace sluice::server
