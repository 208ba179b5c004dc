// Delta.

#include <gtest/gtest.h>

#include "control-plane/watches.h"
#include "tests/unit/control_plane/watches_client.h"

namespace sluice::control {
namespace {

using enum Type;

const Contents kOne = {
    {kClusters, {{"a", "eds 1"}, {"s", "static 1"}}},
    {kEndpoints, {{"a", "1"}, {"b", "1"}}},
    {kListeners, {{"web", "1"}}},
    {kRoutes, {{"web", "1"}}},
};

std::string VersionIn(const Contents& contents, Type type, const std::string& name) {
  return ContentHash(BytesOf(type, name, contents.at(type).at(name)));
}

struct DeltaCase {
  const char* name;
  Type type;
  std::vector<WatchClient::Delta> asks;
  std::vector<std::string> want;
};

TEST(DeltaWatch, SubscriptionsAndWildcards) {
  const std::string s = VersionIn(kOne, kClusters, "s");
  const DeltaCase cases[] = {
      {"legacy wildcard", kClusters, {{}}, {"cds[a s]"}},
      {"explicit wildcard", kClusters, {{.subscribe = {"*"}}}, {"cds[a s]"}},
      {"a name", kClusters, {{.subscribe = {"s"}}}, {"cds[s]"}},
      {"no such thing is said at once", kEndpoints, {{.subscribe = {"a", "z"}}}, {"eds[a -z]"}},
      {"subscribed again is sent again",
       kEndpoints,
       {{.subscribe = {"a"}}, {.subscribe = {"a"}}},
       {"eds[a]", "eds[a]"}},
      {"unsubscribed is silent",
       kEndpoints,
       {{.subscribe = {"a", "b"}}, {.unsubscribe = {"b", "never"}}},
       {"eds[a b]", ""}},
      {"unsubscribed from a name under the wildcard",
       kClusters,
       {{.subscribe = {"*", "s"}}, {.unsubscribe = {"s"}}},
       {"cds[a s]", "cds[s]"}},
      {"unsubscribed from a missing name under the wildcard",
       kClusters,
       {{.subscribe = {"*", "z"}}, {.unsubscribe = {"z"}}},
       {"cds[a s -z]", "cds[-z]"}},
      {"wildcard off",
       kClusters,
       {{.subscribe = {"*", "s"}}, {.unsubscribe = {"*"}}, {.subscribe = {"*"}}},
       {"cds[a s]", "", "cds[a]"}},
      {"reconnected, nothing changed",
       kClusters,
       {{.subscribe = {"s"}, .initial = {{"s", s}}}},
       {""}},
      {"reconnected with the wildcard",
       kClusters,
       {{.initial = {{"s", s}, {"old", "1"}, {"a", "other"}}}},
       {"cds[a -old]"}},
      {"reconnected, one never came",
       kClusters,
       {{.subscribe = {"s", "a"}, .initial = {{"s", s}}}},
       {"cds[a]"}},
      {"empty lists of endpoints mean none", kEndpoints, {{}}, {""}},
  };
  for (const DeltaCase& test : cases) {
    SCOPED_TRACE(test.name);
    WatchClient client(Watch::Protocol::kDelta, test.type);
    client.watch().SetSnapshot(Snap(kOne));
    for (std::size_t i = 0; i < test.asks.size(); ++i) {
      ASSERT_TRUE(client.AskDelta(test.type, test.asks[i]).ok());
      EXPECT_EQ(client.Drain(), test.want[i]) << "request " << i;
    }
  }
}

TEST(DeltaWatch, NothingIsAnsweredToTheFirstWildcard) {
  WatchClient client(Watch::Protocol::kDelta);
  client.watch().SetSnapshot(Snap({}));
  ASSERT_TRUE(client.AskDelta(kClusters, {}).ok());
  EXPECT_EQ(client.Drain(), "cds[]");
}

TEST(DeltaWatch, OnlyWhatChangedIsSentAndRemovalsLast) {
  WatchClient client(Watch::Protocol::kDelta);
  client.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(client.AskDelta(kClusters, {}).ok());
  ASSERT_TRUE(client.AskDelta(kEndpoints, {.subscribe = {"a"}}).ok());
  ASSERT_TRUE(client.AskDelta(kListeners, {}).ok());
  ASSERT_TRUE(client.AskDelta(kRoutes, {.subscribe = {"web"}}).ok());
  EXPECT_EQ(client.Drain(), "cds[a s] eds[a] lds[web] rds[web]");
  Contents next = kOne;
  next[kClusters].erase("s");
  next[kClusters]["t"] = "static 1";
  next[kRoutes]["web"] = "2";
  client.watch().SetSnapshot(Snap(next));
  EXPECT_EQ(client.Drain(), "cds[t] rds[web] cds[-s]");
}

TEST(DeltaWatch, SubscriptionInAStaleAnswerCounts) {
  WatchClient client(Watch::Protocol::kDelta);
  client.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(client.AskDelta(kEndpoints, {.subscribe = {"a"}}).ok());
  const Seen first = client.Next();
  ASSERT_TRUE(client.AskDelta(kEndpoints, {.subscribe = {"b"}, .nonce = "0"}).ok());
  EXPECT_EQ(client.pending(), 0U);  // The first is not acknowledged by that.
  EXPECT_EQ(client.counters.acks[1], 0U);
  ASSERT_TRUE(client.Ack(first).ok());
  EXPECT_EQ(client.Drain(), "eds[b]");
}

TEST(DeltaWatch, RefusedVersionIsRemembered) {
  WatchClient client(Watch::Protocol::kDelta);
  client.watch().SetSnapshot(Snap(kOne));
  ASSERT_TRUE(client.AskDelta(kClusters, {}).ok());
  const Seen seen = client.Next();
  ASSERT_TRUE(client.Nack(seen, "cluster a: no").ok());
  EXPECT_EQ(client.Drain(), "");
  EXPECT_EQ(client.watch().status().types[0].error, "cluster a: no");
  Contents next = kOne;
  next[kClusters]["a"] = "eds 2";
  client.watch().SetSnapshot(Snap(next));
  EXPECT_EQ(client.Drain(), "cds[a s]");  // What came with it, too.
  EXPECT_EQ(client.watch().status().types[0].error, "");
}

TEST(DeltaWatch, HostileRequestsAreBounded) {
  WatchClient client(Watch::Protocol::kDelta);
  client.watch().SetSnapshot(Snap(kOne));
  EXPECT_FALSE(client.watch().OnRequest("\xff\xff").ok());
  // Names collected over many requests count together.
  absl::Status status;
  for (int i = 0; i < 3 && status.ok(); ++i) {
    WatchClient::Delta delta;
    for (std::size_t n = 0; n < kWatchNamesMax - 1; ++n) {
      delta.subscribe.push_back(std::to_string(i) + "-" + std::to_string(n));
    }
    status = client.AskDelta(kEndpoints, delta);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  WatchClient other(Watch::Protocol::kDelta);
  other.watch().SetSnapshot(Snap(kOne));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(other.AskDelta(kClusters, {.unsubscribe = {std::to_string(i)}}).ok());
  }
  EXPECT_LE(other.pending(), 1U);
}

}  // namespace
}  // namespace sluice::control
