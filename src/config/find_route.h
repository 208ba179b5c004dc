#pragma once
// The pieces of FindRoute() that explanations and tests use too. Any thread.

#include <string_view>

#include "config/route.h"

namespace sluice::config {

// By the table's index; null when no domain matches.
const VirtualHost* FindVirtualHost(const RouteTable& table, std::string_view authority);

// The authority as domains are compared with it, still in its own case: without its port when the
// table says so.
std::string_view LookupHost(const RouteTable& table, std::string_view authority);

// `path` is without its query.
bool MatchesPath(const RouteMatch& match, std::string_view path, unsigned worker);

// Everything but the path: gRPC, headers, query parameters.
bool MatchesBeyondPath(const RouteMatch& match, const http::RequestHead& head, unsigned worker);

// The first route of `host`, or null.
const Route* FindRouteIn(const VirtualHost& host, const http::RequestHead& head, unsigned worker);

}  // namespace sluice::config
