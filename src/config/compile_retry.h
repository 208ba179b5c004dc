#pragma once
// Retry, hedge, mirror and internal redirect policies from their xDS messages.
//
// Config thread. Each reports every bad field below the current scope of `errors`. REQUIRES: the
// message was checked against its field classes (CheckMessage).

#include <vector>

#include "config/compile.h"
#include "config/retry_policy.h"

namespace envoy::config::route::v3 {
class Route;
}

namespace sluice::config {

// What a virtual host says for routes that say nothing; `mirrors` are the table's.
TryPolicy CompileHostTries(const envoy::config::route::v3::VirtualHost& proto,
                           const std::vector<MirrorPolicy>& mirrors, const CompileOptions& options,
                           base::FieldErrors& errors);

// Of one route that forwards. `host`: what it says nothing about is from there; `shared`: the same,
// for routes that have nothing of their own.
SharedTryPolicy CompileTries(const envoy::config::route::v3::Route& proto, const TryPolicy& host,
                             const SharedTryPolicy& shared, const CompileOptions& options,
                             base::FieldErrors& errors);

// request_mirror_policies of a table.
std::vector<MirrorPolicy> CompileTableMirrors(
    const envoy::config::route::v3::RouteConfiguration& proto, base::FieldErrors& errors);

}  // namespace sluice::config
