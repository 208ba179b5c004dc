#include "config/retry_policy.h"

#include <utility>

#include "base/strings.h"

namespace sluice::config {
namespace {

struct Token {
  std::string_view text;
  RetryOn on;
};

constexpr Token kTokens[] = {
    {"5xx", RetryOn::k5xx},
    {"gateway-error", RetryOn::kGatewayError},
    {"reset", RetryOn::kReset},
    {"reset-before-request", RetryOn::kResetBeforeRequest},
    {"connect-failure", RetryOn::kConnectFailure},
    {"envoy-ratelimited", RetryOn::kEnvoyRatelimited},
    {"retriable-4xx", RetryOn::kRetriable4xx},
    {"refused-stream", RetryOn::kRefusedStream},
    {"retriable-status-codes", RetryOn::kRetriableStatusCodes},
    {"retriable-headers", RetryOn::kRetriableHeaders},
    {"cancelled", RetryOn::kGrpcCancelled},
    {"deadline-exceeded", RetryOn::kGrpcDeadlineExceeded},
    {"internal", RetryOn::kGrpcInternal},
    {"resource-exhausted", RetryOn::kGrpcResourceExhausted},
    {"unavailable", RetryOn::kGrpcUnavailable},
};

}  // namespace

std::uint32_t ParseRetryOn(std::string_view list) {
  std::uint32_t bits = 0;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view text = base::TrimOws(list.substr(0, comma));
    for (const Token& token : kTokens) {
      if (token.text == text) bits |= Bit(token.on);
    }
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return bits;
}

SharedTryPolicy::SharedTryPolicy(TryPolicy policy) {
  if (policy == TryPolicy()) return;
  policy_ = std::make_shared<const TryPolicy>(std::move(policy));
}

}  // namespace sluice::config
