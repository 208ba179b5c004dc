// What clients and servers of gRPC get that speak xDS themselves.
#include "base/strings.h"
#include "build_resources.h"
#include "envoy/config/listener/v3/api_listener.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::control {
namespace {

namespace listenerv3 = envoy::config::listener::v3;
namespace routev3 = envoy::config::route::v3;
namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;

void AddRouter(hcmv3::HttpConnectionManager& hcm) {
  auto* filter = hcm.add_http_filters();
  filter->set_name("envoy.filters.http.router");
  PackInto(envoy::extensions::filters::http::router::v3::Router(), *filter->mutable_typed_config());
}

// They know prefix, path and safe_regex only; "/pkg.Service" means its methods.
void FillGrpcMatch(const RouteSpec& route, routev3::RouteMatch& match) {
  switch (route.match) {
    case RouteSpec::Match::kPath:
      match.set_prefix(route.path == "/" ? "/" : base::Cat(route.path, "/"));
      break;
    case RouteSpec::Match::kPrefix:
      match.set_prefix(route.path);
      break;
    case RouteSpec::Match::kExact:
      match.set_path(route.path);
      break;
    case RouteSpec::Match::kRegex:
      match.mutable_safe_regex()->set_regex(route.path);
      break;
  }
}

}  // namespace

std::string GrpcTableName(std::string_view service) { return base::Cat("grpc_services/", service); }

std::string GrpcServerName(std::string_view address) {
  return base::Cat("grpc/server?xds.resource.listening_address=", address);
}

listenerv3::Listener BuildApiListener(const std::string& service) {
  hcmv3::HttpConnectionManager hcm;
  hcm.set_stat_prefix(service);
  hcm.mutable_rds()->set_route_config_name(GrpcTableName(service));
  auto* source = hcm.mutable_rds()->mutable_config_source();
  source->mutable_ads();
  source->set_resource_api_version(envoy::config::core::v3::V3);
  AddRouter(hcm);
  listenerv3::Listener listener;
  listener.set_name(service);
  PackInto(hcm, *listener.mutable_api_listener()->mutable_api_listener());
  return listener;
}

routev3::RouteConfiguration BuildGrpcTable(const std::string& name, const GrpcServiceSpec& service,
                                           const AppsConfig& config) {
  routev3::RouteConfiguration table;
  table.set_name(GrpcTableName(name));
  auto* host = table.add_virtual_hosts();
  host->set_name(name);
  host->add_domains("*");
  for (const RouteSpec& spec : service.routes) {
    routev3::Route* route = host->add_routes();
    route->set_name(spec.id);
    FillGrpcMatch(spec, *route->mutable_match());
    FillForward(spec, config, *route->mutable_route());
    route->mutable_route()->clear_timeout();  // They look at this one instead.
    if (!spec.timeout_ms.has_value()) continue;
    auto* limit = route->mutable_route()->mutable_max_stream_duration();
    limit->mutable_max_stream_duration()->set_seconds(
        static_cast<std::int64_t>(*spec.timeout_ms / 1000));
    limit->mutable_max_stream_duration()->set_nanos(
        static_cast<std::int32_t>(*spec.timeout_ms % 1000) * 1'000'000);
  }
  return table;
}

listenerv3::Listener BuildGrpcServer(const std::string& address) {
  hcmv3::HttpConnectionManager hcm;
  hcm.set_stat_prefix("grpc_server");
  auto* host = hcm.mutable_route_config()->add_virtual_hosts();
  host->set_name("all");
  host->add_domains("*");
  auto* route = host->add_routes();
  route->mutable_match()->set_prefix("");
  route->mutable_non_forwarding_action();
  AddRouter(hcm);
  listenerv3::Listener listener;
  listener.set_name(GrpcServerName(address));
  auto* socket = listener.mutable_address()->mutable_socket_address();
  const std::size_t colon = address.rfind(':');
  std::string host_text = address.substr(0, colon);
  if (host_text.starts_with('[')) host_text = host_text.substr(1, host_text.size() - 2);
  socket->set_address(host_text);
  const std::string_view port = std::string_view(address).substr(colon + 1);
  socket->set_port_value(static_cast<std::uint32_t>(base::ParseUint(port).value_or(0)));
  auto* filter = listener.add_filter_chains()->add_filters();
  filter->set_name("envoy.filters.network.http_connection_manager");
  PackInto(hcm, *filter->mutable_typed_config());
  return listener;
}

}  // namespace sluice::control
