// The commands that compile here what a proxy would compile: validate and explain.
#include <algorithm>
#include <iostream>
#include <utility>
#include <variant>

#include "apps_url.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "http/authority.h"
#include "http/head.h"
#include "http/path.h"
#include "sluicectl.h"
#include "snapshot.h"

namespace sluice::control {
namespace {

struct Target {
  std::string scheme = "http";
  std::string authority = "localhost";
  std::optional<std::uint16_t> port;  // Which listener; unset: all.
  std::string path = "/";
};

std::optional<Target> ParseTarget(const std::string& text) {
  Target target;
  if (text.starts_with('/')) {
    target.path = text;
    return target;
  }
  std::string why;
  const auto url =
      ParseRedirectUrl(text.find("://") == text.npos ? base::Cat("http://", text) : text, why);
  if (!url.has_value()) {
    Fail(base::Cat("'", base::Printable(text), "': ", why));
    return std::nullopt;
  }
  target.scheme = url->https ? "https" : "http";
  target.authority = url->host;
  if (url->port != 0) {
    target.port = url->port;
    base::Append(target.authority, ":", url->port);
  }
  if (!url->path.empty()) target.path = url->path.starts_with('/') ? url->path : "/" + url->path;
  return target;
}

// False after telling what is wrong.
bool FillHead(const ExplainFlags& flags, const Target& target, http::RequestHead& head) {
  head.method_text = flags.method;
  head.method = http::FindMethod(flags.method);
  head.scheme = target.scheme;
  head.authority = base::Lowercase(target.authority);
  head.path = target.path;
  http::PathOptions options;
  options.merge_slashes = true;
  if (http::NormalizePath(head.path, options) == http::PathVerdict::kReject) {
    Fail(base::Cat("a proxy answers 400 to the path '", base::Printable(head.path), "'"));
    return false;
  }
  for (const std::string& header : flags.headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || colon == 0) {
      Fail(base::Cat("'", base::Printable(header), "' is no header; write \"name: value\""));
      return false;
    }
    const std::string name = base::Lowercase(std::string_view(header).substr(0, colon));
    const std::string_view value = base::TrimOws(std::string_view(header).substr(colon + 1));
    if (name == "host") {
      head.authority = base::Lowercase(value);
    } else {
      head.fields.Add(name, value);
    }
  }
  return true;
}

void TellUpstream(const AppsConfig& config, const config::Route& route, http::RequestHead head) {
  const auto* forward = std::get_if<config::ForwardAction>(&route.action);
  if (std::holds_alternative<config::RedirectAction>(route.action)) {
    std::cout << "  location: " << config::RedirectLocation(route, head, config::Regex::kNoWorker)
              << "\n";
  }
  if (forward == nullptr) return;
  const std::string before = head.path;
  config::RewritePath(route, head, config::Regex::kNoWorker);
  if (head.path != before) std::cout << "  path sent to the app: " << head.path << "\n";
  const auto app = [&](const std::string& name, const std::string& host) {
    std::string line = base::Cat("  app ", name, ":");
    if (const auto found = config.apps.find(name); found != config.apps.end()) {
      for (const std::string& url : found->second.urls) base::Append(line, " ", url);
    }
    if (!host.empty()) base::Append(line, " with Host: ", host);
    std::cout << line << "\n";
  };
  if (forward->weighted.empty()) app(forward->cluster, forward->host_rewrite);
  for (const config::WeightedCluster& share : forward->weighted) {
    app(share.cluster, share.host_rewrite);
  }
}

int ExplainOn(const AppsConfig& config, const Resource& table_bytes,
              const http::RequestHead& head) {
  base::FieldErrors errors;
  const auto table =
      config::CompileRouteTableBytes(table_bytes.bytes, nullptr, config::CompileOptions(), errors);
  if (table == nullptr) {
    PrintErrors(errors);
    return kRefused;
  }
  const ListenerSpec& listener = config.listeners.at(table_bytes.name);
  std::cout << "listener " << table_bytes.name << " (" << listener.address << ":" << listener.port
            << "): " << head.method_text << " " << head.scheme << "://" << head.authority
            << head.path << "\n";
  for (const std::string& line : config::ExplainRoute(*table, head)) {
    std::cout << "  " << line << "\n";
  }
  const auto found = config::FindRoute(*table, head, config::Regex::kNoWorker);
  if (found.route != nullptr) TellUpstream(config, *found.route, head);
  return kOk;
}

// From a file, or what the server has.
std::optional<AppsConfig> LoadConfig(const CtlServer& server, const std::string& file, int& code) {
  if (file.empty()) return FetchConfig(server, code);
  const std::optional<std::string> text = ReadInput(file);
  if (!text.has_value()) {
    code = kFailed;
    return std::nullopt;
  }
  base::FieldErrors errors;
  AppsConfig config = ParseApps(*text, file, errors);
  if (errors.empty()) return config;
  PrintErrors(errors);
  code = kRefused;
  return std::nullopt;
}

}  // namespace

int Validate(const std::string& file) {
  const std::optional<std::string> text = ReadInput(file);
  if (!text.has_value()) return kFailed;
  base::FieldErrors errors;
  const AppsConfig config = ParseApps(*text, file, errors);
  if (errors.empty()) {
    base::FieldErrors found;
    BuildSnapshot(config, nullptr, found);
    LocateErrors(found, *text, file, errors);
  }
  if (!errors.empty()) {
    PrintErrors(errors);
    return kRefused;
  }
  std::size_t routes = 0;
  for (const auto& [name, host] : config.hosts) routes += host.routes.size();
  std::cout << file << ": ok (" << config.listeners.size() << " listeners, " << config.apps.size()
            << " apps, " << config.hosts.size() << " hosts, " << routes << " routes)\n";
  return kOk;
}

int Explain(const CtlServer& server, const ExplainFlags& flags) {
  const std::optional<Target> target = ParseTarget(flags.url);
  http::RequestHead head;
  if (!target.has_value() || !FillHead(flags, *target, head)) return kUsage;
  int code = kOk;
  std::optional<AppsConfig> config = LoadConfig(server, flags.file, code);
  if (!config.has_value()) return code;
  // Routes do not look at certificates, and the server's files are not here.
  for (auto& [name, app] : config->apps) app.ca_file.clear();
  base::FieldErrors errors;
  const auto snapshot = BuildSnapshot(*config, nullptr, errors);
  if (snapshot == nullptr) {
    PrintErrors(errors);
    return kRefused;
  }
  const auto& tables = snapshot->Of(Type::kRoutes).resources;
  const bool known = std::any_of(tables.begin(), tables.end(), [&](const auto& table) {
    return config->listeners.at(table.first).port == target->port;
  });
  for (const auto& [name, table] : tables) {
    if (known && config->listeners.at(name).port != target->port) continue;
    if (code = ExplainOn(*config, *table, head); code != kOk) return code;
  }
  if (tables.empty()) return Fail("there is no listener; a client cannot connect");
  return kOk;
}

}  // namespace sluice::control
