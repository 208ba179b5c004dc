#pragma once
// What configuration takes from the runtime: keys with their defaults. Config thread.

#include "config/runtime.h"

namespace envoy::config::core::v3 {
class RuntimeFractionalPercent;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// An error for more than the whole.
RuntimeFraction CompileFraction(const envoy::config::core::v3::RuntimeFractionalPercent& proto,
                                base::FieldErrors& errors);

}  // namespace sluice::config
