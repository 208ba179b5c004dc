#pragma once
// The parts that compile_route*.cc divide among themselves. Config thread.
//
// Each reports every bad field below the current scope of `errors`. REQUIRES, for all of them: the
// message was checked against its field classes (CheckMessage).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/compile.h"
#include "config/route.h"

namespace google::protobuf {
class Any;
template <typename Key, typename T>
class Map;
}  // namespace google::protobuf
namespace envoy::config::route::v3 {
class DirectResponseAction;
class RedirectAction;
class Route;
class RouteAction;
class RouteMatch;
}  // namespace envoy::config::route::v3

namespace sluice::config {

// What the table decides for its virtual hosts.
struct RouteTableLimits {
  std::size_t direct_body_bytes_max = 4096;
  std::vector<MirrorPolicy> mirrors;
  bool operator==(const RouteTableLimits&) const = default;
};

// Everything of a table but its virtual hosts and indexes.
struct RouteTableFrame {
  RouteTable table;
  RouteTableLimits limits;
};
RouteTableFrame CompileRouteTableFrame(const envoy::config::route::v3::RouteConfiguration& proto,
                                       const CompileOptions& options, base::FieldErrors& errors);

// With its index; also when there were errors, so that domains can be compared.
std::shared_ptr<const VirtualHost> CompileVirtualHost(
    const envoy::config::route::v3::VirtualHost& proto, const RouteTableLimits& limits,
    const CompileOptions& options, base::FieldErrors& errors);

Route CompileRoute(const envoy::config::route::v3::Route& proto, const RouteTableLimits& limits,
                   const CompileOptions& options, base::FieldErrors& errors);
RouteMatch CompileRouteMatch(const envoy::config::route::v3::RouteMatch& proto,
                             const CompileOptions& options, base::FieldErrors& errors);
ForwardAction CompileForward(const envoy::config::route::v3::RouteAction& proto,
                             const CompileOptions& options, base::FieldErrors& errors);
// What is to be sent as a Host must be one; "" is.
std::string CompileRouteHost(const std::string& host, std::string_view field,
                             base::FieldErrors& errors);
RedirectAction CompileRedirect(const envoy::config::route::v3::RedirectAction& proto,
                               base::FieldErrors& errors);
DirectResponse CompileDirectResponse(const envoy::config::route::v3::DirectResponseAction& proto,
                                     const RouteTableLimits& limits, base::FieldErrors& errors);

// typed_per_filter_config, in order of filter names.
std::vector<NamedPerFilterConfig> CompilePerFilter(
    const google::protobuf::Map<std::string, google::protobuf::Any>& proto,
    const CompileOptions& options, base::FieldErrors& errors);

}  // namespace sluice::config
