#include "config/compile_scoped_routes.h"

#include "absl/container/flat_hash_set.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_config_source.h"
#include "config/compile_headers.h"
#include "config/proto_values.h"
#include "envoy/config/route/v3/scoped_route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::config {
namespace {

namespace hcmv3 = envoy::extensions::filters::network::http_connection_manager::v3;
using Proto = hcmv3::ScopedRoutes;
using FieldScope = base::FieldErrors::Scope;
using Extractor = Proto::ScopeKeyBuilder::FragmentBuilder::HeaderValueExtractor;

ScopeFragment CompileExtractor(const Extractor& proto, base::FieldErrors& errors) {
  ScopeFragment out;
  out.header = base::Lowercase(proto.name());
  if (out.header != ":authority" && (!IsHeaderName(out.header) || out.header.starts_with(':'))) {
    errors.AddAt("name", "no name of a header; write one, as x-tenant, or :authority");
  }
  out.element_separator = proto.element_separator();
  out.index = proto.index();
  if (out.index != 0 && out.element_separator.empty()) {
    errors.AddAt("index", "needs element_separator: without it there is one element; write 0");
  }
  if (proto.has_element()) {
    const FieldScope scope(errors, "element");
    out.key = proto.element().key();
    out.key_separator = proto.element().separator();
    if (out.key.empty()) errors.AddAt("key", "needed; write the key of an element");
    if (out.key_separator.empty()) {
      errors.AddAt("separator", "needed; write what stands between key and value, as =");
    }
  } else if (proto.extract_type_case() == Extractor::EXTRACT_TYPE_NOT_SET) {
    errors.Add("says not what to take; write index or element");
  }
  return out;
}

}  // namespace

std::shared_ptr<const RouteScope> CompileScope(
    const envoy::config::route::v3::ScopedRouteConfiguration& proto, const CompileOptions& options,
    base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  auto out = std::make_shared<RouteScope>();
  out->name = proto.name();
  if (out->name.empty()) errors.AddAt("name", "needed; write a name for the scope");
  if (proto.key().fragments().empty()) {
    errors.AddAt("key.fragments", "is empty; write [{string_key: ...}]");
  }
  for (int i = 0; i < proto.key().fragments_size(); ++i) {
    AppendScopeKey(out->key, proto.key().fragments(i).string_key());
  }
  out->table_name = proto.route_configuration_name();
  if (out->table_name.empty() == !proto.has_route_configuration()) {
    errors.AddAt("route_configuration_name",
                 "either it or route_configuration is needed; write one of them");
  }
  if (proto.has_route_configuration()) {
    const FieldScope scope(errors, "route_configuration");
    if (proto.route_configuration().has_vhds()) {
      errors.AddAt("vhds", "not in an inline table; use route_configuration_name");
    }
    out->inline_table = CompileRouteTable(proto.route_configuration(), options, errors);
  }
  return out;
}

CompiledScopedRoutes CompileScopedRoutes(const Proto& proto, const CompileOptions& options,
                                         base::FieldErrors& errors) {
  auto out = std::make_shared<ScopedRoutes>();
  CompiledScopedRoutes compiled;
  out->name = proto.name();
  if (out->name.empty()) errors.AddAt("name", "needed; write a name for the set of scopes");
  const auto& builder = proto.scope_key_builder();
  if (builder.fragments().empty()) {
    errors.AddAt("scope_key_builder.fragments",
                 "is empty; write [{header_value_extractor: {name: x-tenant, index: 0}}]");
  }
  for (int i = 0; i < builder.fragments_size(); ++i) {
    const FieldScope scope(errors, "scope_key_builder.fragments", static_cast<std::size_t>(i));
    const FieldScope extractor(errors, "header_value_extractor");
    out->fragments.push_back(
        CompileExtractor(builder.fragments(i).header_value_extractor(), errors));
  }
  if (proto.has_rds_config_source()) {
    const FieldScope scope(errors, "rds_config_source");
    compiled.tables = CompileConfigSource(proto.rds_config_source(), options, errors);
  }
  if (proto.has_scoped_rds()) {
    const FieldScope scope(errors, "scoped_rds.scoped_rds_config_source");
    out->over_xds = true;
    ConfigSource source =
        CompileConfigSource(proto.scoped_rds().scoped_rds_config_source(), options, errors);
    out->fetch_timeout_ms = source.fetch_timeout_ms;
    out->source = ConfigSourceRef(std::move(source));
  } else if (!proto.has_scoped_route_configurations_list()) {
    errors.Add("no scopes; write scoped_route_configurations_list or scoped_rds");
  }
  absl::flat_hash_set<std::string> keys;
  const auto& list = proto.scoped_route_configurations_list();
  for (int i = 0; i < list.scoped_route_configurations_size(); ++i) {
    const FieldScope scope(errors, "scoped_route_configurations_list.scoped_route_configurations",
                           static_cast<std::size_t>(i));
    auto each = CompileScope(list.scoped_route_configurations(i), options, errors);
    if (!keys.insert(each->key).second) {
      errors.AddAt("key", base::Cat("scope key conflict found, first scope is not '",
                                    base::Printable(each->name), "'; give each its own key"));
    }
    if (!each->table_name.empty() && !proto.has_rds_config_source()) {
      errors.AddAt("route_configuration_name", "needs rds_config_source; write {ads: {}}");
    }
    out->scopes.push_back(std::move(each));
  }
  out->table = MakeScopeTable(out->scopes);
  compiled.routes = std::move(out);
  return compiled;
}

}  // namespace sluice::config
