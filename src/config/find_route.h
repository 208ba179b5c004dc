#pragma once
// The pieces of FindRoute() that explanations and tests use too. Any thread.

#include <string_view>

#include "config/route.h"

namespace sluice::config {

// By the table's index; null when no domain matches.
const VirtualHost* FindVirtualHost(const RouteTable& table, const http::RequestHead& head);

// What domains are compared with, still in its own case: without its port when the table says so.
std::string_view LookupHost(const RouteTable& table, const http::RequestHead& head);

// The path as matchers see it: without its query, or what else the table leaves out.
std::string_view LookupPath(const RouteTable& table, const http::RequestHead& head);

// CONNECT without a path: only connect_matcher matches, and that nothing else.
bool IsPathless(const http::RequestHead& head);

// `path` is LookupPath(). REQUIRES: not IsPathless().
bool MatchesPath(const RouteMatch& match, std::string_view path, unsigned worker);

// Everything but the path.
bool MatchesBeyondPath(const RouteMatch& match, const http::RequestHead& head,
                       const RequestFacts& facts);

// The first route of `host`, or null.
const Route* FindRouteIn(const VirtualHost& host, const http::RequestHead& head,
                         std::string_view path, const RequestFacts& facts);

}  // namespace sluice::config
