#pragma once
// The xDS resources of one configuration, serialised once, shared by every stream that sends them.
//
// Immutable; any thread. Versions are content hashes, so a restart re-pushes nothing.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::control {

struct AppsConfig;

// In make-before-break order.
enum class Type : std::uint8_t {
  kClusters,
  kEndpoints,
  kListeners,
  kRoutes,
  kVirtualHosts,
  kCount
};
std::string_view TypeUrl(Type type);
// False for a type we do not serve.
bool FindType(std::string_view url, Type& type);

// 128 bits in hex, the same in every process: for versions and ETags, not against forgers.
std::string ContentHash(std::string_view bytes);

struct Resource {
  std::string name;
  std::string version;  // Hash of `bytes`.
  std::string bytes;    // The message inside the Any.
};

struct Snapshot {
  struct OfType {
    std::string version;  // Hash over names and versions.
    std::map<std::string, std::shared_ptr<const Resource>, std::less<>> resources;
  };
  std::array<OfType, static_cast<std::size_t>(Type::kCount)> types;
  // What it was built from: hosts that did not change are not built again.
  std::shared_ptr<const AppsConfig> source;

  const OfType& Of(Type type) const { return types[static_cast<std::size_t>(type)]; }
  OfType& Of(Type type) { return types[static_cast<std::size_t>(type)]; }
};

// Compiles to xDS and runs the proxy's own compilers over every resource that differs from
// `previous` (may be null): what is returned no proxy refuses. Unchanged resources are shared.
std::shared_ptr<const Snapshot> BuildSnapshot(const AppsConfig& config, const Snapshot* previous,
                                              base::FieldErrors& errors);

// Every cluster's endpoints and every listener's routes are there, and routes name clusters that
// exist.
absl::Status Consistent(const Snapshot& snapshot);

}  // namespace sluice::control
