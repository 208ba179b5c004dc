#pragma once
// Files as a transport: a file that holds a DiscoveryResponse is one message, and the next each
// time it is replaced. envoy-behaviour.md 1.10.
//
// Config thread.

#include <memory>

#include "absl/status/statusor.h"
#include "config/config_source.h"
#include "net/loop.h"
#include "xds/resource_type.h"
#include "xds/transport.h"

namespace sluice::server {

// An error when the file's directory cannot be watched.
absl::StatusOr<std::unique_ptr<xds::Transport>> NewFileTransport(net::Loop& loop,
                                                                 const config::PathSource& source,
                                                                 xds::ResourceType type);

}  // namespace sluice::server
