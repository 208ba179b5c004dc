#pragma once
// What resources refer to, and listeners with the filter configurations that came over xDS.
//
// Pure; config thread.

#include <functional>
#include <memory>
#include <vector>

#include "config/cluster.h"
#include "config/listener.h"
#include "config/snapshot.h"
#include "xds/references.h"

namespace sluice::xds {

std::vector<Reference> ReferencesOf(const config::Listener& listener);
std::vector<Reference> ReferencesOf(const config::Cluster& cluster);

// Visits what a chain's TLS takes from elsewhere.
void VisitSecrets(const config::FilterChain& chain,
                  const std::function<void(const config::SecretRef&)>& visit);

// Whether any filter of `listener` is discovered.
bool HasDiscovery(const config::Listener& listener);
// The configuration of a discovered filter that arrived and has a type that it may have, or null.
const config::ExtensionConfig* FindFilterConfig(
    const config::HttpFilter& filter, const config::ShardedMap<config::ExtensionConfig>& configs);
// `listener` with every discovered filter resolved: to what arrived, its default, or MissingFilter.
std::shared_ptr<const config::Listener> ResolveFilters(
    const std::shared_ptr<const config::Listener>& listener,
    const config::ShardedMap<config::ExtensionConfig>& configs);

}  // namespace sluice::xds
