#pragma once
// What the protocol machine hands to whoever applies resources, in both forms of the protocol, and
// what it wants to hear back. Config thread; views die with the call.

#include <string>
#include <string_view>
#include <vector>

#include "base/field_errors.h"
#include "xds/resource_type.h"

namespace sluice::xds {

struct RawResource {
  std::string_view name;     // Of its wrapper, else its own (field 1); "" when it has none.
  std::string_view version;  // Its own; state of the world without wrappers: the response's.
  std::string_view bytes;    // The inner message, serialised.
};

// One response, parsed and checked as far as the protocol goes. Resources nobody subscribed to are
// left out already.
struct Response {
  ResourceType type = ResourceType::kCluster;
  std::string_view version;        // version_info, or system_version_info of a delta.
  std::string_view control_plane;  // Its identifier, "" when unset.
  std::vector<RawResource> resources;
  // Names that are gone, or that the server says it does not have: a delta's removed_resources, or
  // resources whose TTL has passed.
  std::vector<std::string_view> removed = {};
  // Names a heartbeat renewed: still there, as they were.
  std::vector<std::string_view> kept = {};
  // State of the world: resources of a wildcard type that are not in `resources` or `kept` are
  // gone. A delta, and a TTL that passed, say nothing about what they do not name.
  bool whole = true;
  bool expired = false;  // No message: time took `removed` away. The answer goes nowhere.
};

// A resource that was not accepted, for the NACK: every bad field with path, reason and hint.
struct RejectedResource {
  std::string name;
  std::vector<base::FieldError> fields;
};

// "" in `error` is an ACK; else its text becomes the NACK's error_detail, with `rejected` as
// structured details. What is not in `rejected` counts as accepted, unless `rejected` is empty.
struct Verdict {
  std::string error;
  std::vector<RejectedResource> rejected;
  std::vector<std::string> changed = {};  // Names whose value is another now, for statistics.
};

class ResponseHandler {
 public:
  virtual Verdict OnResponse(const Response& response) = 0;
  // A response that could not even be read, or whose resources have the wrong type: NACKed.
  virtual void OnBadResponse(ResourceType type, std::string_view why) = 0;

 protected:
  ~ResponseHandler() = default;
};

}  // namespace sluice::xds
