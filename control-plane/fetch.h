#pragma once
// xDS for those who poll: one DiscoveryRequest, one DiscoveryResponse, nothing remembered.
//
// The control plane's loop only. envoy-behaviour.md 1.1 (REST), 1.14.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "snapshot.h"

namespace sluice::control {

// Both serialised. Always answers, whatever version the client has.
absl::StatusOr<std::string> FetchAnswer(const std::shared_ptr<const Snapshot>& root, Type type,
                                        std::string_view request);
// Both as proto3 JSON; nullopt when the client has that version already.
absl::StatusOr<std::optional<std::string>> FetchJson(const std::shared_ptr<const Snapshot>& root,
                                                     Type type, std::string_view request);

}  // namespace sluice::control
