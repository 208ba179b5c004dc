#pragma once
// The HTTP connection manager, and the chain of HTTP filters in it. Config thread.

#include <memory>

#include "config/listener.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// Row of the extension table.
std::shared_ptr<const HttpConnectionManager> CompileHttpConnectionManager(
    const google::protobuf::Any& any, const CompileOptions& options, base::FieldErrors& errors);

}  // namespace sluice::config
