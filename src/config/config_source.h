#pragma once
// Where a kind of resource comes from: the one ADS stream, a server of its own, a REST server, a
// file. Values; any thread may read. envoy-behaviour.md 1.2.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::config {

// google_grpc: a target of gRPC's own, without a cluster.
struct GoogleGrpc {
  using Argument = std::variant<std::int64_t, std::string>;
  std::string target_uri;
  std::string stat_prefix;
  bool tls = false;
  bool local = false;           // local_credentials: loopback or a Unix socket, in the clear.
  std::string root_certs_pem;   // "": the system's.
  std::string certificate_pem;  // With its key, for mTLS; else "".
  std::string private_key_pem;
  std::vector<std::string> access_tokens;                      // Sent as bearer tokens.
  std::vector<std::pair<std::string, Argument>> channel_args;  // By name.
  std::uint32_t stream_buffer_bytes_max = 1024 * 1024;         // Of requests not sent yet.
  bool operator==(const GoogleGrpc&) const = default;
};

struct GrpcService {
  std::string cluster_name;          // envoy_grpc: a cluster of the bootstrap that speaks HTTP/2.
  std::string authority;             // "": the cluster's name.
  std::optional<GoogleGrpc> google;  // Instead of a cluster.
  std::vector<std::pair<std::string, std::string>> initial_metadata;
  std::uint64_t backoff_base_ms = 500;
  std::uint64_t backoff_max_ms = 30'000;
  bool operator==(const GrpcService&) const = default;
};

struct RequestRate {
  std::uint32_t tokens_max = 100;
  double tokens_per_s = 10;
  bool operator==(const RequestRate&) const = default;
};

// An xDS server.
struct ApiSource {
  enum class Kind : std::uint8_t { kGrpc, kRest };
  Kind kind = Kind::kGrpc;
  bool delta = false;
  bool aggregated = false;            // One stream for all types that name an equal source.
  std::vector<GrpcService> services;  // kGrpc: in order of preference.
  std::string rest_cluster;           // kRest: a cluster of the bootstrap.
  std::uint64_t refresh_delay_ms = 0;
  std::uint64_t request_timeout_ms = 1000;
  bool set_node_on_first_message_only = false;
  std::optional<RequestRate> rate;
  bool operator==(const ApiSource&) const = default;
};

struct PathSource {
  std::string path;
  std::string watched_directory;  // "": changes of `path` itself.
  bool operator==(const PathSource&) const = default;
};

struct AdsSource {
  bool operator==(const AdsSource&) const = default;
};
// The source of the resource that says so.
struct SelfSource {
  bool operator==(const SelfSource&) const = default;
};

struct ConfigSource {
  std::variant<AdsSource, SelfSource, ApiSource, PathSource> from;
  std::uint64_t fetch_timeout_ms = 15'000;  // 0: waits for ever.
  bool operator==(const ConfigSource&) const = default;
};

// Shared between the resources that say the same; compared by value. Null: ADS.
struct ConfigSourceRef {
  std::shared_ptr<const ConfigSource> source;

  ConfigSourceRef() = default;
  explicit ConfigSourceRef(ConfigSource value)
      : source(std::holds_alternative<AdsSource>(value.from)
                   ? nullptr
                   : std::make_shared<const ConfigSource>(std::move(value))) {}
  bool is_ads() const { return source == nullptr; }
  // Where it comes from is all that counts: the time-out is its user's.
  bool operator==(const ConfigSourceRef& other) const {
    if (source == other.source) return true;
    return source != nullptr && other.source != nullptr && source->from == other.source->from;
  }
};

// What the sources of dynamic resources may refer to: the bootstrap's.
struct KnownSources {
  bool ads = false;
  std::vector<std::string> grpc_clusters;
  std::vector<std::string> rest_clusters;
};

}  // namespace sluice::config
