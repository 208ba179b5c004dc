#include "config/compile_filter_discovery.h"

#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_config_source.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/config/core/v3/extension.pb.h"

namespace sluice::config {
namespace {

using FieldScope = base::FieldErrors::Scope;

const Extension* FindByType(std::string_view type) {
  for (const Extension& extension : Extensions()) {
    if (extension.category == ExtensionCategory::kHttpFilter && extension.type == type) {
      return &extension;
    }
  }
  return nullptr;
}

std::optional<HttpFilterConfig> CompileAnyFilter(const google::protobuf::Any& any,
                                                 std::string_view name,
                                                 const CompileOptions& options,
                                                 base::FieldErrors& errors) {
  const Extension* extension = FindExtension(ExtensionCategory::kHttpFilter, any);
  if (extension == nullptr) {
    AddUnknownExtension(ExtensionCategory::kHttpFilter, name, any, errors);
    return std::nullopt;
  }
  return std::get<CompileHttpFilter>(extension->compile)(any, options, errors);
}

}  // namespace

std::shared_ptr<const FilterDiscovery> CompileFilterDiscovery(
    const envoy::config::core::v3::ExtensionConfigSource& proto, const CompileOptions& options,
    base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  auto out = std::make_shared<FilterDiscovery>();
  {
    const FieldScope scope(errors, "config_source");
    ConfigSource source = CompileConfigSource(proto.config_source(), options, errors);
    out->fetch_timeout_ms = source.fetch_timeout_ms;
    out->source = ConfigSourceRef(std::move(source));
  }
  if (proto.type_urls().empty()) {
    errors.AddAt("type_urls", "is empty; write the type URLs that the configuration may have");
  }
  for (int i = 0; i < proto.type_urls_size(); ++i) {
    const FieldScope scope(errors, "type_urls", static_cast<std::size_t>(i));
    const std::string_view type = TypeNameOf(proto.type_urls(i));
    const Extension* extension = FindByType(type);
    if (extension == nullptr) {
      errors.Add(base::Cat("'", base::Printable(proto.type_urls(i)),
                           "' is no HTTP filter that is supported; leave it out"));
    } else if (extension->type == "envoy.extensions.filters.http.router.v3.Router") {
      errors.Add("the router ends every chain and cannot be discovered; use typed_config");
    }
    out->types.emplace_back(type);
  }
  if (proto.has_default_config()) {
    const FieldScope scope(errors, "default_config");
    const std::string_view type = TypeNameOf(proto.default_config().type_url());
    if (std::ranges::find(out->types, type) == out->types.end()) {
      errors.Add(base::Cat("'", base::Printable(type), "' is not in type_urls; add it there"));
    }
    auto config = CompileAnyFilter(proto.default_config(), "default_config", options, errors);
    if (config) out->default_config = std::make_shared<const HttpFilterConfig>(*std::move(config));
  }
  out->default_without_warming = proto.apply_default_config_without_warming();
  if (out->default_without_warming && !proto.has_default_config()) {
    errors.AddAt("apply_default_config_without_warming", "needs default_config; write one");
  }
  return errors.size() == before ? out : nullptr;
}

std::shared_ptr<const ExtensionConfig> CompileExtensionConfig(
    const envoy::config::core::v3::TypedExtensionConfig& proto, const CompileOptions& options,
    base::FieldErrors& errors) {
  CheckMessage(proto, options, errors);
  auto out = std::make_shared<ExtensionConfig>();
  out->name = proto.name();
  out->type = TypeNameOf(proto.typed_config().type_url());
  const FieldScope scope(errors, "typed_config");
  auto config = CompileAnyFilter(proto.typed_config(), proto.name(), options, errors);
  if (config) out->config = *std::move(config);
  return out;
}

}  // namespace sluice::config
