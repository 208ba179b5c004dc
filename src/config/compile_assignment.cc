#include "config/compile_assignment.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/compile_address.h"
#include "config/proto_values.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "http/chars.h"

namespace sluice::config {
namespace {

namespace endpointv3 = envoy::config::endpoint::v3;
using envoy::config::core::v3::HealthStatus;

constexpr std::uint32_t kMillion = 1'000'000;
constexpr std::uint32_t kPriorityMost = 128;

Endpoint::Health CompileHealth(HealthStatus status) {
  switch (status) {
    case HealthStatus::HEALTHY:
      return Endpoint::Health::kHealthy;
    case HealthStatus::UNHEALTHY:
      return Endpoint::Health::kUnhealthy;
    case HealthStatus::DRAINING:
      return Endpoint::Health::kDraining;
    case HealthStatus::TIMEOUT:
      return Endpoint::Health::kTimeout;
    case HealthStatus::DEGRADED:
      return Endpoint::Health::kDegraded;
    default:
      return Endpoint::Health::kUnknown;  // Numbers beyond the enum were refused before.
  }
}

Endpoint CompileEndpoint(const endpointv3::LbEndpoint& proto, const AssignmentRules& rules,
                         base::FieldErrors& errors) {
  Endpoint out;
  out.health = CompileHealth(proto.health_status());
  if (proto.has_load_balancing_weight()) {
    out.weight = proto.load_balancing_weight().value();
    if (out.weight == 0) {
      errors.AddAt("load_balancing_weight",
                   "must be at least 1; use health_status DRAINING to take an endpoint out");
    }
  }
  if (proto.host_identifier_case() != endpointv3::LbEndpoint::kEndpoint) {
    if (proto.host_identifier_case() == endpointv3::LbEndpoint::HOST_IDENTIFIER_NOT_SET) {
      errors.AddAt("endpoint", "needed; write endpoint: {address: {socket_address: ...}}");
    }
    return out;
  }
  const base::FieldErrors::Scope scope(errors, "endpoint");
  const endpointv3::Endpoint& endpoint = proto.endpoint();
  {
    const base::FieldErrors::Scope address(errors, "address");
    CompileEndpointAddress(endpoint.address(), rules.names_allowed, out, errors);
  }
  // It becomes the authority of requests with auto_host_rewrite.
  if (endpoint.hostname().size() > 253 || !http::IsFieldValue(endpoint.hostname()) ||
      endpoint.hostname().find_first_of(" \t/@") != std::string::npos) {
    errors.AddAt("hostname", "no host name; write one, as app.example.com");
  }
  out.hostname = endpoint.hostname().empty() ? out.dns_name : endpoint.hostname();
  return out;
}

std::uint32_t CompileDrops(const endpointv3::ClusterLoadAssignment::Policy& policy,
                           base::FieldErrors& errors) {
  std::uint64_t sum = 0;
  for (int i = 0; i < policy.drop_overloads_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "drop_overloads", static_cast<std::size_t>(i));
    const auto& drop = policy.drop_overloads(i);
    if (drop.category().empty()) errors.AddAt("category", "needed; write a name for the reason");
    const auto& percentage = drop.drop_percentage();
    std::uint64_t scale = 0;
    switch (percentage.denominator()) {
      case envoy::type::v3::FractionalPercent::HUNDRED:
        scale = kMillion / 100;
        break;
      case envoy::type::v3::FractionalPercent::TEN_THOUSAND:
        scale = kMillion / 10'000;
        break;
      case envoy::type::v3::FractionalPercent::MILLION:
        scale = 1;
        break;
      default:
        continue;  // Refused before.
    }
    const std::uint64_t millionths = percentage.numerator() * scale;
    if (millionths > kMillion) {
      errors.AddAt("drop_percentage", "more than everything; write at most 100 of HUNDRED");
    }
    sum += millionths;
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, kMillion));
}

// What makes two endpoints the same: the address, or the name and port to resolve.
std::string Identity(const Endpoint& endpoint) {
  if (endpoint.address.family() != base::Address::Family::kNone) {
    return base::Cat("=", endpoint.address.ToString());
  }
  return base::Cat(endpoint.dns_name, ":", endpoint.dns_port);
}

}  // namespace

Assignment CompileAssignmentWith(const endpointv3::ClusterLoadAssignment& proto,
                                 const AssignmentRules& rules, base::FieldErrors& errors) {
  Assignment out;
  out.cluster_name = proto.cluster_name();
  absl::flat_hash_set<std::string> seen;
  std::uint64_t weight_sum = 0;
  std::size_t listed = 0;
  for (int i = 0; i < proto.endpoints_size(); ++i) {
    const base::FieldErrors::Scope scope(errors, "endpoints", static_cast<std::size_t>(i));
    const endpointv3::LocalityLbEndpoints& locality = proto.endpoints(i);
    if (locality.priority() > kPriorityMost) {
      errors.AddAt("priority",
                   base::Cat(locality.priority(), " is out of range; write 0 to ", kPriorityMost));
    }
    if (locality.has_load_balancing_weight() && locality.load_balancing_weight().value() == 0) {
      errors.AddAt("load_balancing_weight", "must be at least 1; leave it out for no traffic");
    }
    for (int j = 0; j < locality.lb_endpoints_size(); ++j) {
      const base::FieldErrors::Scope lb_scope(errors, "lb_endpoints", static_cast<std::size_t>(j));
      const std::size_t before = errors.size();
      ++listed;
      Endpoint endpoint = CompileEndpoint(locality.lb_endpoints(j), rules, errors);
      endpoint.priority = locality.priority();
      endpoint.locality = static_cast<std::uint32_t>(i);
      endpoint.locality_weight = locality.load_balancing_weight().value();
      if (errors.size() != before || !seen.insert(Identity(endpoint)).second) continue;
      weight_sum += endpoint.weight;
      out.endpoints.push_back(std::move(endpoint));
    }
  }
  if (weight_sum > std::numeric_limits<std::uint32_t>::max()) {
    errors.AddAt("endpoints",
                 "the sum of load_balancing_weight exceeds 4294967295; divide all "
                 "weights by the same number");
  }
  if (rules.single_endpoint && (proto.endpoints_size() != 1 || listed != 1)) {
    errors.AddAt("endpoints",
                 "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single "
                 "lb_endpoint; use type STRICT_DNS for several");
  }
  const base::FieldErrors::Scope scope(errors, "policy");
  out.drop_percent_millionths = CompileDrops(proto.policy(), errors);
  if (proto.policy().has_overprovisioning_factor()) {
    out.overprovisioning_percent = proto.policy().overprovisioning_factor().value();
    if (out.overprovisioning_percent == 0) {
      errors.AddAt("overprovisioning_factor", "must be at least 1; write 140");
    }
  }
  return out;
}

std::shared_ptr<const Assignment> CompileAssignment(const endpointv3::ClusterLoadAssignment& proto,
                                                    const CompileOptions& options,
                                                    base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  if (proto.cluster_name().empty()) {
    errors.AddAt("cluster_name", "needed; write the name the cluster asks for");
  }
  return std::make_shared<const Assignment>(CompileAssignmentWith(proto, {}, errors));
}

}  // namespace sluice::config
