// Which configuration a request sees, how long it holds on to it, and who frees it.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "proxy/snapshot_pin.h"
#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

config::HeaderMutations Stamp(std::string_view value) {
  config::HeaderAddition addition;
  addition.name = "x-stamp";
  addition.value.items.push_back({config::Operator::kLiteral, std::string(value), "", {}});
  config::HeaderMutations mutations;
  mutations.add.push_back(addition);
  return mutations;
}

class Pin : public testing::Test {
 protected:
  Pin() { fixture_.AddRoute("/"); }
  void PublishStamped(std::string_view value) {
    fixture_.host().mutations.response = Stamp(value);
    fixture_.Publish();
  }
  SnapshotHolder& holder() { return fixture_.context().snapshots(); }
  Peer& upstream(std::size_t i = 0) { return *fixture_.upstreams().at(i); }
  ProxyFixture fixture_;
};

TEST(SnapshotHolder, RetiresAfterTheLastPinOnly) {
  std::vector<std::shared_ptr<const void>> garbage;
  const Retire retire = {[](void* owner, std::shared_ptr<const void> snapshot) {
                           static_cast<std::vector<std::shared_ptr<const void>>*>(owner)->push_back(
                               std::move(snapshot));
                         },
                         &garbage};
  auto first = std::make_shared<config::Snapshot>();
  {
    SnapshotHolder holder(retire);
    EXPECT_EQ(holder.current(), nullptr);
    holder.Adopt(first);
    SnapshotPin a = holder.Pin();
    SnapshotPin b = std::move(a);
    EXPECT_FALSE(a);
    EXPECT_EQ(&*b, first.get());
    holder.Adopt(std::make_shared<config::Snapshot>());
    EXPECT_EQ(holder.alive(), 2U);
    EXPECT_TRUE(garbage.empty());
    b.reset();
    EXPECT_EQ(holder.alive(), 1U);
    ASSERT_EQ(garbage.size(), 1U);
    EXPECT_EQ(garbage[0].get(), first.get());
    EXPECT_EQ(holder.version(), 2U);
  }
  EXPECT_EQ(garbage.size(), 2U);
}

TEST_F(Pin, ARequestKeepsTheConfigurationItBeganWith) {
  PublishStamped("one");
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  PublishStamped("two");
  EXPECT_EQ(holder().alive(), 2U);
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  fixture_.Settle();
  EXPECT_NE(client->TakeReceived().find("x-stamp: one\r\n"), std::string::npos);
  EXPECT_EQ(holder().alive(), 1U);
  fixture_.on_turn = [&] {
    if (!upstream().received().empty()) {
      upstream().TakeReceived();
      upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  };
  upstream().TakeReceived();
  EXPECT_NE(fixture_.Ask(*client, kGet).find("x-stamp: two\r\n"), std::string::npos)
      << "the next request on the same connection sees the new one";
  EXPECT_FALSE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Pin, WhatIsRetiredIsFreedElsewhere) {
  PublishStamped("one");
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  PublishStamped("two");
  const std::size_t before = fixture_.retired().size();
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  fixture_.Settle();
  EXPECT_GT(fixture_.retired().size(), before);
  for (const auto& garbage : fixture_.retired()) EXPECT_NE(garbage, nullptr);
  fixture_.ExpectAllGone();
}

TEST_F(Pin, AnEventStreamLetsGoAtItsHead) {
  PublishStamped("one");
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  fixture_.Settle();
  PublishStamped("two");
  EXPECT_EQ(holder().alive(), 1U);
  fixture_.retired().clear();  // Freed: whoever still looked at it would be caught by ASan.
  upstream().Send("5\r\nevent\r\n0\r\n\r\n");
  fixture_.Settle();
  EXPECT_NE(client->received().find("event"), std::string::npos);
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].route, "route /");
  EXPECT_EQ(fixture_.logged()[0].cluster, "c");
  fixture_.ExpectAllGone();
}

TEST_F(Pin, ALongResponseLetsGoAfterASecond) {
  PublishStamped("one");
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  fixture_.Settle();
  PublishStamped("two");
  fixture_.Pass(900);
  EXPECT_EQ(holder().alive(), 2U);
  fixture_.Pass(200);
  EXPECT_EQ(holder().alive(), 1U);
  fixture_.retired().clear();
  upstream().Send("world");
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("helloworld"));
  EXPECT_EQ(fixture_.logged().at(0).route, "route /");
  fixture_.ExpectAllGone();
}

TEST_F(Pin, TunnelsHoldNoConfiguration) {
  fixture_.http().upgrades = {{"websocket", true}};
  PublishStamped("one");
  std::vector<std::shared_ptr<Peer>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(fixture_.Connect());
    clients.back()->Send(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    fixture_.Settle();
    upstream(static_cast<std::size_t>(i))
        .Send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
            "Upgrade: websocket\r\n\r\n");
    fixture_.Settle();
    PublishStamped(base::Cat("n", i));
    EXPECT_EQ(holder().alive(), 1U);
  }
  fixture_.retired().clear();
  clients[3]->Send("ping");
  fixture_.Settle();
  EXPECT_TRUE(upstream(3).received().ends_with("ping"));
  fixture_.context().CloseAll();
  fixture_.Settle();
  EXPECT_EQ(fixture_.logged().size(), 20U);
  EXPECT_EQ(fixture_.logged()[0].cluster, "c");
  fixture_.ExpectAllGone();
}

TEST_F(Pin, RdsTablesAreLookedUpByName) {
  fixture_.http().rds_name = "table";
  PublishStamped("one");
  fixture_.on_turn = [&] {
    for (const auto& peer : fixture_.upstreams()) {
      if (peer->received().empty()) continue;
      peer->TakeReceived();
      peer->Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  };
  auto client = fixture_.Connect();
  EXPECT_NE(fixture_.Ask(*client, kGet).find("x-stamp: one\r\n"), std::string::npos);
  // A listener whose table is not there (yet) has no routes.
  auto bare = std::make_shared<config::Snapshot>(*holder().current());
  bare->route_tables.Erase("table");
  fixture_.context().Adopt(bare);
  EXPECT_TRUE(fixture_.Ask(*client, kGet).starts_with("HTTP/1.1 404 "));
  EXPECT_EQ(fixture_.logged().back().flags, "NR");
  EXPECT_EQ(fixture_.stats().no_route.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Pin, AListenerThatIsGoneStillServesItsConnections) {
  PublishStamped("one");
  auto client = fixture_.Connect();
  fixture_.Settle();
  fixture_.context().Adopt(std::make_shared<config::Snapshot>());
  const std::string got = fixture_.Ask(*client, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(got, "");
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  fixture_.Settle();
  EXPECT_NE(client->received().find("x-stamp: one\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
