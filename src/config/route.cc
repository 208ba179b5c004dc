#include "config/route.h"

#include <algorithm>
#include <tuple>

namespace sluice::config {

bool VirtualHost::operator==(const VirtualHost& other) const {
  const auto key = [](const VirtualHost& h) {
    return std::tie(h.name, h.domains, h.require_tls, h.mutations, h.per_filter, h.routes);
  };
  return key(*this) == key(other);
}

bool RouteTable::operator==(const RouteTable& other) const {
  const auto key = [](const RouteTable& t) {
    return std::tie(t.name, t.mutations, t.internal_only_headers, t.most_specific_mutations_win,
                    t.ignore_port_in_host, t.validate_clusters, t.per_filter);
  };
  const auto same = [](const auto& a, const auto& b) {
    return a == b || (a != nullptr && b != nullptr && *a == *b);
  };
  return key(*this) == key(other) &&
         std::equal(virtual_hosts.begin(), virtual_hosts.end(), other.virtual_hosts.begin(),
                    other.virtual_hosts.end(), same);
}

void VisitClusters(const RouteTable& table,
                   const std::function<void(const VirtualHost&, const Route&, std::string_view)>&
                       visit) {
  for (const auto& host : table.virtual_hosts) {
    for (const Route& route : host->routes) {
      const auto* action = std::get_if<ForwardAction>(&route.action);
      if (action == nullptr) continue;
      if (action->weighted.empty()) visit(*host, route, action->cluster);
      for (const WeightedCluster& weighted : action->weighted) {
        visit(*host, route, weighted.cluster);
      }
    }
  }
}

}  // namespace sluice::config
