#include "config/bootstrap_checks.h"

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/type_registry.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::config {
namespace {

namespace bootstrapv3 = envoy::config::bootstrap::v3;
namespace clusterv3 = envoy::config::cluster::v3;
namespace routev3 = envoy::config::route::v3;
using Scope = base::FieldErrors::Scope;

class RouteChecker {
 public:
  RouteChecker(const base::StringSet& clusters, base::FieldErrors& errors)
      : clusters_(clusters), errors_(errors) {}

  void Check(const routev3::RouteConfiguration& proto) {
    for (int i = 0; i < proto.virtual_hosts_size(); ++i) {
      const Scope scope(errors_, "virtual_hosts", static_cast<std::size_t>(i));
      const routev3::VirtualHost& host = proto.virtual_hosts(i);
      for (int j = 0; j < host.routes_size(); ++j) {
        const Scope route_scope(errors_, "routes", static_cast<std::size_t>(j));
        if (host.routes(j).has_route()) CheckAction(host.routes(j).route());
      }
    }
  }

 private:
  void CheckAction(const routev3::RouteAction& proto) {
    const Scope scope(errors_, "route");
    if (proto.cluster_specifier_case() == routev3::RouteAction::kCluster) {
      CheckName("cluster", proto.cluster());
    }
    const Scope weighted(errors_, "weighted_clusters");
    for (int k = 0; k < proto.weighted_clusters().clusters_size(); ++k) {
      const Scope cluster(errors_, "clusters", static_cast<std::size_t>(k));
      CheckName("name", proto.weighted_clusters().clusters(k).name());
    }
  }

  void CheckName(std::string_view field, std::string_view name) {
    if (name.empty() || clusters_.contains(name)) return;  // Empty: told by the route compiler.
    errors_.AddAt(field, base::Cat("route: unknown cluster '", base::Printable(name),
                                   "'; add it to static_resources.clusters, or set "
                                   "validate_clusters: false"));
  }

  const base::StringSet& clusters_;
  base::FieldErrors& errors_;
};

void CheckChain(const envoy::config::listener::v3::FilterChain& chain,
                const base::StringSet& clusters, base::FieldErrors& errors) {
  for (int k = 0; k < chain.filters_size(); ++k) {
    using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
    HttpConnectionManager hcm;
    const google::protobuf::Any& any = chain.filters(k).typed_config();
    if (TypeNameOf(any.type_url()) != HttpConnectionManager::descriptor()->full_name()) continue;
    if (!hcm.ParseFromString(any.value()) || !hcm.has_route_config()) continue;
    const auto& routes = hcm.route_config();
    if (routes.has_validate_clusters() && !routes.validate_clusters().value()) continue;
    const Scope filter_scope(errors, "filters", static_cast<std::size_t>(k));
    const Scope config_scope(errors, "typed_config");
    const Scope route_scope(errors, "route_config");
    RouteChecker(clusters, errors).Check(routes);
  }
}

}  // namespace

void CheckStaticClusters(const bootstrapv3::Bootstrap& proto, base::FieldErrors& errors) {
  const auto& resources = proto.static_resources();
  base::StringSet names;
  for (const clusterv3::Cluster& cluster : resources.clusters()) names.insert(cluster.name());
  const Scope scope(errors, "static_resources");
  for (int i = 0; i < resources.listeners_size(); ++i) {
    const Scope listener_scope(errors, "listeners", static_cast<std::size_t>(i));
    const auto& listener = resources.listeners(i);
    for (int j = 0; j < listener.filter_chains_size(); ++j) {
      const Scope chain_scope(errors, "filter_chains", static_cast<std::size_t>(j));
      CheckChain(listener.filter_chains(j), names, errors);
    }
    const Scope chain_scope(errors, "default_filter_chain");
    CheckChain(listener.default_filter_chain(), names, errors);
  }
}

}  // namespace sluice::config
