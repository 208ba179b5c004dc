// Retry decisions as functions.
#include "retry_fixture.h"

namespace sluice::proxy {
namespace {

TEST(Backoff, StaysWithinTheEnvelope) {
  config::RetryPolicy policy;
  RetryPlan plan;
  plan.policy = &policy;
  const std::uint64_t spans[] = {25, 75, 175, 250, 250};
  base::FastRandom random(1);
  for (unsigned made = 1; made <= 5; ++made) {
    plan.made = made;
    std::uint64_t most = 0;
    for (int i = 0; i < 2000; ++i) {
      const std::uint64_t ms = BackoffMs(plan, random.Next());
      EXPECT_LT(ms, spans[made - 1]);
      most = std::max(most, ms);
    }
    EXPECT_GT(most, spans[made - 1] * 9 / 10);
  }
}

TEST(RetryFields, OfARequestAreReadAndRemoved) {
  http::RequestHead request;
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"x-envoy-retry-on", "5xx, reset"},
      {"x-envoy-retry-grpc-on", "unavailable"},
      {"x-envoy-max-retries", "7"},
      {"x-envoy-retriable-status-codes", "404, nonsense,410"},
      {"x-envoy-retriable-header-names", "X-Again"},
      {"x-envoy-hedge-on-per-try-timeout", "true"},
      {"x-envoy-upstream-rq-timeout-ms", "3000"},
      {"x-envoy-upstream-rq-per-try-timeout-ms", "200"},
      {"x-envoy-upstream-stream-duration-ms", "9000"},
      {"x-envoy-upstream-rq-timeout-alt-response", "1"},
      {"x-envoy-other", "stays"},
  };
  for (const auto& [name, value] : fields) request.fields.Add(name, value);
  RetryPlan plan;
  RequestTimes times;
  PlanRetries(nullptr, 0, request, plan, times);
  EXPECT_EQ(plan.on, config::ParseRetryOn("5xx,reset,unavailable"));
  EXPECT_EQ(plan.left, 7U);
  EXPECT_EQ(plan.statuses, (std::vector<std::uint32_t>{404, 410}));
  EXPECT_EQ(plan.header_names, std::vector<std::string>{"x-again"});
  EXPECT_TRUE(plan.hedge);
  EXPECT_EQ(plan.per_try_ms, 200U);
  EXPECT_EQ(times.timeout_ms, 3000U);
  EXPECT_EQ(times.stream_duration_ms, 9000U);
  EXPECT_TRUE(times.alt_response);
  ASSERT_EQ(request.fields.size(), 1U);
  EXPECT_EQ(request.fields.At(0).name, "x-envoy-other");
}

}  // namespace
}  // namespace sluice::proxy
