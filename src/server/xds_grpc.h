#pragma once
// Discovery streams over gRPC C++: an xds::Transport. Decisions 11.
//
// Used on the config thread. gRPC's own threads only hand bytes over by Loop::Post and do not read
// on until ReadNext().

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "config/bootstrap.h"
#include "net/loop.h"
#include "xds/transport.h"

namespace sluice::server {

// The channels of one process: streams to the same service share one.
class GrpcChannels {
 public:
  explicit GrpcChannels(const config::Bootstrap& bootstrap);
  ~GrpcChannels();
  GrpcChannels(const GrpcChannels&) = delete;
  GrpcChannels& operator=(const GrpcChannels&) = delete;

  // envoy_grpc: the bootstrap cluster's endpoints, TLS and keepalive make the channel; an error
  // when it says something a channel cannot honour. `method` is "/package.Service/Method".
  absl::StatusOr<std::unique_ptr<xds::Transport>> NewTransport(net::Loop& loop,
                                                               const config::GrpcService& service,
                                                               std::string method);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::server
