#pragma once
// The header_mutation filter and what routes say about it. Config thread.

#include <optional>

#include "config/listener.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// Rows of the extension table.
std::optional<HttpFilterConfig> CompileHeaderMutation(const google::protobuf::Any& any,
                                                      const CompileOptions& options,
                                                      base::FieldErrors& errors);
std::optional<PerFilterConfig> CompileHeaderMutationPerRoute(const google::protobuf::Any& any,
                                                             const CompileOptions& options,
                                                             base::FieldErrors& errors);

}  // namespace sluice::config
