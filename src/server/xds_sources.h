#pragma once
// All xDS streams of the process: which source each type or name comes from, their life, their
// statistics and events. What arrives goes to one handler.
//
// Config thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "config/bootstrap.h"
#include "net/loop.h"
#include "observe/registry.h"
#include "server/event_log.h"
#include "server/subscription_stats.h"
#include "server/xds_transports.h"
#include "xds/discovery_client.h"
#include "xds/want.h"

namespace sluice::server {

class XdsSources final : private xds::ResponseHandler {
 public:
  struct Options {
    net::Loop& loop;
    base::Random& random;
    observe::Registry& registry;
    const config::Bootstrap& bootstrap;
    EventLog& events;
    MakeTransport make_transport;
    xds::ResponseHandler& handler;
    // A first fetch took too long, or a stream came or went: look again.
    std::function<void()> changed;
  };
  explicit XdsSources(Options options);
  ~XdsSources();
  XdsSources(const XdsSources&) = delete;
  XdsSources& operator=(const XdsSources&) = delete;

  // The whole set of a type: clusters, listeners. Once per type.
  void Subscribe(xds::ResourceType type, const config::ConfigSource& source,
                 std::string_view stats);
  // All that is wanted of a type by name. Sources that nobody wants any more close.
  void SetWanted(xds::ResourceType type, const std::vector<xds::Want>& wants);
  // What an earlier process held of the ADS types. Before the first of the above.
  void Restore(xds::ResourceType type, std::string version, base::StringMap<std::string> versions);

  // The ADS stream, or any when there is none: a message came on it.
  bool connected() const;
  const std::string& control_plane() const { return control_plane_; }
  // Null where there is no stream for it.
  const xds::DiscoveryClient* client(xds::ResourceType type) const;
  bool timed_out(xds::ResourceType type) const { return timed_out_[IndexOf(type)]; }

 private:
  class Stream;
  struct Held {
    xds::ResourceType type;
    std::string version;
    base::StringMap<std::string> versions;
  };

  xds::Verdict OnResponse(const xds::Response& response) override;
  void OnBadResponse(xds::ResourceType type, std::string_view why) override;

  // Null when it cannot be made.
  Stream* StreamFor(xds::ResourceType type, const config::ConfigSourceRef& ref);
  template <typename Visit>
  void ForEachStream(xds::ResourceType type, Visit visit);
  void OnStreamChanged(Stream& stream);
  void OnFailure(Stream& stream);
  void Leave();
  void ArmTimeouts();
  void UpdateGauges();

  const Options options_;
  observe::ControlPlaneStats& plane_;
  SubscriptionTable table_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Stream>> leaving_;   // May be on the stack.
  std::optional<config::ConfigSource> cds_, lds_;  // What `self` means.
  std::array<Stream*, xds::kResourceTypes.size()> whole_{};
  std::array<bool, xds::kResourceTypes.size()> timed_out_{};
  std::array<std::vector<xds::Want>, xds::kResourceTypes.size()> wants_;
  std::vector<Held> held_;
  std::string control_plane_;
  std::uint64_t rate_limited_ = 0;
  net::Timer timeouts_;
  const std::shared_ptr<XdsSources*> self_ = std::make_shared<XdsSources*>(this);
};

}  // namespace sluice::server
