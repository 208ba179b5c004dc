#pragma once
// Several servers behind one transport, in order of preference: the next one serves while those
// before it do not, and the stream goes back as soon as the first can be reached again.
//
// Config thread.

#include <memory>
#include <vector>

#include "net/loop.h"
#include "xds/transport.h"

namespace sluice::server {

class FailoverTransport final : public xds::Transport, private xds::TransportEvents {
 public:
  // How often the first server is tried while another serves.
  static constexpr std::uint64_t kProbeMs = 1'000;
  // REQUIRES: at least one.
  FailoverTransport(net::Loop& loop, std::vector<std::unique_ptr<xds::Transport>> servers);

  void Open(xds::TransportEvents& events) override;
  void Send(std::string bytes) override { servers_[current_]->Send(std::move(bytes)); }
  void ReadNext() override { servers_[current_]->ReadNext(); }
  void Close() override;
  bool Reachable() override { return servers_[0]->Reachable(); }
  unsigned Rank() const override { return static_cast<unsigned>(current_); }

 private:
  void OnOpen() override { events_->OnOpen(); }
  void OnMessage(std::string bytes) override;
  void OnClosed(std::string_view why) override;
  void OnFailure(std::string_view why) override { events_->OnFailure(why); }
  void Probe();

  net::Loop& loop_;
  std::vector<std::unique_ptr<xds::Transport>> servers_;
  std::size_t current_ = 0;
  bool served_ = false;  // A message came on this stream.
  xds::TransportEvents* events_ = nullptr;
  net::Timer probe_;
};

}  // namespace sluice::server
