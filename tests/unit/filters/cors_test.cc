// The CORS filter on its own, over a fake exchange.

#include "filters/cors.h"

#include <gtest/gtest.h>

#include "base/field_errors.h"
#include "base/random.h"
#include "filters/table.h"

namespace sluice::filters {
namespace {

class FakeContext final : public Context {
 public:
  const config::RouteTable* route_table() const override { return nullptr; }
  const config::VirtualHost* virtual_host() const override { return nullptr; }
  const config::Route* route() const override { return nullptr; }
  const config::PerFilterConfig* per_filter(std::string_view name) const override {
    return policy.has_value() && name == "cors" ? &*policy : nullptr;
  }
  std::array<const config::PerFilterConfig*, 4> per_filter_levels(
      std::string_view name) const override {
    return {nullptr, per_filter(name), nullptr, nullptr};
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

  std::optional<config::PerFilterConfig> policy;
  std::optional<bool> disabled;

 private:
  observe::StreamInfo info_;
  base::FastRandom random_{1};
  LocalReply reply_;
};

config::StringMatcher Exact(std::string_view text) {
  config::StringMatcher matcher;
  matcher.text = text;
  return matcher;
}

class Cors : public testing::Test {
 protected:
  Cors() {
    policy_.allow_origins = {Exact("https://a.test")};
    policy_.allow_methods = "GET";
  }
  std::unique_ptr<Filter> Make(std::string_view origin) {
    context_.policy = policy_;
    if (!origin.empty()) head_.fields.Add("origin", origin);
    return MakeCorsFilter("cors", context_, head_, stats_);
  }
  void Preflight() {
    head_.method = http::Method::kOptions;
    head_.fields.Add("access-control-request-method", "GET");
  }
  FakeContext context_;
  config::CorsPolicy policy_;
  http::RequestHead head_;
  observe::CorsStats stats_;
};

TEST_F(Cors, IsNotThereWithoutOriginOrPolicy) {
  EXPECT_EQ(Make(""), nullptr);
  policy_.enabled.numerator = 0;
  EXPECT_EQ(Make("https://a.test"), nullptr);
  context_.policy.reset();
  EXPECT_EQ(MakeCorsFilter("cors", context_, head_, stats_), nullptr);
  EXPECT_EQ(stats_.origin_valid.Get() + stats_.origin_invalid.Get(), 0U);
}

TEST_F(Cors, CountsOrigins) {
  EXPECT_NE(Make("https://a.test"), nullptr);
  EXPECT_EQ(stats_.origin_valid.Get(), 1U);
  head_.fields.Clear();
  EXPECT_NE(Make("https://evil.test"), nullptr);
  EXPECT_EQ(stats_.origin_invalid.Get(), 1U);
}

TEST_F(Cors, OriginsMatchWhole) {
  for (const std::string_view origin :
       {"https://a.test.evil", "xhttps://a.test", "http://a.test", "null", "https://A.test"}) {
    head_.Clear();
    Preflight();
    auto filter = Make(origin);
    ASSERT_NE(filter, nullptr);
    EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kContinue) << origin;
  }
}

TEST_F(Cors, AnyOriginIsEchoed) {
  policy_.allow_origins = {Exact("*")};
  Preflight();
  auto filter = Make("https://any.test");
  EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kReply);
  EXPECT_EQ(context_.reply().status, 200);
  EXPECT_EQ(context_.reply().fields.Get("access-control-allow-origin"), "https://any.test");
}

TEST_F(Cors, RegexOriginsMatch) {
  base::FieldErrors errors;
  config::StringMatcher matcher;
  matcher.kind = config::StringMatcher::Kind::kRegex;
  matcher.regex = config::Regex::Compile("https://[a-z]+\\.a\\.test", errors);
  policy_.allow_origins = {matcher};
  Preflight();
  auto filter = Make("https://sub.a.test");
  EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kReply);
  head_.Clear();
  Preflight();
  filter = Make("https://sub.a.test.evil");
  EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kContinue);
}

TEST_F(Cors, PreflightsThatDoNotMatchCanBeAnsweredEmpty) {
  policy_.forward_not_matching_preflights = false;
  Preflight();
  auto filter = Make("https://evil.test");
  EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kReply);
  EXPECT_EQ(context_.reply().status, 200);
  EXPECT_TRUE(context_.reply().fields.empty());
  http::ResponseHead response;
  EXPECT_EQ(filter->OnResponseHead(response, End::kYes), Verdict::kContinue);
  EXPECT_TRUE(response.fields.empty());
}

TEST_F(Cors, OptionsWithoutARequestedMethodIsNoPreflight) {
  head_.method = http::Method::kOptions;
  auto filter = Make("https://a.test");
  EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kContinue);
}

TEST_F(Cors, PrivateNetworksOnlyWhenAskedAndAllowed) {
  for (const bool asked : {false, true}) {
    for (const bool allowed : {false, true}) {
      head_.Clear();
      context_.reply().fields.Clear();
      policy_.allow_private_network_access = allowed;
      Preflight();
      if (asked) head_.fields.Add("access-control-request-private-network", "true");
      auto filter = Make("https://a.test");
      EXPECT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kReply);
      EXPECT_EQ(context_.reply().fields.Get("access-control-allow-private-network").has_value(),
                asked && allowed);
    }
  }
}

TEST_F(Cors, TheAppsOwnFieldsAreReplacedOnlyWhenTheOriginMatches) {
  for (const bool matches : {false, true}) {
    head_.Clear();
    auto filter = Make(matches ? "https://a.test" : "https://evil.test");
    ASSERT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kContinue);
    http::ResponseHead response;
    response.fields.Add("access-control-allow-origin", "https://app.test");
    response.fields.Add("access-control-allow-origin", "https://app2.test");
    response.fields.Add("access-control-allow-credentials", "true");
    ASSERT_EQ(filter->OnResponseHead(response, End::kYes), Verdict::kContinue);
    EXPECT_EQ(response.fields.Get("access-control-allow-origin"),
              matches ? "https://a.test" : "https://app.test");
    EXPECT_EQ(response.fields.CountOf(http::Name::kAccessControlAllowOrigin), matches ? 1U : 2U);
    EXPECT_EQ(response.fields.Get("access-control-allow-credentials").has_value(), !matches);
    EXPECT_EQ(response.fields.Get("vary").value_or(""), matches ? "Origin" : "");
  }
}

TEST_F(Cors, VaryIsMerged) {
  struct Case {
    std::vector<std::string_view> before;
    std::string_view after;
  };
  const Case cases[] = {{{}, "Origin"},
                        {{"Accept"}, "Accept, Origin"},
                        {{"origin"}, "origin"},
                        {{"*"}, "*"},
                        {{"Accept", "Cookie"}, "Accept,Cookie, Origin"}};
  for (const Case& c : cases) {
    head_.Clear();
    auto filter = Make("https://a.test");
    ASSERT_EQ(filter->OnRequestHead(head_, End::kYes), Verdict::kContinue);
    http::ResponseHead response;
    for (const std::string_view value : c.before) response.fields.Add("vary", value);
    ASSERT_EQ(filter->OnResponseHead(response, End::kYes), Verdict::kContinue);
    EXPECT_EQ(response.fields.Get("vary"), c.after);
  }
}

TEST_F(Cors, TheTableMakesItUnlessDisabled) {
  context_.policy = policy_;
  head_.fields.Add("origin", "https://a.test");
  EXPECT_NE(MakeFilter({"cors", false, config::CorsFilter{}}, context_, head_, stats_), nullptr);
  EXPECT_EQ(MakeFilter({"cors", true, config::CorsFilter{}}, context_, head_, stats_), nullptr);
  EXPECT_EQ(MakeFilter({"router", false, config::RouterFilter{}}, context_, head_, stats_),
            nullptr);
}

}  // namespace
}  // namespace sluice::filters
