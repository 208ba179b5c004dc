// What must be refused, a row per item, from clients and from origins: exact status, connection
// closed, the origin saw none of it, everyone else is served.
// ctest: timeout=600
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/attack_rows.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using namespace std::string_literals;

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// One proxy in front of one origin that remembers everything, and a client that behaves.
class Attack : public testing::Test {
 protected:
  Attack() {
    Listener listener("in");
    listener.Route("/", Cluster("app", {origin_.port()}));
    listener.manager().mutable_request_headers_timeout()->set_seconds(60);
    proxy_ = std::make_unique<Proxy>(StaticBootstrap(listener));
    port_ = proxy_->Port();
    bystander_ = std::make_unique<Client>(port_);
  }

  void ExpectOthersAreServed() {
    const Response old = bystander_->Get("/fine");
    EXPECT_EQ(old.status, 200);
    EXPECT_EQ(old.body, "ok");
    Client fresh(port_);
    EXPECT_EQ(fresh.Get("/fine").body, "ok");
  }

  // Of an attack's row: how the answer came.
  void ExpectRefused(const RequestRow& row, Client& client) {
    const Response response = client.Read();
    EXPECT_EQ(response.status, row.status) << response.head;
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.Header("connection"), "close");
    const auto rest = client.ReadToEof();
    ASSERT_TRUE(rest.has_value()) << "the connection was not closed in order";
    EXPECT_EQ(*rest, "");
  }

  FakeUpstream origin_;
  std::unique_ptr<Proxy> proxy_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Client> bystander_;
};

TEST_F(Attack, RequestsOfTheTableAreRefusedWholeAndByteByByte) {
  std::size_t rows = 0;
  for (const RequestRow& row : RequestRows()) {
    SCOPED_TRACE(row.name);
    ++rows;
    for (const bool slowly : {false, true}) {
      if (slowly && row.bytes.size() > 200'000) continue;  // A write per byte: minutes.
      SCOPED_TRACE(slowly ? "byte by byte" : "whole");
      Client client(port_);
      slowly ? client.SendSlowly(row.bytes) : client.Send(row.bytes);
      ExpectRefused(row, client);
      ExpectOthersAreServed();
    }
    const std::string received = origin_.Received();
    ASSERT_FALSE(Contains(received, "smuggled"));
    if (row.reach == Reach::kNothing) {
      EXPECT_FALSE(Contains(received, Marker(row.name)));
    }
    for (const OriginRequest& request : origin_.Requests()) {
      EXPECT_FALSE(Contains(request.head, Marker(row.name)))
          << "a complete request reached the origin";
    }
  }
  std::printf("attack: %zu rows from clients\n", rows);
  EXPECT_GE(rows, 90U);
}

TEST_F(Attack, WhatOnlyLooksOddIsServedAndForwardedInOneReading) {
  for (const HarmlessRow& row : HarmlessRows()) {
    SCOPED_TRACE(row.name);
    for (const bool slowly : {false, true}) {
      Client client(port_);
      slowly ? client.SendSlowly(row.bytes) : client.Send(row.bytes);
      const Response response = client.Read();
      EXPECT_EQ(response.status, 200) << response.head;
      const OriginRequest seen = origin_.LastRequest();
      EXPECT_EQ(seen.method, row.method);
      EXPECT_EQ(seen.target, row.target);
      EXPECT_EQ(seen.body, row.body);
      for (const std::string_view absent : row.absent) {
        EXPECT_FALSE(Contains(seen.head, absent)) << seen.head;
      }
      EXPECT_LE(seen.Count("content-length") + seen.Count("transfer-encoding"), 1U);
      EXPECT_EQ(seen.Count("host"), 1U);
      EXPECT_EQ(client.Get("/fine").body, "ok") << "the connection goes on";
    }
  }
}

// An origin that answers /attack with the row's bytes, in one write or one per byte.
TEST_F(Attack, ResponsesOfTheTableAreNeverPassedOnAsValid) {
  std::size_t rows = 0;
  for (const ResponseRow& row : ResponseRows()) {
    SCOPED_TRACE(row.name);
    ++rows;
    for (const bool slowly : {false, true}) {
      if (slowly && row.bytes.size() > 100'000) continue;
      SCOPED_TRACE(slowly ? "byte by byte" : "whole");
      Gate sent;  // Bytes that come after the next request cannot be told from its answer.
      FakeUpstream liar;
      liar.On("/attack", [&](OriginConnection& connection, OriginRequest&) {
        for (std::size_t at = 0; slowly && at < row.bytes.size(); ++at) {
          if (!connection.Write(std::string_view(row.bytes).substr(at, 1))) break;
        }
        if (!slowly) connection.Write(row.bytes);
        sent.Open();
        if (row.then == Then::kClose) return connection.Close();
        if (row.then == Then::kReset) return connection.Reset();
        connection.SeesClose();  // The proxy must let go of it by itself.
        connection.Close();
      });
      // One worker: pools are a worker's own.
      Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {liar.port()}))),
                  {.concurrency = 1});
      Client client(proxy.Port());
      client.Send(base::Cat(row.method, " /attack HTTP/1.1\r\nhost: test\r\n\r\n"));
      const Response response = client.Read(row.method);
      EXPECT_EQ(response.status, row.status) << response.head;
      EXPECT_EQ(response.complete, row.complete);
      EXPECT_EQ(response.body, row.body.value_or(response.body));
      EXPECT_FALSE(Contains(response.head + response.body + response.trailers, "poison"));
      EXPECT_TRUE(sent.Wait());
      if (response.complete) {
        EXPECT_EQ(client.Get("/next").body, "ok") << "the next answer is another's";
      } else {
        EXPECT_TRUE(client.SeesClose()) << "a cut answer must not look whole";
      }
      EXPECT_EQ(Client(proxy.Port()).Get("/next").body, "ok");
      EXPECT_EQ(liar.connections(), 2) << "the liar's connection was used again";
    }
  }
  std::printf("attack: %zu rows from origins\n", rows);
  EXPECT_GE(rows, 25U);
}

TEST_F(Attack, AnOriginThatSpeaksUnaskedOnAnIdleConnectionAnswersNobody) {
  Gate spoken;
  FakeUpstream liar;
  liar.On("/first", [&](OriginConnection& connection, OriginRequest&) {
    connection.Reply(200, "first");
    connection.Reply(200, "poison");
    spoken.Open();
  });
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {liar.port()}))));
  Client client(proxy.Port());
  EXPECT_EQ(client.Get("/first").body, "first");
  EXPECT_TRUE(spoken.Wait());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Get("/next").body, "ok");
}

TEST_F(Attack, AResetInTheMiddleCutsTheAnswerVisibly) {
  Gate read;
  origin_.On("/reset", [&](OriginConnection& connection, OriginRequest&) {
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    read.Wait();
    connection.Reset();
  });
  Client client(port_);
  client.Send("GET /reset HTTP/1.1\r\nhost: test\r\n\r\n");
  EXPECT_EQ(client.Read("GET", true).status, 200);
  EXPECT_EQ(client.ReadRaw(5), "hello");
  read.Open();
  EXPECT_TRUE(client.SeesClose());
  ExpectOthersAreServed();
}

TEST_F(Attack, AnAnswerBeforeTheRequestEndsIsPassedOnAndEndsTheConnection) {
  origin_.OnHead("/early", [](OriginConnection& connection, OriginRequest&) {
    connection.Reply(413, "too much");
    connection.SeesClose();
    connection.Close();
  });
  Client client(port_);
  client.Send("POST /early HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\nbegin");
  const Response response = client.Read();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body, "too much");
  client.Send("GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n");  // Body, whatever it looks like.
  ExpectOthersAreServed();
  client.socket().ShutdownWrite();
  EXPECT_EQ(client.ReadToEof().value_or(""), "");
  for (const OriginRequest& request : origin_.Requests()) EXPECT_NE(request.target, "/smuggled");
}

TEST_F(Attack, ABodyThatOurOwnAnswerDoesNotWantIsNoRequest) {
  Listener listener("in");
  listener.Add(DirectRoute("/", 200, "direct"));
  Proxy proxy(StaticBootstrap(listener));
  for (const std::string method : {"GET", "POST", "OPTIONS"}) {
    SCOPED_TRACE(method);
    const std::string inner = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";
    Client client(proxy.Port());
    client.Send(base::Cat(method, " / HTTP/1.1\r\nhost: test\r\ncontent-length: ", inner.size(),
                          "\r\n\r\n", inner, "GET /last HTTP/1.0\r\n\r\n"));
    EXPECT_EQ(client.Read().body, "direct");
    const Response last = client.Read();
    EXPECT_EQ(last.status, 400) << "HTTP/1.0 without Host: the second and last answer";
    EXPECT_EQ(client.ReadToEof().value_or("reset"), "");
  }
}

TEST_F(Attack, SlowHeadsAreAnsweredAndClosedAfterTheirTime) {
  Listener listener("in");
  listener.Route("/", Cluster("app", {origin_.port()}));
  listener.manager().mutable_request_headers_timeout()->set_nanos(300'000'000);
  Proxy proxy(StaticBootstrap(listener));
  const std::uint16_t port = proxy.Port();
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<Client>(port));
    slow.back()->Send("GET /attack HTTP/1.1\r\nhost: te");
  }
  Client fine(port);
  EXPECT_EQ(fine.Get("/fine").body, "ok");
  for (auto& client : slow) {
    client->Send("s");  // A byte now and then prolongs nothing.
    EXPECT_EQ(client->Read().status, 408);
    EXPECT_TRUE(client->SeesClose());
  }
  EXPECT_FALSE(Contains(origin_.Received(), "attack"));
}

TEST_F(Attack, SlowBodiesEndWithTheirStream) {
  Listener listener("in");
  listener.Route("/", Cluster("app", {origin_.port()}));
  listener.manager().mutable_stream_idle_timeout()->set_nanos(300'000'000);
  Proxy proxy(StaticBootstrap(listener));
  Client client(proxy.Port());
  client.Send("POST /attack HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nx");
  EXPECT_EQ(client.Read().status, 408);
  EXPECT_TRUE(client.SeesClose());
  EXPECT_TRUE(Eventually([&] { return Contains(origin_.Received(), "/attack"); }));
  for (const OriginRequest& request : origin_.Requests()) EXPECT_NE(request.target, "/attack");
}

TEST_F(Attack, AFloodOfInterimResponsesIsBounded) {
  origin_.On("/flood", [](OriginConnection& connection, OriginRequest&) {
    for (int i = 0; i < 200'000; ++i) {
      if (!connection.Write("HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n")) return;
    }
    connection.Reply(200, "late");
  });
  Client client(port_);
  const std::uint64_t before = proxy_->RssBytes();
  client.Send("GET /flood HTTP/1.1\r\nhost: test\r\n\r\n");
  ExpectOthersAreServed();
  const Response response = client.Read();
  EXPECT_TRUE(response.status == 200 || response.status == 502) << response.status;
  EXPECT_LT(proxy_->RssBytes(), before + std::uint64_t{kSanitized ? 128 : 32} * 1024 * 1024);
}

}  // namespace
}  // namespace sluice::harness
