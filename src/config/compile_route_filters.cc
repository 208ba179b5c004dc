#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_route.h"
#include "config/extensions.h"
#include "config/proto_values.h"
#include "config/type_registry.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/map.h"

namespace sluice::config {
namespace {

using google::protobuf::Any;
using Scope = base::FieldErrors::Scope;

constexpr std::string_view kWrapper = "envoy.config.route.v3.FilterConfig";

std::optional<PerFilterConfig> CompileOne(const std::string& filter, const Any& any, bool optional,
                                          const CompileOptions& options,
                                          base::FieldErrors& errors) {
  const Extension* extension = FindExtension(ExtensionCategory::kPerRoute, any);
  if (extension == nullptr) {
    if (!optional) AddUnknownExtension(ExtensionCategory::kPerRoute, filter, any, errors);
    return std::nullopt;
  }
  return std::get<CompilePerRoute>(extension->compile)(any, options, errors);
}

}  // namespace

std::vector<NamedPerFilterConfig> CompilePerFilter(
    const google::protobuf::Map<std::string, Any>& proto, const CompileOptions& options,
    base::FieldErrors& errors) {
  // A map comes in any order; errors and values are to come in one.
  std::vector<std::pair<std::string_view, const Any*>> entries;
  entries.reserve(proto.size());
  for (const auto& [filter, any] : proto) entries.emplace_back(filter, &any);
  std::sort(entries.begin(), entries.end());

  std::vector<NamedPerFilterConfig> configs;
  for (const auto& [filter, any] : entries) {
    const Scope scope(errors,
                      base::Cat("typed_per_filter_config[\"", base::Printable(filter), "\"]"));
    const std::string name(filter);
    std::optional<PerFilterConfig> config;
    if (TypeNameOf(any->type_url()) == kWrapper) {
      envoy::config::route::v3::FilterConfig wrapper;
      if (!UnpackAny(*any, options, wrapper, errors)) continue;
      if (wrapper.disabled()) {
        configs.push_back({name, FilterSwitch{.disabled = true}});
        continue;
      }
      const Scope inner(errors, "config");
      if (wrapper.has_config() && wrapper.config().type_url().empty()) {
        configs.push_back({name, FilterSwitch{}});
        continue;
      }
      if (!wrapper.has_config()) {
        errors.Add("is required");
        continue;
      }
      config = CompileOne(name, wrapper.config(), wrapper.is_optional(), options, errors);
    } else {
      config = CompileOne(name, *any, false, options, errors);
    }
    if (config.has_value()) configs.push_back({name, *std::move(config)});
  }
  return configs;
}

}  // namespace sluice::config
