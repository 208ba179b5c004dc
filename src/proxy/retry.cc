#include "proxy/retry.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/strings.h"

namespace sluice::proxy {

bool IsIdempotent(http::Method method) {
  switch (method) {
    case http::Method::kGet:
    case http::Method::kHead:
    case http::Method::kPut:
    case http::Method::kDelete:
    case http::Method::kOptions:
    case http::Method::kTrace:
      return true;
    case http::Method::kPost:
    case http::Method::kConnect:
    case http::Method::kPatch:
    case http::Method::kOther:
      return false;
  }
  return false;
}

bool ShouldReplay(const TryFacts& facts) {
  if (facts.failure != FailureKind::kUpstreamClosed) return false;
  if (facts.replayed_already || !facts.reused_connection || facts.response_begun) return false;
  if (!facts.body_replayable) return false;
  return IsIdempotent(facts.method) || !facts.anything_sent;
}

// ---- retries by policy

namespace {

using config::Bit;
using config::RetryOn;

const config::RetryPolicy kNoPolicy;
constexpr std::uint64_t kMsMax = 100ULL * 365 * 24 * 3600 * 1000;

std::optional<std::uint64_t> ParseMs(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return std::min(value, kMsMax);
}

template <typename Visit>
void ForEachElement(std::string_view list, Visit visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    const std::string_view element = base::TrimOws(list.substr(0, comma));
    if (!element.empty()) visit(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

// True: the field was for us.
bool TakeField(std::string_view name, std::string_view value, RetryPlan& plan,
               std::optional<std::uint64_t>& retries, RequestTimes& times) {
  name.remove_prefix(std::string_view("x-envoy-").size());
  if (name == "retry-on" || name == "retry-grpc-on") {
    plan.on |= config::ParseRetryOn(value);
  } else if (name == "max-retries") {
    retries = ParseMs(value);
  } else if (name == "retriable-status-codes") {
    ForEachElement(value, [&plan](std::string_view code) {
      if (const auto status = ParseMs(code); status.value_or(0) >= 100 && *status <= 599) {
        plan.statuses.push_back(static_cast<std::uint32_t>(*status));
      }
    });
  } else if (name == "retriable-header-names") {
    ForEachElement(value, [&plan](std::string_view header) {
      plan.header_names.push_back(base::Lowercase(header));
    });
  } else if (name == "hedge-on-per-try-timeout") {
    plan.hedge = value == "true";
  } else if (name == "upstream-rq-timeout-ms") {
    times.timeout_ms = ParseMs(value);
  } else if (name == "upstream-rq-per-try-timeout-ms") {
    times.per_try_ms = ParseMs(value);
  } else if (name == "upstream-stream-duration-ms") {
    times.stream_duration_ms = ParseMs(value);
  } else if (name == "upstream-rq-timeout-alt-response") {
    times.alt_response = true;
  } else {
    return false;
  }
  return true;
}

bool MatchesAny(const std::vector<config::HeaderMatcher>& matchers,
                const http::ResponseHead& response, unsigned worker) {
  std::string scratch;
  for (const config::HeaderMatcher& matcher : matchers) {
    std::optional<std::string_view> value;
    const std::string status = std::to_string(response.status);
    if (matcher.name == ":status") {
      value = status;
    } else {
      value = response.fields.GetJoined(matcher.name, scratch);
    }
    if (matcher.MatchesValue(value, worker)) return true;
  }
  return false;
}

std::uint32_t GrpcBit(std::string_view status) {
  if (status == "1") return Bit(RetryOn::kGrpcCancelled);
  if (status == "4") return Bit(RetryOn::kGrpcDeadlineExceeded);
  if (status == "8") return Bit(RetryOn::kGrpcResourceExhausted);
  if (status == "13") return Bit(RetryOn::kGrpcInternal);
  if (status == "14") return Bit(RetryOn::kGrpcUnavailable);
  return 0;
}

}  // namespace

void RetryPlan::Clear() {
  policy = nullptr;
  on = left = made = 0;
  per_try_ms = per_try_idle_ms = 0;
  hedge = false;
  statuses.clear();
  header_names.clear();
}

void PlanRetries(const config::TryPolicy* policy, unsigned worker, http::RequestHead& request,
                 RetryPlan& plan, RequestTimes& times) {
  plan.Clear();
  plan.policy = policy != nullptr && policy->retry.has_value() ? &*policy->retry : &kNoPolicy;
  plan.on = plan.policy->on;
  plan.per_try_ms = plan.policy->per_try_timeout_ms;
  plan.per_try_idle_ms = plan.policy->per_try_idle_timeout_ms;
  plan.hedge = policy != nullptr && policy->hedge_on_per_try_timeout;
  const auto& gates = plan.policy->request_headers;
  const bool gated = !gates.empty() && std::none_of(gates.begin(), gates.end(), [&](const auto& m) {
    return m.Matches(request, worker);
  });
  std::optional<std::uint64_t> retries;
  http::Fields& fields = request.fields;
  for (std::size_t i = fields.size(); i-- > 0;) {
    const http::Field field = fields.At(i);
    if (!field.name.starts_with("x-envoy-")) continue;
    if (TakeField(field.name, field.value, plan, retries, times)) fields.RemoveAt(i);
  }
  if (gated) plan.on = 0;
  plan.left = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(retries.value_or(plan.policy->retries_max), 1'000'000));
  if (times.per_try_ms.has_value()) plan.per_try_ms = *times.per_try_ms;
}

bool RetriesFailure(const RetryPlan& plan, FailureKind failure, bool anything_sent) {
  const bool any =
      (plan.on & (Bit(RetryOn::kReset) | Bit(RetryOn::k5xx) | Bit(RetryOn::kGatewayError))) != 0;
  const bool before = !anything_sent && (plan.on & Bit(RetryOn::kResetBeforeRequest)) != 0;
  switch (failure) {
    case FailureKind::kConnectFailed:
    case FailureKind::kConnectTimeout:
      return any || before || (plan.on & Bit(RetryOn::kConnectFailure)) != 0;
    case FailureKind::kUpstreamRefused:
      return any || before || (plan.on & Bit(RetryOn::kRefusedStream)) != 0;
    case FailureKind::kUpstreamClosed:
    case FailureKind::kUpstreamReset:
    case FailureKind::kUpstreamProtocolError:
    case FailureKind::kPerTryTimeout:
    case FailureKind::kPerTryIdleTimeout:
      return any || before;
    default:
      return false;
  }
}

bool RetriesResponse(const RetryPlan& plan, const http::ResponseHead& response, unsigned worker) {
  if (plan.on == 0) return false;
  const auto on = [&plan](RetryOn bit) { return (plan.on & Bit(bit)) != 0; };
  // It comes from another proxy that protects itself: only who asks for that is to retry.
  if (response.fields.Get("x-envoy-ratelimited").has_value()) {
    return on(RetryOn::kEnvoyRatelimited);
  }
  const int status = response.status;
  if (on(RetryOn::k5xx) && status >= 500) return true;
  if (on(RetryOn::kGatewayError) && status >= 502 && status <= 504) return true;
  if (on(RetryOn::kRetriable4xx) && status == 409) return true;
  if (on(RetryOn::kRetriableStatusCodes)) {
    const auto code = static_cast<std::uint32_t>(status);
    const auto& listed = plan.policy->statuses;
    if (std::find(listed.begin(), listed.end(), code) != listed.end()) return true;
    if (std::find(plan.statuses.begin(), plan.statuses.end(), code) != plan.statuses.end()) {
      return true;
    }
  }
  if (on(RetryOn::kRetriableHeaders)) {
    if (MatchesAny(plan.policy->response_headers, response, worker)) return true;
    for (const std::string& name : plan.header_names) {
      if (response.fields.Get(name).has_value()) return true;
    }
  }
  const auto grpc = response.fields.Get(http::Name::kGrpcStatus);
  return grpc.has_value() && (plan.on & GrpcBit(*grpc)) != 0;
}

std::uint64_t BackoffMs(const RetryPlan& plan, std::uint64_t random) {
  const std::uint64_t base = plan.policy->backoff_base_ms;
  const std::uint64_t most = std::max<std::uint64_t>(plan.policy->backoff_max_ms, 1);
  const std::uint32_t doublings = std::min<std::uint32_t>(plan.made, 20);
  const std::uint64_t span =
      base > most ? most : std::min(most, ((std::uint64_t{1} << doublings) - 1) * base);
  return span == 0 ? 0 : random % span;
}

std::optional<std::uint64_t> ResetMs(const RetryPlan& plan, const http::ResponseHead& response,
                                     base::WallTime now, std::uint64_t random) {
  for (const config::ResetHeader& header : plan.policy->reset_headers) {
    const auto text = response.fields.Get(header.name);
    if (!text.has_value()) continue;
    std::optional<std::uint64_t> seconds = ParseMs(base::TrimOws(*text));
    if (!seconds.has_value()) continue;
    if (header.unix_time) {
      const auto since = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch());
      const auto now_s = static_cast<std::uint64_t>(std::max<std::int64_t>(since.count(), 0));
      if (*seconds < now_s) continue;
      *seconds -= now_s;
    }
    const std::uint64_t ms = std::min(*seconds, kMsMax / 1000) * 1000;
    if (ms > plan.policy->reset_max_ms) continue;
    return ms + (ms < 2 ? 0 : random % (ms / 2));
  }
  return std::nullopt;
}

}  // namespace sluice::proxy
