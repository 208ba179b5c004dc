// Apps, services for gRPC clients, fleets, and the whole of a configuration.
#include <algorithm>

#include "apps_read.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

using Kind = config::YamlNode::Kind;

// Of a file that people write; far above what one of them writes by hand.
constexpr std::size_t kListenersMax = 100;
constexpr std::size_t kAppsMax = 20'000;
constexpr std::size_t kUrlsMax = 1'000;
constexpr std::size_t kHostsMax = 20'000;
constexpr std::size_t kServicesMax = 5'000;
constexpr std::size_t kServiceRoutesMax = 1'000;
constexpr std::size_t kFleetsMax = 64;
constexpr std::size_t kMetadataMax = 16;
constexpr std::uint64_t kWeightMax = 1'000'000;

// "http://host/" is what browsers copy.
void DropLastSlash(std::string& url) {
  const std::size_t host = url.find("://");
  if (host != std::string::npos && url.find('/', host + 3) == url.size() - 1) url.pop_back();
}

}  // namespace

// A URL, or {url, weight, zone}.
void AppsReader::ReadUrl(const Node& node, AppSpec& out) {
  std::string& url = out.urls.emplace_back();
  UrlTraits& traits = out.traits.emplace_back();
  if (node.kind == Kind::kMapping) {
    ReadFields(node, {{"url", [&](const Node& v) { String(v, url); }},
                      {"weight",
                       [&](const Node& v) {
                         std::uint64_t weight = 1;
                         Number(v, kWeightMax, weight);
                         if (weight == 0) Error(v, "a weight is at least 1");
                         traits.weight = static_cast<std::uint32_t>(weight);
                       }},
                      {"zone", [&](const Node& v) { String(v, traits.zone); }}});
  } else {
    String(node, url);
  }
  DropLastSlash(url);
}

void AppsReader::ReadApp(const Node& node, AppSpec& out) {
  std::string_view given;
  const auto urls = [&](const Node& v, std::string_view name) {
    OnlyOne(v, name, given);
    out.urls.clear();
    out.traits.clear();
    ReadList(v, name, kUrlsMax, [&](const Node& item) { ReadUrl(item, out); });
    const auto plain = [](const UrlTraits& traits) { return traits == UrlTraits(); };
    if (std::all_of(out.traits.begin(), out.traits.end(), plain)) out.traits.clear();
  };
  ReadFields(node,
             {{"url",
               [&](const Node& v) {
                 if (v.kind == Kind::kSequence) return Expected(v, "one URL (or write urls)");
                 urls(v, "url");
               }},
              {"urls", [&](const Node& v) { urls(v, "urls"); }},
              {"connect_timeout", [&](const Node& v) { DurationMs(v, out.connect_timeout_ms); }},
              {"ca_file", [&](const Node& v) { String(v, out.ca_file); }}});
}

// Routes, or one app or split for every method.
void AppsReader::ReadGrpcService(const Node& node, GrpcServiceSpec& out) {
  std::string_view given;
  const auto all = [&](std::string_view name) -> RouteSpec& {
    RouteSpec& route = out.routes.emplace_back();
    route.path = "/";
    given = name;
    return route;
  };
  ReadFields(node, {{"app",
                     [&](const Node& v) {
                       OnlyOne(v, "app", given);
                       if (given.empty() || given == "app") String(v, all("app").app);
                     }},
                    {"split",
                     [&](const Node& v) {
                       OnlyOne(v, "split", given);
                       if (given.empty() || given == "split") ReadSplit(v, all("split"));
                     }},
                    {"routes", [&](const Node& v) {
                       OnlyOne(v, "routes", given);
                       ReadList(v, "routes", kServiceRoutesMax,
                                [&](const Node& r) { ReadRoute(r, out.routes.emplace_back()); });
                     }}});
}

void AppsReader::ReadHosts(const Node& node, AppsParts& out) {
  ReadEntries(node, "", kHostsMax, [&](const std::string& name, const Node& n) {
    const std::string lower = base::Lowercase(name);
    if (out.hosts.contains(lower)) {
      Error(n, base::Cat("host '", base::Printable(lower),
                         "' is there already; hosts are compared in any case"));
      return;
    }
    ReadHost(n, out.hosts[lower]);
  });
}

AppsReader::Fields AppsReader::PartFields(AppsParts& out) {
  // A mapping from names to specs of one kind.
  const auto entries = [this](std::string_view name, std::size_t max, auto& specs, auto read) {
    return Field{name, [this, max, &specs, read](const Node& v) {
                   ReadEntries(v, "", max, [&](const std::string& key, const Node& n) {
                     (this->*read)(n, specs[key]);
                   });
                 }};
  };
  return {
      entries("listeners", kListenersMax, out.listeners, &AppsReader::ReadListener),
      entries("apps", kAppsMax, out.apps, &AppsReader::ReadApp),
      {"hosts", [this, &out](const Node& v) { ReadHosts(v, out); }},
      entries("grpc_services", kServicesMax, out.grpc_services, &AppsReader::ReadGrpcService),
      {"grpc_servers",
       [this, &out](const Node& v) { Strings(v, "grpc_servers", out.grpc_servers); }},
  };
}

void AppsReader::ReadMatch(const Node& node, FleetMatch& out) {
  ReadFields(node, {{"cluster", [&](const Node& v) { String(v, out.cluster); }},
                    {"metadata", [&](const Node& v) {
                       ReadEntries(v, "", kMetadataMax, [&](const std::string& key, const Node& n) {
                         String(n, out.metadata[key]);
                       });
                     }}});
}

void AppsReader::ReadFleet(const Node& node, FleetSpec& out) {
  Fields fields = PartFields(out.parts);
  fields.push_back({"match", [&](const Node& v) { ReadMatch(v, out.match); }});
  fields.push_back({"inherit", [&](const Node& v) { Bool(v, out.inherit); }});
  ReadFields(node, fields);
}

void AppsReader::ReadConfig(const Node& node, AppsConfig& out) {
  if (node.kind == Kind::kNull) return;
  Fields fields = PartFields(out);
  fields.push_back({"fleets", [&](const Node& v) {
                      ReadEntries(v, "", kFleetsMax, [&](const std::string& name, const Node& n) {
                        ReadFleet(n, out.fleets[name]);
                      });
                    }});
  ReadFields(node, fields);
}

}  // namespace sluice::control
