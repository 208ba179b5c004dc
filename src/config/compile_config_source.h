#pragma once
// ConfigSource and ApiConfigSource to values. Config thread, or main for the bootstrap.

#include <string_view>

#include "config/compile.h"
#include "config/config_source.h"

namespace envoy::config::core::v3 {
class ApiConfigSource;
class ConfigSource;
}  // namespace envoy::config::core::v3

namespace sluice::config {

// Errors are at the current scope, which is the field that holds the source. What it refers to must
// be in options.sources, where that is set.
ConfigSource CompileConfigSource(const envoy::config::core::v3::ConfigSource& proto,
                                 const CompileOptions& options, base::FieldErrors& errors);
// The bootstrap's ads_config.
ApiSource CompileAdsConfig(const envoy::config::core::v3::ApiConfigSource& proto,
                           const CompileOptions& options, base::FieldErrors& errors);

// A name that is asked for over xDS: not empty, and no xdstp:// URL.
void CheckResourceName(std::string_view name, std::string_view field, base::FieldErrors& errors);

}  // namespace sluice::config
