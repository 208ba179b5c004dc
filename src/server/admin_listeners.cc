// /listeners: what is bound, with real ports. envoy-behaviour.md 5.6.
#include "base/strings.h"
#include "server/admin_handlers.h"
#include "server/json_writer.h"

namespace sluice::server {

void WriteAddressJson(const base::Address& address, JsonWriter& json) {
  json.OpenObject();
  if (address.is_ip()) {
    json.OpenObject("socket_address");
    json.Member("address", address.IpText());
    json.Member("port_value", address.port());
  } else {
    json.OpenObject("pipe");
    json.Member("path", address.ToString());
  }
  json.Close();
  json.Close();
}

std::optional<bool> WantsJson(const web::WebRequest& request) {
  const std::string_view format = request.Query("format").value_or("text");
  if (format == "json") return true;
  if (format == "text" || format.empty()) return false;
  return std::nullopt;
}

web::WebResponse HandleListeners(AdminSources& sources, const web::WebRequest& request) {
  const std::optional<bool> wants_json = WantsJson(request);
  if (!wants_json) return AdminText("usage: /listeners?format=(text|json)\n\n", 400);
  const std::shared_ptr<const ListenersView> view = sources.listeners();
  std::string out;
  if (!*wants_json) {
    for (const ListenerView& listener : *view) {
      for (const base::Address& address : listener.addresses) {
        base::Append(out, base::Printable(listener.name), "::", address.ToString(), "\n");
      }
    }
    return AdminText(std::move(out));
  }
  JsonWriter json(&out);
  json.OpenObject();
  if (!view->empty()) {
    json.OpenList("listener_statuses");
    for (const ListenerView& listener : *view) {
      json.OpenObject();
      json.Member("name", listener.name);
      if (!listener.addresses.empty()) {
        json.Key("local_address");
        WriteAddressJson(listener.addresses[0], json);
      }
      if (listener.addresses.size() > 1) {
        json.OpenList("additional_local_addresses");
        for (std::size_t i = 1; i < listener.addresses.size(); ++i) {
          WriteAddressJson(listener.addresses[i], json);
        }
        json.Close();
      }
      json.Close();
    }
    json.Close();
  }
  json.Close();
  return AdminJson(std::move(out));
}

}  // namespace sluice::server
