#pragma once
// The tcp_proxy network filter: proto to value. Config thread.

#include <memory>

#include "config/tcp_proxy.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// Null when `any` is no TcpProxy.
std::shared_ptr<const TcpProxy> CompileTcpProxy(const google::protobuf::Any& any,
                                                const CompileOptions& options,
                                                base::FieldErrors& errors);

}  // namespace sluice::config
