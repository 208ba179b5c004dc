#pragma once
// The file of `--state-dir`: read once at start, replaced as a whole, so that a crash at any moment
// leaves the old one or the new one. It holds secrets: readable by its owner alone.
//
// Config thread.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "xds/saved_state.h"

namespace sluice::server {

// "<directory>/xds.state".
std::string StatePath(const std::string& directory);

// Nullopt when there is none, or when it cannot be used: `why` says so then ("": there is none).
// REQUIRES: `node` as in the states that were written.
std::optional<xds::SavedState> ReadState(const std::string& directory, const std::string& node,
                                         std::string& why);
// Temporary file, fsync, rename, fsync of the directory. On failure the old file stays.
absl::Status WriteState(const std::string& directory, const xds::SavedState& state);

}  // namespace sluice::server
