#include "server/xds_transports.h"

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "server/xds_failover.h"
#include "server/xds_file.h"
#include "server/xds_grpc.h"
#include "server/xds_rest.h"

namespace sluice::server {
namespace {

using xds::ResourceType;

struct Service {
  std::string_view name, sotw, delta, rest;
};

Service ServiceOf(std::optional<ResourceType> type) {
  if (!type) {
    return {"discovery.v3.AggregatedDiscoveryService", "StreamAggregatedResources",
            "DeltaAggregatedResources", ""};
  }
  switch (*type) {
    case ResourceType::kCluster:
      return {"cluster.v3.ClusterDiscoveryService", "StreamClusters", "DeltaClusters", "clusters"};
    case ResourceType::kEndpoints:
      return {"endpoint.v3.EndpointDiscoveryService", "StreamEndpoints", "DeltaEndpoints",
              "endpoints"};
    case ResourceType::kListener:
      return {"listener.v3.ListenerDiscoveryService", "StreamListeners", "DeltaListeners",
              "listeners"};
    case ResourceType::kRoutes:
      return {"route.v3.RouteDiscoveryService", "StreamRoutes", "DeltaRoutes", "routes"};
    case ResourceType::kScopedRoutes:
      return {"route.v3.ScopedRoutesDiscoveryService", "StreamScopedRoutes", "DeltaScopedRoutes",
              "scoped-routes"};
    case ResourceType::kVirtualHosts:
      return {"route.v3.VirtualHostDiscoveryService", "", "DeltaVirtualHosts", ""};
    case ResourceType::kSecret:
      return {"secret.v3.SecretDiscoveryService", "StreamSecrets", "DeltaSecrets", "secrets"};
    case ResourceType::kRuntime:
      return {"runtime.v3.RuntimeDiscoveryService", "StreamRuntime", "DeltaRuntime", "runtime"};
    case ResourceType::kExtensionConfig:
      return {"extension.v3.ExtensionConfigDiscoveryService", "StreamExtensionConfigs",
              "DeltaExtensionConfigs", "extension_configs"};
  }
  return {};
}

using Made = absl::StatusOr<std::unique_ptr<xds::Transport>>;

Made NewGrpc(GrpcChannels& channels, net::Loop& loop, const config::ApiSource& api,
             std::optional<ResourceType> type) {
  const Service service = ServiceOf(type);
  const std::string_view method = api.delta ? service.delta : service.sotw;
  if (method.empty()) {
    return base::InvalidArgument(base::Cat(xds::ShortName(*type),
                                           " has a delta form only; use "
                                           "api_type DELTA_GRPC"));
  }
  std::vector<std::unique_ptr<xds::Transport>> servers;
  for (const config::GrpcService& each : api.services) {
    Made made =
        channels.NewTransport(loop, each, base::Cat("/envoy.service.", service.name, "/", method));
    if (!made.ok()) return made;
    servers.push_back(*std::move(made));
  }
  if (servers.size() == 1) return std::move(servers.front());
  return std::make_unique<FailoverTransport>(loop, std::move(servers));
}

Made NewRest(const config::Bootstrap& bootstrap, net::Loop& loop, const config::ApiSource& api,
             ResourceType type) {
  const std::string_view path = ServiceOf(type).rest;
  if (path.empty()) {
    return base::InvalidArgument(
        base::Cat(xds::ShortName(type), " has no REST form; use api_type DELTA_GRPC"));
  }
  for (const auto& cluster : bootstrap.clusters) {
    if (cluster.value->name != api.rest_cluster) continue;
    return NewRestTransport(loop, RestSpec{cluster.value, base::Cat("/v3/discovery:", path),
                                           api.refresh_delay_ms, api.request_timeout_ms, type});
  }
  return base::InvalidArgument(
      base::Cat("the bootstrap has no cluster ", base::Printable(api.rest_cluster)));
}

}  // namespace

MakeTransport NewTransports(const config::Bootstrap& bootstrap) {
  return [&bootstrap, channels = std::make_shared<GrpcChannels>(bootstrap)](
             net::Loop& loop, const StreamSpec& spec) -> Made {
    if (const auto* path = std::get_if<config::PathSource>(&spec.source.from)) {
      return NewFileTransport(loop, *path, *spec.type);
    }
    const auto& api = std::get<config::ApiSource>(spec.source.from);
    if (api.kind == config::ApiSource::Kind::kRest) {
      return NewRest(bootstrap, loop, api, *spec.type);
    }
    return NewGrpc(*channels, loop, api, spec.type);
  };
}

}  // namespace sluice::server
