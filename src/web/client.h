#pragma once
// A blocking HTTP/1.1 client for sluicectl and tests: one request per connection, bounded in time
// and bytes. Any thread. No TLS, no redirects, no proxies.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "web/message.h"

namespace sluice::web {

struct WebCall {
  std::string method = "GET";
  std::string url = {};  // "http://host[:port]/path?query"; with unix_socket the host is a name.
  std::string unix_socket = {};         // "": TCP to the URL's host.
  std::vector<WebHeader> headers = {};  // Host, Content-Length and Connection are ours.
  std::string body = {};
  std::chrono::milliseconds timeout{10'000};  // For all of it.
  std::size_t reply_bytes_max = 64 * 1024 * 1024;
};

struct WebReply {
  unsigned status = 0;
  std::vector<WebHeader> headers;
  std::string body;

  std::optional<std::string_view> Header(std::string_view name) const {
    return FindHeader(headers, name);
  }
};

// Unavailable: no connection; DeadlineExceeded: timeout; InvalidArgument: bad URL;
// ResourceExhausted: the reply is too large; Internal: no valid HTTP. Any status the peer answered
// is OK.
absl::StatusOr<WebReply> Fetch(const WebCall& call);

}  // namespace sluice::web
