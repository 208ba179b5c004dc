#pragma once
// The ADS stream over gRPC C++: an xds::Transport. Decisions 11.
//
// Used on the config thread. gRPC's own threads only hand bytes over by Loop::Post and do not read
// on until ReadNext().

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config/bootstrap.h"
#include "net/loop.h"
#include "xds/transport.h"

namespace sluice::server {

// `cluster` is the bootstrap cluster that `source` names: its endpoints, TLS and keepalive make the
// channel. An error when the cluster says something a channel cannot honour.
absl::StatusOr<std::unique_ptr<xds::Transport>> NewGrpcTransport(net::Loop& loop,
                                                                 const config::AdsSource& source,
                                                                 const config::Cluster& cluster);

}  // namespace sluice::server
