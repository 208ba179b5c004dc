#pragma once
// The PROXY protocol's extensions: proto to value. Config thread.

#include <optional>

#include "config/listener.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Cluster;
struct CompileOptions;

// Rows of the extension table.
std::optional<ListenerFilterConfig> CompileProxyProtocol(const google::protobuf::Any& any,
                                                         const CompileOptions& options,
                                                         base::FieldErrors& errors);
void CompileUpstreamProxyProtocol(const google::protobuf::Any& any, const CompileOptions& options,
                                  Cluster& cluster, base::FieldErrors& errors);

}  // namespace sluice::config
