#pragma once
// From the wire to values: the one door. No protobuf lives behind it.
//
// Config thread (bootstrap: main, before threads). Each function reports every bad field; on any
// error the result must not be used. Fields we do not know fail closed (decisions 1).

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/cluster.h"
#include "config/config_source.h"
#include "config/listener.h"
#include "config/route.h"

namespace google::protobuf {
class Any;
class Message;
}  // namespace google::protobuf
namespace envoy::config::route::v3 {
class RouteConfiguration;
class ScopedRouteConfiguration;
class VirtualHost;
}  // namespace envoy::config::route::v3
namespace envoy::config::core::v3 {
class TypedExtensionConfig;
}
namespace envoy::config::listener::v3 {
class Listener;
}
namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace envoy::config::endpoint::v3 {
class ClusterLoadAssignment;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

enum class Defaults : std::uint8_t { kSafe, kEnvoy };  // --defaults; decisions 10.

struct CompileOptions {
  Defaults defaults = Defaults::kSafe;
  bool is_static = false;              // From the bootstrap: validate_clusters defaults to true.
  bool reject_unknown_fields = false;  // Fields newer than our protos.
  // What config sources may refer to; null: not checked.
  std::shared_ptr<const KnownSources> sources;
  // Called once per full field name that has no effect ("field is set but has no effect").
  std::function<void(std::string_view)> on_no_effect;
  // Called per field unknown to our protos that was let through (counted and logged).
  std::function<void(std::string_view)> on_unknown_field;
};

std::shared_ptr<const RouteTable> CompileRouteTable(
    const envoy::config::route::v3::RouteConfiguration& proto, const CompileOptions& options,
    base::FieldErrors& errors);
// Shares unchanged virtual hosts with `previous` (may be null) by comparing serialised bytes, then
// compiled values.
std::shared_ptr<const RouteTable> CompileRouteTableBytes(std::string_view serialised,
                                                         const RouteTable* previous,
                                                         const CompileOptions& options,
                                                         base::FieldErrors& errors);
std::shared_ptr<const Listener> CompileListener(const envoy::config::listener::v3::Listener& proto,
                                                const CompileOptions& options,
                                                base::FieldErrors& errors);
std::shared_ptr<const Cluster> CompileCluster(const envoy::config::cluster::v3::Cluster& proto,
                                              const CompileOptions& options,
                                              base::FieldErrors& errors);
std::shared_ptr<const Assignment> CompileAssignment(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& proto, const CompileOptions& options,
    base::FieldErrors& errors);

// A resource of VHDS.
std::shared_ptr<const VirtualHost> CompileDiscoveredHost(
    const envoy::config::route::v3::VirtualHost& proto, const CompileOptions& options,
    base::FieldErrors& errors);
// Of SRDS, or inline (compile_scoped_routes.cc).
std::shared_ptr<const RouteScope> CompileScope(
    const envoy::config::route::v3::ScopedRouteConfiguration& proto, const CompileOptions& options,
    base::FieldErrors& errors);
// Of ECDS (compile_filter_discovery.cc).
std::shared_ptr<const ExtensionConfig> CompileExtensionConfig(
    const envoy::config::core::v3::TypedExtensionConfig& proto, const CompileOptions& options,
    base::FieldErrors& errors);

// Checks certificates and keys with OpenSSL, no I/O (compile_tls.cc).
void CheckUpstreamTls(const UpstreamTls& tls, base::FieldErrors& errors);

}  // namespace sluice::config
