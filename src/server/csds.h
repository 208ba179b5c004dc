#pragma once
// CSDS: what this client holds of every resource, for tools that ask over gRPC
// (envoy.service.status.v3). The same as /config_dump says, from the same view.
//
// Start and Stop belong to main; answers are made on gRPC's threads from an immutable view.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "config/bootstrap.h"
#include "server/config_thread.h"

namespace sluice::server {

// The answer to a serialised ClientStatusRequest, serialised; an error names what was refused.
absl::StatusOr<std::string> AnswerClientStatus(std::string_view request, const XdsView& view,
                                               const config::Bootstrap& bootstrap,
                                               base::WallTime started);

class Csds {
 public:
  struct Options {
    base::Address address;
    bool insecure = false;  // May listen off loopback.
    // Any thread.
    std::function<absl::StatusOr<std::string>(std::string_view request)> answer;
  };
  explicit Csds(Options options);
  ~Csds();  // Stops.

  // The bound address.
  absl::StatusOr<base::Address> Start();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::server
