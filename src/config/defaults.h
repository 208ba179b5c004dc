#pragma once
// What a field means when it is not set: our values and Envoy's (--defaults), in one place.
//
// Compilers start from these structs and overwrite what is set. docs/defaults.md is printed from
// them. Pure functions, any thread.

#include <string>

#include "config/cluster.h"
#include "config/compile.h"
#include "config/listener.h"

namespace sluice::config {

Listener DefaultListener(Defaults defaults);
HttpConnectionManager DefaultHttpConnectionManager(Defaults defaults);
Cluster DefaultCluster(Defaults defaults);
UpstreamTls DefaultUpstreamTls(Defaults defaults);
// Back-off of failed DNS queries when only dns_refresh_rate is known.
std::uint64_t DefaultDnsFailureMaxMs(Defaults defaults, std::uint64_t refresh_ms);

// docs/defaults.md: the fields whose values differ, with the reasons, then all others.
std::string DefaultsDocument();

}  // namespace sluice::config
