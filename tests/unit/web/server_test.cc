#include "web/server.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/strings.h"
#include "raw_client.h"
#include "web/client.h"

namespace sluice::web {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

WebResponse Echo(const WebRequest& request) {
  WebResponse response;
  response.headers.push_back({"x-method", request.method});
  response.body = base::Cat(request.path, "|", request.body);
  for (const auto& [key, value] : request.query) base::Append(response.body, "|", key, "=", value);
  return response;
}

WebServerOptions Local() {
  WebServerOptions options;
  options.address = *base::Address::ParseIp("127.0.0.1", 0);
  return options;
}

class Running {
 public:
  explicit Running(WebServerOptions options, WebServer::Handler handler = &Echo)
      : server_(std::move(options), std::move(handler)) {
    const auto started = server_.Start();
    EXPECT_TRUE(started.ok()) << started.status();
    if (started.ok()) address_ = *started;
  }
  const base::Address& address() const { return address_; }
  std::string Url(std::string_view path) const {
    return base::Cat("http://", address_.ToString(), path);
  }
  WebReply Get(std::string_view path, std::vector<WebHeader> headers = {}) const {
    return Call({.url = Url(path), .headers = std::move(headers)});
  }
  static WebReply Call(const WebCall& call) {
    auto reply = Fetch(call);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? std::move(*reply) : WebReply();
  }
  std::string Say(std::string_view bytes) const {
    RawClient client(address_);
    client.Send(bytes);
    return client.UntilEnd();
  }
  WebServer& server() { return server_; }

 private:
  WebServer server_;
  base::Address address_;
};

TEST(WebServer, AnswersWithDecodedPathAndQuery) {
  Running running(Local());
  const WebReply reply = running.Get("/a%20b/c?x=1%2B2&y=a+b&z");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "/a b/c||x=1+2|y=a b|z=");
  EXPECT_EQ(reply.Header("Content-Type"), "text/plain; charset=UTF-8");
  EXPECT_EQ(reply.Header("x-content-type-options"), "nosniff");
}

TEST(WebServer, KeepsTheConnectionAndServesPipelinedRequests) {
  Running running(Local());
  const std::string got = running.Say(
      "GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
      "POST /3 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"
      "GET /4 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(got, HasSubstr("/1|"));
  EXPECT_THAT(got, HasSubstr("/2|abc"));
  EXPECT_THAT(got, HasSubstr("/3|de"));
  EXPECT_THAT(got, EndsWith("/4|"));
}

TEST(WebServer, HeadGetsTheHeadOfGet) {
  Running running(Local());
  const std::string got =
      running.Say("HEAD /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(got, HasSubstr("content-length: 3\r\n"));
  EXPECT_THAT(got, HasSubstr("x-method: GET\r\n"));
  EXPECT_THAT(got, EndsWith("\r\n\r\n"));
  EXPECT_EQ(Running::Call({.method = "HEAD", .url = running.Url("/x")}).body, "");
}

TEST(WebServer, StreamsChunksOneAtATimeWhileOthersAreServed) {
  std::atomic<int> made{0};
  Running running(Local(), [&made](const WebRequest& request) {
    WebResponse response;
    if (request.path == "/quick") {
      response.body = "quick";
      return response;
    }
    response.chunks = [&made](std::string& chunk) {
      chunk.assign(64 * 1024, 'x');
      return ++made < 2000;
    };
    return response;
  });
  RawClient slow(running.address());
  slow.Send("GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  slow.Until("\r\n\r\n");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(running.Get("/quick").body, "quick");
  // Nobody reads: the kernel's buffers hold some of the 128 MB, nothing else is made.
  EXPECT_LT(made.load(), 1000);
  WebCall whole;  // Another client takes the rest.
  whole.url = running.Url("/big");
  whole.reply_bytes_max = 1 << 28;
  EXPECT_GT(Running::Call(whole).body.size(), 1000u * 64 * 1024);
}

TEST(WebServer, ChunkedBodyArrivesWholeAlsoForHttp10) {
  const auto handler = [](const WebRequest&) {
    WebResponse response;
    int left = 100;
    response.chunks = [left](std::string& chunk) mutable {
      if (left % 7 != 0) chunk = base::Cat("line ", left, "\n");
      return --left > 0;
    };
    return response;
  };
  std::string want;
  for (int left = 100; left > 0; --left) {
    if (left % 7 != 0) base::Append(want, "line ", left, "\n");
  }
  Running running(Local(), handler);
  EXPECT_EQ(running.Get("/").body, want);
  const std::string old = running.Say("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(old, EndsWith("\r\n\r\n" + want));
  EXPECT_THAT(old, Not(HasSubstr("transfer-encoding")));
}

TEST(WebServer, HandlerSeesNothingOfWhatIsDenied) {
  std::atomic<int> handled{0};
  Running running(Local(), [&handled](const WebRequest& request) {
    ++handled;
    return Echo(request);
  });
  const char* denied[] = {
      "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: "
      "1\r\n\r\nx",
      ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: "
       "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
      "POST / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n",
  };
  for (const char* request : denied) {
    EXPECT_THAT(running.Say(request), StartsWith("HTTP/1.1 403 Forbidden\r\n")) << request;
  }
  EXPECT_EQ(handled.load(), 0);
  EXPECT_EQ(Running::Call({.method = "POST", .url = running.Url("/x")}).status, 200u);
}

TEST(WebServer, RefusesWhatIsNoGoodHttp) {
  Running running(Local());
  const char* bad[] = {
      "nonsense\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
      "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
  };
  for (const char* request : bad) {
    EXPECT_THAT(running.Say(request), StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
  }
}

TEST(WebServer, HeadBeyondTheLimitIs431HoweverItArrives) {
  Running running(Local());
  const std::string big = "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20'000, 'x');
  EXPECT_THAT(running.Say(big + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  std::string many = "GET / HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 2000; ++i) many += "X-Field: twenty bytes\r\n";
  EXPECT_THAT(running.Say(many + "\r\n"), StartsWith("HTTP/1.1 431 "));
}

TEST(WebServer, BodyBeyondTheLimitIs413AndLimitsMayDifferByPath) {
  WebServerOptions options = Local();
  options.body_bytes_max = 1000;
  options.body_limits = {{"PUT", "/v1/config", 100'000}};
  Running running(std::move(options));
  const std::string body(50'000, 'x');
  const std::vector<WebHeader> json = {{"Content-Type", "application/json"}};
  EXPECT_EQ(Running::Call(
                {.method = "PUT", .url = running.Url("/v1/config"), .headers = json, .body = body})
                .status,
            200u);
  EXPECT_EQ(Running::Call(
                {.method = "PUT", .url = running.Url("/v1/apps"), .headers = json, .body = body})
                .status,
            413u);
  std::string chunked =
      "PUT /v1/apps HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20; ++i) chunked += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(running.Say(chunked), StartsWith("HTTP/1.1 413 "));
}

TEST(WebServer, ExpectContinueIsAnsweredBeforeTheBody) {
  Running running(Local());
  RawClient client(running.address());
  client.Send(
      "PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_EQ(client.Until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_THAT(client.UntilEnd(), EndsWith("/x|ok"));
}

TEST(WebServer, SlowHeadsAndBodiesAreGivenUp) {
  WebServerOptions options = Local();
  options.io_timeout = std::chrono::milliseconds(50);
  options.idle_timeout = std::chrono::milliseconds(50);
  Running running(std::move(options));
  // Closed without a word, and without the handler.
  EXPECT_EQ(running.Say("GET / HTTP/1.1\r\nHost: loc"), "");
  EXPECT_EQ(running.Say("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"), "");
  EXPECT_EQ(running.Say(""), "");
}

TEST(WebServer, ConnectionsBeyondTheLimitAreTurnedAway) {
  WebServerOptions options = Local();
  options.connections_max = 2;
  Running running(std::move(options));
  const std::string hello = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  RawClient one(running.address()), two(running.address());
  for (RawClient* client : {&one, &two}) {
    client->Send(hello);
    EXPECT_THAT(client->Until("/|"), StartsWith("HTTP/1.1 200 "));
  }
  EXPECT_THAT(running.Say(""), StartsWith("HTTP/1.1 503 "));
  one.Send(hello);
  EXPECT_THAT(one.Until("/|"), StartsWith("HTTP/1.1 200 "));
}

TEST(WebServer, HeaderValuesCannotSplitAResponse) {
  Running running(Local(), [](const WebRequest& request) {
    WebResponse response;
    response.headers.push_back({"x-echo", std::string(request.Query("q").value_or(""))});
    return response;
  });
  const WebReply reply = running.Get("/?q=a%0d%0aset-cookie:%20x");
  EXPECT_EQ(reply.Header("set-cookie"), std::nullopt);
  EXPECT_THAT(std::string(reply.Header("x-echo").value_or("")), HasSubstr("set-cookie"));
}

TEST(WebServer, OffLoopbackNeedsATokenOrASpokenWord) {
  WebServerOptions options;
  options.address = *base::Address::ParseIp("0.0.0.0", 0);
  EXPECT_FALSE(WebServer(options, &Echo).Start().ok());
  options.insecure = true;
  EXPECT_TRUE(WebServer(options, &Echo).Start().ok());
  options.insecure = false;
  options.token = "s3cret";
  Running running(options);
  const std::string url = base::Cat("http://127.0.0.1:", running.address().port(), "/");
  EXPECT_EQ(Running::Call({.url = url}).status, 401u);
  EXPECT_EQ(Running::Call({.url = url, .headers = {{"Authorization", "Bearer s3cret"}}}).status,
            200u);
}

TEST(WebServer, AddressInUseNamesItAndWhoHoldsIt) {
  Running running(Local());
  WebServerOptions options = Local();
  options.address = running.address();
  const auto second = WebServer(options, &Echo).Start();
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().ToString(), HasSubstr(running.address().ToString()));
  EXPECT_THAT(second.status().ToString(), HasSubstr(base::Cat("pid ", getpid())));
}

TEST(WebServer, ServesOnAUnixSocket) {
  WebServerOptions options;
  const std::string path = base::Cat("@sluice-web-test-", getpid());
  options.address = *base::Address::Unix(path);
  Running running(std::move(options));
  WebCall call;
  call.url = "http://localhost/unix";
  call.unix_socket = path;
  EXPECT_EQ(Running::Call(call).body, "/unix|");
}

TEST(WebServer, StopEndsIdleAndStuckConnectionsAndMayBeCalledTwice) {
  Running running(Local(), [](const WebRequest&) {
    WebResponse response;
    response.chunks = [](std::string& chunk) {
      chunk.assign(64 * 1024, 'x');
      return true;
    };
    return response;
  });
  RawClient idle(running.address());
  RawClient stuck(running.address());
  stuck.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  stuck.Until("\r\n\r\n");
  running.server().Stop();
  running.server().Stop();
  EXPECT_EQ(idle.UntilEnd(), "");
}

}  // namespace
}  // namespace sluice::web
