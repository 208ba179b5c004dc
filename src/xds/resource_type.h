#pragma once
// The xDS resource types Sluice subscribes to. envoy-behaviour.md 1.1.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::xds {

// In make-before-break order: clusters, their endpoints, listeners, what routes are made of, and
// what the others refer to by name.
enum class ResourceType : std::uint8_t {
  kCluster,
  kEndpoints,
  kListener,
  kRoutes,
  kScopedRoutes,
  kVirtualHosts,
  kSecret,
  kRuntime,
  kExtensionConfig
};
inline constexpr std::array kResourceTypes = {
    ResourceType::kCluster, ResourceType::kEndpoints,    ResourceType::kListener,
    ResourceType::kRoutes,  ResourceType::kScopedRoutes, ResourceType::kVirtualHosts,
    ResourceType::kSecret,  ResourceType::kRuntime,      ResourceType::kExtensionConfig};

constexpr std::size_t IndexOf(ResourceType type) { return static_cast<std::size_t>(type); }

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
    case ResourceType::kScopedRoutes:
      return "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration";
    case ResourceType::kVirtualHosts:
      return "type.googleapis.com/envoy.config.route.v3.VirtualHost";
    case ResourceType::kSecret:
      return "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
    case ResourceType::kRuntime:
      return "type.googleapis.com/envoy.service.runtime.v3.Runtime";
    case ResourceType::kExtensionConfig:
      return "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
  }
  return "";
}

// For people: "LDS".
constexpr std::string_view ShortName(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return "CDS";
    case ResourceType::kEndpoints:
      return "EDS";
    case ResourceType::kListener:
      return "LDS";
    case ResourceType::kRoutes:
      return "RDS";
    case ResourceType::kScopedRoutes:
      return "SRDS";
    case ResourceType::kVirtualHosts:
      return "VHDS";
    case ResourceType::kSecret:
      return "SDS";
    case ResourceType::kRuntime:
      return "RTDS";
    case ResourceType::kExtensionConfig:
      return "ECDS";
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

// Subscribed to as a whole. In state of the world, what a response leaves out is gone; the other
// types are asked for by name, and never go by absence.
constexpr bool IsWildcard(ResourceType type) {
  return type == ResourceType::kCluster || type == ResourceType::kListener ||
         type == ResourceType::kScopedRoutes;
}

// Resources are called "<subscribed name>/<own name>".
constexpr bool IsNamespaced(ResourceType type) { return type == ResourceType::kVirtualHosts; }

}  // namespace sluice::xds
