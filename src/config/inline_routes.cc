#include "config/inline_routes.h"

#include "config/type_registry.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace sluice::config {
namespace {

using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

void Gather(const envoy::config::listener::v3::FilterChain& chain, std::vector<InlineRoutes>& out) {
  for (const auto& filter : chain.filters()) {
    const auto& any = filter.typed_config();
    if (TypeNameOf(any.type_url()) != HttpConnectionManager::descriptor()->full_name()) continue;
    HttpConnectionManager manager;
    if (!manager.ParseFromString(any.value()) || !manager.has_route_config()) continue;
    out.push_back({manager.route_config().name(), manager.route_config().SerializeAsString()});
  }
}

}  // namespace

std::vector<InlineRoutes> FindInlineRoutes(std::string_view listener_bytes) {
  envoy::config::listener::v3::Listener listener;
  std::vector<InlineRoutes> out;
  if (!listener.ParseFromArray(listener_bytes.data(), static_cast<int>(listener_bytes.size()))) {
    return out;
  }
  for (const auto& chain : listener.filter_chains()) Gather(chain, out);
  if (listener.has_default_filter_chain()) Gather(listener.default_filter_chain(), out);
  return out;
}

}  // namespace sluice::config
