#pragma once
// What happens to a request's fields between the codec and the router. envoy-behaviour.md 2.3.
//
// Pure functions over values: dice are passed in. Worker's thread.

#include <optional>
#include <string>

#include "base/address.h"
#include "base/random.h"
#include "config/listener.h"
#include "config/route.h"
#include "http/head.h"
#include "observe/stream_info.h"
#include "proxy/failure.h"

namespace sluice::proxy {

struct RequestOrigin {
  const base::Address& remote;
  const base::Address& local;
  bool tls;
};

enum class PathStep : std::uint8_t { kOk, kRedirect };  // kRedirect: 307 to the rewritten path.

// Checks and normalises path and authority, drops hop-by-hop fields. A failure: answer it.
std::optional<FailureKind> CheckRequestHead(const config::HttpConnectionManager& http,
                                            const RequestOrigin& origin, http::RequestHead& head,
                                            PathStep& path);

// Forwarding fields, request id, internal fields; sets `head.scheme` and `info.remote`.
void PrepareRequestFields(const config::HttpConnectionManager& http, const RequestOrigin& origin,
                          base::Random& random, http::RequestHead& head, observe::StreamInfo& info);

// Fields only an internal client may send; the table names more of them.
void RemoveInternalFields(const config::RouteTable& table, http::Fields& fields);

}  // namespace sluice::proxy
