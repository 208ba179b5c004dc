#include "web/client.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "net/socket.h"

namespace sluice::web {
namespace {

namespace http = boost::beast::http;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t kHeadBytesMax = 64 * 1024;
constexpr std::size_t kInterimMax = 10;  // 1xx responses before the real one.

struct Target {
  std::string authority;  // For Host.
  std::string host;
  std::string port = "80";
  std::string path = "/";
};

std::optional<Target> ParseUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.size() < kScheme.size() ||
      !base::EqualsIgnoreCase(url.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) return std::nullopt;
  }
  url.remove_prefix(kScheme.size());
  url = url.substr(0, url.find('#'));
  Target target;
  const std::size_t end = url.find_first_of("/?");
  target.authority = url.substr(0, end);
  if (end != url.npos)
    target.path = url[end] == '?' ? base::Cat("/", url.substr(end)) : std::string(url.substr(end));
  std::string_view host = target.authority;
  if (host.find('@') != host.npos) return std::nullopt;
  const std::size_t colon = host.rfind(':');
  if (colon != host.npos && host.find(']', colon) == host.npos) {
    const auto port = base::ParseUint(host.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    target.port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return std::nullopt;
  target.host = host;
  return target;
}

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds timeout)
      : end_(base::SystemClock().Now() + timeout) {}
  // False when the time is over.
  bool Wait(int fd, short events) const {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(end_ - base::SystemClock().Now());
      if (left.count() <= 0) return false;
      pollfd state = {fd, events, 0};
      const int ready = poll(&state, 1, static_cast<int>(std::min<long>(left.count(), 1 << 30)));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
  }

 private:
  base::Monotonic end_;
};

absl::Status TimedOut(const WebCall& call) {
  return base::MakeStatus(
      absl::StatusCode::kDeadlineExceeded,
      base::Cat("no answer from ", call.url, " within ", call.timeout.count(), " ms"));
}

// 0 or an errno; ETIMEDOUT when the deadline passed.
int Connect(int fd, const sockaddr* address, socklen_t size, const Deadline& deadline) {
  if (connect(fd, address, size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!deadline.Wait(fd, POLLOUT)) return ETIMEDOUT;
  int error = 0;
  socklen_t error_size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
  return error;
}

std::string ErrorText(int error) {
  char text[128];
  return strerror_r(error, text, sizeof(text));
}

absl::StatusOr<net::FileDescriptor> ConnectUnix(const WebCall& call, const Deadline& deadline) {
  const auto address = base::Address::Unix(call.unix_socket);
  if (!address) return base::InvalidArgument("the Unix socket's path is too long or empty");
  sockaddr_storage storage = {};
  const socklen_t size = address->ToSockaddr(storage);
  net::FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int error = Connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size, deadline);
  if (error == 0) return fd;
  return base::Unavailable(
      base::Cat("cannot connect to ", call.unix_socket, ": ", ErrorText(error)));
}

absl::StatusOr<net::FileDescriptor> ConnectTcp(const WebCall& call, const Target& target,
                                               const Deadline& deadline) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found);
  if (failed != 0) {
    return base::Unavailable(
        base::Cat("cannot resolve ", base::Printable(target.host), ": ", gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, &freeaddrinfo);
  int error = ECONNREFUSED;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    net::FileDescriptor fd(socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) continue;
    error = Connect(fd.get(), one->ai_addr, one->ai_addrlen, deadline);
    if (error == 0) return fd;
  }
  if (error == ETIMEDOUT) return TimedOut(call);
  return base::Unavailable(
      base::Cat("cannot connect to ", base::Printable(target.authority), ": ", ErrorText(error)));
}

absl::StatusOr<std::string> Serialize(const WebCall& call, const Target& target) {
  std::string out = base::Cat(call.method, " ", target.path,
                              " HTTP/1.1\r\nhost: ", target.authority, "\r\nconnection: close\r\n");
  for (const WebHeader& header : call.headers) {
    if ((header.name + header.value).find_first_of(std::string_view("\r\n\0", 3)) !=
        std::string::npos) {
      return base::InvalidArgument("a header holds a control byte");
    }
    base::Append(out, header.name, ": ", header.value, "\r\n");
  }
  if (!call.body.empty() || (call.method != "GET" && call.method != "HEAD")) {
    base::Append(out, "content-length: ", call.body.size(), "\r\n");
  }
  base::Append(out, "\r\n", call.body);
  return out;
}

WebReply ReplyOf(Parser& parser) {
  WebReply reply;
  reply.status = parser.get().result_int();
  for (const auto& field : parser.get()) {
    reply.headers.push_back({std::string(field.name_string().data(), field.name_string().size()),
                             std::string(field.value().data(), field.value().size())});
  }
  reply.body = std::move(parser.get().body());
  return reply;
}

// Feeds a reply to Beast's parser as it arrives.
class ReplyReader {
 public:
  explicit ReplyReader(const WebCall& call) : call_(call) { Renew(); }

  // A status other than OK ends it; so does done().
  absl::Status Feed(std::string_view bytes) {
    pending_.append(bytes);
    if (!parser_->is_header_done()) {
      head_bytes_ += bytes.size();
      if (head_bytes_ > kHeadBytesMax + bytes.size()) return Invalid("its head is too large");
    }
    while (!pending_.empty() && !done()) {
      boost::system::error_code error;
      const std::size_t used =
          parser_->put(boost::asio::buffer(pending_.data(), pending_.size()), error);
      pending_.erase(0, used);
      if (error == http::error::body_limit) {
        return base::MakeStatus(absl::StatusCode::kResourceExhausted, "the reply is too large");
      }
      if (error && error != http::error::need_more) return Invalid(error.message());
      if (parser_->is_done() && parser_->get().result_int() / 100 == 1 &&
          ++interim_ < kInterimMax) {
        Renew();
        continue;
      }
      if (error == http::error::need_more || used == 0) break;
    }
    if (pending_.size() > kHeadBytesMax + (1 << 20)) return Invalid("it makes no progress");
    return absl::OkStatus();
  }
  absl::Status End() {
    boost::system::error_code error;
    if (!parser_->got_some()) return Invalid("it ended before it began");
    if (!done()) parser_->put_eof(error);
    if (error || !parser_->is_done()) return Invalid("it ended early");
    return absl::OkStatus();
  }
  bool done() const { return parser_->is_done(); }
  WebReply Take() { return ReplyOf(*parser_); }

 private:
  void Renew() {
    parser_ = std::make_unique<Parser>();
    parser_->eager(true);
    parser_->header_limit(kHeadBytesMax);
    parser_->body_limit(call_.reply_bytes_max);
    parser_->skip(call_.method == "HEAD");
  }
  absl::Status Invalid(std::string_view why) const {
    return base::Internal(base::Cat("no valid HTTP reply from ", call_.url, ": ", why));
  }

  const WebCall& call_;
  std::unique_ptr<Parser> parser_;
  std::string pending_;
  std::size_t head_bytes_ = 0;
  std::size_t interim_ = 0;
};

// Stops early when the peer answers without reading everything.
absl::Status Send(int fd, std::string_view bytes, const WebCall& call, const Deadline& deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      pollfd answer = {fd, POLLIN, 0};
      if (poll(&answer, 1, 0) > 0) break;
      if (!deadline.Wait(fd, POLLOUT | POLLIN)) return TimedOut(call);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      break;
    } else if (errno != EINTR) {
      return base::Unavailable(base::Cat("cannot send to ", call.url, ": ", ErrorText(errno)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<WebReply> Receive(int fd, const WebCall& call, const Deadline& deadline) {
  ReplyReader reader(call);
  std::string space(64 * 1024, '\0');
  while (!reader.done()) {
    const ssize_t got = recv(fd, space.data(), space.size(), 0);
    if (got > 0) {
      const absl::Status fed =
          reader.Feed(std::string_view(space).substr(0, static_cast<std::size_t>(got)));
      if (!fed.ok()) return fed;
    } else if (got == 0) {
      if (const absl::Status end = reader.End(); !end.ok()) return end;
    } else if (errno == EAGAIN) {
      if (!deadline.Wait(fd, POLLIN)) return TimedOut(call);
    } else if (errno != EINTR) {
      return base::Unavailable(base::Cat("cannot read from ", call.url, ": ", ErrorText(errno)));
    }
  }
  return reader.Take();
}

}  // namespace

absl::StatusOr<WebReply> Fetch(const WebCall& call) {
  const std::optional<Target> target = ParseUrl(call.url);
  if (!target) {
    return base::InvalidArgument(
        base::Cat("not a URL of the form http://host:port/path: ", base::Printable(call.url)));
  }
  const absl::StatusOr<std::string> bytes = Serialize(call, *target);
  if (!bytes.ok()) return bytes.status();
  const Deadline deadline(call.timeout);
  const auto fd =
      call.unix_socket.empty() ? ConnectTcp(call, *target, deadline) : ConnectUnix(call, deadline);
  if (!fd.ok()) return fd.status();
  if (const absl::Status sent = Send(fd->get(), *bytes, call, deadline); !sent.ok()) return sent;
  return Receive(fd->get(), call, deadline);
}

}  // namespace sluice::web
