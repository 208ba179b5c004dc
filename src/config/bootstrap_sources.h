#pragma once
// dynamic_resources of the bootstrap, and what every config source in it may refer to. Main.

#include "config/compile.h"

namespace envoy::config::bootstrap::v3 {
class Bootstrap;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct Bootstrap;

// Fills `out.ads`, `out.lds`, `out.cds` and `out.sources`. REQUIRES: node, clusters and listeners
// of `out` are compiled.
void CompileDynamicResources(const envoy::config::bootstrap::v3::Bootstrap& proto,
                             const CompileOptions& options, Bootstrap& out,
                             base::FieldErrors& errors);

}  // namespace sluice::config
