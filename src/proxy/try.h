#pragma once
// One try: the way to a connection of the cluster and the stream on it. Worker's thread; belongs to
// an exchange.

#include <optional>

#include "proxy/upstream_h1.h"
#include "proxy/upstream_stream.h"
#include "upstream/pool.h"

namespace sluice::proxy {

struct Try {
  std::optional<upstream::Attempt> attempt;
  UpstreamStream* stream = nullptr;  // Once `attempt` has acquired: one of those below.
  H1Upstream h1;

  // By the protocol of what was acquired.
  void Open() {
    h1.Open(*attempt);
    stream = &h1;
  }
  // Whatever state it is in. Nothing may refer to its bytes any more.
  void Close() {
    if (stream != nullptr) h1.Reset();
    stream = nullptr;
    attempt.reset();
  }
};

}  // namespace sluice::proxy
