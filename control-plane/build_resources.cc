#include "build_resources.h"

#include <set>
#include <utility>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "snapshot.h"

namespace sluice::control {
namespace {

using ResourcePtr = std::shared_ptr<const Resource>;
using google::protobuf::internal::WireFormatLite;
using ProtoTable = envoy::config::route::v3::RouteConfiguration;
using Scope = base::FieldErrors::Scope;

// What a proxy without a flag of its own does with it.
config::CompileOptions ProxyOptions() {
  config::CompileOptions options;
  options.defaults = config::Defaults::kSafe;
  options.reject_unknown_fields = true;
  return options;
}

ResourcePtr FindPrevious(const Snapshot* previous, Type type, std::string_view name) {
  if (previous == nullptr) return nullptr;
  const auto& resources = previous->Of(type).resources;
  const auto found = resources.find(name);
  return found == resources.end() ? nullptr : found->second;
}

template <typename Spec>
const Spec* FindSpec(const std::map<std::string, Spec>& specs, const std::string& name) {
  const auto found = specs.find(name);
  return found == specs.end() ? nullptr : &found->second;
}

class Builder {
 public:
  // `files`: of all fleets together.
  Builder(const AppsConfig& config, const Snapshot* previous, CaFiles& files,
          base::FieldErrors& errors)
      : config_(config),
        previous_(previous),
        files_(files),
        errors_(errors),
        options_(ProxyOptions()),
        snapshot_(std::make_shared<Snapshot>()) {}

  std::shared_ptr<Snapshot> Build() {
    const std::size_t before = errors_.size();
    for (const auto& [name, app] : config_.apps) AddApp(name, app);
    for (const auto& [name, listener] : config_.listeners) AddListener(name, listener);
    for (const auto& [name, host] : config_.hosts) AddHost(name, host);
    for (const auto& [name, listener] : config_.listeners) AddTable(name);
    for (const auto& [name, service] : config_.grpc_services) AddGrpcService(name, service);
    for (const std::string& address : config_.grpc_servers) {
      AddNamed(Type::kListeners, GrpcServerName(address), BuildGrpcServer(address));
    }
    for (const auto& [name, fleet] : config_.fleets) AddFleet(name, fleet);
    if (errors_.size() != before) return nullptr;
    for (Snapshot::OfType& type : snapshot_->types) SetVersion(type);
    snapshot_->source = std::make_shared<const AppsConfig>(config_);
    return snapshot_;
  }

 private:
  struct Host {
    std::string bytes;
    std::string version;
    bool changed = true;
  };

  // The previous resource when it has these bytes. `fresh` says that it is a new one.
  ResourcePtr Share(Type type, const std::string& name, std::string bytes, bool& fresh) {
    ResourcePtr previous = FindPrevious(previous_, type, name);
    fresh = previous == nullptr || previous->bytes != bytes;
    if (!fresh) return previous;
    auto resource = std::make_shared<Resource>();
    resource->name = name;
    resource->version = ContentHash(bytes);
    resource->bytes = std::move(bytes);
    return resource;
  }

  // True when the resource is new, and so to be compiled.
  bool Add(Type type, const std::string& name, std::string bytes) {
    bool fresh = false;
    snapshot_->Of(type).resources[name] = Share(type, name, std::move(bytes), fresh);
    return fresh;
  }

  void AddApp(const std::string& name, const AppSpec& app) {
    const Scope scope(errors_, EntryPath("apps", name));
    const std::size_t before = errors_.size();
    const auto cluster = BuildCluster(name, app, files_, errors_);
    if (errors_.size() != before) return;
    if (Add(Type::kClusters, name, SerializeDeterministic(cluster))) {
      config::CompileCluster(cluster, options_, errors_);
    }
    if (!HasAssignment(app)) return;
    const auto assignment = BuildAssignment(name, app, !config_.grpc_services.empty());
    if (Add(Type::kEndpoints, name, SerializeDeterministic(assignment))) {
      config::CompileAssignment(assignment, options_, errors_);
    }
  }

  // Asked for by name alone; proxies never get it, and so do not judge it here.
  void AddNamed(Type type, const std::string& name, const google::protobuf::Message& message) {
    bool fresh = false;
    ResourcePtr resource = Share(type, name, SerializeDeterministic(message), fresh);
    if (fresh || !resource->named_only) {
      auto named = std::make_shared<Resource>(*resource);
      named->named_only = true;
      resource = std::move(named);
    }
    snapshot_->Of(type).resources[name] = std::move(resource);
  }

  void AddGrpcService(const std::string& name, const GrpcServiceSpec& service) {
    const Scope scope(errors_, EntryPath("grpc_services", name));
    const auto table = BuildGrpcTable(name, service, config_);
    AddNamed(Type::kListeners, name, BuildApiListener(name));
    AddNamed(Type::kRoutes, GrpcTableName(name), table);
    config::CompileRouteTable(table, options_, errors_);
  }

  void AddFleet(const std::string& name, const FleetSpec& fleet) {
    const Scope scope(errors_, EntryPath("fleets", name));
    const Snapshot* before = nullptr;
    if (previous_ != nullptr) {
      for (const Snapshot::Fleet& known : previous_->fleets) {
        if (known.name == name) before = known.snapshot.get();
      }
    }
    const AppsConfig whole = ConfigOfFleet(config_, fleet);
    snapshot_->fleets.push_back(
        {name, fleet.match, Builder(whole, before, files_, errors_).Build()});
  }

  void AddListener(const std::string& name, const ListenerSpec& spec) {
    const Scope scope(errors_, EntryPath("listeners", name));
    const std::size_t before = errors_.size();
    const auto listener = BuildListener(name, spec, files_, errors_);
    if (errors_.size() != before) return;
    if (Add(Type::kListeners, name, SerializeDeterministic(listener))) {
      config::CompileListener(listener, options_, errors_);
    }
  }

  // A host's bytes come from its own spec and the Host that its https apps want.
  bool Unchanged(const std::string& name, const HostSpec& host) const {
    if (previous_ == nullptr || previous_->source == nullptr) return false;
    const HostSpec* before = FindSpec(previous_->source->hosts, name);
    if (before == nullptr || *before != host) return false;
    const auto same = [this](const std::string& app) {
      const AppSpec* now = FindSpec(config_.apps, app);
      const AppSpec* then = FindSpec(previous_->source->apps, app);
      return now != nullptr && then != nullptr &&
             (*now == *then || OwnHost(*now) == OwnHost(*then));
    };
    for (const RouteSpec& route : host.routes) {
      if (!route.app.empty() && !same(route.app)) return false;
      for (const auto& [app, weight] : route.split) {
        if (!same(app)) return false;
      }
    }
    return true;
  }

  bool IsOn(const HostSpec& host, const std::string& listener) const {
    return host.listeners.empty() || std::find(host.listeners.begin(), host.listeners.end(),
                                               listener) != host.listeners.end();
  }

  ResourcePtr AnyPreviousOf(const std::string& host) const {
    for (const auto& [listener, spec] : config_.listeners) {
      if (auto found =
              FindPrevious(previous_, Type::kVirtualHosts, base::Cat(listener, "/", host))) {
        return found;
      }
    }
    return nullptr;
  }

  void AddHost(const std::string& name, const HostSpec& spec) {
    Host& host = hosts_[name];
    if (Unchanged(name, spec)) {
      if (const ResourcePtr before = AnyPreviousOf(name)) {
        host = {before->bytes, before->version, false};
      }
    }
    if (host.changed) {
      const auto message = BuildVirtualHost(name, spec, config_);
      host.bytes = SerializeDeterministic(message);
      host.version = ContentHash(host.bytes);
      const ResourcePtr before = AnyPreviousOf(name);
      host.changed = before == nullptr || before->bytes != host.bytes;
      if (host.changed) CompileHost(name, spec, message);
    }
    for (const auto& [listener, unused] : config_.listeners) {
      if (!IsOn(spec, listener)) continue;
      Add(Type::kVirtualHosts, base::Cat(listener, "/", name), host.bytes);
    }
  }

  // Alone in a table; errors are named after the route that the operator wrote.
  void CompileHost(const std::string& name, const HostSpec& spec,
                   const envoy::config::route::v3::VirtualHost& message) {
    ProtoTable table = BuildRouteFrame("check");
    *table.add_virtual_hosts() = message;
    base::FieldErrors found;
    config::CompileRouteTable(table, options_, found);
    const Scope scope(errors_, EntryPath("hosts", name));
    constexpr std::string_view kRoute = "virtual_hosts[0].routes[";
    for (const base::FieldError& error : found.errors()) {
      std::string path = error.path;
      std::string what = error.message;
      std::size_t index = spec.routes.size();
      if (path.starts_with(kRoute)) {
        const std::size_t end = path.find(']', kRoute.size());
        index = base::ParseUint(std::string_view(path).substr(kRoute.size(), end - kRoute.size()))
                    .value_or(index);
        if (end != std::string::npos && index < spec.routes.size()) path.erase(0, end + 1);
        if (path.starts_with('.')) path.erase(0, 1);
      }
      if (!path.empty()) what = base::Cat(path, ": ", what);
      if (index < spec.routes.size()) {
        const Scope route(errors_, "routes", index);
        errors_.Add(base::Cat("route '", spec.routes[index].id, "': ", what));
      } else {
        errors_.Add(what);
      }
    }
  }

  // The frame's bytes and then each virtual host as it is: fields may come in any order.
  void AddTable(const std::string& listener) {
    const std::string frame = SerializeDeterministic(BuildRouteFrame(listener));
    std::string bytes = frame;
    std::size_t size = frame.size();
    for (const auto& [name, host] : hosts_) size += host.bytes.size() + 8;
    bytes.reserve(size);
    for (const auto& [name, host] : hosts_) {
      if (!IsOn(config_.hosts.at(name), listener)) continue;
      AppendHost(host.bytes, bytes);
    }
    if (!Add(Type::kRoutes, listener, std::move(bytes))) return;
    // The virtual hosts were compiled one by one; what is left is the frame.
    const Scope scope(errors_, EntryPath("listeners", listener));
    config::CompileRouteTableBytes(frame, nullptr, options_, errors_);
  }

  static void AppendHost(std::string_view host, std::string& out) {
    constexpr std::uint32_t kTag = WireFormatLite::MakeTag(
        ProtoTable::kVirtualHostsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    std::uint8_t head[16];
    std::uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(kTag, head);
    end = google::protobuf::io::CodedOutputStream::WriteVarint32ToArray(
        static_cast<std::uint32_t>(host.size()), end);
    out.append(reinterpret_cast<const char*>(head), static_cast<std::size_t>(end - head));
    out += host;
  }

  static void SetVersion(Snapshot::OfType& type) {
    std::string all;
    for (const auto& [name, resource] : type.resources) {
      base::Append(all, name, "=", resource->version, "\n");
    }
    type.version = ContentHash(all);
  }

  const AppsConfig& config_;
  const Snapshot* previous_;
  CaFiles& files_;
  base::FieldErrors& errors_;
  const config::CompileOptions options_;
  std::shared_ptr<Snapshot> snapshot_;
  std::map<std::string, Host> hosts_;
};

}  // namespace

std::shared_ptr<const Snapshot> BuildSnapshot(const AppsConfig& config, const Snapshot* previous,
                                              base::FieldErrors& errors) {
  CaFiles files;
  if (previous != nullptr) files.texts = previous->ca_files.used;
  const auto snapshot = Builder(config, previous, files, errors).Build();
  if (snapshot != nullptr) snapshot->ca_files = std::move(files);
  return snapshot;
}

}  // namespace sluice::control
