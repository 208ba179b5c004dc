#pragma once
// The gRPC methods and REST paths under which xDS is served. Values; any thread.

#include <cstdint>
#include <optional>
#include <string_view>

#include "snapshot.h"
#include "watches.h"

namespace sluice::control {

struct XdsMethod {
  std::string_view path;  // "/package.Service/Method"
  Watch::Protocol protocol = Watch::Protocol::kStateOfTheWorld;
  std::optional<Type> only;  // Of a service for one type.
  bool fetch = false;        // One request, one response.
};
// Null for a method that is not served.
const XdsMethod* FindXdsMethod(std::string_view path);

// Of "/v3/discovery:clusters" and its like.
std::optional<Type> FindRestPath(std::string_view path);

// Full names, without doubles, for health and reflection.
inline constexpr std::string_view kXdsServices[] = {
    "envoy.service.discovery.v3.AggregatedDiscoveryService",
    "envoy.service.cluster.v3.ClusterDiscoveryService",
    "envoy.service.endpoint.v3.EndpointDiscoveryService",
    "envoy.service.listener.v3.ListenerDiscoveryService",
    "envoy.service.route.v3.RouteDiscoveryService",
    "envoy.service.route.v3.VirtualHostDiscoveryService",
    "envoy.service.secret.v3.SecretDiscoveryService",
};

}  // namespace sluice::control
