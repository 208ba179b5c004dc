#pragma once
// What surrounds the tries of a route: retries, hedging, mirrors, redirects followed here and how
// much of a request is kept for them. envoy-behaviour.md 2.5, 2.9.
//
// Values, built on the config thread and never changed after; any thread may read.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/matchers.h"
#include "config/runtime.h"

namespace sluice::config {

// Conditions of retry_on and x-envoy-retry-(grpc-)on, as bits.
enum class RetryOn : std::uint32_t {
  k5xx = 1U << 0,
  kGatewayError = 1U << 1,
  kReset = 1U << 2,
  kResetBeforeRequest = 1U << 3,
  kConnectFailure = 1U << 4,
  kEnvoyRatelimited = 1U << 5,
  kRetriable4xx = 1U << 6,
  kRefusedStream = 1U << 7,
  kRetriableStatusCodes = 1U << 8,
  kRetriableHeaders = 1U << 9,
  kGrpcCancelled = 1U << 10,
  kGrpcDeadlineExceeded = 1U << 11,
  kGrpcInternal = 1U << 12,
  kGrpcResourceExhausted = 1U << 13,
  kGrpcUnavailable = 1U << 14,
};
constexpr std::uint32_t Bit(RetryOn on) { return static_cast<std::uint32_t>(on); }
// Of a comma-separated list; what nobody knows is ignored.
std::uint32_t ParseRetryOn(std::string_view list);

struct ResetHeader {
  std::string name;        // Lower case.
  bool unix_time = false;  // Else seconds from now.
  bool operator==(const ResetHeader&) const = default;
};

struct RetryPolicy {
  std::uint32_t on = 0;  // RetryOn bits.
  std::uint32_t retries_max = 1;
  std::uint64_t per_try_timeout_ms = 0;       // 0: none.
  std::uint64_t per_try_idle_timeout_ms = 0;  // 0: none.
  std::uint64_t backoff_base_ms = 25;
  std::uint64_t backoff_max_ms = 250;
  std::vector<ResetHeader> reset_headers;
  std::uint64_t reset_max_ms = 300'000;
  std::vector<std::uint32_t> statuses;
  std::vector<HeaderMatcher> response_headers;  // Any of them.
  std::vector<HeaderMatcher> request_headers;   // Any of them; empty: every request.
  bool avoid_previous_hosts = false;
  std::uint32_t host_picks_max = 1;  // More picks, when a host is passed over.

  bool operator==(const RetryPolicy&) const = default;
};

struct MirrorPolicy {
  std::string cluster;
  std::string cluster_header;  // Lower case; instead of `cluster`.
  RuntimeFraction fraction;
  std::string host_rewrite;  // "": none.
  bool shadow_suffix = true;
  bool operator==(const MirrorPolicy&) const = default;
};

struct InternalRedirectPolicy {
  std::uint32_t redirects_max = 1;
  std::vector<std::uint32_t> statuses = {302};
  bool cross_scheme = false;
  bool only_new_routes = false;                     // previous_routes
  bool safe_cross_scheme = false;                   // Not from http to https.
  std::optional<std::vector<std::string>> allowed;  // Names of routes.
  std::vector<std::string> copied_headers;          // Lower case.
  bool operator==(const InternalRedirectPolicy&) const = default;
};

struct TryPolicy {
  std::optional<RetryPolicy> retry;
  bool hedge_on_per_try_timeout = false;
  std::vector<MirrorPolicy> mirrors;
  std::optional<InternalRedirectPolicy> redirects;
  std::optional<std::uint64_t> buffer_bytes_max;  // Unset: the listener's.
  bool attempt_count_upstream = false;
  bool attempt_count_downstream = false;
  bool timeout_retry_header = false;

  bool operator==(const TryPolicy&) const = default;
};

// Shared by the routes of a virtual host that have nothing of their own; compared by value.
class SharedTryPolicy {
 public:
  SharedTryPolicy() = default;  // All defaults.
  explicit SharedTryPolicy(TryPolicy policy);

  const TryPolicy* get() const { return policy_.get(); }  // Null: all defaults.
  bool operator==(const SharedTryPolicy& other) const {
    return policy_ == other.policy_ ||
           (policy_ != nullptr && other.policy_ != nullptr && *policy_ == *other.policy_);
  }

 private:
  std::shared_ptr<const TryPolicy> policy_;
};

}  // namespace sluice::config
