#pragma once
// The API's HTTP port: takes requests on the web server's thread and has the loop answer them.
//
// Made, stopped and destroyed on the loop's thread, outside of its turns or inside.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "net/loop.h"
#include "rest_api.h"
#include "web/server.h"

namespace sluice::control {

struct ApiServerOptions {
  base::Address address;
  std::string token;
  bool insecure = false;
};

class ApiServer {
 public:
  // `loop` and `api` outlive the server.
  ApiServer(ApiServerOptions options, net::Loop& loop, RestApi& api);
  ~ApiServer();  // Stops.
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  absl::StatusOr<base::Address> Start() { return server_->Start(); }
  // Requests that wait for the loop are answered 503. Idempotent.
  void Stop();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<web::WebServer> server_;
};

}  // namespace sluice::control
