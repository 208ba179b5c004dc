#pragma once
// Filter chains of a listener, their matches, and listener filters. Config thread.

#include <optional>

#include "config/extensions.h"
#include "config/listener.h"

namespace envoy::config::listener::v3 {
class Listener;
}

namespace sluice::config {

// Fills filter_chains, chain_index, listener_filters and the time they may take.
void CompileFilterChains(const envoy::config::listener::v3::Listener& proto,
                         const CompileOptions& options, Listener& out, base::FieldErrors& errors);

// Row of the extension table.
std::optional<ListenerFilterConfig> CompileTlsInspector(const google::protobuf::Any& any,
                                                        const CompileOptions& options,
                                                        base::FieldErrors& errors);

}  // namespace sluice::config
