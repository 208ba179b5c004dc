// /events: what happened to the configuration lately.
#include "base/strings.h"
#include "server/admin_handlers.h"

namespace sluice::server {

web::WebResponse HandleEvents(AdminSources& sources, const web::WebRequest& request) {
  const std::string_view after = request.Query("after").value_or("0");
  const std::optional<std::uint64_t> number = base::ParseUint(after);
  if (!number) {
    return AdminText("after is no number; write the `last` of an earlier answer\n", 400);
  }
  return AdminJson(sources.events.Json(request.Query("kind").value_or(""), *number));
}

}  // namespace sluice::server
