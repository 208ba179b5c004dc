#pragma once
// config_discovery of HTTP filters, and the resources of ECDS. Config thread.

#include <memory>

#include "config/compile.h"
#include "config/filter_discovery.h"

namespace envoy::config::core::v3 {
class ExtensionConfigSource;
}

namespace sluice::config {

// Null after an error.
std::shared_ptr<const FilterDiscovery> CompileFilterDiscovery(
    const envoy::config::core::v3::ExtensionConfigSource& proto, const CompileOptions& options,
    base::FieldErrors& errors);

}  // namespace sluice::config
