#include "api_server.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "rest_api_answers.h"

namespace sluice::control {
namespace {

// Longer than a change of a large configuration takes, shorter than a caller's patience.
constexpr std::chrono::seconds kAnswerPatience{30};
constexpr std::size_t kConfigBytesMax = 16 * 1024 * 1024;

struct Call {
  web::WebRequest request;
  web::WebResponse response;
  bool done = false;
};

}  // namespace

// The web server's thread waits here for the loop's.
struct ApiServer::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool closing = false;
};

ApiServer::ApiServer(ApiServerOptions options, net::Loop& loop, RestApi& api)
    : shared_(std::make_shared<Shared>()) {
  web::WebServerOptions web;
  web.address = options.address;
  web.token = options.token;
  web.insecure = options.insecure;
  web.open_paths = {"/healthz", "/readyz"};
  web.body_limits = {{"PUT", "/v1/config", kConfigBytesMax}};
  server_ = std::make_unique<web::WebServer>(
      std::move(web),
      [&loop, &api, shared = shared_](const web::WebRequest& request) -> web::WebResponse {
        auto call = std::make_shared<Call>();
        call->request = request;
        loop.Post([call, shared, &api] {
          {
            const std::lock_guard lock(shared->mutex);
            if (shared->closing) return;  // `api` may be gone.
          }
          web::WebResponse response = api.Handle(call->request);
          const std::lock_guard lock(shared->mutex);
          call->response = std::move(response);
          call->done = true;
          shared->changed.notify_all();
        });
        std::unique_lock lock(shared->mutex);
        shared->changed.wait_for(lock, kAnswerPatience,
                                 [&] { return call->done || shared->closing; });
        if (call->done) return std::move(call->response);
        return ErrorAnswer(503, shared->closing ? "shutting down" : "too busy to answer in time");
      });
}

ApiServer::~ApiServer() { Stop(); }

void ApiServer::Stop() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    shared_->changed.notify_all();
  }
  server_->Stop();
}

}  // namespace sluice::control
