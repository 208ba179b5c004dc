#pragma once
// Scoped routes and the scopes of SRDS: proto to value. Config thread.

#include <memory>

#include "config/compile.h"
#include "config/config_source.h"
#include "config/scoped_routes.h"

namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class ScopedRoutes;
}
namespace envoy::config::route::v3 {
class ScopedRouteConfiguration;
}

namespace sluice::config {

struct CompiledScopedRoutes {
  std::shared_ptr<const ScopedRoutes> routes;
  ConfigSource tables;  // Where the tables come from that scopes name.
};
// REQUIRES: the message was checked against its field classes.
CompiledScopedRoutes CompileScopedRoutes(
    const envoy::extensions::filters::network::http_connection_manager::v3::ScopedRoutes& proto,
    const CompileOptions& options, base::FieldErrors& errors);

}  // namespace sluice::config
