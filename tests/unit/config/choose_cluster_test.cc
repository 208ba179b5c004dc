// Which cluster, and which hash: weights, headers, runtime, hash policies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/xxhash.h"
#include "config/route.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ForwardAction TwoClusters() {
  ForwardAction action;
  action.weighted.resize(2);
  action.weighted[0] = {.cluster = "a", .runtime_key = "split.a", .weight = 90};
  action.weighted[1] = {.cluster = "b", .runtime_key = "split.b", .weight = 10};
  action.weight_total = 100;
  return action;
}

Runtime Numbers(std::initializer_list<std::pair<std::string, double>> values) {
  Runtime::Values out;
  for (const auto& [key, number] : values) {
    out[key].is_number = true;
    out[key].number = number;
  }
  return Runtime(std::move(out));
}

TEST(PickWeighted, TakesWeightsFromTheRuntime) {
  ForwardAction action = TwoClusters();
  const Runtime runtime = Numbers({{"split.a", 0}, {"split.b", 3}});
  EXPECT_EQ(PickWeighted(action, 5, &runtime)->cluster, "a");  // It has no prefix.
  action.weights_in_runtime = true;
  for (std::uint64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(PickWeighted(action, i, &runtime)->cluster, "b");
  }
  EXPECT_EQ(PickWeighted(action, 5, nullptr)->cluster, "a");
  const Runtime nothing = Numbers({{"split.a", 0}, {"split.b", 0}});
  EXPECT_EQ(PickWeighted(action, 5, &nothing), nullptr);
  const Runtime bad = Numbers({{"split.a", -1}});
  EXPECT_EQ(PickWeighted(action, 5, &bad)->cluster, "a");
}

TEST(WeightNumber, IsTheHeadersOrTheHashOrDice) {
  ForwardAction action = TwoClusters();
  EXPECT_EQ(WeightNumber(action, Request("h", "/"), 7, 1), 1U);
  action.weight_header = "x-n";
  EXPECT_EQ(WeightNumber(action, Request("h", "/", {{"x-n", "95"}}), 7, 1), 95U);
  EXPECT_EQ(WeightNumber(action, Request("h", "/", {{"x-n", "no"}}), 7, 1), 1U);
  EXPECT_EQ(WeightNumber(action, Request("h", "/"), 7, 1), 1U);
  action.weight_header.clear();
  action.weight_by_hash = true;
  EXPECT_EQ(WeightNumber(action, Request("h", "/"), 7, 1), 7U);
  EXPECT_EQ(WeightNumber(action, Request("h", "/"), std::nullopt, 1), 1U);
}

TEST(ClusterName, ComesFromTheHeaderThatNamesIt) {
  ForwardAction action;
  action.cluster = "fixed";
  EXPECT_EQ(ClusterName(action, nullptr, Request("h", "/")), "fixed");
  action.cluster_header = "x-cluster";
  EXPECT_EQ(ClusterName(action, nullptr, Request("h", "/", {{"x-cluster", "c1"}})), "c1");
  EXPECT_EQ(ClusterName(action, nullptr, Request("h", "/")), "");
  WeightedCluster share;
  share.cluster_header = "x-other";
  EXPECT_EQ(ClusterName(action, &share, Request("h", "/", {{"x-other", "c2"}})), "c2");
}

class HashRequestTest : public testing::Test {
 protected:
  std::optional<std::uint64_t> Hash(const http::RequestHead& head) {
    cookies_.clear();
    return HashRequest(action_, head, source_, cookies_);
  }
  HashPolicy& Add(HashPolicy::Kind kind, std::string_view name) {
    HashPolicy policy;
    policy.kind = kind;
    policy.name = name;
    action_.hash.push_back(policy);
    return action_.hash.back();
  }
  ForwardAction action_;
  HashSource source_ = {.client_ip = "10.0.0.1", .connection = "10.0.0.1:5 10.0.0.2:80"};
  std::vector<std::string> cookies_;
};

TEST_F(HashRequestTest, NothingWithoutPolicies) {
  EXPECT_EQ(Hash(Request("h", "/")), std::nullopt);
}

TEST_F(HashRequestTest, HashesHeadersInAnyOrder) {
  Add(HashPolicy::Kind::kHeader, "x-u");
  EXPECT_EQ(Hash(Request("h", "/")), std::nullopt);
  EXPECT_EQ(Hash(Request("h", "/", {{"x-u", "joe"}})), base::XxHash64("joe"));
  const auto both = Hash(Request("h", "/", {{"x-u", "b"}, {"x-u", "a"}}));
  EXPECT_EQ(both, Hash(Request("h", "/", {{"x-u", "a"}, {"x-u", "b"}})));
  EXPECT_EQ(both, base::XxHash64("b", base::XxHash64("a")));
}

TEST_F(HashRequestTest, RewritesAHeaderFirst) {
  HashPolicy& policy = Add(HashPolicy::Kind::kHeader, ":path");
  policy.rewrite = RegexRewrite{MakeRegex("^/(\\w+)/.*$"), "\\1"};
  EXPECT_EQ(Hash(Request("h", "/tenant/x")), base::XxHash64("tenant"));
}

TEST_F(HashRequestTest, HashesAddressAndQuery) {
  Add(HashPolicy::Kind::kSourceIp, "");
  EXPECT_EQ(Hash(Request("h", "/")), base::XxHash64("10.0.0.1"));
  action_.hash.clear();
  Add(HashPolicy::Kind::kQuery, "k");
  EXPECT_EQ(Hash(Request("h", "/?a=1&k=v&k=w")), base::XxHash64("v"));
  EXPECT_EQ(Hash(Request("h", "/?a=1")), std::nullopt);
}

TEST_F(HashRequestTest, MakesACookieThatComesBackAsTheSameHash) {
  HashPolicy& policy = Add(HashPolicy::Kind::kCookie, "sticky");
  EXPECT_EQ(Hash(Request("h", "/")), std::nullopt);  // No ttl: none is made.
  EXPECT_THAT(cookies_, IsEmpty());
  policy.cookie_ttl_s = 60;
  policy.cookie_tail = "; Path=/x; SameSite=Lax";
  const auto first = Hash(Request("h", "/"));
  ASSERT_EQ(cookies_.size(), 1U);
  const std::string& line = cookies_[0];
  const std::string value = line.substr(8, 16);
  EXPECT_EQ(line, "sticky=\"" + value + "\"; Max-Age=60; Path=/x; SameSite=Lax; HttpOnly");
  EXPECT_EQ(Hash(Request("h", "/", {{"cookie", "a=b; sticky=\"" + value + "\""}})), first);
  EXPECT_THAT(cookies_, IsEmpty());
  policy.cookie_ttl_s = 0;
  Hash(Request("h", "/"));
  EXPECT_THAT(cookies_, ElementsAre("sticky=\"" + value + "\"; Path=/x; SameSite=Lax; HttpOnly"));
}

TEST_F(HashRequestTest, CombinesUntilATerminalPolicyHasAHash) {
  Add(HashPolicy::Kind::kHeader, "x-u").terminal = true;
  Add(HashPolicy::Kind::kSourceIp, "");
  EXPECT_EQ(Hash(Request("h", "/", {{"x-u", "joe"}})), base::XxHash64("joe"));
  EXPECT_EQ(Hash(Request("h", "/")), base::XxHash64("10.0.0.1"));
  action_.hash[0].terminal = false;
  EXPECT_EQ(Hash(Request("h", "/", {{"x-u", "joe"}})),
            std::rotl(base::XxHash64("joe"), 1) ^ base::XxHash64("10.0.0.1"));
}

}  // namespace
}  // namespace sluice::config
