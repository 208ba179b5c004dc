#pragma once
// What belongs to one connection only and must not be forwarded. RFC 9110 section 7.6.1.

#include "http/head.h"

namespace sluice::http {

// Removes Connection, the fields it names, Keep-Alive, Proxy-Connection, TE (unless exactly
// "trailers", which stays), Transfer-Encoding and, unless `keep_upgrade`, Upgrade. Fields that the
// proxy or an app trusts cannot be nominated away: Host, Content-Length, Authorization, Cookie,
// x-forwarded-*, x-envoy-*, x-request-id and the like stay (users.md E2 d).
void RemoveHopByHop(Fields& fields, bool keep_upgrade);

// Fields that may not appear in trailers: framing, routing, authentication (RFC 9110 6.5.1).
bool AllowedInTrailers(std::string_view name);

}  // namespace sluice::http
