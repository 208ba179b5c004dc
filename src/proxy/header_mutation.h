#pragma once
// request/response_headers_to_add and _to_remove of the levels a route has. envoy-behaviour.md 2.6.
// Worker's thread; no I/O.

#include <string>

#include "base/clock.h"
#include "config/route.h"
#include "http/fields.h"
#include "observe/stream_info.h"

namespace sluice::proxy {

// The levels that concern an exchange; null ones are skipped.
struct MutationLevels {
  const config::WeightedCluster* weighted = nullptr;
  const config::Route* route = nullptr;
  const config::VirtualHost* virtual_host = nullptr;
  const config::RouteTable* table = nullptr;
};

enum class Direction : std::uint8_t { kRequest, kResponse };

// From the most specific level to the table, which wins; or the other way round when the table says
// most_specific_mutations_win. Values are rendered with `info`.
void MutateFields(const MutationLevels& levels, Direction direction,
                  const observe::StreamInfo& info, base::WallTime now, http::Fields& fields);

void ApplyMutations(const config::HeaderMutations& mutations, const observe::StreamInfo& info,
                    base::WallTime now, http::Fields& fields);

}  // namespace sluice::proxy
