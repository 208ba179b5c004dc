#include "config/compile_route.h"

#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_config_source.h"
#include "config/compile_headers.h"
#include "config/compile_retry.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "config/proto_values.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/route_components.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoHost = envoy::config::route::v3::VirtualHost;
using ProtoTable = envoy::config::route::v3::RouteConfiguration;

constexpr std::size_t kDomainBytesMax = 512;

// In lower case; what is wrong with it is reported at the current scope.
std::string CompileDomain(const std::string& domain, base::FieldErrors& errors) {
  const bool printable = std::all_of(domain.begin(), domain.end(),
                                     [](char c) { return c > ' ' && c < '\x7f' && c != '/'; });
  if (domain.empty()) {
    errors.Add("is empty; write a host name, *.suffix, prefix.* or *");
  } else if (domain.size() > kDomainBytesMax) {
    errors.Add(
        base::Cat("has ", domain.size(), " bytes; at most ", kDomainBytesMax, " are allowed"));
  } else if (!printable) {
    errors.Add(base::Cat("'", base::Printable(domain), "' is no host name"));
  } else {
    const auto stars = std::count(domain.begin(), domain.end(), '*');
    if (stars > 1 || (stars == 1 && !domain.starts_with('*') && !domain.ends_with('*'))) {
      errors.Add(
          base::Cat("'", base::Printable(domain), "': one * may stand first or last, no other"));
    }
  }
  return base::Lowercase(domain);
}

VirtualHost::RequireTls CompileRequireTls(const ProtoHost& proto) {
  switch (proto.require_tls()) {
    case ProtoHost::EXTERNAL_ONLY:
      return VirtualHost::RequireTls::kExternalOnly;
    case ProtoHost::ALL:
      return VirtualHost::RequireTls::kAll;
    default:
      return VirtualHost::RequireTls::kNone;  // Other numbers were reported before.
  }
}

}  // namespace

std::shared_ptr<const VirtualHost> CompileVirtualHost(const ProtoHost& proto,
                                                      const RouteTableLimits& limits,
                                                      const CompileOptions& options,
                                                      base::FieldErrors& errors) {
  auto host = std::make_shared<VirtualHost>();
  host->name = proto.name();
  if (proto.name().empty()) errors.AddAt("name", "is required");
  if (proto.domains().empty()) {
    errors.AddAt("domains", "is empty; write the host names served here, or \"*\"");
  }
  host->domains.reserve(static_cast<std::size_t>(proto.domains_size()));
  for (int i = 0; i < proto.domains_size(); ++i) {
    const Scope scope(errors, "domains", static_cast<std::size_t>(i));
    host->domains.push_back(CompileDomain(proto.domains(i), errors));
  }
  host->require_tls = CompileRequireTls(proto);
  host->mutations = CompileMutationsBothWays(proto, errors);
  host->per_filter = CompilePerFilter(proto.typed_per_filter_config(), options, errors);
  const TryPolicy tries = CompileHostTries(proto, limits.mirrors, options, errors);
  const SharedTryPolicy shared_tries(tries);
  host->routes.reserve(static_cast<std::size_t>(proto.routes_size()));
  for (int i = 0; i < proto.routes_size(); ++i) {
    const Scope scope(errors, "routes", static_cast<std::size_t>(i));
    Route& route =
        host->routes.emplace_back(CompileRoute(proto.routes(i), limits, options, errors));
    if (auto* forward = std::get_if<ForwardAction>(&route.action); forward != nullptr) {
      forward->tries = CompileTries(proto.routes(i), tries, shared_tries, options, errors);
    }
  }
  IndexRoutes(*host);
  return host;
}

RouteTableFrame CompileRouteTableFrame(const ProtoTable& proto, const CompileOptions& options,
                                       base::FieldErrors& errors) {
  RouteTableFrame frame;
  RouteTable& table = frame.table;
  table.name = proto.name();
  table.mutations = CompileMutationsBothWays(proto, errors);
  for (int i = 0; i < proto.internal_only_headers_size(); ++i) {
    const std::string& name = proto.internal_only_headers(i);
    if (!IsHeaderName(name) || name.starts_with(':')) {
      const Scope scope(errors, "internal_only_headers", static_cast<std::size_t>(i));
      errors.Add(base::Cat("'", base::Printable(name), "' is no header name"));
    }
    table.internal_only_headers.push_back(base::Lowercase(name));
  }
  table.most_specific_mutations_win = proto.most_specific_header_mutations_wins();
  table.ignore_port_in_host = proto.ignore_port_in_host_matching();
  table.ignore_path_parameters = proto.ignore_path_parameters_in_path_matching();
  table.host_header = base::Lowercase(proto.vhost_header());
  if (!table.host_header.empty() &&
      (!IsHeaderName(table.host_header) || table.host_header.starts_with(':'))) {
    errors.AddAt("vhost_header", base::Cat("'", base::Printable(proto.vhost_header()),
                                           "' is no header name; leave it out for the authority"));
  }
  table.validate_clusters =
      proto.has_validate_clusters() ? proto.validate_clusters().value() : options.is_static;
  table.vhds = proto.has_vhds();
  if (table.vhds) {
    const Scope scope(errors, "vhds");
    const Scope source(errors, "config_source");
    ConfigSource from = CompileConfigSource(proto.vhds().config_source(), options, errors);
    const auto* api = std::get_if<ApiSource>(&from.from);
    if (std::holds_alternative<PathSource>(from.from) || (api != nullptr && !api->delta)) {
      errors.Add("virtual hosts come in delta form only; use ads, or api_type DELTA_GRPC");
    }
    table.vhds_fetch_timeout_ms = from.fetch_timeout_ms;
    table.vhds_source = ConfigSourceRef(std::move(from));
  }
  table.per_filter = CompilePerFilter(proto.typed_per_filter_config(), options, errors);
  if (proto.has_max_direct_response_body_size_bytes()) {
    frame.limits.direct_body_bytes_max = proto.max_direct_response_body_size_bytes().value();
  }
  frame.limits.mirrors = CompileTableMirrors(proto, errors);
  return frame;
}

std::shared_ptr<const VirtualHost> CompileDiscoveredHost(const ProtoHost& proto,
                                                         const CompileOptions& options,
                                                         base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  return CompileVirtualHost(proto, {}, options, errors);
}

std::shared_ptr<const RouteTable> CompileRouteTable(const ProtoTable& proto,
                                                    const CompileOptions& options,
                                                    base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  CheckMessage(proto, options, errors);
  RouteTableFrame frame = CompileRouteTableFrame(proto, options, errors);
  auto table = std::make_shared<RouteTable>(std::move(frame.table));
  table->virtual_hosts.reserve(static_cast<std::size_t>(proto.virtual_hosts_size()));
  for (int i = 0; i < proto.virtual_hosts_size(); ++i) {
    const Scope scope(errors, "virtual_hosts", static_cast<std::size_t>(i));
    table->virtual_hosts.push_back(
        CompileVirtualHost(proto.virtual_hosts(i), frame.limits, options, errors));
  }
  IndexDomains(*table, errors);
  if (errors.size() != before) return nullptr;
  return table;
}

}  // namespace sluice::config
