#pragma once
// One xDS stream as a state machine, in state of the world and in delta form: subscriptions,
// versions, nonces, ACK and NACK, TTLs, request rate. No I/O: the driver (server/xds_source.cc)
// moves bytes and timers. It serves an aggregated stream of many types, and one of a single type.
//
// Config thread only. envoy-behaviour.md 1.3 to 1.11.

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/strings.h"
#include "xds/resource_type.h"
#include "xds/response.h"
#include "xds/transport.h"

namespace sluice::xds {

struct Incoming;

// Token bucket over the requests of one stream.
struct RateLimit {
  double tokens_max = 100;
  double tokens_per_s = 10;
};

struct DiscoveryOptions {
  std::string node_bytes;  // A serialised envoy.config.core.v3.Node.
  bool delta = false;
  bool set_node_on_first_message_only = false;
  std::uint64_t backoff_base_ms = 500;
  std::uint64_t backoff_max_ms = 30'000;
  std::optional<RateLimit> rate_limit = {};
};

class DiscoveryClient final : public TransportEvents {
 public:
  // Nothing is owned; all outlive the client.
  struct Outside {
    Transport& transport;
    ResponseHandler& handler;
    const base::Clock& clock;
    base::Random& random;
  };
  DiscoveryClient(DiscoveryOptions options, Outside outside);

  // Wants everything of the type ("*"), or no longer. Named resources may be wanted beside it.
  void Subscribe(ResourceType type);
  void Unsubscribe(ResourceType type);
  // What is wanted by name. Sends only what changed, and nothing while a response is being handled:
  // one merged request follows it.
  void SetNames(ResourceType type, std::set<std::string> names);
  // What an earlier process held: the next stream continues from there. REQUIRES: not open.
  void Restore(ResourceType type, std::string version, base::StringMap<std::string> versions);

  void OnOpen() override;
  void OnMessage(std::string bytes) override;
  void OnClosed(std::string_view why) override;

  // When OnWake() is due: a TTL passes, or a request may go out again.
  std::optional<base::Monotonic> NextWake() const;
  void OnWake();

  // After OnClosed: how long to wait before Transport::Open. Jittered exponential; reset only by a
  // message, not by a mere connection.
  std::uint64_t NextBackoffMs();

  bool open() const { return open_; }
  bool connected() const { return open_ && got_message_; }
  bool delta() const { return options_.delta; }
  bool subscribed(ResourceType type) const { return Of(type).Wanted(); }
  // Of the newest message on this stream; "" when closed or unset.
  const std::string& control_plane() const { return control_plane_; }
  const std::string& version(ResourceType type) const { return Of(type).version; }
  // Delta: what is held of the type, by name.
  const base::StringMap<std::string>& versions(ResourceType type) const {
    return Of(type).versions;
  }
  std::uint64_t requests_sent(ResourceType type) const { return Of(type).requests; }
  std::size_t pending_requests() const;
  std::uint64_t rate_limited() const { return rate_limited_; }  // Requests that had to wait.

 private:
  struct Answer {  // To one response.
    std::string nonce;
    std::string error_bytes;  // A serialised google.rpc.Status; "": ACK.
  };
  struct TypeState {
    bool wildcard = false;
    std::set<std::string> names;
    std::string version;                    // Last accepted; survives reconnects.
    base::StringMap<std::string> versions;  // Delta: of what is held; survives reconnects.
    base::StringMap<base::Monotonic> expiries;
    // Of this stream.
    bool started = false;  // The first request went out.
    bool named = false;    // A request with names went out: "" no longer means "*".
    bool wildcard_sent = false;
    bool due = false;
    std::string nonce;             // Last received.
    std::set<std::string> sent;    // Delta: names subscribed to.
    std::set<std::string> again;   // Delta: left and wanted again before the server heard of it.
    std::optional<Answer> answer;  // Not sent yet. One, since nothing is read before it went.
    std::uint64_t requests = 0;

    bool Wanted() const { return wildcard || !names.empty(); }
    bool Wants(ResourceType type, std::string_view name) const;
  };
  TypeState& Of(ResourceType type) { return types_[IndexOf(type)]; }
  const TypeState& Of(ResourceType type) const { return types_[IndexOf(type)]; }

  void Flush();
  bool TakeToken();
  std::string SotwRequest(ResourceType type);
  std::string DeltaRequest(ResourceType type);
  void TakeHeartbeats(Incoming& incoming, TypeState& state);
  Verdict Handle(Incoming& incoming, TypeState& state);
  void Remember(const Incoming& incoming, const Verdict& verdict, TypeState& state);

  const DiscoveryOptions options_;
  const Outside outside_;
  std::array<TypeState, kResourceTypes.size()> types_;
  bool open_ = false;
  bool node_sent_ = false;
  bool got_message_ = false;
  bool handling_ = false;
  bool read_owed_ = false;  // The transport may go on reading once all answers are out.
  bool limited_ = false;    // Waits for a token.
  std::string control_plane_;
  double tokens_ = 0;
  base::Monotonic tokens_at_;
  std::uint64_t rate_limited_ = 0;
  unsigned failures_ = 0;
};

}  // namespace sluice::xds
