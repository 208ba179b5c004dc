#pragma once
// The compiled bootstrap file: node, admin address, static resources, where xDS comes from.
// Values; read once on main. envoy-behaviour.md 7.1.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/access_log.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/config_source.h"
#include "config/listener.h"
#include "config/runtime_layers.h"
#include "config/secret.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Node {
  std::string id;
  std::string cluster;
  std::string region, zone, sub_zone;
  std::string metadata_bytes;  // A serialised google.protobuf.Struct.
  bool operator==(const Node&) const = default;
};

// A static resource with the bytes it came from, for /config_dump.
template <typename T>
struct StaticResource {
  std::shared_ptr<const T> value;
  std::string proto_bytes;
};

struct Bootstrap {
  Node node;
  std::optional<base::Address> admin_address;
  std::vector<AccessLog> admin_access_logs;
  std::vector<StaticResource<Listener>> listeners;
  std::vector<StaticResource<Cluster>> clusters;
  std::vector<std::shared_ptr<const Secret>> secrets;
  std::vector<RuntimeLayerConfig> runtime_layers;  // At least one: an admin layer when unset.
  std::optional<ApiSource> ads;
  std::optional<ConfigSource> lds, cds;
  std::shared_ptr<const KnownSources> sources;  // For the sources of dynamic resources.
  std::string proto_bytes;                      // The whole Bootstrap, for /config_dump.
};

// Command-line values that override the file's.
struct BootstrapOverrides {
  std::string service_node, service_cluster, service_zone;
  bool allow_unknown_static_fields = false;
};

// Reads YAML or JSON text; every error carries file:line. Null on error.
std::unique_ptr<Bootstrap> LoadBootstrap(std::string_view text, std::string_view file_name,
                                         const BootstrapOverrides& overrides,
                                         const CompileOptions& options, base::FieldErrors& errors);

}  // namespace sluice::config
