#pragma once
// The xDS resource types Sluice subscribes to. envoy-behaviour.md 1.1.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::xds {

// In make-before-break order: clusters, their endpoints, listeners, their routes.
enum class ResourceType : std::uint8_t { kCluster, kEndpoints, kListener, kRoutes };
inline constexpr std::array kResourceTypes = {ResourceType::kCluster, ResourceType::kEndpoints,
                                              ResourceType::kListener, ResourceType::kRoutes};

constexpr std::string_view TypeUrl(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    case ResourceType::kEndpoints:
      return "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    case ResourceType::kListener:
      return "type.googleapis.com/envoy.config.listener.v3.Listener";
    case ResourceType::kRoutes:
      return "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
  }
  return "";
}

// Only the part after the last '/' counts on the wire.
constexpr std::string_view TypeName(std::string_view url) {
  const std::size_t slash = url.rfind('/');
  return slash == std::string_view::npos ? url : url.substr(slash + 1);
}

constexpr std::optional<ResourceType> FindResourceType(std::string_view url) {
  for (const ResourceType type : kResourceTypes) {
    if (TypeName(TypeUrl(type)) == TypeName(url)) return type;
  }
  return std::nullopt;
}

// Clusters and listeners are whole sets: what a response leaves out is gone.
constexpr bool IsWildcard(ResourceType type) {
  return type == ResourceType::kCluster || type == ResourceType::kListener;
}

}  // namespace sluice::xds
