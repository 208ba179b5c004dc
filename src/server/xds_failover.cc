#include "server/xds_failover.h"

#include <utility>

#include "base/log.h"

namespace sluice::server {

FailoverTransport::FailoverTransport(net::Loop& loop,
                                     std::vector<std::unique_ptr<xds::Transport>> servers)
    : loop_(loop), servers_(std::move(servers)) {
  probe_.Set([](void* self) { static_cast<FailoverTransport*>(self)->Probe(); }, this);
}

void FailoverTransport::Open(xds::TransportEvents& events) {
  events_ = &events;
  served_ = false;
  servers_[current_]->Open(*this);
  if (current_ != 0) probe_.Arm(loop_.timers(), kProbeMs);
}

void FailoverTransport::Close() {
  probe_.Cancel();
  servers_[current_]->Close();
}

void FailoverTransport::OnMessage(std::string bytes) {
  served_ = true;
  events_->OnMessage(std::move(bytes));
}

void FailoverTransport::OnClosed(std::string_view why) {
  probe_.Cancel();
  // One that served is tried first again, and before it whoever is preferred.
  current_ = served_ ? 0 : (current_ + 1) % servers_.size();
  events_->OnClosed(why);
}

void FailoverTransport::Probe() {
  if (!servers_[0]->Reachable()) return probe_.Arm(loop_.timers(), kProbeMs);
  SLUICE_LOG(kInfo, kConfig, "the preferred control plane can be reached again; going back to it");
  servers_[current_]->Close();
  current_ = 0;
  events_->OnClosed("going back to the preferred server");
}

}  // namespace sluice::server
