#pragma once
// From a compiled filter to the object that works on one exchange. A filter without a row here does
// not compile. Worker's thread.

#include <memory>

#include "config/listener.h"
#include "filters/filter.h"
#include "observe/stats.h"

namespace sluice::filters {

// Null when the filter is disabled or has nothing to do for this request, and for the router, which
// is the exchange itself.
std::unique_ptr<Filter> MakeFilter(const config::HttpFilter& filter, Context& context,
                                   const http::RequestHead& head, observe::CorsStats& cors);

}  // namespace sluice::filters
