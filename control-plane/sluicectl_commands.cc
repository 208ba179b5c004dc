// The commands that ask or change a server.
#include <algorithm>
#include <iostream>
#include <utility>

#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "config/yaml_tree.h"
#include "sluicectl.h"
#include "web/client.h"

namespace sluice::control {
namespace {

constexpr std::string_view kJson = "application/json";

using Row = TableRow;

std::string Joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) base::Append(out, out.empty() ? "" : " ", text);
  return out;
}

std::string MatchText(const RouteSpec& route) {
  constexpr std::string_view kNames[] = {"path", "prefix", "exact", "regex"};
  std::string out =
      base::Cat(kNames[static_cast<std::size_t>(route.match)], " ", base::Printable(route.path));
  if (!route.methods.empty()) base::Append(out, " [", Joined(route.methods), "]");
  return out;
}

std::string ActionText(const RouteSpec& route) {
  if (route.respond.has_value()) return base::Cat("answer ", route.respond->status);
  if (route.redirect.has_value()) {
    return base::Cat("redirect ", route.redirect->status, " to ",
                     base::Printable(route.redirect->to));
  }
  if (!route.app.empty()) return base::Cat("app ", route.app);
  std::string out = "split";
  for (const auto& [app, weight] : route.split) base::Append(out, " ", app, "=", weight);
  return out;
}

// Only one section of it, where one was asked for.
std::string Only(const AppsConfig& config, const std::string& what, Output output) {
  if (what == "config") {
    return output == Output::kYaml ? PrintAppsYaml(config) : PrintAppsJson(config);
  }
  AppsConfig part;
  if (what == "apps") part.apps = config.apps;
  if (what != "apps") part.hosts = config.hosts;
  if (output == Output::kYaml) {
    std::string text = PrintAppsYaml(part);
    for (const std::string_view empty : {"listeners: {}\n", "apps: {}\n"}) {
      if (text.starts_with(empty)) text.erase(0, empty.size());
    }
    return text.ends_with("hosts: {}\n") && what == "apps" ? text.substr(0, text.size() - 10)
                                                           : text;
  }
  std::string out = "{";
  const auto add = [&](const std::string& name, std::string_view json) {
    while (json.ends_with('\n')) json.remove_suffix(1);
    out += out.size() > 1 ? ",\n" : "\n";
    base::AppendJsonString(out, name);
    base::Append(out, ": ", json);
  };
  for (const auto& [name, app] : part.apps) add(name, PrintAppJson(app));
  for (const auto& [name, host] : part.hosts) add(name, PrintHostJson(host));
  return out + "\n}\n";
}

void PrintParts(const AppsConfig& config, const std::string& what) {
  std::vector<Row> rows;
  if (what == "apps") {
    rows.push_back({"APP", "URLS"});
    for (const auto& [name, app] : config.apps) rows.push_back({name, Joined(app.urls)});
  } else if (what == "hosts") {
    rows.push_back({"HOST", "LISTENERS", "ROUTES", "CORS"});
    for (const auto& [name, host] : config.hosts) {
      rows.push_back({name, host.listeners.empty() ? "all" : Joined(host.listeners),
                      base::Cat(host.routes.size()), host.cors.has_value() ? "yes" : "no"});
    }
  } else {
    rows.push_back({"HOST", "ID", "MATCH", "ACTION"});
    for (const auto& [name, host] : config.hosts) {
      for (const RouteSpec& route : host.routes) {
        rows.push_back({name, route.id, MatchText(route), ActionText(route)});
      }
    }
  }
  PrintTable(rows);
}

// Members of a JSON object, written in the order of the calls; empty values are left out.
class Object {
 public:
  void Text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    Name(name);
    base::AppendJsonString(text_, value);
  }
  void Raw(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    Name(name);
    text_ += value;
  }
  void List(std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    Name(name);
    std::string_view separator = "[";
    for (const std::string& value : values) {
      text_ += separator;
      base::AppendJsonString(text_, value);
      separator = ",";
    }
    text_ += ']';
  }
  bool empty() const { return text_.size() == 1; }
  std::string Take() { return std::move(text_) + '}'; }

 private:
  void Name(std::string_view name) {
    if (!empty()) text_ += ',';
    base::AppendJsonString(text_, name);
    text_ += ':';
  }
  std::string text_ = "{";
};

// "name: value" entries as one object; "" for none, nullopt after telling what is wrong.
std::optional<std::string> HeadersJson(const std::vector<std::string>& headers) {
  Object set, edits;
  std::string members;
  for (const std::string& header : headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || colon == 0) {
      Fail(base::Cat("'", base::Printable(header), "' is no header; write \"name: value\""));
      return std::nullopt;
    }
    std::string value;
    base::AppendJsonString(value, base::TrimOws(std::string_view(header).substr(colon + 1)));
    set.Raw(std::string_view(header).substr(0, colon), value);
  }
  if (set.empty()) return "";
  edits.Raw("set", set.Take());
  return edits.Take();
}

std::optional<std::string> SplitJson(const std::vector<std::string>& split) {
  Object out;
  for (const std::string& entry : split) {
    const std::size_t equals = entry.find('=');
    const auto weight = equals == std::string::npos
                            ? std::nullopt
                            : base::ParseUint(std::string_view(entry).substr(equals + 1));
    if (!weight.has_value()) {
      Fail(base::Cat("--split ", base::Printable(entry), ": write APP=WEIGHT, as new=10"));
      return std::nullopt;
    }
    out.Raw(std::string_view(entry).substr(0, equals), base::Cat(*weight));
  }
  return out.empty() ? "" : out.Take();
}

std::optional<std::string> RouteJson(const RouteFlags& flags) {
  const auto split = SplitJson(flags.split);
  const auto request = HeadersJson(flags.set_headers);
  const auto response = HeadersJson(flags.set_response_headers);
  if (!split.has_value() || !request.has_value() || !response.has_value()) return std::nullopt;
  Object respond, redirect, headers, route;
  if (!flags.respond.empty()) {
    respond.Raw("status", flags.respond);
    respond.Text("body", flags.body);
  }
  if (!flags.redirect.empty()) {
    redirect.Text("to", flags.redirect);
    redirect.Raw("status", flags.status);
  }
  headers.Raw("request", *request);
  headers.Raw("response", *response);
  route.Text("id", flags.id);
  route.Text("path", flags.path);
  route.Text("prefix", flags.prefix);
  route.Text("exact", flags.exact);
  route.Text("regex", flags.regex);
  route.List("methods", flags.methods);
  route.Text("app", flags.app);
  route.Raw("split", *split);
  route.Raw("respond", respond.empty() ? "" : respond.Take());
  route.Raw("redirect", redirect.empty() ? "" : redirect.Take());
  route.Raw("strip_prefix", flags.strip_prefix ? "true" : "");
  route.Text("rewrite", flags.rewrite);
  route.Text("host_header", flags.host_header);
  route.Text("timeout", flags.timeout);
  route.Raw("headers", headers.empty() ? "" : headers.Take());
  return route.Take();
}

std::string HostPath(const std::string& host) {
  return base::Cat("/v1/hosts/", web::PercentEncode(host));
}

}  // namespace

int Apply(const CtlServer& server, const std::string& file, const std::string& if_match) {
  const std::optional<std::string> text = ReadInput(file);
  if (!text.has_value()) return kFailed;
  // Here the errors still know the file's name.
  base::FieldErrors errors;
  ParseApps(*text, file, errors);
  if (!errors.empty()) {
    PrintErrors(errors);
    return kRefused;
  }
  int code = kOk;
  const CtlReply reply =
      CallApi(server, {"PUT", "/v1/config", *text, "application/yaml", "", if_match}, code);
  if (code != kOk) return code;
  std::cout << "applied " << reply.etag << "\n";
  return AwaitProxies(server);
}

int Get(const CtlServer& server, const std::string& what, Output output) {
  int code = kOk;
  const std::optional<AppsConfig> config = FetchConfig(server, code);
  if (!config.has_value()) return code;
  if (output == Output::kTable && what == "config") output = Output::kYaml;
  if (output == Output::kTable) {
    PrintParts(*config, what);
  } else {
    std::cout << Only(*config, what, output);
  }
  return kOk;
}

int SetApp(const CtlServer& server, const AppFlags& flags) {
  int code = kOk;
  const std::optional<AppsConfig> config = FetchConfig(server, code);
  if (!config.has_value()) return code;
  // What is not given stays: a new port must not forget the CA.
  AppSpec app;
  if (const auto found = config->apps.find(flags.name); found != config->apps.end()) {
    app = found->second;
  }
  if (!flags.urls.empty()) app.urls = flags.urls;
  if (!flags.ca_file.empty()) app.ca_file = flags.ca_file;
  if (!flags.connect_timeout.empty()) {
    Object timeout;
    timeout.Text("connect_timeout", flags.connect_timeout);
    base::FieldErrors errors;
    app.connect_timeout_ms = ParseApp(timeout.Take(), errors).connect_timeout_ms;
    if (!errors.empty()) {
      PrintErrors(errors);
      return kRefused;
    }
  }
  CallApi(server,
          {"PUT", base::Cat("/v1/apps/", web::PercentEncode(flags.name)), PrintAppJson(app),
           std::string(kJson), "", ""},
          code);
  if (code != kOk) return code;
  std::cout << "app " << flags.name << ": " << Joined(app.urls) << "\n";
  return AwaitProxies(server);
}

int RemoveApp(const CtlServer& server, const std::string& name) {
  int code = kOk;
  CallApi(server, {.method = "DELETE", .path = base::Cat("/v1/apps/", web::PercentEncode(name))},
          code);
  if (code != kOk) return code;
  std::cout << "removed app " << name << "\n";
  return AwaitProxies(server);
}

int AddRoute(const CtlServer& server, const RouteFlags& flags) {
  const std::optional<std::string> json = RouteJson(flags);
  if (!json.has_value()) return kUsage;
  std::string path = base::Cat(HostPath(flags.host), "/routes");
  if (!flags.before.empty()) base::Append(path, "?before=", web::PercentEncode(flags.before));
  int code = kOk;
  const CtlReply reply = CallApi(server, {"POST", path, *json, std::string(kJson), "", ""}, code);
  if (code != kOk) return code;
  base::FieldErrors errors;
  const RouteSpec route = ParseRoute(reply.body, errors);
  std::cout << "added route " << route.id << " to " << flags.host << "\n";
  return AwaitProxies(server);
}

int RemoveRoute(const CtlServer& server, const std::string& host, const std::string& id) {
  int code = kOk;
  CallApi(
      server,
      {.method = "DELETE", .path = base::Cat(HostPath(host), "/routes/", web::PercentEncode(id))},
      code);
  if (code != kOk) return code;
  std::cout << "removed route " << id << " of " << host << "\n";
  return AwaitProxies(server);
}

int Status(const std::string& admin) {
  bool ready = false;
  for (const std::string_view path : {"/ready", "/server_info"}) {
    const std::string_view scheme = admin.starts_with("http://") ? "" : "http://";
    const auto reply = web::Fetch({.url = base::Cat(scheme, admin, path)});
    if (!reply.ok()) {
      Fail(base::Cat(admin, ": ", base::MessageOf(reply.status())));
      return kNoConnection;
    }
    if (path == "/ready") ready = reply->status == 200;
    std::cout << reply->body << (reply->body.ends_with('\n') ? "" : "\n");
  }
  return ready ? kOk : kFailed;
}

}  // namespace sluice::control
