#pragma once
// Configuration as short C++: the same resources make a bootstrap for Proxy and answers for
// FakeControlPlane.
//
// Values. What has no method here is set on the protos themselves, or written as YAML.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::harness {

using ClusterProto = envoy::config::cluster::v3::Cluster;
using AssignmentProto = envoy::config::endpoint::v3::ClusterLoadAssignment;
using ListenerProto = envoy::config::listener::v3::Listener;
using RouteTableProto = envoy::config::route::v3::RouteConfiguration;
using RouteProto = envoy::config::route::v3::Route;
using ManagerProto =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

// Endpoints on 127.0.0.1.
AssignmentProto Assignment(const std::string& cluster, const std::vector<std::uint16_t>& ports);
ClusterProto Cluster(const std::string& name, const std::vector<std::uint16_t>& ports);
// Its endpoints come over ADS.
ClusterProto EdsCluster(const std::string& name);

RouteProto RouteTo(const std::string& prefix, const std::string& cluster);
RouteProto DirectRoute(const std::string& prefix, std::uint32_t status, const std::string& body);
// One virtual host "all" with domain "*".
RouteTableProto RouteTable(const std::string& name, const std::vector<RouteProto>& routes);
// x: y on every response that passes.
void AddResponseHeader(auto& level, const std::string& name, const std::string& value) {
  auto* option = level.add_response_headers_to_add();
  option->mutable_header()->set_key(name);
  option->mutable_header()->set_value(value);
}

// A listener on 127.0.0.1, port 0, with a connection manager that knows upgrades to WebSocket.
class Listener {
 public:
  explicit Listener(const std::string& name);
  // In the route table of its own; the clusters are collected for Static().
  Listener& Route(const std::string& prefix, const ClusterProto& cluster);
  Listener& Add(const RouteProto& route);
  // Or the table of this name, over ADS.
  Listener& Rds(const std::string& table);
  // A line per exchange to this file; `format` of "" is the default one.
  Listener& AccessLog(const std::string& path, const std::string& format = "");
  ManagerProto& manager() { return manager_; }
  ListenerProto& proto() { return listener_; }
  ListenerProto Build() const;
  const std::vector<ClusterProto>& clusters() const { return clusters_; }

 private:
  ListenerProto listener_;
  ManagerProto manager_;
  std::vector<ClusterProto> clusters_;
};

// A bootstrap with these listeners and their clusters and nothing dynamic.
std::string StaticBootstrap(const std::vector<Listener>& listeners);
std::string StaticBootstrap(const Listener& listener);

struct AdsOptions {
  bool listeners = true;
  bool clusters = true;
  std::string fetch_timeout = "15s";
  std::string node_id = "e2e";
};
// A bootstrap that takes everything from the control plane on this port.
std::string AdsBootstrap(std::uint16_t control_plane_port, const AdsOptions& options = {});

// ---- YAML
// ------------------------------------------------------------------------------------

// A static bootstrap with listener "in": `virtual_hosts` is the list under that name, `clusters` a
// list of "name: port" pairs made into clusters, `manager` further fields of the connection
// manager. All indented from column 0.
struct YamlParts {
  std::string virtual_hosts;
  std::vector<std::pair<std::string, std::uint16_t>> clusters;
  std::string manager;
  std::string filters;  // Before the router.
  std::string table;    // Further fields of the route table.
};
std::string YamlBootstrap(const YamlParts& parts);

}  // namespace sluice::harness
