#pragma once
// The state-of-the-world ADS protocol as a state machine: subscriptions, versions, nonces, ACK and
// NACK. No I/O, no clock: the driver (server/config_thread.cc) moves bytes and timers.
//
// Config thread only. envoy-behaviour.md 1.3 to 1.8.

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "xds/resource_type.h"
#include "xds/transport.h"

namespace sluice::xds {

struct RawResource {
  std::string_view name;   // Of a wrapper; "" otherwise (the inner message has it).
  std::string_view bytes;  // The inner message, serialised.
};

// One response, parsed and checked as far as the protocol goes. Views die with the call.
struct Response {
  ResourceType type;
  std::string_view version;
  std::string_view control_plane;  // Its identifier, "" when unset.
  std::vector<RawResource> resources;
};

// Applies responses. Returns "" to ACK, else the text of the NACK's error_detail.
class ResponseHandler {
 public:
  virtual std::string OnResponse(const Response& response) = 0;
  // A response that could not even be read, or whose resources have the wrong type: NACKed.
  virtual void OnBadResponse(ResourceType type, std::string_view why) = 0;

 protected:
  ~ResponseHandler() = default;
};

struct AdsOptions {
  std::string node_bytes;  // A serialised envoy.config.core.v3.Node.
  bool set_node_on_first_message_only = false;
  std::uint64_t backoff_base_ms = 500;
  std::uint64_t backoff_max_ms = 30'000;
};

class AdsClient final : public TransportEvents {
 public:
  // Nothing is owned; all outlive the client.
  AdsClient(AdsOptions options, Transport& transport, ResponseHandler& handler,
            base::Random& random);

  // Starts the type (wildcard types) or changes what is wanted of it. Sends only what changed, and
  // nothing while a response is being handled: one merged request follows it.
  void Subscribe(ResourceType type);
  void SetNames(ResourceType type, std::set<std::string> names);

  void OnOpen() override;
  void OnMessage(std::string bytes) override;
  void OnClosed(std::string_view why) override;

  // After OnClosed: how long to wait before Transport::Open. Jittered exponential; reset only by a
  // message, not by a mere connection.
  std::uint64_t NextBackoffMs();

  bool open() const { return open_; }
  bool connected() const { return open_ && got_message_; }
  std::string_view version(ResourceType type) const { return Of(type).version; }
  std::uint64_t requests_sent(ResourceType type) const { return Of(type).requests; }

 private:
  struct TypeState {
    bool subscribed = false;
    bool sent_on_stream = false;  // The first request of this type went out on this stream.
    bool request_due = false;
    std::set<std::string> names;
    std::string version;  // Last accepted; survives reconnects.
    std::string nonce;    // Last received on this stream.
    std::uint64_t requests = 0;
  };
  TypeState& Of(ResourceType type) { return types_[static_cast<std::size_t>(type)]; }
  const TypeState& Of(ResourceType type) const { return types_[static_cast<std::size_t>(type)]; }
  void SendDue();
  void SendRequest(ResourceType type, std::string_view error);

  AdsOptions options_;
  Transport& transport_;
  ResponseHandler& handler_;
  base::Random& random_;
  std::array<TypeState, kResourceTypes.size()> types_;
  bool open_ = false;
  bool node_sent_ = false;
  bool got_message_ = false;
  bool handling_ = false;
  unsigned failures_ = 0;
};

}  // namespace sluice::xds
