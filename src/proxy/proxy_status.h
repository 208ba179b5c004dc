#pragma once
// The proxy-status header: what went wrong, as RFC 9209 names it. Pure; worker's thread.

#include <optional>
#include <string>
#include <string_view>

#include "config/listener.h"
#include "observe/stream_info.h"

namespace sluice::proxy {

struct ProxyError {
  std::string_view type;  // "connection_refused"
  int status;             // What RFC 9209 recommends.
};

// Nullopt: nothing went wrong.
std::optional<ProxyError> ProxyErrorOf(observe::ResponseFlags flags);

// The header's value.
std::string ProxyStatusText(const config::ProxyStatusConfig& config, const ProxyError& error,
                            const observe::StreamInfo& info);

}  // namespace sluice::proxy
