#include "snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "base/status.h"
#include "base/strings.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::control {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace listenerv3 = envoy::config::listener::v3;
namespace routev3 = envoy::config::route::v3;
namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;

constexpr std::array<std::string_view, static_cast<std::size_t>(Type::kCount)> kTypeUrls = {
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.route.v3.VirtualHost",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
};

// A bijection that spreads every bit over all others.
std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 29;
  x *= 0x9fb21c651e98df25ULL;
  return x ^ (x >> 32);
}

template <typename Proto>
bool Parse(const Resource& resource, Proto& proto) {
  return proto.ParseFromString(resource.bytes);
}

absl::Status Malformed(const Resource& resource) {
  return base::Internal(base::Cat("resource '", resource.name, "' does not parse"));
}

absl::Status CheckClusters(const Snapshot& snapshot) {
  for (const auto& [name, resource] : snapshot.Of(Type::kClusters).resources) {
    clusterv3::Cluster cluster;
    if (!Parse(*resource, cluster)) return Malformed(*resource);
    if (cluster.name() != name) {
      return base::Internal(base::Cat("cluster '", name, "' says it is '", cluster.name(), "'"));
    }
    if (cluster.type() != clusterv3::Cluster::EDS) continue;
    const std::string& service = cluster.eds_cluster_config().service_name();
    const std::string& wanted = service.empty() ? name : service;
    if (!snapshot.Of(Type::kEndpoints).resources.contains(wanted)) {
      return base::Internal(base::Cat("cluster '", name, "' has no endpoints"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckApiListener(const Snapshot& snapshot, const Resource& resource,
                              const listenerv3::Listener& listener) {
  if (!listener.has_api_listener()) return absl::OkStatus();
  hcmv3::HttpConnectionManager hcm;
  if (!listener.api_listener().api_listener().UnpackTo(&hcm)) return Malformed(resource);
  if (snapshot.Of(Type::kRoutes).resources.contains(hcm.rds().route_config_name())) {
    return absl::OkStatus();
  }
  return base::Internal(base::Cat("API listener '", resource.name, "' has no routes"));
}

absl::Status CheckListeners(const Snapshot& snapshot) {
  for (const auto& [name, resource] : snapshot.Of(Type::kListeners).resources) {
    listenerv3::Listener listener;
    if (!Parse(*resource, listener)) return Malformed(*resource);
    if (absl::Status status = CheckApiListener(snapshot, *resource, listener); !status.ok()) {
      return status;
    }
    for (const auto& chain : listener.filter_chains()) {
      for (const auto& filter : chain.filters()) {
        hcmv3::HttpConnectionManager hcm;
        if (!filter.typed_config().UnpackTo(&hcm)) return Malformed(*resource);
        if (!hcm.has_rds()) continue;
        if (!snapshot.Of(Type::kRoutes).resources.contains(hcm.rds().route_config_name())) {
          return base::Internal(base::Cat("listener '", name, "' has no route table '",
                                          hcm.rds().route_config_name(), "'"));
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRoutes(const Snapshot& snapshot) {
  const auto& clusters = snapshot.Of(Type::kClusters).resources;
  const auto missing = [](std::string_view host, std::string_view route, std::string_view cluster) {
    return base::Internal(base::Cat("route '", route, "' of host '", host,
                                    "' names a cluster that is not there: '", cluster, "'"));
  };
  for (const auto& [name, resource] : snapshot.Of(Type::kRoutes).resources) {
    routev3::RouteConfiguration table;
    if (!Parse(*resource, table)) return Malformed(*resource);
    for (const auto& host : table.virtual_hosts()) {
      for (const auto& route : host.routes()) {
        if (!route.has_route()) continue;
        const std::string& cluster = route.route().cluster();
        if (!cluster.empty() && !clusters.contains(cluster)) {
          return missing(host.name(), route.name(), cluster);
        }
        for (const auto& share : route.route().weighted_clusters().clusters()) {
          if (!clusters.contains(share.name())) {
            return missing(host.name(), route.name(), share.name());
          }
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view TypeUrl(Type type) {
  const auto index = static_cast<std::size_t>(type);
  return index < kTypeUrls.size() ? kTypeUrls[index] : std::string_view();
}

bool FindType(std::string_view url, Type& type) {
  for (std::size_t i = 0; i < kTypeUrls.size(); ++i) {
    if (kTypeUrls[i] != url) continue;
    type = static_cast<Type>(i);
    return true;
  }
  return false;
}

std::string ContentHash(std::string_view bytes) {
  // Two lanes of eight bytes, each with its own multiplier; the length goes in so that padding of
  // the last word says nothing.
  std::uint64_t a = Mix(0x736c75696365u ^ bytes.size());
  std::uint64_t b = Mix(a + 0x9e3779b97f4a7c15ULL);
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min<std::size_t>(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), size);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    bytes.remove_prefix(size);
    a = std::rotl((a ^ word) * 0x9fb21c651e98df25ULL, 31);
    b = std::rotl((b + word) * 0xd6e8feb86659fd93ULL, 27) ^ a;
  }
  a = Mix(a + b);
  b = Mix(b ^ a);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(32);
  for (const std::uint64_t half : {a, b}) {
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(half >> shift) & 15];
  }
  return out;
}

std::shared_ptr<const Snapshot> PickFleet(const std::shared_ptr<const Snapshot>& root,
                                          const NodeFacts& node, std::string& fleet_name) {
  fleet_name.clear();
  if (root == nullptr) return nullptr;
  const auto matches = [&](const Snapshot::Fleet& fleet) {
    const FleetMatch& match = fleet.match;
    const bool by_name = match.cluster.empty() && match.metadata.empty();
    if (by_name && node.cluster != fleet.name) return false;
    if (!match.cluster.empty() && node.cluster != match.cluster) return false;
    return std::all_of(match.metadata.begin(), match.metadata.end(), [&](const auto& wanted) {
      const auto found = node.metadata.find(wanted.first);
      return found != node.metadata.end() && found->second == wanted.second;
    });
  };
  const auto found = std::find_if(root->fleets.begin(), root->fleets.end(), matches);
  if (found == root->fleets.end()) return root;
  fleet_name = found->name;
  return found->snapshot;
}

absl::Status Consistent(const Snapshot& snapshot) {
  for (const Snapshot::Fleet& fleet : snapshot.fleets) {
    if (absl::Status status = Consistent(*fleet.snapshot); !status.ok()) return status;
  }
  if (absl::Status status = CheckClusters(snapshot); !status.ok()) return status;
  if (absl::Status status = CheckListeners(snapshot); !status.ok()) return status;
  return CheckRoutes(snapshot);
}

}  // namespace sluice::control
