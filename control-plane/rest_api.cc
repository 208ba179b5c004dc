#include "rest_api.h"

#include <algorithm>
#include <utility>

#include "base/field_errors.h"
#include "base/status.h"
#include "base/strings.h"
#include "rest_api_answers.h"
#include "xds_methods.h"

namespace sluice::control {
namespace {

using web::WebRequest;
using web::WebResponse;

constexpr std::string_view kHelp =
    "sluice-control\n"
    "  GET PUT          /v1/config                      the whole configuration, YAML or JSON\n"
    "  GET              /v1/apps\n"
    "  GET PUT DELETE   /v1/apps/{name}\n"
    "  GET              /v1/hosts\n"
    "  GET POST PUT DELETE  /v1/hosts/{host}            POST: only when there is none yet\n"
    "  GET POST         /v1/hosts/{host}/routes         ?before=ID; else before a last \"/\"\n"
    "  GET PUT DELETE   /v1/hosts/{host}/routes/{id}\n"
    "  GET              /v1/proxies                     who is connected, and what it has\n"
    "  POST             /v3/discovery:clusters          xDS over REST; :endpoints :listeners\n"
    "                                                   :routes :secrets likewise\n"
    "  GET              /healthz /readyz /readyz?verbose /metrics\n";

// The decoded pieces between slashes; false for an escape that is none or an empty piece.
bool SplitPath(std::string_view raw_path, std::vector<std::string>& segments) {
  for (const std::string_view piece : base::Split(raw_path.substr(1), '/')) {
    auto decoded = web::PercentDecode(piece, false);
    if (!decoded || decoded->empty()) return false;
    segments.push_back(std::move(*decoded));
  }
  return true;
}

bool Mentions(const WebRequest& request, std::string_view header, std::string_view word) {
  const auto value = request.Header(header);
  return value && base::Lowercase(*value).find(word) != std::string::npos;
}

bool IsCatchAll(const RouteSpec& route) {
  return (route.match == RouteSpec::Match::kPath || route.match == RouteSpec::Match::kPrefix) &&
         route.path == "/" && route.methods.empty();
}

auto FindRoute(HostSpec& host, std::string_view id) {
  return std::find_if(host.routes.begin(), host.routes.end(),
                      [&](const RouteSpec& route) { return route.id == id; });
}

absl::Status NoHost(std::string_view name) {
  return base::NotFound(base::Cat("there is no host '", base::Printable(name), "'"));
}
absl::Status NoRoute(std::string_view host, std::string_view id) {
  return base::NotFound(
      base::Cat("host '", base::Printable(host), "' has no route '", base::Printable(id), "'"));
}

}  // namespace

WebResponse RestApi::Json(unsigned status, std::string body) const {
  WebResponse response = JsonAnswer(status, std::move(body));
  response.headers.push_back({"ETag", store_.current().etag});
  return response;
}

WebResponse RestApi::Gone() const {
  WebResponse response;
  response.status = 204;
  response.content_type = "";
  response.headers.push_back({"ETag", store_.current().etag});
  return response;
}

WebResponse RestApi::Handle(const WebRequest& request) {
  if (request.path == "/healthz") return TextAnswer(200, "ok\n");
  if (request.path == "/readyz") return Ready(request);
  if (request.path == "/metrics") return Metrics();
  if (const auto type = FindRestPath(request.path)) return Discovery(request, *type);
  if (request.path == "/") return TextAnswer(200, std::string(kHelp));
  Segments segments;
  if (!SplitPath(request.raw_path, segments)) {
    return ErrorAnswer(404, "no such path; GET / lists them");
  }
  return Dispatch(request, segments);
}

WebResponse RestApi::Dispatch(const WebRequest& request, const Segments& segments) {
  const std::size_t size = segments.size();
  if (size >= 2 && segments[0] == "v1") {
    const std::string& kind = segments[1];
    if (size == 2 && kind == "config") return Config(request);
    if (size == 2 && kind == "apps") return ListApps(request);
    if (size == 2 && kind == "hosts") return ListHosts(request);
    if (size == 2 && kind == "proxies") return Proxies(request);
    if (size == 3 && kind == "apps") return App(request, segments[2]);
    if (size == 3 && kind == "hosts") return Host(request, segments[2]);
    if (size == 4 && kind == "hosts" && segments[3] == "routes") {
      return Routes(request, segments[2]);
    }
    if (size == 5 && kind == "hosts" && segments[3] == "routes") {
      return Route(request, segments[2], segments[4]);
    }
  }
  return ErrorAnswer(404, "no such path; GET / lists them");
}

absl::Status RestApi::Edit(const WebRequest& request,
                           const std::function<absl::Status(AppsConfig&)>& edit) {
  const absl::Status status =
      store_.Edit(edit, request.Header("If-Match").value_or(std::string_view()));
  ++(status.ok() ? changes_ : refusals_);
  return status;
}

WebResponse RestApi::Refused(const WebRequest& request, const absl::Status& status) const {
  unsigned code = 500;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      // The request is well-formed; what it would leave behind is not.
      code = request.method == "DELETE" ? 409 : 400;
      break;
    case absl::StatusCode::kNotFound:
      code = 404;
      break;
    case absl::StatusCode::kAlreadyExists:
      code = 409;
      break;
    case absl::StatusCode::kFailedPrecondition:
      code = 412;
      break;
    default:
      break;
  }
  return ErrorAnswer(
      code, base::MessageOf(status),
      code == 400 || code == 409 ? store_.refusal() : std::vector<base::FieldError>());
}

WebResponse RestApi::Config(const WebRequest& request) {
  if (request.method == "PUT") return PutConfig(request);
  if (request.method != "GET") return MethodAnswer("GET, PUT");
  WebResponse response;
  const bool yaml = Mentions(request, "Accept", "yaml");
  if (request.Header("If-None-Match").value_or("") == store_.current().etag) {
    response.status = 304;
    response.content_type = "";
  } else {
    response.content_type = yaml ? "application/yaml" : "application/json";
    response.body =
        yaml ? PrintAppsYaml(store_.current().config) : PrintAppsJson(store_.current().config);
  }
  response.headers.push_back({"ETag", store_.current().etag});
  response.headers.push_back({"Vary", "Accept"});
  if (!file_.error.empty()) {
    response.headers.push_back({"X-Sluice-File-Error", base::Printable(file_.error, 1024)});
  }
  return response;
}

WebResponse RestApi::PutConfig(const WebRequest& request) {
  const auto type = request.Header("Content-Type");
  if (type && !Mentions(request, "Content-Type", "yaml") &&
      !Mentions(request, "Content-Type", "json")) {
    return ErrorAnswer(415, "Content-Type: use application/yaml or application/json");
  }
  base::FieldErrors errors;
  AppsConfig config = ParseApps(request.body, "body", errors);
  if (!errors.empty()) {
    ++refusals_;
    return ErrorAnswer(400, errors.Text(), errors.errors());
  }
  absl::Status status =
      store_.Replace(std::move(config), request.Header("If-Match").value_or(std::string_view()));
  ++(status.ok() ? changes_ : refusals_);
  if (status.ok()) return Json(200, base::Cat("{\"etag\":", Quoted(store_.current().etag), "}\n"));
  if (store_.refusal().empty()) return Refused(request, status);
  base::FieldErrors found;
  for (const base::FieldError& error : store_.refusal()) found.AddAt(error.path, error.message);
  base::FieldErrors located;
  LocateErrors(found, request.body, "body", located);
  return ErrorAnswer(400, base::MessageOf(status), located.errors());
}

// ---- apps ----------------------------------------------------------------------------------

WebResponse RestApi::ListApps(const WebRequest& request) {
  if (request.method != "GET") return MethodAnswer("GET");
  JsonObject object;
  for (const auto& [name, app] : store_.current().config.apps) object.Add(name, PrintAppJson(app));
  return Json(200, object.Text());
}

WebResponse RestApi::App(const WebRequest& request, const std::string& name) {
  const auto& apps = store_.current().config.apps;
  const auto at = apps.find(name);
  const bool existed = at != apps.end();
  if (request.method == "GET") {
    return existed ? Json(200, PrintAppJson(at->second))
                   : ErrorAnswer(404, base::Cat("there is no app '", base::Printable(name), "'"));
  }
  if (request.method == "PUT") {
    if (auto wrong = WrongJson(request)) return std::move(*wrong);
    base::FieldErrors errors;
    const AppSpec app = ParseApp(request.body, errors);
    if (!errors.empty()) return ErrorAnswer(400, errors.Text(), errors.errors());
    const absl::Status status = Edit(request, [&](AppsConfig& config) {
      config.apps[name] = app;
      return absl::OkStatus();
    });
    if (!status.ok()) return Refused(request, status);
    return Json(existed ? 200 : 201, PrintAppJson(store_.current().config.apps.at(name)));
  }
  if (request.method != "DELETE") return MethodAnswer("GET, PUT, DELETE");
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    return config.apps.erase(name) > 0
               ? absl::OkStatus()
               : base::NotFound(base::Cat("there is no app '", base::Printable(name), "'"));
  });
  return status.ok() ? Gone() : Refused(request, status);
}

// ---- hosts ---------------------------------------------------------------------------------

WebResponse RestApi::ListHosts(const WebRequest& request) {
  if (request.method != "GET") return MethodAnswer("GET");
  JsonObject object;
  for (const auto& [name, host] : store_.current().config.hosts) {
    object.Add(name, PrintHostJson(host));
  }
  return Json(200, object.Text());
}

WebResponse RestApi::Host(const WebRequest& request, const std::string& name) {
  if (request.method == "PUT" || request.method == "POST") return PutHost(request, name);
  if (request.method == "GET") {
    const auto& hosts = store_.current().config.hosts;
    const auto at = hosts.find(name);
    return at != hosts.end() ? Json(200, PrintHostJson(at->second))
                             : ErrorAnswer(404, base::MessageOf(NoHost(name)));
  }
  if (request.method != "DELETE") return MethodAnswer("GET, POST, PUT, DELETE");
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    return config.hosts.erase(name) > 0 ? absl::OkStatus() : NoHost(name);
  });
  return status.ok() ? Gone() : Refused(request, status);
}

WebResponse RestApi::PutHost(const WebRequest& request, const std::string& name) {
  if (auto wrong = WrongJson(request)) return std::move(*wrong);
  base::FieldErrors errors;
  const HostSpec host = ParseHost(request.body, errors);
  if (!errors.empty()) return ErrorAnswer(400, errors.Text(), errors.errors());
  bool existed = false;
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    existed = config.hosts.contains(name);
    if (existed && request.method == "POST") {
      return base::MakeStatus(
          absl::StatusCode::kAlreadyExists,
          base::Cat("host '", base::Printable(name), "' exists; PUT replaces it"));
    }
    config.hosts[name] = host;
    return absl::OkStatus();
  });
  if (!status.ok()) return Refused(request, status);
  return Json(existed ? 200 : 201, PrintHostJson(store_.current().config.hosts.at(name)));
}

// ---- routes --------------------------------------------------------------------------------

WebResponse RestApi::Routes(const WebRequest& request, const std::string& host) {
  if (request.method == "POST") return AddRoute(request, host);
  if (request.method != "GET") return MethodAnswer("GET, POST");
  const auto& hosts = store_.current().config.hosts;
  const auto at = hosts.find(host);
  if (at == hosts.end()) return ErrorAnswer(404, base::MessageOf(NoHost(host)));
  std::string body = "[";
  for (const RouteSpec& route : at->second.routes) {
    base::Append(body, body.size() > 1 ? "," : "", PrintRouteJson(route));
  }
  return Json(200, base::Cat(body, "]\n"));
}

WebResponse RestApi::AddRoute(const WebRequest& request, const std::string& host) {
  if (auto wrong = WrongJson(request)) return std::move(*wrong);
  base::FieldErrors errors;
  const RouteSpec route = ParseRoute(request.body, errors);
  if (!errors.empty()) return ErrorAnswer(400, errors.Text(), errors.errors());
  const auto before = request.Query("before");
  RouteSpec added;
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    const auto at = config.hosts.find(host);
    if (at == config.hosts.end()) return NoHost(host);
    std::vector<RouteSpec>& routes = at->second.routes;
    if (!route.id.empty() && FindRoute(at->second, route.id) != routes.end()) {
      return base::MakeStatus(
          absl::StatusCode::kAlreadyExists,
          base::Cat("route '", base::Printable(route.id), "' exists; PUT replaces it"));
    }
    auto place = routes.end();
    if (before) {
      place = FindRoute(at->second, *before);
      if (place == routes.end()) return NoRoute(host, *before);
    } else if (!routes.empty() && IsCatchAll(routes.back())) {
      --place;  // Behind it, nothing would ever reach the new one.
    }
    const auto index = place - routes.begin();
    routes.insert(place, route);
    AssignRouteIds(at->second);
    added = routes[static_cast<std::size_t>(index)];
    return absl::OkStatus();
  });
  if (!status.ok()) return Refused(request, status);
  WebResponse response = Json(201, PrintRouteJson(added));
  response.headers.push_back({"Location", base::Cat("/v1/hosts/", web::PercentEncode(host),
                                                    "/routes/", web::PercentEncode(added.id))});
  return response;
}

WebResponse RestApi::Route(const WebRequest& request, const std::string& host,
                           const std::string& id) {
  if (request.method == "PUT") return PutRoute(request, host, id);
  if (request.method == "GET") {
    const auto at = store_.current().config.hosts.find(host);
    if (at == store_.current().config.hosts.end()) {
      return ErrorAnswer(404, base::MessageOf(NoHost(host)));
    }
    for (const RouteSpec& route : at->second.routes) {
      if (route.id == id) return Json(200, PrintRouteJson(route));
    }
    return ErrorAnswer(404, base::MessageOf(NoRoute(host, id)));
  }
  if (request.method != "DELETE") return MethodAnswer("GET, PUT, DELETE");
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    const auto at = config.hosts.find(host);
    if (at == config.hosts.end()) return NoHost(host);
    const auto route = FindRoute(at->second, id);
    if (route == at->second.routes.end()) return NoRoute(host, id);
    at->second.routes.erase(route);
    return absl::OkStatus();
  });
  return status.ok() ? Gone() : Refused(request, status);
}

WebResponse RestApi::PutRoute(const WebRequest& request, const std::string& host,
                              const std::string& id) {
  if (auto wrong = WrongJson(request)) return std::move(*wrong);
  base::FieldErrors errors;
  RouteSpec route = ParseRoute(request.body, errors);
  if (!route.id.empty() && route.id != id) errors.AddAt("id", "is not the one of the path");
  if (!errors.empty()) return ErrorAnswer(400, errors.Text(), errors.errors());
  route.id = id;
  const absl::Status status = Edit(request, [&](AppsConfig& config) {
    const auto at = config.hosts.find(host);
    if (at == config.hosts.end()) return NoHost(host);
    const auto place = FindRoute(at->second, id);
    if (place == at->second.routes.end()) return NoRoute(host, id);
    *place = route;  // Where it was.
    return absl::OkStatus();
  });
  return status.ok() ? Json(200, PrintRouteJson(route)) : Refused(request, status);
}

}  // namespace sluice::control
