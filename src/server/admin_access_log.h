#pragma once
// The admin port's own access log (bootstrap admin.access_log): one record per request that a
// command answered. Requests that the access rules refuse before are not in it.
//
// Admin thread.

#include "observe/access_log.h"
#include "server/admin.h"
#include "web/message.h"

namespace sluice::server {

class AdminAccessLog {
 public:
  // The sources must outlive it.
  explicit AdminAccessLog(AdminSources& sources);

  // `handler` and a record of it. A streamed answer is logged when it is over: the log must outlive
  // the response.
  web::WebResponse Logged(const web::WebRequest& request,
                          web::WebResponse (*handler)(AdminSources&, const web::WebRequest&));

 private:
  struct Record;

  AdminSources& sources_;
  observe::AccessLogger logger_;
};

}  // namespace sluice::server
