#include "web/client.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/strings.h"
#include "net/socket.h"

namespace sluice::web {
namespace {

using ::testing::HasSubstr;

// Answers one connection with these bytes once a head came; then closes, or holds it open.
class CannedServer {
 public:
  CannedServer(std::string answer, bool hold) : answer_(std::move(answer)), hold_(hold) {
    net::ListenOptions options;
    auto listening = net::Listen(*base::Address::ParseIp("127.0.0.1", 0), options);
    EXPECT_TRUE(listening.ok());
    address_ = listening->address;
    fd_ = std::move(listening->fds.front());
    fcntl(fd_.get(), F_SETFL, fcntl(fd_.get(), F_GETFL) & ~O_NONBLOCK);
    thread_ = std::thread([this] { Serve(); });
  }
  ~CannedServer() {
    shutdown(fd_.get(), SHUT_RDWR);
    released_ = true;
    thread_.join();
  }
  std::string Url() const { return base::Cat("http://", address_.ToString(), "/x"); }
  const std::string& heard() const { return heard_; }

 private:
  void Serve();

  std::string answer_;
  bool hold_;
  base::Address address_;
  net::FileDescriptor fd_;
  std::string heard_;
  std::atomic<bool> released_{false};
  std::thread thread_;
};

void CannedServer::Serve() {
  net::FileDescriptor client;
  while (!client && !released_)
    client = net::FileDescriptor(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  char space[4096];
  while (heard_.find("\r\n\r\n") == heard_.npos) {
    const ssize_t got = recv(client.get(), space, sizeof(space), 0);
    if (got <= 0) break;
    heard_.append(space, static_cast<std::size_t>(got));
  }
  send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
  if (!hold_) return;
  while (recv(client.get(), space, sizeof(space), 0) > 0) {
  }
}

absl::StatusOr<WebReply> Ask(const std::string& answer, WebCall call = {}, bool hold = false) {
  CannedServer server(answer, hold);
  call.url = server.Url();
  return Fetch(call);
}

TEST(WebClient, ReadsBodiesOfEveryFraming) {
  for (const char* answer : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
           "HTTP/1.0 200 OK\r\n\r\nhello",
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
       }) {
    const auto reply = Ask(answer);
    ASSERT_TRUE(reply.ok()) << reply.status() << answer;
    EXPECT_EQ(reply->status, 200u);
    EXPECT_EQ(reply->body, "hello") << answer;
  }
}

TEST(WebClient, DoesNotWaitForTheEndOfAConnectionThatStaysOpen) {
  const auto reply =
      Ask("HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno", {}, true);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 404u);
  EXPECT_EQ(reply->Header("x-a"), "b");
  WebCall head;
  head.method = "HEAD";
  const auto headless = Ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head, true);
  ASSERT_TRUE(headless.ok()) << headless.status();
  EXPECT_EQ(headless->body, "");
}

TEST(WebClient, BadRepliesAreErrors) {
  EXPECT_EQ(Ask("").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Ask("nonsense\r\n\r\n").status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')).status().code(),
            absl::StatusCode::kInternal);
  WebCall small;
  small.reply_bytes_max = 3;
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", small).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Ask("HTTP/1.0 200 OK\r\n\r\nhello", small).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(WebClient, SilenceEndsAtTheDeadline) {
  WebCall call;
  call.timeout = std::chrono::milliseconds(30);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\n", call, true).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(WebClient, RefusedConnectionIsUnavailable) {
  net::ListenOptions options;
  auto listening = net::Listen(*base::Address::ParseIp("127.0.0.1", 0), options);
  ASSERT_TRUE(listening.ok());
  const std::string url = base::Cat("http://", listening->address.ToString(), "/");
  listening->fds.clear();
  const auto reply = Fetch({.url = url});
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(reply.status().ToString(), HasSubstr("Connection refused"));
}

TEST(WebClient, BadUrlsAreNotTried) {
  for (const char* url :
       {"", "localhost", "https://localhost/", "http://", "http://:80/", "http://h:0/",
        "http://h:99999/", "http://h:x/", "http://u@h/", "http://h/a b", "http://h/\r\nx: y"}) {
    EXPECT_EQ(Fetch({.url = url}).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
  EXPECT_EQ(Fetch({.url = "http://127.0.0.1:1/", .headers = {{"x", "a\r\nb: c"}}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PercentCoding, DecodesWhatItEncoded) {
  const std::string text = "a b/c?d=é&\x7f%";
  EXPECT_EQ(PercentDecode(PercentEncode(text), false), text);
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  EXPECT_EQ(PercentDecode("a+b", false), "a+b");
  EXPECT_EQ(PercentDecode("%4", false), std::nullopt);
  EXPECT_EQ(PercentDecode("%", false), std::nullopt);
  EXPECT_EQ(PercentDecode("%00", false), std::nullopt);
}

}  // namespace
}  // namespace sluice::web
