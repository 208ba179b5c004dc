#pragma once
// REST as a transport: each poll posts the newest request as JSON, each answer is a message.
// envoy-behaviour.md 1.1.
//
// Config thread; a thread of its own waits for the answers.

#include <cstdint>
#include <memory>
#include <string>

#include "config/cluster.h"
#include "net/loop.h"
#include "xds/resource_type.h"
#include "xds/transport.h"

namespace sluice::server {

struct RestSpec {
  std::shared_ptr<const config::Cluster> cluster;  // Its endpoints are tried in turn.
  std::string path;                                // "/v3/discovery:routes"
  std::uint64_t refresh_delay_ms = 0;
  std::uint64_t request_timeout_ms = 1000;
  xds::ResourceType type = xds::ResourceType::kCluster;
};

std::unique_ptr<xds::Transport> NewRestTransport(net::Loop& loop, RestSpec spec);

}  // namespace sluice::server
