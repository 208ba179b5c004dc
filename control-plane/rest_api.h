#pragma once
// The JSON API: the configuration and its parts, what each proxy has of it, health and metrics.
//
// The control plane's loop only; api_server hands requests over from the web server's thread. A
// change is durable before it is answered (store.h). Every answer about the configuration carries
// its ETag; every change takes If-Match.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ads_server.h"
#include "apps.h"
#include "base/clock.h"
#include "store.h"
#include "web/message.h"

namespace sluice::control {

// What the API shows of the gRPC side.
struct RestApiSources {
  std::function<std::vector<ProxyStatus>()> proxies;
  std::function<AdsCounters()> counters;
  std::function<std::shared_ptr<const Snapshot>()> snapshot = nullptr;  // For xDS over REST.
};

// Of --config, for /readyz?verbose and GET /v1/config.
struct FileStatus {
  std::string path;   // "": none was given.
  std::string error;  // Why the file of now is not in use; "" when it is, or was.
  std::uint64_t loads = 0, refusals = 0;
};

class RestApi {
 public:
  RestApi(Store& store, RestApiSources sources) : store_(store), sources_(std::move(sources)) {}

  web::WebResponse Handle(const web::WebRequest& request);
  FileStatus& file() { return file_; }

 private:
  using Segments = std::vector<std::string>;

  web::WebResponse Dispatch(const web::WebRequest& request, const Segments& segments);
  web::WebResponse Config(const web::WebRequest& request);
  web::WebResponse PutConfig(const web::WebRequest& request);
  web::WebResponse ListApps(const web::WebRequest& request);
  web::WebResponse App(const web::WebRequest& request, const std::string& name);
  web::WebResponse ListHosts(const web::WebRequest& request);
  web::WebResponse Host(const web::WebRequest& request, const std::string& name);
  web::WebResponse PutHost(const web::WebRequest& request, const std::string& name);
  web::WebResponse Routes(const web::WebRequest& request, const std::string& host);
  web::WebResponse AddRoute(const web::WebRequest& request, const std::string& host);
  web::WebResponse Route(const web::WebRequest& request, const std::string& host,
                         const std::string& id);
  web::WebResponse PutRoute(const web::WebRequest& request, const std::string& host,
                            const std::string& id);
  web::WebResponse Proxies(const web::WebRequest& request) const;
  web::WebResponse Ready(const web::WebRequest& request) const;
  web::WebResponse Metrics() const;
  web::WebResponse Discovery(const web::WebRequest& request, Type type) const;

  absl::Status Edit(const web::WebRequest& request,
                    const std::function<absl::Status(AppsConfig&)>& edit);
  // The answer to a change that failed, with every error of the new configuration.
  web::WebResponse Refused(const web::WebRequest& request, const absl::Status& status) const;
  web::WebResponse Json(unsigned status, std::string body) const;
  web::WebResponse Gone() const;

  Store& store_;
  RestApiSources sources_;
  FileStatus file_;
  std::uint64_t changes_ = 0, refusals_ = 0;
};

// "2026-01-31T12:00:00.000Z".
std::string IsoTime(base::WallTime time);

}  // namespace sluice::control
