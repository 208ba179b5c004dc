#pragma once
// One try: the way to a connection of the cluster and the stream on it. Worker's thread; belongs to
// an exchange.

#include <memory>
#include <optional>

#include "proxy/upstream_h1.h"
#include "proxy/upstream_h2.h"
#include "proxy/upstream_stream.h"
#include "upstream/pool.h"

namespace sluice::proxy {

struct Try {
  std::optional<upstream::Attempt> attempt;
  UpstreamStream* stream = nullptr;  // Once `attempt` has acquired: one of those below.
  H1Upstream h1;
  std::unique_ptr<H2Upstream> h2;  // Made when it is needed first.

  // By the protocol of what was acquired.
  void Open() {
    if (upstream::H2Connection* connection = attempt->http2(); connection != nullptr) {
      if (h2 == nullptr)
        h2 = std::make_unique<H2Upstream>(connection->loop(), connection->buffers());
      h2->Open(*attempt);
      stream = h2.get();
      return;
    }
    h1.Open(*attempt);
    stream = &h1;
  }
  // Whatever state it is in. Nothing may refer to its bytes any more.
  void Close() {
    if (stream == &h1) h1.Reset();
    if (stream != nullptr && stream == h2.get()) h2->Reset();
    stream = nullptr;
    attempt.reset();
  }
};

}  // namespace sluice::proxy
