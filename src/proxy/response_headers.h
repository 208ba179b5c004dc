#pragma once
// What every response gets on its way to the client: server, date, via, service time.
// envoy-behaviour.md 2.7. Worker's thread; the date's text is passed in.

#include <cstdint>
#include <optional>
#include <string_view>

#include "config/listener.h"
#include "http/head.h"

namespace sluice::proxy {

struct ResponseFacts {
  std::string_view date;                     // IMF-fixdate of now.
  std::string_view request_id;               // "": the request had none.
  std::optional<std::uint64_t> upstream_ms;  // Set: x-envoy-upstream-service-time.
  bool from_upstream = false;
};

void PrepareResponseFields(const config::HttpConnectionManager& http, const ResponseFacts& facts,
                           http::Fields& fields);

}  // namespace sluice::proxy
