// A table of exchanges, each run whole, byte by byte from either side, and split at every index.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kDate = "date: Thu, 01 Jan 1970 00:16:40 GMT\r\n";
constexpr std::string_view kServer = "server: envoy\r\n";
constexpr std::string_view kTime = "x-envoy-upstream-service-time: 0\r\n";
constexpr std::string_view kProto = "x-forwarded-proto: http\r\n";
constexpr std::string_view kTimeout = "x-envoy-expected-rq-timeout-ms: 15000\r\n";

struct Case {
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
  std::string name;
  std::string request;
  std::string upstream_request;   // "": nothing reaches the upstream.
  std::string upstream_response;  // Sent once the upstream has its request.
  std::string response;
  bool upstream_closes = false;  // After its response.
  bool closes = false;           // The client's connection ends.
  int code = 200;
  std::string details = "via_upstream";
  std::string flags = "-";
};

std::string Up(std::string_view line, std::string_view fields = {}) {
  return base::Cat(line, "\r\nhost: a.test\r\n", fields, kProto, kTimeout, "\r\n");
}
std::string Down(std::string_view line_and_fields, std::string_view body = {},
                 std::string_view connection = {}) {
  return base::Cat(line_and_fields, kTime, kDate, kServer, connection, "\r\n", body);
}
std::string Local(std::string_view line_and_fields, std::string_view body = {},
                  std::string_view connection = {}) {
  return base::Cat(line_and_fields, kDate, kServer, connection, "\r\n", body);
}

std::vector<Case> Cases() {
  const std::string get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
  const std::string up_get = Up("GET / HTTP/1.1");
  std::vector<Case> cases;
  cases.push_back({"GetWithLength", get, up_get,
                   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n", "hello")});
  cases.push_back({"GetWithoutBody", get, up_get, "HTTP/1.1 204 No Content\r\n\r\n",
                   Down("HTTP/1.1 204 No Content\r\n"), false, false, 204});
  cases.push_back({"EmptyWithLengthZero", get, up_get,
                   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n")});
  cases.push_back({"ChunkedIsRemadeWithoutExtensions", get, up_get,
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n"
                   "X-Trailer: t\r\n\r\n",
                   Down("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n",
                        "5\r\nhello\r\n0\r\nx-trailer: t\r\n\r\n")});
  cases.push_back(
      {"UntilCloseBecomesChunked", get, up_get, "HTTP/1.1 200 OK\r\n\r\nhello",
       Down("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), true});
  cases.push_back(
      {"Http10UpstreamUntilClose", get, up_get, "HTTP/1.0 200 OK\r\n\r\nhi",
       Down("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n"), true});
  cases.push_back({"HeadKeepsLengthWithoutBody", "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n",
                   Up("HEAD / HTTP/1.1"), "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n")});
  cases.push_back({"NotModifiedKeepsLength", get, up_get,
                   "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                   Down("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n"), false, false, 304});
  cases.push_back({"PostWithLength",
                   "POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
                   base::Cat("POST /p HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n", kProto,
                             kTimeout, "\r\nabc"),
                   "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
                   Down("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n", "ok"), false, false, 201});
  cases.push_back({"PostWithLengthZero",
                   "POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n",
                   base::Cat("POST /p HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n", kProto,
                             kTimeout, "\r\n"),
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok")});
  cases.push_back({"InterimEarlyHintsPass", get, up_get,
                   "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                   base::Cat("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
                             Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok"))});
  cases.push_back({"UnaskedContinueIsDropped", get, up_get,
                   "HTTP/1.1 100 Continue\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok")});
  cases.push_back({"HopByHopIsDropped",
                   "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Gone\r\n"
                   "X-Gone: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Stays: 2\r\n"
                   "X-Envoy-Retry-On: 5xx\r\n\r\n",
                   Up("GET / HTTP/1.1", "x-stays: 2\r\n"),
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Gone\r\nX-Gone: 1\r\n"
                   "Keep-Alive: timeout=5\r\n\r\nok",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok")});
  cases.push_back({"ClientAsksToClose",
                   "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", up_get,
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok", "connection: close\r\n"),
                   false, true});
  cases.push_back({"Http10ClientGetsUntilClose", "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", up_get,
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                   Down("HTTP/1.1 200 OK\r\n", "ok", "connection: close\r\n"), false, true});
  cases.push_back(
      {"Http10ClientKeepsAlive", "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n",
       up_get, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
       Down("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "ok", "connection: keep-alive\r\n")});
  cases.push_back({"UpstreamClosesBeforeTheHead", get, up_get, "",
                   Local("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 95\r\n"
                         "content-type: text/plain\r\n",
                         "upstream connect error or disconnect/reset before headers. reset reason: "
                         "connection termination"),
                   true, false, 503,
                   "upstream_reset_before_response_started{connection_termination}", "UC"});
  cases.push_back({"UpstreamSpeaksNonsense", get, up_get, "HTTP/3.9 what\r\n\r\n",
                   Local("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 87\r\n"
                         "content-type: text/plain\r\n",
                         "upstream connect error or disconnect/reset before headers. reset reason: "
                         "protocol error"),
                   false, false, 502, "upstream_reset_before_response_started{protocol_error}",
                   "UPE"});
  cases.push_back({"SwitchingUnasked", get, up_get,
                   "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                   "Upgrade: websocket\r\n\r\n",
                   Local("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 87\r\n"
                         "content-type: text/plain\r\n",
                         "upstream connect error or disconnect/reset before headers. reset reason: "
                         "protocol error"),
                   false, false, 502, "upstream_reset_before_response_started{protocol_error}",
                   "UPE"});
  cases.push_back({"UpstreamClosesInTheBody", get, up_get,
                   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                   Down("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n", "hello"), true, true, 200,
                   "upstream_reset_after_response_started{connection_termination}", "UC"});
  cases.push_back({"UpstreamClosesInAChunk", get, up_get,
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                   Down("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n"),
                   true, true, 200, "upstream_reset_after_response_started{connection_termination}",
                   "UC"});
  cases.push_back({"NoRoute", "GET /nowhere HTTP/1.1\r\nHost: none.test\r\n\r\n", "", "",
                   Local("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n"), false, false, 404,
                   "route_not_found", "NR"});
  cases.push_back(
      {"DirectResponse", "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n", "", "",
       Local("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n", "fine\n"),
       false, false, 200, "direct_response"});
  cases.push_back({"DirectResponseToHead", "HEAD /direct HTTP/1.1\r\nHost: a.test\r\n\r\n", "", "",
                   Local("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n"),
                   false, false, 200, "direct_response"});
  cases.push_back(
      {"SmallBodyOfADirectResponseIsRead",
       "POST /direct HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody", "", "",
       Local("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n", "fine\n"),
       false, false, 200, "direct_response"});
  cases.push_back({"Redirect", "GET /old HTTP/1.1\r\nHost: a.test\r\n\r\n", "", "",
                   Local("HTTP/1.1 301 Moved Permanently\r\ncontent-length: 0\r\n"
                         "location: http://a.test/new\r\n"),
                   false, false, 301, "direct_response"});
  cases.push_back({"MissingCluster", "GET /missing HTTP/1.1\r\nHost: a.test\r\n\r\n", "", "",
                   Local("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"), false, false,
                   503, "cluster_not_found", "NC"});
  cases.push_back({"UpgradeRefused",
                   "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\n"
                   "Upgrade: other\r\n\r\n",
                   "", "", Local("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n"), false, false,
                   403, "upgrade_failed"});
  cases.push_back({"ConnectRefused", "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "",
                   "", Local("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n"), false, false, 403,
                   "upgrade_failed"});
  cases.push_back(
      {"UnderscoreRefused", "GET / HTTP/1.1\r\nHost: a.test\r\nX_Y: 1\r\n\r\n", "", "",
       Local("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n", "", "connection: close\r\n"),
       false, true, 400, "http1.unexpected_underscore"});
  cases.push_back({"BrokenHead", "GET / HTTP/1.1\r\nHost: a.test\r\nBad Name: 1\r\n\r\n", "", "",
                   Local("HTTP/1.1 400 Bad Request\r\ncontent-length: 11\r\n"
                         "content-type: text/plain\r\n",
                         "Bad Request", "connection: close\r\n"),
                   false, true, 400, "http1.codec_error", "DPE"});
  cases.push_back({"UnknownVersion", "GET / HTTP/1.7\r\nHost: a.test\r\n\r\n", "", "",
                   Local("HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 26\r\n"
                         "content-type: text/plain\r\n",
                         "HTTP Version Not Supported", "connection: close\r\n"),
                   false, true, 505, "http1.codec_error", "DPE"});
  cases.push_back({"GrpcErrorIsInTheHead",
                   "POST /none HTTP/1.1\r\nHost: none.test\r\nContent-Type: application/grpc\r\n"
                   "Content-Length: 1\r\n\r\nx",
                   "", "",
                   Local("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"
                         "content-type: application/grpc\r\ngrpc-status: 12\r\n"),
                   false, false, 200, "route_not_found", "NR"});
  return cases;
}

// Chunk boundaries depend on how bytes arrive: a chunked message with its data in one chunk.
std::string MergeChunks(const std::string& message) {
  const std::size_t head = message.find("\r\n\r\n");
  if (message.find("transfer-encoding: chunked\r\n") > head) return message;
  std::string data;
  std::size_t at = head + 4;
  while (at < message.size()) {
    const std::size_t line = message.find("\r\n", at);
    const std::size_t size = std::stoul(message.substr(at, line - at), nullptr, 16);
    if (size == 0) break;
    data += message.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  return base::Cat(message.substr(0, head + 4), "[", data, "]", message.substr(at));
}

class ExchangeCase : public testing::TestWithParam<Case> {
 protected:
  void Configure(ProxyFixture& fixture) {
    fixture.http().h1.keep_trailers = true;
    fixture.host().domains = {"a.test", "a.test:80"};
    fixture.AddRoute("/missing", "nobody");
    config::Route& direct = fixture.AddRoute("/direct");
    direct.action = config::DirectResponse{200, "fine\n", {}};
    config::Route& redirect = fixture.AddRoute("/old");
    config::RedirectAction action;
    action.path = "/new";
    redirect.action = action;
    fixture.AddRoute("/");
    fixture.http().upgrades = {{"websocket", true}};
    fixture.Publish();
  }

  // `send` gives the request to a client in its way; `answer` the response to an upstream.
  void Run(const std::function<void(ProxyFixture&, Peer&, std::string_view)>& send,
           const std::function<void(ProxyFixture&, Peer&, std::string_view)>& answer) {
    const Case& c = GetParam();
    ProxyFixture fixture;
    Configure(fixture);
    auto client = fixture.Connect();
    send(fixture, *client, c.request);
    fixture.Settle();
    if (c.upstream_request.empty()) {
      EXPECT_TRUE(fixture.upstreams().empty());
    } else {
      ASSERT_EQ(fixture.upstreams().size(), 1U);
      Peer& upstream = *fixture.upstreams()[0];
      EXPECT_EQ(upstream.received(), c.upstream_request);
      answer(fixture, upstream, c.upstream_response);
      if (c.upstream_closes) upstream.ShutdownWrite();
      fixture.Settle();
    }
    EXPECT_EQ(MergeChunks(client->received()), MergeChunks(c.response));
    EXPECT_EQ(client->ended(), c.closes);
    ASSERT_EQ(fixture.logged().size(), 1U);
    const Logged& logged = fixture.logged()[0];
    EXPECT_EQ(logged.code, c.code);
    EXPECT_EQ(logged.flags, c.flags);
    EXPECT_EQ(logged.details, c.details);
    if (!c.closes) {  // The connection goes on.
      client->TakeReceived();
      const std::string again =
          fixture.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
      EXPECT_TRUE(again.starts_with("HTTP/1.1 200 OK\r\n")) << again;
    }
    fixture.ExpectAllGone();
  }

  static void Whole(ProxyFixture&, Peer& peer, std::string_view bytes) { peer.Send(bytes); }
  static void Bytewise(ProxyFixture& fixture, Peer& peer, std::string_view bytes) {
    for (const char& c : bytes) {
      peer.Send({&c, 1});
      fixture.Settle();
    }
  }
  static auto SplitAt(std::size_t index) {
    return [index](ProxyFixture& fixture, Peer& peer, std::string_view bytes) {
      peer.Send(bytes.substr(0, index));
      fixture.Settle();
      peer.Send(bytes.substr(index));
    };
  }
};

TEST_P(ExchangeCase, Whole) { Run(Whole, Whole); }
TEST_P(ExchangeCase, ClientByteByByte) { Run(Bytewise, Whole); }
TEST_P(ExchangeCase, UpstreamByteByByte) { Run(Whole, Bytewise); }
TEST_P(ExchangeCase, SplitAnywhere) {
  for (std::size_t i = 1; i < GetParam().request.size(); ++i) {
    SCOPED_TRACE(i);
    Run(SplitAt(i), Whole);
  }
  for (std::size_t i = 1; i < GetParam().upstream_response.size(); ++i) {
    SCOPED_TRACE(i);
    Run(Whole, SplitAt(i));
  }
}

// The client leaves after every number of bytes sent, and after every number of bytes received.
TEST_P(ExchangeCase, ClientLeavesAnywhere) {
  const Case& c = GetParam();
  for (std::size_t i = 0; i <= c.request.size(); ++i) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(i);
      ProxyFixture fixture;
      Configure(fixture);
      auto client = fixture.Connect();
      client->Send(c.request.substr(0, i));
      fixture.Settle();
      client->Close(reset);
      fixture.Settle();
      EXPECT_EQ(fixture.context().active(), 0U);
      fixture.ExpectAllGone();
    }
  }
  for (std::size_t i = 0; i <= c.upstream_response.size(); ++i) {
    SCOPED_TRACE(i);
    ProxyFixture fixture;
    Configure(fixture);
    auto client = fixture.Connect();
    client->Send(c.request);
    fixture.Settle();
    for (const auto& upstream : fixture.upstreams()) {
      upstream->Send(c.upstream_response.substr(0, i));
    }
    fixture.Settle();
    client->Close();
    fixture.Settle();
    EXPECT_EQ(fixture.context().active(), 0U);
    fixture.ExpectAllGone();
  }
}

// The upstream leaves after every number of bytes it sent.
TEST_P(ExchangeCase, UpstreamLeavesAnywhere) {
  const Case& c = GetParam();
  if (c.upstream_request.empty()) return;
  for (std::size_t i = 0; i < c.upstream_response.size(); ++i) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(i);
      ProxyFixture fixture;
      Configure(fixture);
      auto client = fixture.Connect();
      client->Send(c.request);
      fixture.Settle();
      ASSERT_EQ(fixture.upstreams().size(), 1U);
      fixture.upstreams()[0]->Send(c.upstream_response.substr(0, i));
      fixture.Settle();
      fixture.upstreams()[0]->Close(reset);
      fixture.Settle();
      ASSERT_EQ(fixture.logged().size(), 1U);
      EXPECT_NE(client->received(), "");
      fixture.ExpectAllGone();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ExchangeCase, testing::ValuesIn(Cases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace sluice::proxy
