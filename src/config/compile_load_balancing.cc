#include "config/compile_load_balancing.h"

#include <cmath>
#include <string>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/cluster.h"
#include "config/compile.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.pb.h"

namespace sluice::config {
namespace {

namespace clusterv3 = envoy::config::cluster::v3;
namespace policies = envoy::extensions::load_balancing_policies;
using Proto = clusterv3::Cluster;
using Policy = LoadBalancing::Policy;

constexpr std::uint64_t kRingMost = 8'388'608;
constexpr std::uint64_t kTableMost = 5'000'011;
constexpr std::string_view kWrrLocality =
    "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality";

void CompileChoices(std::uint32_t count, LoadBalancing& out, base::FieldErrors& errors) {
  // More draws cost time on every request and find nothing better.
  constexpr std::uint32_t kMost = 64;
  if (count < 2 || count > kMost) {
    errors.AddAt("choice_count", base::Cat(count, " is out of range; write 2 to ", kMost));
  }
  out.choices = count;
}

void CompileBias(double bias, LoadBalancing& out, base::FieldErrors& errors) {
  if (!(bias >= 0 && std::isfinite(bias))) {
    errors.AddAt("active_request_bias", "no number from 0 on; write 1.0");
  }
  out.active_request_bias = bias;
}

void CheckRing(LoadBalancing& out, base::FieldErrors& errors) {
  const auto check = [&errors](std::uint64_t size, std::string_view field) {
    if (size >= 1 && size <= kRingMost) return;
    errors.AddAt(field, base::Cat(size, " is out of range; write 1 to ", kRingMost));
  };
  check(out.ring_min, "minimum_ring_size");
  check(out.ring_max, "maximum_ring_size");
  if (out.ring_min > out.ring_max) {
    errors.AddAt("minimum_ring_size", base::Cat("ring hash: minimum_ring_size (", out.ring_min,
                                                ") > maximum_ring_size (", out.ring_max,
                                                "); write the smaller as minimum_ring_size"));
  }
}

bool IsPrime(std::uint64_t number) {
  if (number < 2) return false;
  for (std::uint64_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return true;
}

void CompileTableSize(std::uint64_t size, LoadBalancing& out, base::FieldErrors& errors) {
  if (size > kTableMost) {
    errors.AddAt("table_size", base::Cat(size, " is out of range; write at most ", kTableMost));
  } else if (!IsPrime(size)) {
    errors.AddAt("table_size", "The table size of maglev must be prime number; write 65537");
  }
  out.table_size = size;
}

// `locality` is a LocalityLbConfig that is set.
template <typename Message>
void CompileLocality(const Message& proto, LoadBalancing& out, base::FieldErrors& errors) {
  if (!proto.has_locality_lb_config()) return;
  using Config = policies::common::v3::LocalityLbConfig;
  if (proto.locality_lb_config().locality_config_specifier_case() ==
      Config::LOCALITY_CONFIG_SPECIFIER_NOT_SET) {
    errors.AddAt("locality_lb_config", "empty; write locality_weighted_lb_config: {}");
  }
  out.locality_weighted = proto.locality_lb_config().has_locality_weighted_lb_config();
}

// The list of policies: the first that is known counts. `inside`: of WrrLocality.
void CompilePolicies(const clusterv3::LoadBalancingPolicy& proto, bool inside,
                     const CompileOptions& options, Cluster& out, base::FieldErrors& errors) {
  constexpr auto kCategory = ExtensionCategory::kLoadBalancer;
  if (proto.policies_size() == 0) {
    errors.AddAt("policies", "empty; write one with a typed_extension_config");
    return;
  }
  for (int i = 0; i < proto.policies_size(); ++i) {
    const auto& config = proto.policies(i).typed_extension_config();
    const Extension* extension = FindExtension(kCategory, config.typed_config());
    if (extension == nullptr) continue;
    const base::FieldErrors::Scope scope(errors, "policies", static_cast<std::size_t>(i));
    const base::FieldErrors::Scope config_scope(errors, "typed_extension_config");
    const base::FieldErrors::Scope any_scope(errors, "typed_config");
    if (inside && extension->type == kWrrLocality) {
      errors.Add("WrrLocality inside WrrLocality; use RoundRobin");
      return;
    }
    std::get<CompileIntoCluster>(extension->compile)(config.typed_config(), options, out, errors);
    return;
  }
  const base::FieldErrors::Scope scope(errors, "policies", 0);
  const auto& first = proto.policies(0).typed_extension_config();
  AddUnknownExtension(kCategory, first.name(), first.typed_config(), errors);
}

void RefuseOptions(const Proto& proto, Proto::LbConfigCase wanted, base::FieldErrors& errors) {
  const auto refuse = [&](Proto::LbConfigCase which, std::string_view field) {
    if (proto.lb_config_case() != which || which == wanted) return;
    errors.AddAt(field,
                 base::Cat("of another balancer than ", Proto::LbPolicy_Name(proto.lb_policy()),
                           "; leave it out or change lb_policy"));
  };
  refuse(Proto::kRingHashLbConfig, "ring_hash_lb_config");
  refuse(Proto::kMaglevLbConfig, "maglev_lb_config");
  refuse(Proto::kLeastRequestLbConfig, "least_request_lb_config");
  refuse(Proto::kRoundRobinLbConfig, "round_robin_lb_config");
}

void CompileOptionsOf(const Proto& proto, LoadBalancing& out, base::FieldErrors& errors) {
  switch (proto.lb_config_case()) {
    case Proto::kLeastRequestLbConfig: {
      const base::FieldErrors::Scope scope(errors, "least_request_lb_config");
      const auto& config = proto.least_request_lb_config();
      if (config.has_choice_count()) CompileChoices(config.choice_count().value(), out, errors);
      if (config.has_active_request_bias()) {
        CompileBias(config.active_request_bias().default_value(), out, errors);
      }
      return;
    }
    case Proto::kRingHashLbConfig: {
      const base::FieldErrors::Scope scope(errors, "ring_hash_lb_config");
      const auto& config = proto.ring_hash_lb_config();
      if (config.has_minimum_ring_size()) out.ring_min = config.minimum_ring_size().value();
      if (config.has_maximum_ring_size()) out.ring_max = config.maximum_ring_size().value();
      if (config.hash_function() == Proto::RingHashLbConfig::MURMUR_HASH_2) {
        out.hash = LoadBalancing::Hash::kMurmur2;
      }
      CheckRing(out, errors);
      return;
    }
    case Proto::kMaglevLbConfig: {
      const base::FieldErrors::Scope scope(errors, "maglev_lb_config");
      if (proto.maglev_lb_config().has_table_size()) {
        CompileTableSize(proto.maglev_lb_config().table_size().value(), out, errors);
      }
      return;
    }
    default:
      return;
  }
}

// lb_policy with its lb_config. REQUIRES: no load_balancing_policy.
void CompileLbPolicy(const Proto& proto, LoadBalancing& out, base::FieldErrors& errors) {
  Proto::LbConfigCase wanted = Proto::LB_CONFIG_NOT_SET;
  switch (proto.lb_policy()) {
    case Proto::ROUND_ROBIN:
      out.policy = Policy::kRoundRobin;
      wanted = Proto::kRoundRobinLbConfig;
      break;
    case Proto::LEAST_REQUEST:
      out.policy = Policy::kLeastRequest;
      wanted = Proto::kLeastRequestLbConfig;
      break;
    case Proto::RING_HASH:
      out.policy = Policy::kRingHash;
      wanted = Proto::kRingHashLbConfig;
      break;
    case Proto::RANDOM:
      out.policy = Policy::kRandom;
      break;
    case Proto::MAGLEV:
      out.policy = Policy::kMaglev;
      wanted = Proto::kMaglevLbConfig;
      break;
    case Proto::CLUSTER_PROVIDED:
      errors.AddAt("lb_policy",
                   "CLUSTER_PROVIDED is not supported; use ROUND_ROBIN, LEAST_REQUEST, RING_HASH, "
                   "RANDOM or MAGLEV");
      return;
    case Proto::LOAD_BALANCING_POLICY_CONFIG:
      errors.AddAt("load_balancing_policy", "needed for LOAD_BALANCING_POLICY_CONFIG; add it");
      return;
    default:
      return;  // Refused by the field policy.
  }
  RefuseOptions(proto, wanted, errors);
  CompileOptionsOf(proto, out, errors);
}

}  // namespace

void CompileLoadBalancing(const Proto& proto, const CompileOptions& options, Cluster& out,
                          base::FieldErrors& errors) {
  LoadBalancing& balancing = out.balancing;
  const auto& common = proto.common_lb_config();
  if (proto.has_load_balancing_policy()) {
    constexpr std::string_view kElsewhere = "not beside load_balancing_policy; write it there";
    if (common.has_locality_weighted_lb_config()) {
      errors.AddAt("common_lb_config.locality_weighted_lb_config", kElsewhere);
    }
    if (common.has_consistent_hashing_lb_config()) {
      errors.AddAt("common_lb_config.consistent_hashing_lb_config", kElsewhere);
    }
    const base::FieldErrors::Scope scope(errors, "load_balancing_policy");
    CompilePolicies(proto.load_balancing_policy(), false, options, out, errors);
  } else {
    balancing.locality_weighted = common.has_locality_weighted_lb_config();
    balancing.hash_hostname = common.consistent_hashing_lb_config().use_hostname_for_hashing();
    CompileLbPolicy(proto, balancing, errors);
  }
  if (!common.has_healthy_panic_threshold()) return;
  const double percent = common.healthy_panic_threshold().value();
  if (!(percent >= 0 && percent <= 100)) {
    errors.AddAt("common_lb_config.healthy_panic_threshold", "no percentage; write 0 to 100");
    return;
  }
  out.panic_threshold_percent = static_cast<std::uint32_t>(percent);
}

void CompileRoundRobin(const google::protobuf::Any& any, const CompileOptions& options,
                       Cluster& out, base::FieldErrors& errors) {
  policies::round_robin::v3::RoundRobin proto;
  if (!ParseAny(any, options, proto, errors)) return;
  out.balancing.policy = Policy::kRoundRobin;
  CompileLocality(proto, out.balancing, errors);
}

void CompileRandom(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                   base::FieldErrors& errors) {
  policies::random::v3::Random proto;
  if (!ParseAny(any, options, proto, errors)) return;
  out.balancing.policy = Policy::kRandom;
  CompileLocality(proto, out.balancing, errors);
}

void CompileLeastRequest(const google::protobuf::Any& any, const CompileOptions& options,
                         Cluster& out, base::FieldErrors& errors) {
  policies::least_request::v3::LeastRequest proto;
  if (!ParseAny(any, options, proto, errors)) return;
  LoadBalancing& balancing = out.balancing;
  balancing.policy = Policy::kLeastRequest;
  if (proto.has_choice_count()) CompileChoices(proto.choice_count().value(), balancing, errors);
  if (proto.has_active_request_bias()) {
    CompileBias(proto.active_request_bias().default_value(), balancing, errors);
  }
  balancing.full_scan =
      proto.selection_method() == policies::least_request::v3::LeastRequest::FULL_SCAN;
  CompileLocality(proto, balancing, errors);
}

void CompileRingHash(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                     base::FieldErrors& errors) {
  policies::ring_hash::v3::RingHash proto;
  if (!ParseAny(any, options, proto, errors)) return;
  LoadBalancing& balancing = out.balancing;
  balancing.policy = Policy::kRingHash;
  if (proto.has_minimum_ring_size()) balancing.ring_min = proto.minimum_ring_size().value();
  if (proto.has_maximum_ring_size()) balancing.ring_max = proto.maximum_ring_size().value();
  if (proto.hash_function() == policies::ring_hash::v3::RingHash::MURMUR_HASH_2) {
    balancing.hash = LoadBalancing::Hash::kMurmur2;
  }
  balancing.hash_hostname = proto.use_hostname_for_hashing() ||
                            proto.consistent_hashing_lb_config().use_hostname_for_hashing();
  balancing.locality_weighted = proto.has_locality_weighted_lb_config();
  CheckRing(balancing, errors);
}

void CompileMaglev(const google::protobuf::Any& any, const CompileOptions& options, Cluster& out,
                   base::FieldErrors& errors) {
  policies::maglev::v3::Maglev proto;
  if (!ParseAny(any, options, proto, errors)) return;
  LoadBalancing& balancing = out.balancing;
  balancing.policy = Policy::kMaglev;
  if (proto.has_table_size()) CompileTableSize(proto.table_size().value(), balancing, errors);
  balancing.hash_hostname = proto.consistent_hashing_lb_config().use_hostname_for_hashing();
  balancing.locality_weighted = proto.has_locality_weighted_lb_config();
}

void CompileWrrLocality(const google::protobuf::Any& any, const CompileOptions& options,
                        Cluster& out, base::FieldErrors& errors) {
  policies::wrr_locality::v3::WrrLocality proto;
  if (!ParseAny(any, options, proto, errors)) return;
  if (!proto.has_endpoint_picking_policy()) {
    errors.AddAt("endpoint_picking_policy", "needed; write a policy for inside a locality");
    return;
  }
  const base::FieldErrors::Scope scope(errors, "endpoint_picking_policy");
  CompilePolicies(proto.endpoint_picking_policy(), true, options, out, errors);
  out.balancing.locality_weighted = true;
}

}  // namespace sluice::config
