// HTTP/1 on the wire, both sides at once: bodies, trailers, interim responses, tunnels, pipelines,
// old clients, the keep-alive race and the access log's line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

// One proxy with trailers on and one worker in front of one origin.
class Wire : public testing::Test {
 protected:
  void Start() {
    Listener listener("in");
    listener.Route("/", Cluster("app", {origin_.port()}));
    listener.manager().mutable_http_protocol_options()->set_enable_trailers(true);
    log_ = MakeDirectory() + "/access.log";
    listener.AccessLog(log_);
    proxy_ = std::make_unique<Proxy>(StaticBootstrap(listener), ProxyOptions{.concurrency = 1});
    client_ = std::make_unique<Client>(proxy_->Port());
  }

  FakeUpstream origin_;
  std::string log_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Client> client_;
};

TEST_F(Wire, HeadHasALengthAndNoBody) {
  origin_.On("/", [](OriginConnection& connection, OriginRequest&) {
    connection.Write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
  });
  Start();
  const Response response = client_->Request("HEAD", "/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("content-length"), "5");
  EXPECT_EQ(client_->Request("HEAD", "/").status, 200);
}

TEST_F(Wire, ChunksAndTrailersPassBothWays) {
  origin_.On("/", [](OriginConnection& connection, OriginRequest& request) {
    connection.Write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    connection.Write("3\r\nabc\r\n");
    connection.Write("0\r\nx-sum: " + request.body + "\r\n\r\n");
  });
  Start();
  client_->Send(
      "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n"
      "2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\nx-end: yes\r\n\r\n");
  const Response response = client_->Read();
  EXPECT_EQ(response.body, "abc");
  EXPECT_EQ(response.trailers, "x-sum: hello\r\n");
  EXPECT_EQ(origin_.LastRequest().body, "hello");
  EXPECT_EQ(origin_.LastRequest().trailers, "x-end: yes\r\n");
  EXPECT_EQ(origin_.LastRequest().Count("content-length"), 0U);
  EXPECT_EQ(client_->Get("/").status, 200);
}

TEST_F(Wire, BodiesStreamBeforeTheyEnd) {
  Gate halfway;
  origin_.OnHead("/", [&](OriginConnection& connection, OriginRequest&) {
    EXPECT_EQ(connection.ReadRaw(), "5\r\nfirst\r\n");
    connection.Write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    EXPECT_TRUE(halfway.Wait());
    connection.Write("3\r\ntwo\r\n0\r\n\r\n");
  });
  Start();
  client_->Send(
      "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
  EXPECT_EQ(client_->Read("GET", true).status, 200);
  EXPECT_EQ(client_->ReadRaw(8), "3\r\none\r\n");
  halfway.Open();
  EXPECT_EQ(client_->ReadRaw(8), "3\r\ntwo\r\n");
}

TEST_F(Wire, ContinueIsAnsweredBeforeTheBodyComes) {
  Start();
  client_->Send(
      "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
  EXPECT_EQ(client_->ReadRaw(25), "HTTP/1.1 100 Continue\r\n\r\n");
  client_->Send("hello");
  EXPECT_EQ(client_->Read().body, "ok");
  EXPECT_EQ(origin_.LastRequest().body, "hello");
}

TEST_F(Wire, InterimResponsesPassInOrder) {
  origin_.On("/", [](OriginConnection& connection, OriginRequest&) {
    connection.Write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    connection.Write("HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n");
    connection.Reply(200, "done");
  });
  Start();
  const Response response = client_->Get("/");
  EXPECT_EQ(response.body, "done");
  ASSERT_EQ(response.interim.size(), 2U);
  EXPECT_THAT(response.interim[0], testing::HasSubstr("link: </a>"));
  EXPECT_THAT(response.interim[1], testing::HasSubstr("link: </b>"));
}

constexpr char kUpgrade[] =
    "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
constexpr char kSwitching[] =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

TEST_F(Wire, TunnelsCarryBytesSentTogetherWithTheHeadsAndHalfCloseOfTheClient) {
  origin_.On("/ws", [](OriginConnection& connection, OriginRequest& request) {
    EXPECT_EQ(request.Header("upgrade"), "websocket");
    connection.Write(std::string(kSwitching) + "hello");
    connection.Echo();
    connection.Close();
  });
  Start();
  client_->Send(std::string(kUpgrade) + "early");
  EXPECT_EQ(client_->Read().status, 101);
  EXPECT_EQ(client_->ReadRaw(10), "helloearly");
  client_->Send(std::string(300'000, 'x'));
  EXPECT_EQ(client_->ReadRaw(300'000), std::string(300'000, 'x'));
  client_->Send("last");
  client_->socket().ShutdownWrite();
  EXPECT_EQ(client_->ReadToEof(), "last");
}

TEST_F(Wire, TunnelsPassHalfCloseOfTheOriginAndWhatTheClientSendsAfterwards) {
  std::string received;
  Gate done;
  origin_.On("/ws", [&](OriginConnection& connection, OriginRequest&) {
    connection.Write(std::string(kSwitching) + "bye");
    connection.ShutdownWrite();
    for (std::string more = connection.ReadRaw(); !more.empty(); more = connection.ReadRaw()) {
      received += more;
    }
    connection.Close();
    done.Open();
  });
  Start();
  client_->Send(kUpgrade);
  EXPECT_EQ(client_->Read().status, 101);
  EXPECT_EQ(client_->ReadToEof(), "bye");
  EXPECT_TRUE(client_->Send("still here"));
  client_->socket().ShutdownWrite();
  EXPECT_TRUE(done.Wait());
  EXPECT_EQ(received, "still here");
}

TEST_F(Wire, AnUpgradeThatTheOriginRefusesIsAnOrdinaryAnswer) {
  origin_.On("/ws", 200, "no tunnel");
  Start();
  client_->Send(kUpgrade);
  EXPECT_EQ(client_->Read().body, "no tunnel");
  EXPECT_EQ(client_->Get("/").body, "ok");
}

TEST_F(Wire, PipelinedRequestsAreAnsweredInOrder) {
  for (int i = 0; i < 20; ++i) {
    origin_.On(base::Cat("/", i), 200, base::Cat("answer ", i));
  }
  Start();
  std::string all;
  for (int i = 0; i < 20; ++i) base::Append(all, "GET /", i, " HTTP/1.1\r\nhost: test\r\n\r\n");
  client_->Send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client_->Read().body, base::Cat("answer ", i));
}

TEST_F(Wire, OldClientsAreClosedUnlessTheyAsk) {
  origin_.On("/chunked", [](OriginConnection& connection, OriginRequest&) {
    connection.Write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  });
  Start();
  client_->Send("GET / HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client_->Read().body, "ok");
  client_->Send("GET /chunked HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n");
  const Response response = client_->Read();
  EXPECT_EQ(response.body, "ok");
  EXPECT_EQ(response.Count("transfer-encoding"), 0U) << "HTTP/1.0 knows no chunks";
  Client closed(proxy_->Port());
  closed.Send("GET / HTTP/1.0\r\nhost: test\r\n\r\n");
  EXPECT_EQ(closed.Read().body, "ok");
  EXPECT_TRUE(closed.SeesClose());
}

TEST_F(Wire, ARequestOnAConnectionThatTurnsOutClosedIsSentAgain) {
  // The origin closes each connection when the second request on it arrives, without an answer.
  origin_.On("/", [](OriginConnection& connection, OriginRequest& request) {
    if (request.on_connection > 1) return connection.Close();
    connection.Reply(200, "fresh");
  });
  Start();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client_->Get("/").body, "fresh");
  }
  EXPECT_TRUE(proxy_->WaitForStat("cluster.app.upstream_rq_retry", 19));
  // A POST may have done something: it is not repeated.
  EXPECT_EQ(client_->Request("POST", "/", "", "once").status, 503);
}

TEST_F(Wire, TheAccessLogHasEnvoysLine) {
  origin_.On("/logged", [](OriginConnection& connection, OriginRequest&) {
    connection.Reply(200, "hello", "x-envoy-upstream-service-time: 7\r\n");
  });
  Start();
  client_->Send(
      "POST /logged?q=1 HTTP/1.1\r\nhost: a.example.com\r\nuser-agent: tester\r\n"
      "x-request-id: 123\r\nx-forwarded-for: 10.1.2.3\r\ncontent-length: 3\r\n\r\nabc");
  EXPECT_EQ(client_->Read().body, "hello");
  EXPECT_EQ(client_->Get("/plain").status, 200);
  ASSERT_TRUE(Eventually([&] {
    const std::string text = ReadFile(log_);
    return std::count(text.begin(), text.end(), '\n') >= 2;
  }));
  const std::string text = ReadFile(log_);
  const std::string first = text.substr(0, text.find('\n'));
  EXPECT_THAT(first,
              testing::MatchesRegex(base::Cat(
                  R"(\[20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z\] )",
                  R"("POST /logged\?q=1 HTTP/1\.1" 200 - 3 5 [0-9]+ [0-9]+ "10\.1\.2\.3" )",
                  R"("tester" "123" "a\.example\.com" "127\.0\.0\.1:)", origin_.port(), "\"")));
}

}  // namespace
}  // namespace sluice::harness
