#include "xds_methods.h"

#include <algorithm>
#include <iterator>

namespace sluice::control {
namespace {

constexpr auto kSotw = Watch::Protocol::kStateOfTheWorld;
constexpr auto kDelta = Watch::Protocol::kDelta;

constexpr XdsMethod kMethods[] = {
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", kSotw, {}},
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", kDelta, {}},
    {"/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters", kSotw, Type::kClusters},
    {"/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters", kDelta, Type::kClusters},
    {"/envoy.service.cluster.v3.ClusterDiscoveryService/FetchClusters", kSotw, Type::kClusters,
     true},
    {"/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints", kSotw,
     Type::kEndpoints},
    {"/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints", kDelta,
     Type::kEndpoints},
    {"/envoy.service.endpoint.v3.EndpointDiscoveryService/FetchEndpoints", kSotw, Type::kEndpoints,
     true},
    {"/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners", kSotw,
     Type::kListeners},
    {"/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners", kDelta,
     Type::kListeners},
    {"/envoy.service.listener.v3.ListenerDiscoveryService/FetchListeners", kSotw, Type::kListeners,
     true},
    {"/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes", kSotw, Type::kRoutes},
    {"/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes", kDelta, Type::kRoutes},
    {"/envoy.service.route.v3.RouteDiscoveryService/FetchRoutes", kSotw, Type::kRoutes, true},
    {"/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts", kDelta,
     Type::kVirtualHosts},
    {"/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets", kSotw, Type::kSecrets},
    {"/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets", kDelta, Type::kSecrets},
    {"/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets", kSotw, Type::kSecrets, true},
};

struct RestPath {
  std::string_view path;
  Type type;
};
constexpr RestPath kRestPaths[] = {
    {"/v3/discovery:clusters", Type::kClusters},   {"/v3/discovery:endpoints", Type::kEndpoints},
    {"/v3/discovery:listeners", Type::kListeners}, {"/v3/discovery:routes", Type::kRoutes},
    {"/v3/discovery:secrets", Type::kSecrets},
};

}  // namespace

const XdsMethod* FindXdsMethod(std::string_view path) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const XdsMethod& method) { return method.path == path; });
  return found == std::end(kMethods) ? nullptr : found;
}

std::optional<Type> FindRestPath(std::string_view path) {
  const auto* found = std::find_if(std::begin(kRestPaths), std::end(kRestPaths),
                                   [&](const RestPath& known) { return known.path == path; });
  return found == std::end(kRestPaths) ? std::nullopt : std::optional(found->type);
}

}  // namespace sluice::control
