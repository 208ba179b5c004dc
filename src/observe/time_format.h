#pragma once
// Time stamps of %START_TIME(...)% and its relatives: strftime, plus %s (epoch seconds), %f
// (nanoseconds) and %1f to %9f (that many digits of the second). Any thread; each keeps its last
// few seconds formatted, since a worker stamps thousands of lines within one.

#include <string>
#include <string_view>

#include "base/clock.h"

namespace sluice::observe {

// "2024-01-02T03:04:05.678Z"
void AppendIsoTime(base::WallTime time, std::string& out);

// An empty `format` is the ISO form above (with the zone's offset when `local`). A result of more
// than 256 bytes per piece of `format` is left out.
void AppendTime(base::WallTime time, std::string_view format, bool local, std::string& out);

}  // namespace sluice::observe
