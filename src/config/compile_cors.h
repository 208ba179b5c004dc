#pragma once
// CORS policies of virtual hosts and routes, from envoy.extensions.filters.http.cors.v3.CorsPolicy.
// Config thread.

#include <optional>

#include "config/route.h"

namespace google::protobuf {
class Any;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// Nullopt after adding an error at the current scope. REQUIRES: `any` holds a CorsPolicy.
std::optional<CorsPolicy> CompileCorsPolicy(const google::protobuf::Any& any,
                                            const CompileOptions& options,
                                            base::FieldErrors& errors);

}  // namespace sluice::config
