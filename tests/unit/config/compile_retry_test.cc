#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "config/compile.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb.h"
#include "google/protobuf/any.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

using ProtoTable = envoy::config::route::v3::RouteConfiguration;

// One virtual host with `host`, whose only route forwards with `action`.
ProtoTable With(std::string_view host, std::string_view action) {
  return FromText<ProtoTable>(base::Cat("name: 't' virtual_hosts { name: 'h' domains: '*' ", host,
                                        " routes { match { prefix: '/' } route { cluster: 'c' ",
                                        action, " } } }"));
}

TEST(CompileTries, EveryBadFieldIsNamed) {
  struct Case {
    std::string_view action;
    std::string_view want;  // Below the route's action.
  };
  const Case cases[] = {
      {"retry_policy { retry_on: '5xx,http3-post-connect-failure' }", ".retry_policy.retry_on: "},
      {"retry_policy { retry_priority { } }", ".retry_policy.retry_priority: not supported; leave"},
      {"retry_policy { retry_back_off { max_interval { seconds: 1 } } }",
       ".retry_policy.retry_back_off.base_interval: is required; write"},
      {"retry_policy { retry_back_off { base_interval { } } }",
       ".retry_policy.retry_back_off.base_interval: "},
      {"retry_policy { retry_back_off { base_interval { seconds: 2 } max_interval { seconds: 1 } } "
       "}",
       ".retry_policy.retry_back_off.max_interval: below base_interval; write"},
      {"retry_policy { rate_limited_retry_back_off { } }",
       ".retry_policy.rate_limited_retry_back_off.reset_headers: is empty; write"},
      {"retry_policy { rate_limited_retry_back_off { reset_headers { name: 'a b' } } }",
       ".retry_policy.rate_limited_retry_back_off.reset_headers[0].name: 'a b' is no header"},
      {"retry_policy { retry_host_predicate { name: 'x' } }",
       ".retry_policy.retry_host_predicate[0].typed_config: '' is not supported; write "},
      {"retry_policy { host_selection_retry_max_attempts: -1 }",
       ".retry_policy.host_selection_retry_max_attempts: -1 is out of range; write"},
      {"retry_policy { retriable_status_codes: 99 }",
       ".retry_policy.retriable_status_codes: 99 is no status; write"},
      {"retry_policy { retriable_headers { } }", ".retry_policy.retriable_headers[0].name: "},
      {"hedge_policy { initial_requests { value: 2 } }",
       ".hedge_policy.initial_requests: not supported; leave"},
      {"request_mirror_policies { }", ".request_mirror_policies[0].cluster: write either cluster"},
      {"request_mirror_policies { cluster: 'a' cluster_header: 'b' }",
       ".request_mirror_policies[0].cluster: write either cluster"},
      {"request_mirror_policies { cluster: 'a' host_rewrite_literal: 'a b' }",
       ".request_mirror_policies[0].host_rewrite_literal: 'a b' is no host"},
      {"internal_redirect_policy { redirect_response_codes: 304 }",
       ".internal_redirect_policy.redirect_response_codes: 304 is no redirect; write"},
      {"internal_redirect_policy { predicates { name: 'x' } }",
       ".internal_redirect_policy.predicates[0].typed_config: '' is not supported; write"},
      {"internal_redirect_policy { response_headers_to_copy: ':path' }",
       ".internal_redirect_policy.response_headers_to_copy: ':path' is no header"},
  };
  for (const Case& c : cases) {
    base::FieldErrors errors;
    EXPECT_EQ(CompileRouteTable(With("", c.action), {}, errors), nullptr) << c.action;
    const std::vector<std::string> lines = Lines(errors);
    ASSERT_EQ(lines.size(), 1U) << c.action << "\n" << errors.Text();
    EXPECT_THAT(lines[0],
                testing::StartsWith(base::Cat("virtual_hosts[0].routes[0].route", c.want)));
  }
}

TEST(CompileTries, RoutesWithNothingOfTheirOwnShareTheHosts) {
  base::FieldErrors errors;
  const auto table = CompileRouteTable(
      FromText<ProtoTable>(
          "name: 't' virtual_hosts { name: 'h' domains: '*' retry_policy { retry_on: 'reset' } "
          "routes { match { prefix: '/a' } route { cluster: 'c' } } "
          "routes { match { prefix: '/b' } route { cluster: 'c' } } "
          "routes { match { prefix: '/c' } route { cluster: 'c' retry_policy { } } } } "
          "virtual_hosts { name: 'i' domains: 'i' routes { match { prefix: '/' } "
          "route { cluster: 'c' } } }"),
      {}, errors);
  ASSERT_NE(table, nullptr) << errors.Text();
  const auto tries = [&table](std::size_t host, std::size_t route) {
    return std::get<ForwardAction>(table->virtual_hosts[host]->routes[route].action).tries.get();
  };
  EXPECT_NE(tries(0, 0), nullptr);
  EXPECT_EQ(tries(0, 0), tries(0, 1));
  EXPECT_EQ(tries(0, 0)->retry->on, Bit(RetryOn::kReset));
  EXPECT_EQ(tries(0, 2)->retry->on, 0U);
  EXPECT_EQ(tries(1, 0), nullptr);
}

TEST(CompileTries, MirrorsNameTheirClusters) {
  base::FieldErrors errors;
  ProtoTable proto = With("", "request_mirror_policies { cluster: 'shadow' }");
  const auto table = CompileRouteTable(proto, {}, errors);
  ASSERT_NE(table, nullptr);
  std::vector<std::string> names;
  VisitClusters(*table, [&names](const VirtualHost&, const Route&, std::string_view name) {
    names.emplace_back(name);
  });
  EXPECT_THAT(names, testing::ElementsAre("c", "shadow"));
}

TEST(CompileTries, TheDefaultTimeoutSparesStreamsUnlessEnvoysAreAskedFor) {
  for (const Defaults defaults : {Defaults::kSafe, Defaults::kEnvoy}) {
    for (const bool written : {false, true}) {
      CompileOptions options;
      options.defaults = defaults;
      base::FieldErrors errors;
      const auto table =
          CompileRouteTable(With("", written ? "timeout { seconds: 15 }" : ""), options, errors);
      ASSERT_NE(table, nullptr);
      const auto& action = std::get<ForwardAction>(table->virtual_hosts[0]->routes[0].action);
      EXPECT_EQ(action.timeout_spares_streams, !written && defaults == Defaults::kSafe);
    }
  }
}

TEST(CompileCluster, RetryBudgets) {
  base::FieldErrors errors;
  const auto compile = [&errors](std::string_view budget) {
    return CompileCluster(
        FromText<envoy::config::cluster::v3::Cluster>(
            base::Cat("name: 'c' type: STATIC circuit_breakers { thresholds { retry_budget { ",
                      budget, " } } }")),
        {}, errors);
  };
  auto cluster = compile("");
  ASSERT_NE(cluster, nullptr) << errors.Text();
  EXPECT_EQ(cluster->breakers[0].retry_budget_millionths, 200'000U);
  EXPECT_EQ(cluster->breakers[0].retries_min, 3U);
  cluster = compile("budget_percent { value: 0.5 } min_retry_concurrency { value: 0 }");
  EXPECT_EQ(cluster->breakers[0].retry_budget_millionths, 5'000U);
  EXPECT_EQ(cluster->breakers[0].retries_min, 0U);
  compile("budget_percent { value: 101 }");
  EXPECT_THAT(errors.Text(), testing::HasSubstr("thresholds[0].retry_budget.budget_percent"));
}

}  // namespace
}  // namespace sluice::config
