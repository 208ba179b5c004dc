#pragma once
// What every connected proxy has, wants and refused: the server side of xDS as a state machine,
// state of the world and delta, aggregated and per type. No I/O.
//
// The control plane's loop only. envoy-behaviour.md 1.3 to 1.6, 1.9, 1.14.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "snapshot.h"
#include "watches_response.h"

namespace sluice::control {

inline constexpr std::size_t kTypes = static_cast<std::size_t>(Type::kCount);

// What a client may make us remember, per type and stream.
inline constexpr std::size_t kWatchNamesMax = 50'000;
inline constexpr std::size_t kWatchNameBytesMax = 1024;  // Each.
// How long a change of routes waits for the client to say that it has the clusters.
inline constexpr std::chrono::seconds kWatchPatience{5};

// What all streams together may make us remember.
inline constexpr std::uint64_t kWatchBytesMax = 1ULL << 30;

// For GET /v1/proxies.
struct ProxyStatus {
  std::string node_id, node_cluster, peer;
  std::string fleet;  // "": the default one.
  bool delta = false;
  bool settled = true;  // Nothing to send is held back, nothing unanswered.
  base::WallTime since;
  struct OfType {
    bool subscribed = false;
    std::string sent_version, acked_version;
    std::string error;  // Of the last NACK; "" once it was accepted.
    base::WallTime changed;
  };
  std::array<OfType, kTypes> types;
};

// Over all streams of a process, for /metrics.
struct WatchCounters {
  std::array<std::uint64_t, kTypes> pushes{}, acks{}, nacks{};
  std::uint64_t requests = 0;
  std::uint64_t ignored = 0;  // Stale nonces and types that we do not serve.
  std::uint64_t bytes = 0;    // Of names that streams of now made us remember, about.
};

// Configurations of not long ago: what clusters a client still has that comes back after a change.
class SnapshotHistory {
 public:
  void Add(const std::shared_ptr<const Snapshot>& snapshot);
  // Whose clusters have this version; null when it is not remembered.
  std::shared_ptr<const Snapshot> FindByClusters(std::string_view version) const;
  // The newest that has this very cluster.
  std::shared_ptr<const Snapshot> FindByCluster(std::string_view name,
                                                std::string_view version) const;

 private:
  static constexpr std::size_t kKept = 8;
  void AddOne(const std::shared_ptr<const Snapshot>& snapshot);
  std::deque<std::shared_ptr<const Snapshot>> newest_first_;
};

// One stream. At most one response is in flight per stream: the next waits for Sent(); and at most
// one per type waits for its ACK, so a client that stalls costs nothing.
//
// Order of a change (make before break): clusters with those that are about to go still among
// them, endpoints, listeners, routes, each after the client acknowledged what came before; then
// the clusters without them. What the client asks for is answered at once, whatever is pending.
// Routes do not follow clusters that the client refused: it keeps its last good configuration.
// A client that comes back to a newer configuration keeps the clusters it came with for as long.
class Watch {
 public:
  enum class Protocol : std::uint8_t { kStateOfTheWorld, kDelta };
  struct Options {
    Protocol protocol = Protocol::kStateOfTheWorld;
    std::optional<Type> only;  // A per-type stream; nullopt: ADS.
    std::string peer;
    const SnapshotHistory* history = nullptr;  // Outlives the watch.
  };
  // All referenced outlive the watch. `send` gets responses; it may not call back.
  Watch(Options options, const base::Clock& clock, ResponseCache& cache, WatchCounters& counters,
        std::function<void(SerialisedResponse)> send);

  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // A serialised DiscoveryRequest or DeltaDiscoveryRequest. Not OK: close the stream with it.
  absl::Status OnRequest(std::string_view bytes);
  // A newer configuration, with its fleets. Kept, not copied. Until the first request tells who
  // is there, nothing is sent.
  void SetSnapshot(std::shared_ptr<const Snapshot> root);
  // The response handed to `send` last is on the wire.
  void Sent();
  // Call every second or so: ends waits for a client that says nothing.
  void Tick();

  const ProxyStatus& status();

 private:
  struct TypeState {
    bool subscribed = false;  // A first request came.
    bool wildcard = false;
    bool named_once = false;                   // An empty list no longer means everything.
    std::set<std::string, std::less<>> names;  // Explicitly wanted.
    std::uint64_t name_bytes = 0;              // Of `names`.
    std::map<std::string, std::string, std::less<>> known;  // Name to the version the client has.
    std::set<std::string, std::less<>> owed;                // Sent even if unchanged.
    bool asked = false;                                     // Answer now, even with nothing.
    bool unacked = false;                                   // A response waits for its ACK or NACK.
    bool current = false;                                   // Nothing to send of this snapshot.
    std::string claimed_version;              // Of the first request: what it came with.
    std::string version, nonce;               // Of the last response.
    std::vector<std::string> response_names;  // In it, until it is acknowledged.
    // NACK memory: that version is not sent again, and what it brought goes with the next.
    std::string refused_version;
    std::vector<std::string> refused_names;
  };
  // A response, if one is due.
  struct Plan {
    bool due = false;
    std::vector<const Resource*> include;
    std::vector<std::string> removed;
    std::string version;
  };

  template <typename Message>
  void TakeNode(const Message& message);
  void Adopt(std::shared_ptr<const Snapshot> snapshot);
  // Clusters of a client that was here before, to be taken away after its routes changed.
  void LingerAfterReconnect(const TypeState& state);
  void LingerFrom(const Snapshot& old);
  // Too many names, of this stream or of all.
  absl::Status Account();

  absl::Status OnSotwRequest(std::string_view bytes);
  absl::Status OnDeltaRequest(std::string_view bytes);
  // The state that a request is about; null with OK: to be ignored.
  absl::Status FindState(std::string_view type_url, Type& type, TypeState*& state);
  void TakeAnswer(Type type, TypeState& state, const std::string* error);
  void TakeSotwNames(Type type, TypeState& state, std::set<std::string, std::less<>> names);
  static void DeltaSubscribe(TypeState& state, const std::string& name, bool first);
  static void DeltaUnsubscribe(TypeState& state, const std::string& name);
  void ShowSubscribed(Type type);

  void SendNext();
  bool TrySend(Type type);
  bool Held(Type type) const;
  // Clusters and endpoints that went from the configuration stay until no route names them.
  void KeepLingering(const Snapshot& next);
  bool DropLingering();
  // Sorted by name.
  std::vector<const Resource*> Wanted(Type type, const TypeState& state) const;
  std::string VersionOf(Type type, const TypeState& state,
                        const std::vector<const Resource*>& wanted) const;
  void TakeClaim(Type type, TypeState& state, std::string_view version,
                 const std::vector<const Resource*>& wanted);
  Plan MakePlan(Type type, TypeState& state);
  void PlanSotw(Type type, TypeState& state, const std::vector<const Resource*>& wanted,
                Plan& plan);
  void PlanDelta(TypeState& state, const std::vector<const Resource*>& wanted, Plan& plan);
  void OweEndpoints(const TypeState& clusters, const Plan& plan);
  void Send(Type type, TypeState& state, const Plan& plan);

  TypeState& Of(Type type) { return types_[static_cast<std::size_t>(type)]; }
  const TypeState& Of(Type type) const { return types_[static_cast<std::size_t>(type)]; }
  ProxyStatus::OfType& StatusOf(Type type) { return status_.types[static_cast<std::size_t>(type)]; }

  const Options options_;
  const base::Clock& clock_;
  ResponseCache& cache_;
  WatchCounters& counters_;
  std::function<void(SerialisedResponse)> send_;
  std::shared_ptr<const Snapshot> root_;
  std::shared_ptr<const Snapshot> snapshot_;  // Of this node's fleet.
  bool node_known_ = false;
  NodeFacts node_;
  std::uint64_t bytes_ = 0;  // This stream's part of counters_.bytes.
  std::array<TypeState, kTypes> types_;
  // Clusters and endpoints of older snapshots that the client's routes may still name.
  std::array<std::map<std::string, std::shared_ptr<const Resource>, std::less<>>, 2> lingering_;
  // Endpoints of clusters just sent that the client has not got yet.
  std::set<std::string, std::less<>> awaited_endpoints_;
  std::optional<base::Monotonic> held_since_;
  bool patience_over_ = false;
  ProxyStatus status_;
  std::uint64_t next_nonce_ = 1;
  bool reconnected_ = false;  // What lingers waits for the first routes.
  bool in_flight_ = false;
  bool held_ = false;
};

}  // namespace sluice::control
