// After an upstream's 101: bytes both ways until both sides have shut down. Half-close passes on.
#include "proxy/exchange.h"

namespace sluice::proxy {

// Settles what holds from the 101 on; the head itself is sent like any other.
void Exchange::BecomeTunnel() {
  tunnel_ = true;
  stats_->downstream_cx_upgrades_total.Add();
  stats_->downstream_cx_upgrades_active.Add(1);
  SpareTunnel();
  if (!forward_->idle_timeout_ms.has_value()) {
    idle_ms_ = tunnel_idle_ms_;
    if (idle_ms_ == 0) idle_timer_.Cancel();
    Touch();
  }
}

net::Task<void> Exchange::Tunnel() {
  // A client that shuts its side down may still be listening.
  downstream_->WatchHangup(nullptr, nullptr);
  watching_ = false;
  if (pin_) Unpin();
  downstream_->BecomeTunnel();
  try_->stream->BecomeTunnel();
  request_end_queued_ = request_sent_ = false;
  keep_replay_ = false;
  net::Task<void> upwards = RelayRequest();
  net::Task<void> downwards = RelayResponse();
  co_await net::Join(context_.loop(), upwards, downwards);
  response_complete_ = !failed_;
}

}  // namespace sluice::proxy
