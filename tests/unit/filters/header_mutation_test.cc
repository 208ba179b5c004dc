// The header_mutation filter on its own, over a fake exchange.
#include "filters/header_mutation.h"

#include <gtest/gtest.h>

#include "base/field_errors.h"
#include "base/random.h"
#include "filters/table.h"

namespace sluice::filters {
namespace {

using config::HeaderStep;
using config::MessageSteps;

class LevelsContext final : public Context {
 public:
  const config::RouteTable* route_table() const override { return nullptr; }
  const config::VirtualHost* virtual_host() const override { return nullptr; }
  const config::Route* route() const override { return nullptr; }
  const config::PerFilterConfig* per_filter(std::string_view) const override { return nullptr; }
  std::array<const config::PerFilterConfig*, 4> per_filter_levels(
      std::string_view name) const override {
    std::array<const config::PerFilterConfig*, 4> out{};
    if (name != "change") return out;
    for (std::size_t i = 0; i < 4; ++i) out[i] = levels[i].has_value() ? &*levels[i] : nullptr;
    return out;
  }
  std::optional<bool> filter_disabled(std::string_view) const override { return disabled; }
  const config::Runtime* runtime() const override { return nullptr; }
  void ClearRoute() override {}
  observe::StreamInfo& info() override { return info_; }
  base::Random& random() override { return random_; }
  unsigned worker() const override { return 0; }
  base::WallTime now() const override { return {}; }
  LocalReply& reply() override { return reply_; }
  void ResumeRequest() override {}
  void ResumeResponse() override {}
  void RequestLengthChanges() override {}
  void ResponseLengthChanges() override {}

  std::array<std::optional<config::PerFilterConfig>, 4> levels;
  std::optional<bool> disabled;

 private:
  observe::StreamInfo info_;
  base::FastRandom random_{1};
  LocalReply reply_;
};

HeaderStep Add(std::string_view name, std::string_view value) {
  base::FieldErrors errors;
  HeaderStep step;
  step.add = config::HeaderAddition{.name = std::string(name),
                                    .value = config::CompileFormat(value, errors)};
  return step;
}

HeaderStep Remove(std::string_view name) {
  HeaderStep step;
  step.remove = name;
  return step;
}

HeaderStep RemovePrefix(std::string_view prefix) {
  HeaderStep step;
  step.remove_matching = config::StringMatcher{
      .kind = config::StringMatcher::Kind::kPrefix, .text = std::string(prefix), .regex = {}};
  return step;
}

std::string Joined(const http::Fields& fields, std::string_view name) {
  std::string scratch;
  return std::string(fields.GetJoined(name, scratch).value_or(""));
}

TEST(HeaderMutation, ChangesEveryPartOfBothMessages) {
  LevelsContext context;
  config::HeaderMutationFilter config;
  config.steps.request = {Add("x-a", "1"), Remove("x-gone"), RemovePrefix("x-debug-")};
  config.steps.request_trailers = {Add("x-rt", "2")};
  config.steps.response = {Add("x-r", "3")};
  config.steps.response_trailers = {Add("x-t", "4")};
  auto filter = MakeHeaderMutationFilter("change", config, context);
  ASSERT_NE(filter, nullptr);
  http::RequestHead request;
  request.fields.Add("x-gone", "g");
  request.fields.Add("x-debug-1", "d");
  request.fields.Add("x-debug-2", "d");
  request.fields.Add("x-kept", "k");
  EXPECT_EQ(filter->OnRequestHead(request, End::kNo), Verdict::kContinue);
  EXPECT_EQ(request.fields.size(), 2U);
  EXPECT_EQ(request.fields.Get("x-a"), "1");
  EXPECT_EQ(request.fields.Get("x-kept"), "k");
  http::Fields trailers;
  filter->OnRequestTrailers(trailers);
  EXPECT_EQ(trailers.Get("x-rt"), "2");
  http::ResponseHead response;
  filter->OnResponseHead(response, End::kNo);
  EXPECT_EQ(response.fields.Get("x-r"), "3");
  trailers.Clear();
  config = {};  // Configuration may be gone behind the head.
  filter->OnResponseTrailers(trailers);
  EXPECT_EQ(trailers.Get("x-t"), "4");
}

TEST(HeaderMutation, LevelsApplyFromTheMostSpecificOrTheOtherWayRound) {
  LevelsContext context;
  context.levels[0] = MessageSteps{.request = {Add("x", "weighted")}};
  context.levels[1] = MessageSteps{.request = {Add("x", "route")}};
  context.levels[3] = MessageSteps{.request = {Add("x", "table")}};
  config::HeaderMutationFilter config;
  config.steps.request = {Add("x", "chain")};
  http::RequestHead head;
  MakeHeaderMutationFilter("change", config, context)->OnRequestHead(head, End::kYes);
  EXPECT_EQ(Joined(head.fields, "x"), "chain,weighted,route,table");
  config.most_specific_wins = true;
  head.fields.Clear();
  MakeHeaderMutationFilter("change", config, context)->OnRequestHead(head, End::kYes);
  EXPECT_EQ(Joined(head.fields, "x"), "chain,table,route,weighted");
}

TEST(HeaderMutation, IsLeftOutWhenNobodyWantsAnything) {
  LevelsContext context;
  EXPECT_EQ(MakeHeaderMutationFilter("change", {}, context), nullptr);
}

TEST(FilterTable, RoutesSwitchFiltersOnAndOff) {
  LevelsContext context;
  observe::CorsStats cors{};
  config::HeaderMutationFilter steps;
  steps.steps.request = {Add("x", "1")};
  config::HttpFilter filter{.name = "change", .config = steps};
  const auto made = [&] { return MakeFilter(filter, context, {}, cors) != nullptr; };
  EXPECT_TRUE(made());
  context.disabled = true;
  EXPECT_FALSE(made());
  filter.disabled = true;
  context.disabled.reset();
  EXPECT_FALSE(made());
  context.disabled = false;
  EXPECT_TRUE(made());
}

}  // namespace
}  // namespace sluice::filters
