#pragma once
// Configured changes of header fields, with their values rendered. envoy-behaviour.md 2.6.
//
// Any thread; no I/O.

#include "base/clock.h"
#include "config/route.h"
#include "http/fields.h"
#include "observe/stream_info.h"

namespace sluice::observe {

// Adds, replaces or leaves alone, as the addition says.
void ApplyAddition(const config::HeaderAddition& addition, const StreamInfo& info,
                   base::WallTime now, http::Fields& fields);

// In order. `worker`: see config::StringMatcher::Matches.
void ApplySteps(const config::HeaderSteps& steps, const StreamInfo& info, base::WallTime now,
                unsigned worker, http::Fields& fields);

}  // namespace sluice::observe
