#pragma once
// The header_mutation filter: changes the fields of requests, responses and trailers as the chain
// and the levels of the route say. Worker's thread.

#include <memory>
#include <string_view>

#include "filters/filter.h"

namespace sluice::filters {

// Null when nobody has anything to change. `filter_name` names the route's part.
std::unique_ptr<Filter> MakeHeaderMutationFilter(std::string_view filter_name,
                                                 const config::HeaderMutationFilter& config,
                                                 Context& context);

}  // namespace sluice::filters
