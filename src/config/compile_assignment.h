#pragma once
// Endpoint assignments for every kind of cluster; CompileAssignment() (compile.h) is that of EDS.

#include <cstdint>
#include <string_view>

#include "config/cluster.h"

namespace envoy::config::endpoint::v3 {
class ClusterLoadAssignment;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct AssignmentRules {
  bool names_allowed = false;    // STRICT_DNS and LOGICAL_DNS.
  bool single_endpoint = false;  // LOGICAL_DNS.
};

// Localities are flattened; a second endpoint with the same address is dropped. The message's
// fields must have been checked (CheckMessage) by the caller.
Assignment CompileAssignmentWith(const envoy::config::endpoint::v3::ClusterLoadAssignment& proto,
                                 const AssignmentRules& rules, base::FieldErrors& errors);

}  // namespace sluice::config
