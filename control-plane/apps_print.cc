// Specs to text: one tree of values, written as JSON or as YAML in the order people expect.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

struct Member;

struct Value {
  enum class Kind : std::uint8_t { kRaw, kText, kList, kMap };
  Kind kind = Kind::kMap;
  std::string text;             // kRaw: a number or bool; kText: a string.
  std::vector<Member> members;  // kMap; kList with empty keys.

  static Value Raw(std::string text);
  static Value Text(std::string_view text);
  static Value Map();
  static Value List();

  void Set(std::string_view key, Value value);
  void SetList(std::string_view key, const std::vector<std::string>& texts);  // Unless empty.
  void Push(Value value);
};

struct Member {
  std::string key;
  Value value;
};

Value Value::Raw(std::string text) { return {Kind::kRaw, std::move(text), {}}; }
Value Value::Text(std::string_view text) { return {Kind::kText, std::string(text), {}}; }
Value Value::Map() { return {Kind::kMap, {}, {}}; }
Value Value::List() { return {Kind::kList, {}, {}}; }
void Value::Set(std::string_view key, Value value) {
  members.push_back({std::string(key), std::move(value)});
}
void Value::Push(Value value) { members.push_back({"", std::move(value)}); }

Value ListOf(const std::vector<std::string>& texts) {
  Value list = Value::List();
  for (const std::string& text : texts) list.Push(Value::Text(text));
  return list;
}

void Value::SetList(std::string_view key, const std::vector<std::string>& texts) {
  if (!texts.empty()) Set(key, ListOf(texts));
}

// ---- specs to values
// -----------------------------------------------------------------------------

Value Milliseconds(std::uint64_t ms) {
  return Value::Text(ms % 1000 == 0 ? base::Cat(ms / 1000, "s") : base::Cat(ms, "ms"));
}

Value ToValue(const ListenerSpec& listener) {
  Value out = Value::Map();
  out.Set("address", Value::Text(listener.address));
  out.Set("port", Value::Raw(base::Cat(listener.port)));
  Value tls = Value::List();
  for (const TlsFiles& files : listener.tls) {
    Value one = Value::Map();
    one.Set("cert", Value::Text(files.cert));
    one.Set("key", Value::Text(files.key));
    tls.Push(std::move(one));
  }
  if (!tls.members.empty()) out.Set("tls", std::move(tls));
  return out;
}

Value ToValue(const std::string& url, const UrlTraits& traits) {
  if (traits == UrlTraits()) return Value::Text(url);
  Value out = Value::Map();
  out.Set("url", Value::Text(url));
  if (traits.weight != 1) out.Set("weight", Value::Raw(base::Cat(traits.weight)));
  if (!traits.zone.empty()) out.Set("zone", Value::Text(traits.zone));
  return out;
}

Value ToValue(const AppSpec& app) {
  Value out = Value::Map();
  if (!app.traits.empty()) {
    Value urls = Value::List();
    for (std::size_t i = 0; i < app.urls.size(); ++i) {
      urls.Push(ToValue(app.urls[i], app.traits[i]));
    }
    out.Set("urls", std::move(urls));
  } else if (app.urls.size() == 1) {
    out.Set("url", Value::Text(app.urls[0]));
  } else {
    out.Set("urls", ListOf(app.urls));
  }
  if (app.connect_timeout_ms.has_value()) {
    out.Set("connect_timeout", Milliseconds(*app.connect_timeout_ms));
  }
  if (!app.ca_file.empty()) out.Set("ca_file", Value::Text(app.ca_file));
  return out;
}

Value ToValue(const CorsSpec& cors) {
  Value out = Value::Map();
  out.SetList("allow_origins", cors.allow_origins);
  out.SetList("allow_origin_regexes", cors.allow_origin_regexes);
  out.SetList("allow_methods", cors.allow_methods);
  out.SetList("allow_headers", cors.allow_headers);
  out.SetList("expose_headers", cors.expose_headers);
  if (cors.allow_credentials) out.Set("allow_credentials", Value::Raw("true"));
  if (cors.max_age_s.has_value()) out.Set("max_age", Value::Raw(base::Cat(*cors.max_age_s)));
  return out;
}

// A mapping, or a list of single ones where a name comes again and the order would be lost.
Value ToValue(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::set<std::string_view> names;
  const bool repeated = std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) {
    return !names.insert(pair.first).second;
  });
  Value out = repeated ? Value::List() : Value::Map();
  for (const auto& [name, value] : pairs) {
    if (!repeated) {
      out.Set(name, Value::Text(value));
      continue;
    }
    Value one = Value::Map();
    one.Set(name, Value::Text(value));
    out.Push(std::move(one));
  }
  return out;
}

Value ToValue(const HeaderEdits& edits) {
  Value out = Value::Map();
  if (!edits.set.empty()) out.Set("set", ToValue(edits.set));
  if (!edits.add.empty()) out.Set("add", ToValue(edits.add));
  out.SetList("remove", edits.remove);
  return out;
}

void SetAction(const RouteSpec& route, Value& out) {
  if (!route.app.empty()) out.Set("app", Value::Text(route.app));
  if (!route.split.empty()) {
    Value split = Value::Map();
    for (const auto& [app, weight] : route.split) split.Set(app, Value::Raw(base::Cat(weight)));
    out.Set("split", std::move(split));
  }
  if (route.respond.has_value()) {
    Value respond = Value::Map();
    respond.Set("status", Value::Raw(base::Cat(route.respond->status)));
    if (!route.respond->body.empty()) respond.Set("body", Value::Text(route.respond->body));
    out.Set("respond", std::move(respond));
  }
  if (route.redirect.has_value()) {
    Value redirect = Value::Map();
    redirect.Set("to", Value::Text(route.redirect->to));
    redirect.Set("status", Value::Raw(base::Cat(route.redirect->status)));
    out.Set("redirect", std::move(redirect));
  }
}

Value ToValue(const RouteSpec& route) {
  constexpr std::array<std::string_view, 4> kKeys = {"path", "prefix", "exact", "regex"};
  Value out = Value::Map();
  if (!route.id.empty()) out.Set("id", Value::Text(route.id));
  out.Set(kKeys[static_cast<std::size_t>(route.match)], Value::Text(route.path));
  out.SetList("methods", route.methods);
  SetAction(route, out);
  if (route.strip_prefix) out.Set("strip_prefix", Value::Raw("true"));
  if (!route.rewrite.empty()) out.Set("rewrite", Value::Text(route.rewrite));
  if (!route.host_header.empty()) out.Set("host_header", Value::Text(route.host_header));
  if (route.timeout_ms.has_value()) out.Set("timeout", Milliseconds(*route.timeout_ms));
  if (route.retries.has_value()) {
    Value retries = Value::Map();
    retries.Set("attempts", Value::Raw(base::Cat(route.retries->attempts)));
    retries.SetList("on", route.retries->on);
    if (route.retries->per_try_timeout_ms.has_value()) {
      retries.Set("per_try_timeout", Milliseconds(*route.retries->per_try_timeout_ms));
    }
    out.Set("retries", std::move(retries));
  }
  Value headers = Value::Map();
  if (route.request_headers != HeaderEdits{}) {
    headers.Set("request", ToValue(route.request_headers));
  }
  if (route.response_headers != HeaderEdits{}) {
    headers.Set("response", ToValue(route.response_headers));
  }
  if (!headers.members.empty()) out.Set("headers", std::move(headers));
  return out;
}

Value ToValue(const HostSpec& host) {
  Value out = Value::Map();
  out.SetList("listeners", host.listeners);
  if (host.cors.has_value()) out.Set("cors", ToValue(*host.cors));
  Value routes = Value::List();
  for (const RouteSpec& route : host.routes) routes.Push(ToValue(route));
  out.Set("routes", std::move(routes));
  return out;
}

Value ToValue(const GrpcServiceSpec& service) {
  Value out = Value::Map();
  Value routes = Value::List();
  for (const RouteSpec& route : service.routes) routes.Push(ToValue(route));
  out.Set("routes", std::move(routes));
  return out;
}

Value ToValue(const FleetSpec& fleet);

template <typename Spec>
Value ToValue(const std::map<std::string, Spec>& specs) {
  Value out = Value::Map();
  for (const auto& [name, spec] : specs) out.Set(name, ToValue(spec));
  return out;
}

void SetOthers(const AppsParts& parts, Value& out) {
  if (!parts.grpc_services.empty()) out.Set("grpc_services", ToValue(parts.grpc_services));
  out.SetList("grpc_servers", parts.grpc_servers);
}

Value ToValue(const FleetSpec& fleet) {
  Value out = Value::Map();
  Value match = Value::Map();
  if (!fleet.match.cluster.empty()) match.Set("cluster", Value::Text(fleet.match.cluster));
  if (!fleet.match.metadata.empty()) {
    Value metadata = Value::Map();
    for (const auto& [key, value] : fleet.match.metadata) metadata.Set(key, Value::Text(value));
    match.Set("metadata", std::move(metadata));
  }
  if (!match.members.empty()) out.Set("match", std::move(match));
  if (!fleet.inherit) out.Set("inherit", Value::Raw("false"));
  if (!fleet.parts.listeners.empty()) out.Set("listeners", ToValue(fleet.parts.listeners));
  if (!fleet.parts.apps.empty()) out.Set("apps", ToValue(fleet.parts.apps));
  if (!fleet.parts.hosts.empty()) out.Set("hosts", ToValue(fleet.parts.hosts));
  SetOthers(fleet.parts, out);
  return out;
}

Value ToValue(const AppsConfig& config) {
  Value out = Value::Map();
  out.Set("listeners", ToValue(config.listeners));
  out.Set("apps", ToValue(config.apps));
  out.Set("hosts", ToValue(config.hosts));
  SetOthers(config, out);
  if (!config.fleets.empty()) out.Set("fleets", ToValue(config.fleets));
  return out;
}

// ---- values to text
// ------------------------------------------------------------------------------

void AppendJson(const Value& value, std::size_t level, std::string& out) {
  if (value.kind == Value::Kind::kRaw) {
    out += value.text;
    return;
  }
  if (value.kind == Value::Kind::kText) return base::AppendJsonString(out, value.text);
  const bool map = value.kind == Value::Kind::kMap;
  out += map ? '{' : '[';
  for (std::size_t i = 0; i < value.members.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out.append(2 * (level + 1), ' ');
    if (map) {
      base::AppendJsonString(out, value.members[i].key);
      out += ": ";
    }
    AppendJson(value.members[i].value, level + 1, out);
  }
  if (!value.members.empty()) {
    out += '\n';
    out.append(2 * level, ' ');
  }
  out += map ? '}' : ']';
}

// Words that no YAML reader takes for anything but a text.
bool IsPlainText(std::string_view text) {
  constexpr std::array<std::string_view, 10> kWords = {"true", "false", "null", "yes", "no",
                                                       "on",   "off",   "y",    "n",   "nan"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || text.size() > 100 || !(letter(text[0]) || text[0] == '/')) return false;
  const bool safe = std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') ||
           std::string_view("/_.-").find(c) != std::string_view::npos;
  });
  return safe && std::none_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
           return base::EqualsIgnoreCase(word, text);
         });
}

void AppendYamlText(std::string_view text, std::string& out) {
  if (IsPlainText(text)) {
    out += text;
  } else {
    base::AppendJsonString(out, text);
  }
}

// On one line: {path: /x, app: web}.
void AppendFlow(const Value& value, std::string& out) {
  if (value.kind == Value::Kind::kRaw) {
    out += value.text;
    return;
  }
  if (value.kind == Value::Kind::kText) return AppendYamlText(value.text, out);
  const bool map = value.kind == Value::Kind::kMap;
  out += map ? '{' : '[';
  for (std::size_t i = 0; i < value.members.size(); ++i) {
    if (i > 0) out += ", ";
    if (map) {
      AppendYamlText(value.members[i].key, out);
      out += ": ";
    }
    AppendFlow(value.members[i].value, out);
  }
  out += map ? '}' : ']';
}

// Mappings down to `depth` get a line per key, lists of mappings a line per entry.
void AppendBlock(const Value& value, std::size_t level, std::size_t depth, std::string& out) {
  for (const auto& [key, member] : value.members) {
    out.append(2 * level, ' ');
    AppendYamlText(key, out);
    out += ':';
    const bool map = member.kind == Value::Kind::kMap && depth > 0 && !member.members.empty();
    const bool list = member.kind == Value::Kind::kList && !member.members.empty() &&
                      member.members[0].value.kind == Value::Kind::kMap;
    if (map) {
      out += '\n';
      AppendBlock(member, level + 1, depth - 1, out);
    } else if (list) {
      out += '\n';
      for (const auto& [unused, item] : member.members) {
        out.append(2 * (level + 1), ' ');
        out += "- ";
        AppendFlow(item, out);
        out += '\n';
      }
    } else {
      out += ' ';
      AppendFlow(member, out);
      out += '\n';
    }
  }
}

// Hosts have a level more than the others.
void AppendSection(std::string_view name, const Value& section, std::size_t depth,
                   std::string& out) {
  base::Append(out, name, ":");
  if (section.members.empty()) {
    out += " {}\n";
    return;
  }
  out += '\n';
  AppendBlock(section, 1, depth, out);
}

template <typename Spec>
std::string PrintJson(const Spec& spec) {
  std::string out;
  AppendJson(ToValue(spec), 0, out);
  out += '\n';
  return out;
}

}  // namespace

std::string PrintAppsYaml(const AppsConfig& config) {
  std::string out;
  AppendSection("listeners", ToValue(config.listeners), 0, out);
  AppendSection("apps", ToValue(config.apps), 0, out);
  AppendSection("hosts", ToValue(config.hosts), 1, out);
  if (!config.grpc_services.empty()) {
    AppendSection("grpc_services", ToValue(config.grpc_services), 1, out);
  }
  if (!config.grpc_servers.empty()) {
    out += "grpc_servers: ";
    AppendFlow(ListOf(config.grpc_servers), out);
    out += '\n';
  }
  // A fleet's sections lie two levels below.
  if (!config.fleets.empty()) AppendSection("fleets", ToValue(config.fleets), 3, out);
  return out;
}

std::string PrintAppsJson(const AppsConfig& config) { return PrintJson(config); }
std::string PrintRouteJson(const RouteSpec& route) { return PrintJson(route); }
std::string PrintAppJson(const AppSpec& app) { return PrintJson(app); }
std::string PrintHostJson(const HostSpec& host) { return PrintJson(host); }

}  // namespace sluice::control
