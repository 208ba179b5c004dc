#pragma once
// From the bytes of one resource to its compiled value, for every type.
//
// Config thread. Null, or errors: the resource is refused.

#include <memory>
#include <string_view>

#include "config/compile.h"
#include "config/filter_discovery.h"
#include "config/runtime_layers.h"
#include "config/scoped_routes.h"
#include "config/secret.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::xds {

// What every compilation gets: the bytes, the value they replace (may be null), and where to.
template <typename T>
struct CompileInput {
  std::string_view bytes;
  const T* previous;
  const config::CompileOptions& options;
  base::FieldErrors& errors;
};

std::shared_ptr<const config::Cluster> Compile(const CompileInput<config::Cluster>& input);
std::shared_ptr<const config::Assignment> Compile(const CompileInput<config::Assignment>& input);
std::shared_ptr<const config::Listener> Compile(const CompileInput<config::Listener>& input);
std::shared_ptr<const config::RouteTable> Compile(const CompileInput<config::RouteTable>& input);
std::shared_ptr<const config::VirtualHost> Compile(const CompileInput<config::VirtualHost>& input);
std::shared_ptr<const config::RouteScope> Compile(const CompileInput<config::RouteScope>& input);
std::shared_ptr<const config::ExtensionConfig> Compile(
    const CompileInput<config::ExtensionConfig>& input);
std::shared_ptr<const config::RuntimeLayerValues> Compile(
    const CompileInput<config::RuntimeLayerValues>& input);

std::shared_ptr<const config::Secret> Compile(const CompileInput<config::Secret>& input);

}  // namespace sluice::xds
