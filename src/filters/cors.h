#pragma once
// The CORS filter: answers preflights, replaces the app's own access-control-* fields.
// envoy-behaviour.md 8 (cors); the Fetch standard, section 3.2.
//
// Worker's thread; one per exchange that has an Origin field and a policy.

#include <memory>
#include <string>

#include "filters/filter.h"
#include "observe/stats.h"

namespace sluice::filters {

// Null when this request has nothing to do with CORS: no Origin, no policy, or a policy switched
// off. `filter_name` names the policy of the route.
std::unique_ptr<Filter> MakeCorsFilter(std::string_view filter_name, Context& context,
                                       const http::RequestHead& head, observe::CorsStats& stats);

}  // namespace sluice::filters
