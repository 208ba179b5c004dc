// State of the world.

#include "control-plane/watches.h"

#include <gtest/gtest.h>

#include "tests/unit/control_plane/watches_client.h"

namespace sluice::control {
namespace {

using enum Type;

const Contents kOne = {
    {kClusters, {{"a", "eds 1"}, {"s", "static 1"}}},
    {kEndpoints, {{"a", "1"}, {"b", "1"}}},
    {kListeners, {{"web", "1"}}},
    {kRoutes, {{"web", "1"}, {"other", "1"}}},
};

Contents With(Contents contents, Type type, const std::string& name, const std::string& content) {
  contents[type][name] = content;
  return contents;
}
Contents Without(Contents contents, Type type, const std::string& name) {
  contents[type].erase(name);
  return contents;
}

// An aggregated stream of a proxy that has everything of `contents`.
std::unique_ptr<WatchClient> Settled(const Contents& contents) {
  auto client = std::make_unique<WatchClient>();
  client->watch().SetSnapshot(Snap(contents));
  EXPECT_TRUE(client->Ask(kClusters, {}).ok());
  client->Drain();
  EXPECT_TRUE(client->Ask(kEndpoints, {"a"}).ok());
  client->Drain();
  EXPECT_TRUE(client->Ask(kListeners, {}).ok());
  client->Drain();
  EXPECT_TRUE(client->Ask(kRoutes, {"web"}).ok());
  EXPECT_EQ(client->Drain(), "rds[web]");
  return client;
}

TEST(Watch, FirstRequestsAreAnswered) {
  WatchClient client;
  ASSERT_TRUE(client.Ask(kClusters, {}).ok());
  EXPECT_EQ(client.pending(), 0U);  // Nothing is known yet.
  client.watch().SetSnapshot(Snap(kOne));
  EXPECT_EQ(client.Drain(), "cds[a s]");
  ASSERT_TRUE(client.Ask(kEndpoints, {"a"}).ok());
  EXPECT_EQ(client.Drain(), "eds[a]");
  ASSERT_TRUE(client.Ask(kListeners, {}).ok());
  EXPECT_EQ(client.Drain(), "lds[web]");
  ASSERT_TRUE(client.Ask(kRoutes, {"web"}).ok());
  EXPECT_EQ(client.Drain(), "rds[web]");
  EXPECT_EQ(client.counters.pushes[0], 1U);
  EXPECT_EQ(client.counters.acks[3], 1U);
}

TEST(Watch, NothingIsAnsweredWithNothing) {
  WatchClient client;
  client.watch().SetSnapshot(Snap({}));
  ASSERT_TRUE(client.Ask(kClusters, {}).ok());
  EXPECT_EQ(client.Drain(), "cds[]");
  ASSERT_TRUE(client.Ask(kRoutes, {"web"}).ok());
  EXPECT_EQ(client.Drain(), "rds[]");
}

struct NamesCase {
  const char* name;
  Type type;
  std::vector<std::vector<std::string>> asks;  // One after the other.
  std::vector<std::string> want;               // What each is answered with.
};

TEST(Watch, NamesAndWildcards) {
  const NamesCase cases[] = {
      {"legacy wildcard", kClusters, {{}}, {"cds[a s]"}},
      {"explicit wildcard", kClusters, {{"*"}}, {"cds[a s]"}},
      {"wildcard and a name", kClusters, {{"*", "a"}}, {"cds[a s]"}},
      {"a name only", kClusters, {{"a"}}, {"cds[a]"}},
      {"less than there is", kEndpoints, {{"a"}}, {"eds[a]"}},
      {"more than there is", kEndpoints, {{"a", "zzz"}}, {"eds[a]"}},
      {"growing", kEndpoints, {{"a"}, {"a", "b"}}, {"eds[a]", "eds[b]"}},
      {"growing by what is not there", kEndpoints, {{"a"}, {"a", "z"}}, {"eds[a]", "eds[]"}},
      {"shrinking", kEndpoints, {{"a", "b"}, {"a"}}, {"eds[a b]", ""}},
      {"asked for again", kEndpoints, {{"a", "b"}, {"a"}, {"a", "b"}}, {"eds[a b]", "", "eds[b]"}},
      {"empty after a name is nothing", kClusters, {{"a"}, {}}, {"cds[a]", ""}},
      {"wildcard after a name", kClusters, {{"a"}, {"*"}}, {"cds[a]", "cds[a s]"}},
      {"wildcard dropped", kClusters, {{"*"}, {"a"}}, {"cds[a s]", "cds[a]"}},
      {"an empty list of endpoints is nothing", kEndpoints, {{}}, {""}},
      {"routes by name", kRoutes, {{"web"}, {"other"}}, {"rds[web]", "rds[other]"}},
  };
  for (const NamesCase& test : cases) {
    SCOPED_TRACE(test.name);
    WatchClient client(Watch::Protocol::kStateOfTheWorld, test.type);
    client.watch().SetSnapshot(Snap(kOne));
    for (std::size_t i = 0; i < test.asks.size(); ++i) {
      ASSERT_TRUE(client.Ask(test.type, test.asks[i]).ok());
      EXPECT_EQ(client.Drain(), test.want[i]) << "request " << i;
    }
  }
}

TEST(Watch, StaleNonceIsIgnored) {
  WatchClient client;
  client.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(client.Ask(kEndpoints, {"a"}).ok());
  const Seen first = client.Next();
  ASSERT_TRUE(client.Ack(first).ok());
  client.watch().SetSnapshot(Snap(With(kOne, kEndpoints, "a", "2")));
  const Seen second = client.Next();
  ASSERT_EQ(client.Show(second), "eds[a]");
  ASSERT_TRUE(client.Ask(kEndpoints, {"a", "b"}, first.version, first.nonce).ok());
  EXPECT_EQ(client.pending(), 0U);
  EXPECT_EQ(client.counters.ignored, 1U);
  EXPECT_EQ(client.counters.acks[1], 1U);
  // The answer to the second carries the names.
  ASSERT_TRUE(client.Ask(kEndpoints, {"a", "b"}, second.version, second.nonce).ok());
  EXPECT_EQ(client.Drain(), "eds[b]");
}

TEST(Watch, ChangeIsSentOnceAndOnlyWhatChanged) {
  auto client = Settled(kOne);
  const auto next = With(kOne, kRoutes, "web", "2");
  client->watch().SetSnapshot(Snap(next));
  EXPECT_EQ(client->Drain(), "rds[web]");
  client->watch().SetSnapshot(Snap(next));  // Equal, though another object.
  EXPECT_EQ(client->Drain(), "");
  client->watch().SetSnapshot(Snap(With(next, kRoutes, "other", "2")));
  EXPECT_EQ(client->Drain(), "");  // Not a table of this client.
}

TEST(Watch, OneInFlightAndOneUnacknowledged) {
  auto client = Settled(kOne);
  for (int i = 2; i < 50; ++i) {
    client->watch().SetSnapshot(Snap(With(kOne, kRoutes, "web", std::to_string(i))));
  }
  EXPECT_EQ(client->pending(), 1U);
  const Seen seen = client->Next();
  EXPECT_EQ(seen.bytes.at("web"), "web=2");
  EXPECT_EQ(client->pending(), 0U);
  ASSERT_TRUE(client->Ack(seen).ok());
  const Seen last = client->Next();
  EXPECT_EQ(last.bytes.at("web"), "web=49");  // All between were skipped.
  ASSERT_TRUE(client->Ack(last).ok());
  EXPECT_EQ(client->pending(), 0U);
}

TEST(Watch, MakeBeforeBreak) {
  auto client = Settled(kOne);
  // "a" is replaced by "n": routes move from one to the other.
  Contents next = Without(Without(kOne, kClusters, "a"), kEndpoints, "a");
  next = With(With(With(next, kClusters, "n", "eds 1"), kEndpoints, "n", "1"), kRoutes, "web", "2");
  client->watch().SetSnapshot(Snap(next));
  const Seen made = client->Next();
  EXPECT_EQ(client->Show(made), "cds[a n s]");
  EXPECT_EQ(client->pending(), 0U);  // Not before the client has the clusters.
  ASSERT_TRUE(client->Ack(made).ok());
  EXPECT_EQ(client->pending(), 0U);  // Nor before it has their endpoints.
  ASSERT_TRUE(client->Ask(kEndpoints, {"a", "n"}).ok());
  const Seen endpoints = client->Next();
  EXPECT_EQ(client->Show(endpoints), "eds[n]");
  EXPECT_EQ(client->pending(), 0U);
  ASSERT_TRUE(client->Ack(endpoints).ok());
  const Seen routes = client->Next();
  EXPECT_EQ(client->Show(routes), "rds[web]");
  EXPECT_EQ(client->pending(), 0U);  // The old cluster stays until the routes left it.
  ASSERT_TRUE(client->Ack(routes).ok());
  EXPECT_EQ(client->Drain(), "cds[n s]");
}

TEST(Watch, RefusedRoutesKeepTheirOldClusters) {
  auto client = Settled(kOne);
  const Contents next = With(Without(kOne, kClusters, "s"), kRoutes, "web", "2");
  client->watch().SetSnapshot(Snap(next));
  const Seen routes = client->Next();
  ASSERT_EQ(client->Show(routes), "rds[web]");  // Clusters: the same set for now, nothing to send.
  ASSERT_TRUE(client->Nack(routes, "no").ok());
  EXPECT_EQ(client->Drain(), "");
  client->watch().SetSnapshot(Snap(With(next, kRoutes, "web", "3")));
  EXPECT_EQ(client->Drain(), "rds[web] cds[a]");
}

TEST(Watch, RoutesDoNotFollowRefusedClusters) {
  auto client = Settled(kOne);
  const Contents bad = With(With(kOne, kClusters, "s", "static 2"), kRoutes, "web", "2");
  client->watch().SetSnapshot(Snap(bad));
  const Seen clusters = client->Next();
  ASSERT_EQ(client->Show(clusters), "cds[a s]");
  ASSERT_TRUE(client->Nack(clusters, "cluster s: bad").ok());
  client->clock.now += 10 * kWatchPatience;
  client->watch().Tick();
  EXPECT_EQ(client->Drain(), "");
  client->watch().SetSnapshot(Snap(With(bad, kClusters, "s", "static 3")));
  EXPECT_EQ(client->Drain(), "cds[a s] eds[a] rds[web]");
}

TEST(Watch, PatienceWithSilentClientsEnds) {
  auto client = Settled(kOne);
  Contents next = With(With(kOne, kClusters, "n", "eds 1"), kEndpoints, "n", "1");
  client->watch().SetSnapshot(Snap(With(next, kRoutes, "web", "2")));
  const Seen clusters = client->Next();
  ASSERT_TRUE(client->Ack(clusters).ok());
  EXPECT_EQ(client->pending(), 0U);  // It never asks for the endpoints of "n".
  client->watch().Tick();
  client->clock.now += kWatchPatience;
  EXPECT_EQ(client->pending(), 0U);
  client->watch().Tick();
  EXPECT_EQ(client->Drain(), "rds[web]");
}

TEST(Watch, QuestionsAreAnsweredWhateverIsPending) {
  auto client = Settled(kOne);
  client->watch().SetSnapshot(Snap(With(kOne, kClusters, "s", "static 2")));
  const Seen clusters = client->Next();
  ASSERT_EQ(client->Show(clusters), "cds[a s]");
  ASSERT_TRUE(client->Ask(kRoutes, {"web", "other"}).ok());  // While clusters wait for their ACK.
  EXPECT_EQ(client->Show(client->Next()), "rds[other]");
}

TEST(Watch, EndpointsAreSentAgainAfterTheirClusterChanged) {
  auto client = Settled(kOne);
  client->watch().SetSnapshot(Snap(With(kOne, kClusters, "a", "eds 2")));
  EXPECT_EQ(client->Drain(), "cds[a s] eds[a]");
  client->watch().SetSnapshot(Snap(With(kOne, kClusters, "a", "eds:b:1")));
  EXPECT_EQ(client->Drain(), "cds[a s]");  // Its endpoints are "b" now, which nobody asked for yet.
  ASSERT_TRUE(client->Ask(kEndpoints, {"b"}).ok());
  EXPECT_EQ(client->Drain(), "eds[b]");
  client->watch().SetSnapshot(Snap(With(kOne, kClusters, "s", "static 9")));
  EXPECT_EQ(client->Drain(), "cds[a s]");
}

TEST(Watch, RefusedVersionIsRemembered) {
  auto client = Settled(kOne);
  const Contents bad = With(kOne, kRoutes, "web", "bad");
  client->watch().SetSnapshot(Snap(bad));
  const Seen refused = client->Next();
  ASSERT_TRUE(client->Nack(refused, "routes[0]: broken\n").ok());
  EXPECT_EQ(client->counters.nacks[3], 1U);
  const auto& status = client->watch().status().types[3];
  EXPECT_EQ(status.error, "routes[0]: broken\\x0a");
  EXPECT_EQ(status.sent_version, refused.version);
  EXPECT_NE(status.acked_version, refused.version);
  EXPECT_EQ(client->Drain(), "");
  client->watch().SetSnapshot(Snap(With(bad, kEndpoints, "a", "2")));  // Something else changes.
  EXPECT_EQ(client->Drain(), "eds[a]");
  client->watch().SetSnapshot(Snap(With(bad, kRoutes, "web", "good")));
  EXPECT_EQ(client->Drain(), "eds[a] rds[web]");
  EXPECT_EQ(client->watch().status().types[3].error, "");
}

TEST(Watch, WhatCameWithARefusedResourceIsSentAgain) {
  WatchClient client;
  client.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(client.Ask(kRoutes, {"other", "web"}).ok());
  const Seen both = client.Next();
  ASSERT_TRUE(client.Nack(both, "web is bad").ok());
  client.watch().SetSnapshot(Snap(With(kOne, kRoutes, "web", "2")));
  EXPECT_EQ(client.Drain(), "rds[other web]");  // Who knows whether "other" was taken.
}

TEST(Watch, ReconnectWithTheSameVersionsIsSilent) {
  auto before = Settled(kOne);
  const auto& types = before->watch().status().types;
  WatchClient again;
  again.watch().SetSnapshot(Snap(kOne));  // As of another process: equal, not the same.
  ASSERT_TRUE(again.Ask(kClusters, {}, types[0].acked_version).ok());
  ASSERT_TRUE(again.Ask(kEndpoints, {"a"}, types[1].acked_version).ok());
  ASSERT_TRUE(again.Ask(kListeners, {}, types[2].acked_version).ok());
  ASSERT_TRUE(again.Ask(kRoutes, {"web"}, types[3].acked_version).ok());
  EXPECT_EQ(again.pending(), 0U);
  EXPECT_EQ(again.watch().status().types[3].acked_version, types[3].acked_version);
  again.watch().SetSnapshot(Snap(With(kOne, kRoutes, "web", "2")));
  EXPECT_EQ(again.Drain(), "rds[web]");
}

TEST(Watch, ReconnectWithOneMoreNameIsAnswered) {
  auto before = Settled(kOne);
  WatchClient again;
  again.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(
      again.Ask(kEndpoints, {"a", "b"}, before->watch().status().types[1].acked_version).ok());
  EXPECT_EQ(again.Drain(), "eds[a b]");
}

TEST(Watch, ReconnectAfterAClusterChangedGetsEndpointsToo) {
  auto before = Settled(kOne);
  const auto& types = before->watch().status().types;
  WatchClient again;
  again.watch().SetSnapshot(Snap(With(kOne, kClusters, "a", "eds 2")));
  ASSERT_TRUE(again.Ask(kClusters, {}, types[0].acked_version).ok());
  ASSERT_TRUE(again.Ask(kEndpoints, {"a"}, types[1].acked_version).ok());
  EXPECT_EQ(again.Drain(), "cds[a s] eds[a]");
}

TEST(Watch, ClientThatStartsOverIsAnsweredAgainButNeverInALoop) {
  auto client = Settled(kOne);
  ASSERT_TRUE(client->Ask(kRoutes, {"web"}, "", "").ok());
  const Seen seen = client->Next();
  ASSERT_EQ(client->Show(seen), "rds[web]");
  // Acknowledges without a nonce: wrong, but no reason to send it for ever.
  ASSERT_TRUE(client->Ask(kRoutes, {"web"}, seen.version, "").ok());
  EXPECT_EQ(client->pending(), 0U);
}

TEST(Watch, HostileRequestsAreBounded) {
  WatchClient client;
  client.watch().SetSnapshot(Snap(kOne));
  EXPECT_EQ(client.watch().OnRequest("\xff\xff garbage").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client.watch().OnRequest("").code(), absl::StatusCode::kInvalidArgument);
  std::vector<std::string> names(kWatchNamesMax + 1);
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = std::to_string(i);
  EXPECT_EQ(client.Ask(kEndpoints, names).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(client.Ask(kEndpoints, {std::string(kWatchNameBytesMax + 1, 'x')}).code(),
            absl::StatusCode::kResourceExhausted);
  envoy::service::discovery::v3::DiscoveryRequest unknown;
  unknown.set_type_url("type.googleapis.com/envoy.service.runtime.v3.Runtime");
  EXPECT_TRUE(client.watch().OnRequest(unknown.SerializeAsString()).ok());
  EXPECT_EQ(client.counters.ignored, 1U);
  EXPECT_EQ(client.pending(), 0U);
  WatchClient routes(Watch::Protocol::kStateOfTheWorld, kRoutes);
  EXPECT_FALSE(routes.watch().OnRequest(unknown.SerializeAsString()).ok());
  EXPECT_FALSE(routes.Ask(kClusters, {}).ok());
  // A flood costs one response in flight, whatever it asks for.
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(client.Ask(kEndpoints, {"a"}, "", "").ok());
  EXPECT_EQ(client.pending(), 1U);
}

TEST(Watch, PerTypeStreamNeedsNoTypeUrl) {
  WatchClient client(Watch::Protocol::kStateOfTheWorld, kRoutes);
  client.watch().SetSnapshot(Snap(kOne));
  envoy::service::discovery::v3::DiscoveryRequest request;
  request.mutable_node()->set_id("n\n1");
  request.add_resource_names("web");
  ASSERT_TRUE(client.watch().OnRequest(request.SerializeAsString()).ok());
  EXPECT_EQ(client.Show(client.Next()), "rds[web]");
  EXPECT_EQ(client.watch().status().node_id, "n\\x0a1");
}

TEST(ResponseCache, OneChangeIsSerialisedOnceForAll) {
  HandClock clock;
  ResponseCache cache;
  WatchCounters counters;
  std::vector<SerialisedResponse> sent;
  std::vector<std::unique_ptr<Watch>> watches;
  envoy::service::discovery::v3::DiscoveryRequest request;
  request.set_type_url(std::string(TypeUrl(kClusters)));
  for (int i = 0; i < 100; ++i) {
    watches.push_back(std::make_unique<Watch>(
        Watch::Options{}, clock, cache, counters,
        [&](SerialisedResponse response) { sent.push_back(std::move(response)); }));
    watches.back()->SetSnapshot(Snap(kOne));
    ASSERT_TRUE(watches.back()->OnRequest(request.SerializeAsString()).ok());
  }
  ASSERT_EQ(sent.size(), 100U);
  EXPECT_EQ(cache.serialised_count(), 1U);
  EXPECT_EQ(sent.front().body, sent.back().body);
}

}  // namespace
}  // namespace sluice::control
