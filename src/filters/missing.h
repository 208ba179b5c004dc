#pragma once
// Stands for a filter whose configuration has not arrived: no request passes it.

#include <memory>

#include "filters/filter.h"

namespace sluice::filters {

std::unique_ptr<Filter> MakeMissingFilter(Context& context);

}  // namespace sluice::filters
