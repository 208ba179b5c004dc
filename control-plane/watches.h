#pragma once
// What every connected proxy has, wants and refused: the server side of xDS as a state machine,
// state of the world and delta, aggregated and per type. No I/O.
//
// The control plane's loop only. envoy-behaviour.md 1.3 to 1.6, 1.14.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "snapshot.h"

namespace sluice::control {

// For GET /v1/proxies.
struct ProxyStatus {
  std::string node_id, node_cluster, peer;
  base::WallTime since;
  struct OfType {
    bool subscribed = false;
    std::string sent_version, acked_version;
    std::string error;                    // Of the last NACK; "" once it was accepted.
    base::WallTime changed;
  };
  std::array<OfType, static_cast<std::size_t>(Type::kCount)> types;
};

// One stream. At most one response is in flight per stream: the next waits for Sent().
class Watch {
 public:
  enum class Protocol : std::uint8_t { kStateOfTheWorld, kDelta };
  // `only`: a per-type stream; nullopt: ADS. `send` gets serialised responses.
  Watch(Protocol protocol, std::optional<Type> only, std::string peer,
        const base::Clock& clock, std::function<void(std::string)> send);

  // A serialised DiscoveryRequest or DeltaDiscoveryRequest. Not OK: close the stream with it.
  absl::Status OnRequest(std::string_view bytes);
  // A newer configuration. Kept, not copied.
  void SetSnapshot(std::shared_ptr<const Snapshot> snapshot);
  // The response handed to `send` last is on the wire.
  void Sent();

  const ProxyStatus& status() const { return status_; }

 private:
  struct TypeState {
    bool subscribed = false;
    bool wildcard = false;
    std::set<std::string, std::less<>> names;      // Explicitly wanted.
    std::map<std::string, std::string, std::less<>> known;  // Delta: name to version the client has.
    std::string sent_version;                      // State of the world.
    std::string nonce;                             // Of the last response.
    std::set<std::string, std::less<>> owed;       // Asked for (again): answer even if unchanged.
    std::string refused_version;                   // NACK memory: not sent again until it changes.
    bool answer_due = false;
  };
  absl::Status OnSotwRequest(std::string_view bytes);
  absl::Status OnDeltaRequest(std::string_view bytes);
  void SendNext();
  bool SendSotw(Type type, TypeState& state);
  bool SendDelta(Type type, TypeState& state);

  Protocol protocol_;
  std::optional<Type> only_;
  const base::Clock& clock_;
  std::function<void(std::string)> send_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::array<TypeState, static_cast<std::size_t>(Type::kCount)> types_;
  ProxyStatus status_;
  std::uint64_t next_nonce_ = 1;
  bool in_flight_ = false;
};

}  // namespace sluice::control
