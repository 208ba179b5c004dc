#pragma once
// The xDS resources of one configuration, serialised once, shared by every stream that sends them.
//
// Immutable; any thread. Versions are content hashes, so a restart re-pushes nothing.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apps.h"

namespace envoy::config::core::v3 {
class Node;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

// In make-before-break order.
enum class Type : std::uint8_t {
  kClusters,
  kEndpoints,
  kListeners,
  kRoutes,
  kVirtualHosts,
  kSecrets,
  kCount
};
std::string_view TypeUrl(Type type);
// False for a type we do not serve.
bool FindType(std::string_view url, Type& type);

// 128 bits in hex, the same in every process: for versions and ETags, not against forgers.
std::string ContentHash(std::string_view bytes);

struct Resource {
  std::string name;
  std::string version;      // Hash of `bytes`.
  std::string bytes;        // The message inside the Any.
  bool named_only = false;  // Not among "all": for clients of gRPC, which ask by name.
};

// What `ca_file`s, and `cert`s and `key`s of listeners, hold, by path.
struct CaFiles {
  std::map<std::string, std::string> texts;  // As they were read before.
  std::map<std::string, std::string> used;   // As this configuration uses them.
  std::set<std::string> gone;                // Those of `used` that cannot be read any more.
};

struct Snapshot {
  struct OfType {
    std::string version;  // Hash over names and versions.
    std::map<std::string, std::shared_ptr<const Resource>, std::less<>> resources;
  };
  std::array<OfType, static_cast<std::size_t>(Type::kCount)> types;
  // What it was built from: hosts that did not change are not built again.
  std::shared_ptr<const AppsConfig> source;
  // Instead of this one, for those who match. Empty in the snapshot of a fleet.
  struct Fleet;
  std::vector<Fleet> fleets;
  CaFiles ca_files;  // Of all fleets together.

  const OfType& Of(Type type) const { return types[static_cast<std::size_t>(type)]; }
  OfType& Of(Type type) { return types[static_cast<std::size_t>(type)]; }
};

struct Snapshot::Fleet {
  std::string name;
  FleetMatch match;
  std::shared_ptr<const Snapshot> snapshot;
};

// What a node said of itself, as far as fleets look at it.
struct NodeFacts {
  std::string cluster;
  std::map<std::string, std::string, std::less<>> metadata;  // Texts, numbers and bools at the top.
};
NodeFacts FactsOf(const envoy::config::core::v3::Node& node);
// Never null for a `root` that is not.
std::shared_ptr<const Snapshot> PickFleet(const std::shared_ptr<const Snapshot>& root,
                                          const NodeFacts& node, std::string& fleet_name);

// Compiles to xDS and runs the proxy's own compilers over every resource that differs from
// `previous` (may be null): what is returned no proxy refuses. Unchanged resources are shared, and
// a CA file that is gone is taken from there.
std::shared_ptr<const Snapshot> BuildSnapshot(const AppsConfig& config, const Snapshot* previous,
                                              base::FieldErrors& errors);

// Every cluster's endpoints and every listener's routes are there, and routes name clusters that
// exist.
absl::Status Consistent(const Snapshot& snapshot);

}  // namespace sluice::control
