#include "config/route.h"

#include <algorithm>
#include <tuple>

namespace sluice::config {
namespace {

// What is compared by value. A member added to the struct does not compile until it is listed.
auto Members(const VirtualHost& host) {
  const auto& [name, domains, routes, require_tls, mutations, per_filter, index] = host;
  return std::tie(name, domains, require_tls, mutations, per_filter, routes);
}

auto Members(const RouteTable& table) {
  const auto& [name, virtual_hosts, mutations, internal_only_headers, most_specific_mutations_win,
               ignore_port_in_host, ignore_path_parameters, host_header, vhds, vhds_source,
               vhds_fetch_timeout_ms, validate_clusters, per_filter, index, source] = table;
  return std::tie(name, mutations, internal_only_headers, most_specific_mutations_win,
                  ignore_port_in_host, ignore_path_parameters, host_header, vhds, vhds_source,
                  vhds_fetch_timeout_ms, validate_clusters, per_filter);
}

}  // namespace

bool VirtualHost::operator==(const VirtualHost& other) const {
  return Members(*this) == Members(other);
}

bool RouteTable::operator==(const RouteTable& other) const {
  const auto same = [](const auto& a, const auto& b) {
    return a == b || (a != nullptr && b != nullptr && *a == *b);
  };
  return Members(*this) == Members(other) &&
         std::equal(virtual_hosts.begin(), virtual_hosts.end(), other.virtual_hosts.begin(),
                    other.virtual_hosts.end(), same);
}

void VisitClusters(
    const RouteTable& table,
    const std::function<void(const VirtualHost&, const Route&, std::string_view)>& visit) {
  for (const auto& host : table.virtual_hosts) {
    for (const Route& route : host->routes) {
      const auto* action = std::get_if<ForwardAction>(&route.action);
      if (action == nullptr) continue;
      if (!action->cluster.empty()) visit(*host, route, action->cluster);
      if (const TryPolicy* tries = action->tries.get(); tries != nullptr) {
        for (const MirrorPolicy& mirror : tries->mirrors) {
          if (!mirror.cluster.empty()) visit(*host, route, mirror.cluster);
        }
      }
      for (const WeightedCluster& weighted : action->weighted) {
        if (!weighted.cluster.empty()) visit(*host, route, weighted.cluster);
      }
    }
  }
}

}  // namespace sluice::config
