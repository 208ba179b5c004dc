#pragma once
// A compiled route table as text, every field that differs from its default; for golden tests.

#include <string>

#include "config/route.h"

namespace sluice::config {

std::string PrintRouteTable(const RouteTable& table);

}  // namespace sluice::config
