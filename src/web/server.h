#pragma once
// A small HTTP/1.1 server for admin, API and metrics: trusted users, hostile networks and browsers.
//
// Runs on one thread of its own; the handler runs there too, one request at a time, so it may not
// block for long. Start and Stop belong to the owner's thread.
//
// What it refuses before the handler sees it (403 unless said otherwise):
//   - a Host that is no loopback name, no configured name and not the address reached (a name that
//     an attacker points here makes his page our origin);
//   - any foreign Origin;
//   - POST, PUT, PATCH and DELETE that a page elsewhere can send without asking: a body with a
//     content type of forms, or a Sec-Fetch-Site other than same-origin or none;
//   - 401 without the token, where one is set;
//   - heads, bodies and connections beyond the limits (431, 413, 503); who takes too long is
//   closed.

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "absl/status/statusor.h"
#include "base/address.h"
#include "web/message.h"

namespace sluice::web {

struct WebBodyLimit {
  std::string method;
  std::string path_prefix;
  std::size_t bytes_max = 0;
};

struct WebServerOptions {
  base::Address address;                // TCP (port 0: any) or a Unix socket.
  std::vector<std::string> host_names;  // Names a Host may carry besides loopback's. Any case.
  std::string token;                    // Bearer; "": none asked for.
  std::vector<std::string> open_paths;  // Exact paths that need no token (health checks).
  bool insecure = false;                // Off loopback without a token all the same.
  std::size_t head_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 1024 * 1024;
  std::vector<WebBodyLimit> body_limits;         // The first that matches beats body_bytes_max.
  std::chrono::milliseconds io_timeout{10'000};  // Head, body, and each write.
  std::chrono::milliseconds idle_timeout{60'000};
  std::size_t connections_max = 256;
};

class WebServer {
 public:
  using Handler = absl::AnyInvocable<WebResponse(const WebRequest&)>;

  WebServer(WebServerOptions options, Handler handler);
  ~WebServer();  // Stops.
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // Binds and starts the thread; the address with its real port. Refuses an address off loopback
  // that has neither token nor `insecure`.
  absl::StatusOr<base::Address> Start();
  // Closes every connection, ends the thread. Idempotent.
  void Stop();

 private:
  class Service;  // Keeps Beast out of headers.
  std::unique_ptr<Service> service_;
};

}  // namespace sluice::web
