#pragma once
// The route tables that stand inside listeners, for /config_dump. Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

struct InlineRoutes {
  std::string name;         // Of the RouteConfiguration.
  std::string proto_bytes;  // The RouteConfiguration.
};

// Of every HTTP connection manager in a serialised Listener that has one; what does not parse is
// passed over.
std::vector<InlineRoutes> FindInlineRoutes(std::string_view listener_bytes);

}  // namespace sluice::config
