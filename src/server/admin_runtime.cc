// /runtime and POST /runtime_modify. envoy-behaviour.md 5.7.
#include "server/admin_handlers.h"

namespace sluice::server {
namespace {

constexpr std::string_view kUsage =
    "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
    "use an empty value to remove a previously added override\n";
// What one admin may pile up: the layer is copied for every change.
constexpr std::size_t kTextBytesMax = 4096;

}  // namespace

web::WebResponse HandleRuntime(AdminSources& sources, const web::WebRequest&) {
  const std::shared_ptr<const XdsView> xds = sources.xds();
  const RuntimeView& view = xds->runtime;
  std::string out;
  JsonWriter json(&out);
  json.OpenObject();
  json.OpenList("layers");
  for (const std::string& name : view.layers) json.Text(name);
  json.Close();
  json.OpenObject("entries");
  if (view.merged != nullptr) {
    for (const auto& [key, value] : view.merged->values()) {
      json.OpenObject(key);
      json.Member("final_value", value.text);
      json.OpenList("layer_values");
      for (const auto& layer : view.values) {
        const auto it =
            layer == nullptr ? config::Runtime::Values::const_iterator() : layer->find(key);
        json.Text(layer == nullptr || it == layer->end() ? std::string_view() : it->second.text);
      }
      json.Close();
      json.Close();
    }
  }
  json.Close();
  json.Close();
  return AdminJson(std::move(out));
}

web::WebResponse HandleRuntimeModify(AdminSources& sources, const web::WebRequest& request) {
  if (request.query.empty()) return AdminText(std::string(kUsage), 400);
  for (const auto& [key, value] : request.query) {
    if (key.empty() || key.size() > kTextBytesMax || value.size() > kTextBytesMax) {
      return AdminText(
          base::Cat("a key is empty, or a text has more than ", kTextBytesMax, " bytes\n", kUsage),
          400);
    }
  }
  for (const config::RuntimeLayerConfig& layer : sources.bootstrap.runtime_layers) {
    if (layer.kind != config::RuntimeLayerConfig::Kind::kAdmin) continue;
    sources.modify_runtime(request.query);
    return AdminText("OK\n");
  }
  return AdminText("No admin layer specified\n", 503);
}

}  // namespace sluice::server
