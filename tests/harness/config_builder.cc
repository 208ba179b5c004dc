#include "harness/config_builder.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"

namespace sluice::harness {
namespace {

std::string Indented(std::string_view text, std::size_t columns) {
  std::string out;
  for (const std::string_view line : base::Split(text, '\n')) {
    if (!line.empty()) base::Append(out, std::string(columns, ' '), line, "\n");
  }
  return out;
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return json;
}

void SetLoopback(envoy::config::core::v3::Address& address, std::uint16_t port) {
  address.mutable_socket_address()->set_address("127.0.0.1");
  address.mutable_socket_address()->set_port_value(port);
}

constexpr char kAdminYaml[] =
    "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n";

}  // namespace

AssignmentProto Assignment(const std::string& cluster, const std::vector<std::uint16_t>& ports) {
  AssignmentProto assignment;
  assignment.set_cluster_name(cluster);
  auto* locality = assignment.add_endpoints();
  for (const std::uint16_t port : ports) {
    SetLoopback(*locality->add_lb_endpoints()->mutable_endpoint()->mutable_address(), port);
  }
  return assignment;
}

ClusterProto Cluster(const std::string& name, const std::vector<std::uint16_t>& ports) {
  ClusterProto cluster;
  cluster.set_name(name);
  cluster.set_type(ClusterProto::STATIC);
  cluster.mutable_connect_timeout()->set_seconds(5);
  *cluster.mutable_load_assignment() = Assignment(name, ports);
  return cluster;
}

ClusterProto EdsCluster(const std::string& name) {
  ClusterProto cluster;
  cluster.set_name(name);
  cluster.set_type(ClusterProto::EDS);
  cluster.mutable_connect_timeout()->set_seconds(5);
  auto* source = cluster.mutable_eds_cluster_config()->mutable_eds_config();
  source->mutable_ads();
  source->set_resource_api_version(envoy::config::core::v3::V3);
  return cluster;
}

RouteProto RouteTo(const std::string& prefix, const std::string& cluster) {
  RouteProto route;
  route.mutable_match()->set_prefix(prefix);
  route.mutable_route()->set_cluster(cluster);
  return route;
}

RouteProto DirectRoute(const std::string& prefix, std::uint32_t status, const std::string& body) {
  RouteProto route;
  route.mutable_match()->set_prefix(prefix);
  route.mutable_direct_response()->set_status(status);
  route.mutable_direct_response()->mutable_body()->set_inline_string(body);
  return route;
}

RouteTableProto RouteTable(const std::string& name, const std::vector<RouteProto>& routes) {
  RouteTableProto table;
  table.set_name(name);
  auto* host = table.add_virtual_hosts();
  host->set_name("all");
  host->add_domains("*");
  for (const RouteProto& route : routes) *host->add_routes() = route;
  return table;
}

Listener::Listener(const std::string& name) {
  listener_.set_name(name);
  SetLoopback(*listener_.mutable_address(), 0);
  manager_.set_stat_prefix(name);
  manager_.add_upgrade_configs()->set_upgrade_type("websocket");
  auto* filter = manager_.add_http_filters();
  filter->set_name("envoy.filters.http.router");
  filter->mutable_typed_config()->PackFrom(envoy::extensions::filters::http::router::v3::Router());
}

Listener& Listener::Route(const std::string& prefix, const ClusterProto& cluster) {
  clusters_.push_back(cluster);
  return Add(RouteTo(prefix, cluster.name()));
}

Listener& Listener::Add(const RouteProto& route) {
  if (!manager_.has_route_config()) *manager_.mutable_route_config() = RouteTable("own", {});
  *manager_.mutable_route_config()->mutable_virtual_hosts(0)->add_routes() = route;
  return *this;
}

Listener& Listener::Rds(const std::string& table) {
  auto* rds = manager_.mutable_rds();
  rds->set_route_config_name(table);
  rds->mutable_config_source()->mutable_ads();
  rds->mutable_config_source()->set_resource_api_version(envoy::config::core::v3::V3);
  return *this;
}

Listener& Listener::AccessLog(const std::string& path, const std::string& format) {
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(path);
  if (!format.empty()) {
    file.mutable_log_format()->set_text_format(format);
  }
  auto* log = manager_.add_access_log();
  log->set_name("envoy.access_loggers.file");
  log->mutable_typed_config()->PackFrom(file);
  return *this;
}

ListenerProto Listener::Build() const {
  ListenerProto built = listener_;
  auto* filter = built.add_filter_chains()->add_filters();
  filter->set_name("envoy.filters.network.http_connection_manager");
  filter->mutable_typed_config()->PackFrom(manager_);
  return built;
}

std::string StaticBootstrap(const std::vector<Listener>& listeners) {
  envoy::config::bootstrap::v3::Bootstrap bootstrap;
  SetLoopback(*bootstrap.mutable_admin()->mutable_address(), 0);
  for (const Listener& listener : listeners) {
    *bootstrap.mutable_static_resources()->add_listeners() = listener.Build();
    for (const ClusterProto& cluster : listener.clusters()) {
      *bootstrap.mutable_static_resources()->add_clusters() = cluster;
    }
  }
  return ToJson(bootstrap);
}

std::string StaticBootstrap(const Listener& listener) {
  return StaticBootstrap(std::vector<Listener>{listener});
}

std::string AdsBootstrap(std::uint16_t control_plane_port, const AdsOptions& options) {
  std::string dynamic;
  for (const auto& [wanted, name] :
       {std::pair(options.listeners, "lds_config"), std::pair(options.clusters, "cds_config")}) {
    if (!wanted) continue;
    base::Append(dynamic, "  ", name, ": { ads: {}, resource_api_version: V3, ",
                 "initial_fetch_timeout: ", options.fetch_timeout, " }\n");
  }
  return base::Cat("node: { id: ", options.node_id, ", cluster: test }\n", kAdminYaml,
                   "dynamic_resources:\n",
                   "  ads_config:\n"
                   "    api_type: GRPC\n"
                   "    transport_api_version: V3\n"
                   "    grpc_services:\n"
                   "    - envoy_grpc: { cluster_name: xds }\n",
                   dynamic,
                   "static_resources:\n"
                   "  clusters:\n"
                   "  - name: xds\n"
                   "    type: STATIC\n"
                   "    typed_extension_protocol_options:\n"
                   "      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
                   "        \"@type\": type.googleapis.com/"
                   "envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
                   "        explicit_http_config: { http2_protocol_options: {} }\n"
                   "    load_assignment:\n"
                   "      cluster_name: xds\n"
                   "      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: "
                   "{ address: 127.0.0.1, port_value: ",
                   control_plane_port, " } } } } ] } ]\n");
}

std::string YamlBootstrap(const YamlParts& parts) {
  std::string clusters;
  for (const auto& [name, port] : parts.clusters) {
    base::Append(clusters, "  - name: ", name,
                 "\n    type: STATIC\n    load_assignment:\n      cluster_name: ", name,
                 "\n      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: "
                 "{ address: 127.0.0.1, port_value: ",
                 port, " } } } } ] } ]\n");
  }
  return base::Cat(kAdminYaml,
                   "static_resources:\n"
                   "  listeners:\n"
                   "  - name: in\n"
                   "    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }\n"
                   "    filter_chains:\n"
                   "    - filters:\n"
                   "      - name: envoy.filters.network.http_connection_manager\n"
                   "        typed_config:\n"
                   "          \"@type\": type.googleapis.com/envoy.extensions.filters.network."
                   "http_connection_manager.v3.HttpConnectionManager\n"
                   "          stat_prefix: in\n",
                   Indented(parts.manager, 10),
                   "          route_config:\n"
                   "            name: own\n",
                   Indented(parts.table, 12), "            virtual_hosts:\n",
                   Indented(parts.virtual_hosts, 12), "          http_filters:\n",
                   Indented(parts.filters, 10),
                   "          - name: envoy.filters.http.router\n"
                   "            typed_config: { \"@type\": type.googleapis.com/"
                   "envoy.extensions.filters.http.router.v3.Router }\n",
                   clusters.empty() ? "" : "  clusters:\n", clusters);
}

}  // namespace sluice::harness
