#pragma once
// The layers of `layered_runtime`: where runtime values come from, and how they become one map.
//
// Values; no I/O here, server/runtime_layers.cc reads directories and listens to RTDS. Config
// thread. envoy-behaviour.md 7.3.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config_source.h"
#include "config/runtime.h"

namespace envoy::config::bootstrap::v3 {
class LayeredRuntime;
}
namespace envoy::service::runtime::v3 {
class Runtime;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// One RTDS resource, compiled; also a static layer.
struct RuntimeLayerValues {
  std::string name;
  Runtime::Values values;
  bool operator==(const RuntimeLayerValues&) const = default;
};

struct RuntimeLayerConfig {
  enum class Kind : std::uint8_t { kStatic, kDisk, kAdmin, kRtds };
  std::string name;
  Kind kind = Kind::kAdmin;
  Runtime::Values values = {};    // kStatic
  std::string symlink_root = {};  // kDisk: what is watched,
  std::string directory = {};     // and what is read.
  std::string rtds_name = {};     // kRtds: the resource's name.
  ConfigSourceRef source = {};
  std::uint64_t fetch_timeout_ms = 15'000;  // kRtds; 0: waits for ever.
  bool operator==(const RuntimeLayerConfig&) const = default;
};

// `service_cluster` is what append_service_cluster appends.
std::vector<RuntimeLayerConfig> CompileLayeredRuntime(
    const envoy::config::bootstrap::v3::LayeredRuntime& proto, std::string_view service_cluster,
    const CompileOptions& options, base::FieldErrors& errors);
std::shared_ptr<const RuntimeLayerValues> CompileRuntimeLayer(
    const envoy::service::runtime::v3::Runtime& proto, const CompileOptions& options,
    base::FieldErrors& errors);

// A value as a file of a disk layer or /runtime_modify gives it: number, boolean, fraction
// ("{numerator: 5, denominator: TEN_THOUSAND}") or just text.
RuntimeValue ParseRuntimeText(std::string_view text);
// The text of a disk layer's file without its comments and the white space at its end.
std::string RuntimeFileText(std::string_view file);

// Later layers win; a null layer has no values.
Runtime::Values MergeRuntime(std::span<const std::shared_ptr<const Runtime::Values>> layers);

}  // namespace sluice::config
