#include "config/compile_load_balancing.h"

#include "base/strings.h"
#include "config/compile.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

using Proto = envoy::config::cluster::v3::Cluster;
using Policy = LoadBalancing::Policy;

LoadBalancing Good(std::string_view text) {
  base::FieldErrors errors;
  const auto cluster = CompileCluster(FromText<Proto>(base::Cat("name: 'c' ", text)), {}, errors);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  return cluster->balancing;
}

std::string Typed(std::string_view policies) {
  std::string out = "load_balancing_policy {";
  base::Append(out, policies, "}");
  return out;
}
std::string One(std::string_view type, std::string_view config) {
  return base::Cat(
      "policies { typed_extension_config { name: 'p' typed_config { "
      "[type.googleapis.com/envoy.extensions.load_balancing_policies.",
      type, "] {", config, "} } } }");
}

TEST(CompileLoadBalancing, ReadsTheOlderSpelling) {
  EXPECT_TRUE(Good("") == LoadBalancing{});
  EXPECT_TRUE(Good("lb_policy: RANDOM") == LoadBalancing{.policy = Policy::kRandom});
  EXPECT_TRUE(Good("lb_policy: ROUND_ROBIN round_robin_lb_config {}") == LoadBalancing{});
  EXPECT_TRUE(
      (Good("lb_policy: LEAST_REQUEST least_request_lb_config { choice_count { value: 3 } "
            "active_request_bias { default_value: 0.5 } }") ==
       LoadBalancing{.policy = Policy::kLeastRequest, .choices = 3, .active_request_bias = 0.5}));
  EXPECT_TRUE(
      (Good("lb_policy: RING_HASH ring_hash_lb_config { minimum_ring_size { value: 7 } "
            "maximum_ring_size { value: 9 } hash_function: MURMUR_HASH_2 } "
            "common_lb_config { consistent_hashing_lb_config { use_hostname_for_hashing: true } "
            "locality_weighted_lb_config {} }") ==
       LoadBalancing{.policy = Policy::kRingHash,
                     .ring_min = 7,
                     .ring_max = 9,
                     .hash = LoadBalancing::Hash::kMurmur2,
                     .hash_hostname = true,
                     .locality_weighted = true}));
  EXPECT_TRUE((Good("lb_policy: MAGLEV maglev_lb_config { table_size { value: 251 } }") ==
               LoadBalancing{.policy = Policy::kMaglev, .table_size = 251}));
}

TEST(CompileLoadBalancing, ReadsExtensionsWhichWinOverLbPolicy) {
  const std::string weighted = "locality_lb_config { locality_weighted_lb_config {} }";
  EXPECT_TRUE(
      (Good(base::Cat("lb_policy: MAGLEV ", Typed(One("round_robin.v3.RoundRobin", weighted)))) ==
       LoadBalancing{.locality_weighted = true}));
  EXPECT_TRUE((Good(Typed(One("random.v3.Random", weighted))) ==
               LoadBalancing{.policy = Policy::kRandom, .locality_weighted = true}));
  EXPECT_TRUE(
      (Good(Typed(One("least_request.v3.LeastRequest",
                      base::Cat("selection_method: FULL_SCAN choice_count { value: 5 }",
                                weighted)))) == LoadBalancing{.policy = Policy::kLeastRequest,
                                                              .choices = 5,
                                                              .full_scan = true,
                                                              .locality_weighted = true}));
  EXPECT_TRUE((Good(Typed(One("ring_hash.v3.RingHash",
                              "consistent_hashing_lb_config { use_hostname_for_hashing: true } "
                              "minimum_ring_size { value: 3 } hash_function: MURMUR_HASH_2"))) ==
               LoadBalancing{.policy = Policy::kRingHash,
                             .ring_min = 3,
                             .hash = LoadBalancing::Hash::kMurmur2,
                             .hash_hostname = true}));
  EXPECT_TRUE(
      (Good(Typed(
           One("maglev.v3.Maglev", "table_size { value: 11 } locality_weighted_lb_config {}"))) ==
       LoadBalancing{.policy = Policy::kMaglev, .table_size = 11, .locality_weighted = true}));
  EXPECT_TRUE(
      (Good(Typed(One("wrr_locality.v3.WrrLocality",
                      base::Cat("endpoint_picking_policy {", One("random.v3.Random", ""), "}")))) ==
       LoadBalancing{.policy = Policy::kRandom, .locality_weighted = true}));
}

TEST(CompileLoadBalancing, TheFirstKnownExtensionCounts) {
  const std::string unknown =
      "policies { typed_extension_config { typed_config { type_url: 'x/not.ours' } } }";
  EXPECT_EQ(Good(Typed(unknown + One("random.v3.Random", ""))).policy, Policy::kRandom);
  base::FieldErrors errors;
  CompileCluster(FromText<Proto>("name: 'c' " + Typed(unknown)), {}, errors);
  EXPECT_THAT(errors.Text(), testing::HasSubstr("Didn't find a registered implementation"));
}

TEST(CompileLoadBalancing, TellsWhatIsWrong) {
  const std::string at = "load_balancing_policy.policies[0].typed_extension_config.typed_config.";
  const std::vector<BadCase> cases = {
      {"options of another",
       "lb_policy: RANDOM maglev_lb_config {}",
       {"maglev_lb_config: of another balancer than RANDOM"}},
      {"no extension",
       "lb_policy: LOAD_BALANCING_POLICY_CONFIG",
       {"load_balancing_policy: needed"}},
      {"one choice",
       "lb_policy: LEAST_REQUEST least_request_lb_config { choice_count { value: 1 } }",
       {"least_request_lb_config.choice_count: 1 is out of range"}},
      {"bias",
       "lb_policy: LEAST_REQUEST least_request_lb_config { active_request_bias { default_value: "
       "-1 } }",
       {"least_request_lb_config.active_request_bias: no number"}},
      {"bias by key",
       "lb_policy: LEAST_REQUEST least_request_lb_config { active_request_bias { default_value: 1 "
       "runtime_key: 'x' } }",
       {"least_request_lb_config.active_request_bias.runtime_key: not supported"}},
      {"ring upside down",
       "lb_policy: RING_HASH ring_hash_lb_config { minimum_ring_size { value: 9 } "
       "maximum_ring_size { value: 8 } }",
       {"ring_hash_lb_config.minimum_ring_size: ring hash: minimum_ring_size (9) > "
        "maximum_ring_size (8)"}},
      {"ring too large",
       "lb_policy: RING_HASH ring_hash_lb_config { maximum_ring_size { value: 8388609 } }",
       {"ring_hash_lb_config.maximum_ring_size: 8388609 is out of range"}},
      {"table that is no prime",
       "lb_policy: MAGLEV maglev_lb_config { table_size { value: 65536 } }",
       {"maglev_lb_config.table_size: The table size of maglev must be prime"}},
      {"table too large",
       "lb_policy: MAGLEV maglev_lb_config { table_size { value: 5000077 } }",
       {"maglev_lb_config.table_size: 5000077 is out of range"}},
      {"zone aware",
       Typed(One("random.v3.Random", "locality_lb_config { zone_aware_lb_config {} }")),
       {at + "locality_lb_config.zone_aware_lb_config: not supported"}},
      {"no locality choice",
       Typed(One("random.v3.Random", "locality_lb_config {}")),
       {at + "locality_lb_config: empty"}},
      {"slow start",
       Typed(One("round_robin.v3.RoundRobin", "slow_start_config {}")),
       {at + "slow_start_config: not supported"}},
      {"nested wrapper",
       Typed(One(
           "wrr_locality.v3.WrrLocality",
           base::Cat("endpoint_picking_policy {", One("wrr_locality.v3.WrrLocality", ""), "}"))),
       {at + "endpoint_picking_policy.policies[0].typed_extension_config.typed_config: "
             "WrrLocality inside"}},
      {"wrapper of nothing",
       Typed(One("wrr_locality.v3.WrrLocality", "")),
       {at + "endpoint_picking_policy: needed"}},
      {"both places",
       base::Cat("common_lb_config { locality_weighted_lb_config {} }",
                 Typed(One("random.v3.Random", ""))),
       {"common_lb_config.locality_weighted_lb_config: not beside"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    CompileCluster(FromText<Proto>("name: 'c' " + bad.input), {}, errors);
    ExpectErrors(bad, errors);
  }
}

TEST(CompileLoadBalancing, EndpointsKnowTheirPriorityAndLocality) {
  base::FieldErrors errors;
  const auto assignment =
      CompileAssignment(FromText<envoy::config::endpoint::v3::ClusterLoadAssignment>(R"(
        cluster_name: "c"
        endpoints { lb_endpoints { endpoint { address { socket_address {
          address: "1.2.3.4" port_value: 1 } } } } }
        endpoints { priority: 2 load_balancing_weight { value: 7 }
          lb_endpoints { endpoint { address { socket_address {
          address: "1.2.3.5" port_value: 1 } } } } }
        policy { overprovisioning_factor { value: 150 } })"),
                        {}, errors);
  ASSERT_EQ(errors.Text(), "");
  ASSERT_EQ(assignment->endpoints.size(), 2U);
  EXPECT_EQ(assignment->endpoints[0].priority, 0U);
  EXPECT_EQ(assignment->endpoints[1].priority, 2U);
  EXPECT_EQ(assignment->endpoints[1].locality, 1U);
  EXPECT_EQ(assignment->endpoints[1].locality_weight, 7U);
  EXPECT_EQ(assignment->overprovisioning_percent, 150U);
}

}  // namespace
}  // namespace sluice::config
