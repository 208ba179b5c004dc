// /config_dump: the configuration in Envoy's JSON shape, one resource at a time, from the bytes it
// came in. envoy-behaviour.md 5.5.
#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/inline_routes.h"
#include "config/matchers.h"
#include "config/proto_json.h"
#include "observe/time_format.h"
#include "server/admin_handlers.h"
#include "server/json_writer.h"

namespace sluice::server {
namespace {

using xds::ResourceRecord;
using xds::ResourceType;

constexpr std::size_t kPieceBytes = 48 * 1024;
constexpr std::string_view kAdminType = "type.googleapis.com/envoy.admin.v3.";
constexpr std::size_t kPatternBytesMax = 4096;

enum class Dump : std::uint8_t {
  kBootstrap,
  kClusters,
  kEndpoints,
  kListeners,
  kScopedRoutes,
  kRoutes,
  kSecrets,
  kEcds
};

struct DumpRow {
  std::string_view type;
  std::optional<ResourceType> resource;  // Whose version_info stands above the lists.
};
constexpr DumpRow kDumps[] = {
    {"BootstrapConfigDump", std::nullopt},    {"ClustersConfigDump", ResourceType::kCluster},
    {"EndpointsConfigDump", std::nullopt},    {"ListenersConfigDump", ResourceType::kListener},
    {"ScopedRoutesConfigDump", std::nullopt}, {"RoutesConfigDump", std::nullopt},
    {"SecretsConfigDump", std::nullopt},      {"EcdsConfigDump", std::nullopt}};

// The repeated fields of the dump messages: what ?resource= may name.
enum class List : std::uint8_t {
  kStaticClusters,
  kActiveClusters,
  kWarmingClusters,
  kStaticEndpoints,
  kDynamicEndpoints,
  kStaticListeners,
  kDynamicListeners,
  kScopedRoutes,
  kStaticRoutes,
  kDynamicRoutes,
  kActiveSecrets,
  kWarmingSecrets,
  kEcdsFilters
};

struct ListRow {
  std::string_view field;
  Dump dump;
  std::string_view element;  // Message of an element, nested in the dump's.
  std::string_view value;    // The field that holds the resource.
  ResourceType type;
};
constexpr ListRow kLists[] = {
    {"static_clusters", Dump::kClusters, "StaticCluster", "cluster", ResourceType::kCluster},
    {"dynamic_active_clusters", Dump::kClusters, "DynamicCluster", "cluster",
     ResourceType::kCluster},
    {"dynamic_warming_clusters", Dump::kClusters, "DynamicCluster", "cluster",
     ResourceType::kCluster},
    {"static_endpoint_configs", Dump::kEndpoints, "StaticEndpointConfig", "endpoint_config",
     ResourceType::kEndpoints},
    {"dynamic_endpoint_configs", Dump::kEndpoints, "DynamicEndpointConfig", "endpoint_config",
     ResourceType::kEndpoints},
    {"static_listeners", Dump::kListeners, "StaticListener", "listener", ResourceType::kListener},
    {"dynamic_listeners", Dump::kListeners, "DynamicListener", "listener", ResourceType::kListener},
    {"dynamic_scoped_route_configs", Dump::kScopedRoutes, "DynamicScopedRouteConfigs",
     "scoped_route_configs", ResourceType::kScopedRoutes},
    {"static_route_configs", Dump::kRoutes, "StaticRouteConfig", "route_config",
     ResourceType::kRoutes},
    {"dynamic_route_configs", Dump::kRoutes, "DynamicRouteConfig", "route_config",
     ResourceType::kRoutes},
    {"dynamic_active_secrets", Dump::kSecrets, "DynamicSecret", "secret", ResourceType::kSecret},
    {"dynamic_warming_secrets", Dump::kSecrets, "DynamicSecret", "secret", ResourceType::kSecret},
    {"ecds_filters", Dump::kEcds, "EcdsFilterConfig", "ecds_filter",
     ResourceType::kExtensionConfig},
};
const ListRow& RowOf(List list) { return kLists[static_cast<std::size_t>(list)]; }

// The start of a dump (no list), or one thing that becomes elements of a list.
struct Item {
  Dump dump = Dump::kBootstrap;
  std::optional<List> list = std::nullopt;
  std::string name{};
  const std::string* static_bytes = nullptr;               // In the bootstrap,
  std::shared_ptr<const ResourceRecord> record{};          // or from xDS,
  std::shared_ptr<const upstream::ClusterView> cluster{};  // or the live hosts of a cluster.
};

struct Request {
  std::optional<List> only;  // ?resource=
  bool endpoints = false;    // ?include_eds
  std::optional<config::Regex> names;
};

std::string Iso(base::WallTime time) {
  std::string out;
  observe::AppendIsoTime(time, out);
  return out;
}

class ConfigDump {
 public:
  ConfigDump(const AdminSources& sources, Request request)
      : sources_(sources), request_(std::move(request)), xds_(sources.xds()), json_(&unused_) {
    Gather();
  }

  bool Next(std::string& chunk) {
    json_.set_out(&chunk);
    if (!begun_) {
      json_.OpenObject();
      json_.OpenList("configs");
      begun_ = true;
    }
    while (chunk.size() < kPieceBytes) {
      if (next_ == items_.size()) {
        EndDump();
        json_.Close();
        json_.Close();
        return false;
      }
      Write(items_[next_++]);
    }
    return true;
  }

 private:
  bool Wanted(std::string_view name) const {
    return !request_.names || request_.names->FullMatch(name, config::Regex::kNoWorker);
  }
  bool Wanted(List list) const { return !request_.only || *request_.only == list; }

  void Add(List list, Item item) {
    if (!Wanted(list)) return;
    // The names inside a listener are asked when it is its turn.
    if (list != List::kStaticRoutes && !Wanted(item.name)) return;
    item.dump = RowOf(list).dump;
    item.list = list;
    items_.push_back(std::move(item));
  }
  void Begin(Dump dump) {
    if (!request_.only) items_.push_back({.dump = dump});
  }

  std::vector<std::shared_ptr<const ResourceRecord>> Sorted(ResourceType type) const {
    std::vector<std::shared_ptr<const ResourceRecord>> records;
    xds_->store.Of(type).ForEach(
        [&](std::string_view, const auto& record) { records.push_back(record); });
    std::ranges::sort(records, {},
                      [](const auto& record) -> const std::string& { return record->name; });
    return records;
  }

  void Gather() {
    Begin(Dump::kBootstrap);
    GatherClusters();
    if (request_.endpoints) GatherEndpoints();
    GatherListeners();
    // Of the kinds that few have, nothing is said where there is none.
    GatherRare(Dump::kScopedRoutes, ResourceType::kScopedRoutes, List::kScopedRoutes,
               List::kScopedRoutes);
    Begin(Dump::kRoutes);
    for (const auto& each : sources_.bootstrap.listeners) {
      Add(List::kStaticRoutes, {.static_bytes = &each.proto_bytes});
    }
    for (const auto& record : Sorted(ResourceType::kListener)) {
      if (record->bytes != nullptr) Add(List::kStaticRoutes, {.record = record});
    }
    for (const auto& record : Sorted(ResourceType::kRoutes)) {
      Add(List::kDynamicRoutes, {.name = record->name, .record = record});
    }
    GatherRare(Dump::kSecrets, ResourceType::kSecret, List::kActiveSecrets, List::kWarmingSecrets);
    GatherRare(Dump::kEcds, ResourceType::kExtensionConfig, List::kEcdsFilters, List::kEcdsFilters);
  }

  // What never was good goes to the second list.
  void GatherRare(Dump dump, ResourceType type, List good, List bad) {
    const auto records = Sorted(type);
    if (records.empty()) return;
    Begin(dump);
    for (const auto& record : records) {
      if (record->bytes != nullptr) Add(good, {.name = record->name, .record = record});
    }
    for (const auto& record : records) {
      if (record->bytes == nullptr) Add(bad, {.name = record->name, .record = record});
    }
  }

  void GatherClusters() {
    Begin(Dump::kClusters);
    for (const auto& each : sources_.bootstrap.clusters) {
      Add(List::kStaticClusters, {.name = each.value->name, .static_bytes = &each.proto_bytes});
    }
    std::vector<std::shared_ptr<const ResourceRecord>> warming;
    for (const auto& record : Sorted(ResourceType::kCluster)) {
      // What never was good stands with the warming ones: it does not serve.
      const auto& serving = record->live ? record : record->active;
      if (!record->live || record->bytes == nullptr) warming.push_back(record);
      if (serving != nullptr && serving->bytes != nullptr) {
        Add(List::kActiveClusters, {.name = record->name, .record = serving});
      }
    }
    for (const auto& record : warming) {
      Add(List::kWarmingClusters, {.name = record->name, .record = record});
    }
  }

  void GatherEndpoints() {
    Begin(Dump::kEndpoints);
    base::StringSet fixed;
    for (const auto& each : sources_.bootstrap.clusters) fixed.insert(each.value->name);
    std::vector<std::shared_ptr<const upstream::ClusterView>> clusters;
    sources_.clusters()->ForEach([&](std::string_view, const auto& view) {
      if (view->config->type != config::Cluster::Type::kEds) clusters.push_back(view);
    });
    std::ranges::sort(clusters, {}, [&](const auto& view) {
      return std::pair<bool, const std::string&>(!fixed.contains(view->config->name),
                                                 view->config->name);
    });
    for (const auto& view : clusters) {
      const std::string& name = view->config->name;
      Add(fixed.contains(name) ? List::kStaticEndpoints : List::kDynamicEndpoints,
          {.name = name, .cluster = view});
    }
    for (const auto& record : Sorted(ResourceType::kEndpoints)) {
      Add(List::kDynamicEndpoints, {.name = record->name, .record = record});
    }
  }

  void GatherListeners() {
    Begin(Dump::kListeners);
    for (const auto& each : sources_.bootstrap.listeners) {
      Add(List::kStaticListeners, {.name = each.value->name, .static_bytes = &each.proto_bytes});
    }
    for (const auto& record : Sorted(ResourceType::kListener)) {
      Add(List::kDynamicListeners, {.name = record->name, .record = record});
    }
  }

  // ---- writing
  // -----------------------------------------------------------------------------------

  void EndDump() {
    if (open_list_) json_.Close();
    if (in_dump_) json_.Close();
    open_list_.reset();
    in_dump_ = false;
  }

  void BeginDump(Dump dump) {
    EndDump();
    const DumpRow& row = kDumps[static_cast<std::size_t>(dump)];
    json_.OpenObject();
    json_.Member("@type", base::Cat(kAdminType, row.type));
    in_dump_ = true;
    if (dump == Dump::kBootstrap) {
      json_.Key("bootstrap");
      json_.BeginValue();
      config::AppendBytesJson("type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap",
                              sources_.bootstrap.proto_bytes, {.level = json_.level()},
                              json_.out());
      json_.Member("last_updated", Iso(sources_.started));
    } else if (row.resource) {
      const std::string& version = xds_->store.versions[static_cast<std::size_t>(*row.resource)];
      if (!version.empty()) json_.Member("version_info", version);
    }
  }

  // Elements that carry their resource's name beside it.
  static bool HasName(List list) {
    return list == List::kActiveSecrets || list == List::kWarmingSecrets ||
           list == List::kScopedRoutes;
  }

  void BeginElement(List list) {
    const ListRow& row = RowOf(list);
    if (request_.only) {
      json_.OpenObject();
      json_.Member("@type", base::Cat(kAdminType, kDumps[static_cast<std::size_t>(row.dump)].type,
                                      ".", row.element));
      return;
    }
    if (open_list_ != list) {
      if (open_list_) json_.Close();
      json_.OpenList(row.field);
      open_list_ = list;
    }
    json_.OpenObject();
  }

  void Write(const Item& item) {
    if (!item.list) return BeginDump(item.dump);
    if (*item.list == List::kStaticRoutes) return WriteInlineRoutes(item);
    BeginElement(*item.list);
    if (*item.list == List::kDynamicListeners) {
      WriteListener(*item.record);
    } else if (item.record != nullptr) {
      if (HasName(*item.list)) json_.Member("name", item.record->name);
      WriteState(*item.list, *item.record);
      WriteError(RowOf(*item.list).type, *item.record);
    } else if (item.cluster != nullptr) {
      json_.Key("endpoint_config");
      WriteHosts(*item.cluster);
    } else {
      WriteResource(RowOf(*item.list), *item.static_bytes);
      json_.Member("last_updated", Iso(sources_.started));
    }
    json_.Close();
  }

  void WriteResource(const ListRow& row, std::string_view bytes) {
    json_.Key(row.value);
    json_.BeginValue();
    config::AppendAnyJson(xds::TypeUrl(row.type), bytes, {.level = json_.level()}, json_.out());
  }

  void WriteState(List list, const ResourceRecord& record) {
    const ListRow& row = RowOf(list);
    if (record.bytes == nullptr) {  // Never was good: all that is known is its name.
      if (HasName(list)) return;
      json_.OpenObject(row.value);
      json_.Member("@type", xds::TypeUrl(row.type));
      json_.Member(row.type == ResourceType::kEndpoints ? "cluster_name" : "name", record.name);
      json_.Close();
      return;
    }
    json_.Member("version_info", record.version);
    if (list == List::kScopedRoutes) {
      json_.OpenList(row.value);
      json_.BeginValue();
      config::AppendAnyJson(xds::TypeUrl(row.type), *record.bytes, {.level = json_.level()},
                            json_.out());
      json_.Close();
    } else {
      WriteResource(row, *record.bytes);
    }
    json_.Member("last_updated", Iso(record.updated));
  }

  void WriteError(ResourceType type, const ResourceRecord& record) {
    if (!record.error) return;
    json_.OpenObject("error_state");
    if (record.error->bytes != nullptr) {
      json_.Key("failed_configuration");
      json_.BeginValue();
      config::AppendAnyJson(xds::TypeUrl(type), *record.error->bytes, {.level = json_.level()},
                            json_.out());
    }
    json_.Member("last_update_attempt", Iso(record.error->when));
    json_.Member("details", record.error->details);
    json_.Member("version_info", record.error->version);
    json_.Close();
  }

  void WriteListener(const ResourceRecord& record) {
    json_.Member("name", record.name);
    const ResourceRecord* serving = record.live ? &record : record.active.get();
    if (serving != nullptr && serving->bytes != nullptr) {
      json_.OpenObject("active_state");
      WriteState(List::kDynamicListeners, *serving);
      json_.Close();
    }
    if (!record.live && record.bytes != nullptr) {
      json_.OpenObject("warming_state");
      WriteState(List::kDynamicListeners, record);
      json_.Close();
    }
    WriteError(ResourceType::kListener, record);
  }

  void WriteInlineRoutes(const Item& item) {
    const std::string& listener =
        item.static_bytes != nullptr ? *item.static_bytes : *item.record->bytes;
    const base::WallTime updated = item.record != nullptr ? item.record->updated : sources_.started;
    for (const config::InlineRoutes& routes : config::FindInlineRoutes(listener)) {
      if (!Wanted(routes.name)) continue;
      BeginElement(List::kStaticRoutes);
      WriteResource(RowOf(List::kStaticRoutes), routes.proto_bytes);
      json_.Member("last_updated", Iso(updated));
      json_.Close();
    }
  }

  // A ClusterLoadAssignment of the hosts as they are now.
  void WriteHosts(const upstream::ClusterView& view) {
    json_.OpenObject();
    json_.Member("@type", xds::TypeUrl(ResourceType::kEndpoints));
    json_.Member("cluster_name", view.config->name);
    if (view.hosts != nullptr && !view.hosts->hosts.empty()) {
      json_.OpenList("endpoints");
      json_.OpenObject();
      json_.OpenList("lb_endpoints");
      for (const upstream::Host& host : view.hosts->hosts) {
        json_.OpenObject();
        json_.OpenObject("endpoint");
        json_.Key("address");
        WriteAddressJson(host.address, json_);
        if (!host.hostname.empty()) json_.Member("hostname", host.hostname);
        json_.Close();
        json_.Member("health_status", HealthName(host.health));
        json_.Member("load_balancing_weight", host.weight);
        json_.Close();
      }
      json_.Close();
      json_.Close();
      json_.Close();
    }
    json_.Close();
  }

  const AdminSources& sources_;
  const Request request_;
  const std::shared_ptr<const XdsView> xds_;
  std::vector<Item> items_;
  std::size_t next_ = 0;
  std::string unused_;
  JsonWriter json_;
  bool begun_ = false;
  bool in_dump_ = false;
  std::optional<List> open_list_;
};

// "" or the text of a 400; 404 when `status` says so.
std::string ReadRequest(const web::WebRequest& web, Request& request, unsigned& status) {
  status = 400;
  if (web.Query("mask")) {
    return "mask is not supported; use resource and name_regex to get less\n";
  }
  request.endpoints = web.Query("include_eds").has_value();
  if (const auto resource = web.Query("resource")) {
    for (std::size_t i = 0; i < std::size(kLists); ++i) {
      if (kLists[i].field == *resource) request.only = static_cast<List>(i);
    }
    if (*resource == "bootstrap" || *resource == "last_updated" || *resource == "version_info") {
      return base::Cat(*resource, " is not a repeated field\n");
    }
    const bool hidden =
        request.only && !request.endpoints && RowOf(*request.only).dump == Dump::kEndpoints;
    if (!request.only || hidden) {
      status = 404;
      return base::Cat(base::Printable(*resource), " not found in config dump",
                       hidden ? "; add include_eds\n" : "\n");
    }
  }
  const auto pattern = web.Query("name_regex");
  if (!pattern || pattern->empty()) return "";
  base::FieldErrors errors;
  if (pattern->size() > kPatternBytesMax) {
    errors.Add("too long");
  } else {
    request.names = config::Regex::Compile(*pattern, errors);
  }
  if (request.names) return "";
  return base::Cat("Error while parsing name_regex from ", base::Printable(*pattern), ": ",
                   errors.Text(), "\n");
}

}  // namespace

web::WebResponse HandleConfigDump(AdminSources& sources, const web::WebRequest& web) {
  Request request;
  unsigned status = 400;
  if (std::string wrong = ReadRequest(web, request, status); !wrong.empty()) {
    return AdminText(std::move(wrong), status);
  }
  web::WebResponse response = AdminJson("");
  response.chunks = [dump = std::make_shared<ConfigDump>(sources, std::move(request))](
                        std::string& chunk) { return dump->Next(chunk); };
  return response;
}

}  // namespace sluice::server
