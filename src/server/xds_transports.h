#pragma once
// Transports by config source: which implementation, which method, which servers in which order.
//
// Config thread; gRPC's own threads only hand bytes over by Loop::Post.

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "config/bootstrap.h"
#include "net/loop.h"
#include "xds/resource_type.h"
#include "xds/transport.h"

namespace sluice::server {

// What one stream is for. `type` is unset on an aggregated one.
struct StreamSpec {
  config::ConfigSource source;  // ApiSource or PathSource.
  std::optional<xds::ResourceType> type;
  bool is_ads = false;  // The bootstrap's ads_config.
};

using MakeTransport = std::function<absl::StatusOr<std::unique_ptr<xds::Transport>>(
    net::Loop& loop, const StreamSpec& spec)>;

// The real ones. `bootstrap` outlives what is returned; channels to the same server are shared.
MakeTransport NewTransports(const config::Bootstrap& bootstrap);

}  // namespace sluice::server
