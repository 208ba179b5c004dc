#pragma once
// A proxy's side of one Watch, message by message, and snapshots made by hand.
//
// One test's thread.

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "control-plane/watches.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace sluice::control {

class HandClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return now; }
  base::WallTime WallNow() const override { return base::WallTime(now.time_since_epoch()); }
  base::Monotonic now{std::chrono::hours(1)};
};

// Type -> name -> content. A cluster whose content starts with "eds" is an EDS cluster;
// "eds:svc:1" has its endpoints under "svc".
using Contents = std::map<Type, std::map<std::string, std::string>>;

inline std::string BytesOf(Type type, const std::string& name, const std::string& content) {
  if (type != Type::kClusters) return name + "=" + content;
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name(name);
  cluster.set_alt_stat_name(content);
  if (content.starts_with("eds")) {
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    if (content.starts_with("eds:")) {
      cluster.mutable_eds_cluster_config()->set_service_name(
          content.substr(4, content.find(':', 4) - 4));
    }
  }
  return cluster.SerializeAsString();
}

inline std::shared_ptr<const Snapshot> Snap(const Contents& contents) {
  auto snapshot = std::make_shared<Snapshot>();
  for (std::size_t i = 0; i < kTypes; ++i) {
    const auto type = static_cast<Type>(i);
    std::string all;
    if (const auto at = contents.find(type); at != contents.end()) {
      for (const auto& [name, content] : at->second) {
        const std::string bytes = BytesOf(type, name, content);
        auto resource = std::make_shared<Resource>(Resource{name, ContentHash(bytes), bytes});
        all += name + resource->version;
        snapshot->Of(type).resources.emplace(name, std::move(resource));
      }
    }
    snapshot->Of(type).version = ContentHash(all);
  }
  return snapshot;
}

// One response as a test wants to see it.
struct Seen {
  std::string type;                // "cds", ...
  std::vector<std::string> names;  // Of its resources, as sent.
  std::vector<std::string> removed;
  std::string version, nonce;
  std::map<std::string, std::string> bytes;
};

class WatchClient {
 public:
  explicit WatchClient(Watch::Protocol protocol = Watch::Protocol::kStateOfTheWorld,
                       std::optional<Type> only = std::nullopt,
                       const SnapshotHistory* history = nullptr)
      : delta_(protocol == Watch::Protocol::kDelta),
        watch_({protocol, only, "peer", history}, clock, cache, counters,
               [this](SerialisedResponse response) { Take(response); }) {}

  Watch& watch() { return watch_; }

  // State of the world. `nonce`: of the last response of that type unless given.
  absl::Status Ask(Type type, const std::vector<std::string>& names, std::string version = "",
                   std::optional<std::string> nonce = std::nullopt) {
    envoy::service::discovery::v3::DiscoveryRequest request;
    request.set_type_url(std::string(TypeUrl(type)));
    for (const std::string& name : names) request.add_resource_names(name);
    request.set_version_info(version);
    request.set_response_nonce(nonce ? *nonce : last_nonce_[type]);
    wanted_[type] = names;
    return watch_.OnRequest(request.SerializeAsString());
  }
  absl::Status Ack(const Seen& seen) { return Answer(seen, ""); }
  absl::Status Nack(const Seen& seen, const std::string& error) { return Answer(seen, error); }

  struct Delta {
    std::vector<std::string> subscribe, unsubscribe;
    std::map<std::string, std::string> initial;
    std::string nonce, error;
  };
  absl::Status AskDelta(Type type, const Delta& delta) {
    envoy::service::discovery::v3::DeltaDiscoveryRequest request;
    request.set_type_url(std::string(TypeUrl(type)));
    for (const auto& name : delta.subscribe) request.add_resource_names_subscribe(name);
    for (const auto& name : delta.unsubscribe) request.add_resource_names_unsubscribe(name);
    for (const auto& [name, version] : delta.initial) {
      (*request.mutable_initial_resource_versions())[name] = version;
    }
    request.set_response_nonce(delta.nonce);
    if (!delta.error.empty()) request.mutable_error_detail()->set_message(delta.error);
    return watch_.OnRequest(request.SerializeAsString());
  }

  // The next response, once on the wire; type "" when there is none.
  Seen Next() {
    if (seen_.empty()) return {};
    Seen seen = std::move(seen_.front());
    seen_.pop_front();
    watch_.Sent();
    return seen;
  }
  // "cds[a b] eds[a]": every response until there is none, each accepted.
  std::string Drain() {
    std::string text;
    for (Seen seen = Next(); !seen.type.empty(); seen = Next()) {
      if (!text.empty()) text += ' ';
      text += Show(seen);
      if (!Ack(seen).ok()) text += "!";
    }
    return text;
  }
  static std::string Show(const Seen& seen) {
    std::string text = seen.type + "[";
    for (const auto& name : seen.names) text += (text.back() == '[' ? "" : " ") + name;
    for (const auto& name : seen.removed) text += (text.back() == '[' ? "-" : " -") + name;
    return text + "]";
  }
  std::size_t pending() const { return seen_.size(); }

  HandClock clock;
  ResponseCache cache;
  WatchCounters counters;

 private:
  absl::Status Answer(const Seen& seen, const std::string& error) {
    Type type = Type::kClusters;
    FindType(urls_[seen.type], type);
    if (delta_) return AskDelta(type, {.nonce = seen.nonce, .error = error});
    envoy::service::discovery::v3::DiscoveryRequest request;
    request.set_type_url(urls_[seen.type]);
    for (const std::string& name : wanted_[type]) request.add_resource_names(name);
    request.set_response_nonce(seen.nonce);
    if (error.empty()) accepted_[type] = seen.version;
    request.set_version_info(accepted_[type]);
    if (!error.empty()) request.mutable_error_detail()->set_message(error);
    return watch_.OnRequest(request.SerializeAsString());
  }

  void Take(const SerialisedResponse& response) {
    const std::string bytes = *response.body + response.tail;
    Seen seen;
    if (delta_) {
      envoy::service::discovery::v3::DeltaDiscoveryResponse message;
      message.ParseFromString(bytes);
      TakeHead(message, seen);
      seen.version = message.system_version_info();
      for (const auto& resource : message.resources()) {
        seen.names.push_back(resource.name());
        seen.bytes[resource.name()] = resource.resource().value();
      }
      seen.removed.assign(message.removed_resources().begin(), message.removed_resources().end());
    } else {
      envoy::service::discovery::v3::DiscoveryResponse message;
      message.ParseFromString(bytes);
      TakeHead(message, seen);
      seen.version = message.version_info();
      for (const auto& any : message.resources()) {
        std::string name = any.value().substr(0, any.value().find('='));
        envoy::config::cluster::v3::Cluster cluster;
        if (seen.type == "cds" && cluster.ParseFromString(any.value())) name = cluster.name();
        seen.names.push_back(name);
        seen.bytes[name] = any.value();
      }
    }
    seen_.push_back(std::move(seen));
  }
  template <typename Message>
  void TakeHead(const Message& message, Seen& seen) {
    static constexpr const char* kNames[] = {"cds", "eds", "lds", "rds", "vhds", "sds"};
    Type type = Type::kClusters;
    if (!FindType(message.type_url(), type)) return;
    seen.type = kNames[static_cast<std::size_t>(type)];
    urls_[seen.type] = message.type_url();
    seen.nonce = message.nonce();
    last_nonce_[type] = seen.nonce;
  }

  const bool delta_;
  std::deque<Seen> seen_;
  std::map<std::string, std::string> urls_;
  std::map<Type, std::string> last_nonce_, accepted_;
  std::map<Type, std::vector<std::string>> wanted_;
  Watch watch_;
};

}  // namespace sluice::control
