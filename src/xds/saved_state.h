#pragma once
// The last accepted configuration as bytes of a file, and back: what `--state-dir` keeps, so that a
// process can serve while its control plane is away.
//
// Pure; server/state_file.cc does the I/O. Every byte of such a file may be damaged or foreign:
// decoding checks all of it before anything is believed.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "xds/resource_type.h"

namespace sluice::xds {

struct SavedResource {
  std::string name;
  std::string version;
  std::string bytes;  // The inner message, serialised.
  bool operator==(const SavedResource&) const = default;
};

struct SavedType {
  ResourceType type = ResourceType::kCluster;
  std::string version;  // version_info of the last response that was accepted.
  std::vector<SavedResource> resources;
  bool operator==(const SavedType&) const = default;
};

struct SavedState {
  std::string node;      // Id and cluster: another node's configuration is not ours.
  base::WallTime saved;  // When it was accepted.
  std::vector<SavedType> types;
  bool operator==(const SavedState&) const = default;
};

std::string EncodeState(const SavedState& state);
// An error that says what is wrong with the file; nothing of a damaged file is used.
absl::StatusOr<SavedState> DecodeState(std::string_view bytes);

}  // namespace sluice::xds
