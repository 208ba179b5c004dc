// Clients that come back, ask for less than there is, or for more than anybody should.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "watches_client.h"

namespace sluice::control {
namespace {

using enum Type;
using Protocol = Watch::Protocol;

const Contents kBefore = {{kClusters, {{"old", "eds"}}},
                          {kEndpoints, {{"old", "1"}}},
                          {kListeners, {{"web", "1"}}},
                          {kRoutes, {{"web", "old"}}}};
const Contents kAfter = {{kClusters, {{"new", "eds"}}},
                         {kEndpoints, {{"new", "1"}}},
                         {kListeners, {{"web", "1"}}},
                         {kRoutes, {{"web", "new"}}}};

std::string VersionOf(const Contents& contents, Type type, const std::string& name) {
  return Snap(contents)->Of(type).resources.find(name)->second->version;
}

// A configuration changed while the client was away.
struct Returned {
  explicit Returned(Protocol protocol) : client(protocol, std::nullopt, &history) {
    history.Add(Snap(kBefore));
    history.Add(Snap(kAfter));
    client.watch().SetSnapshot(Snap(kAfter));
  }
  SnapshotHistory history;
  WatchClient client;
};

TEST(WatchReconnect, ClustersStayUntilTheRoutesAreTaken) {
  Returned r(Protocol::kStateOfTheWorld);
  ASSERT_TRUE(r.client.Ask(kClusters, {}, Snap(kBefore)->Of(kClusters).version, "").ok());
  EXPECT_EQ(r.client.Drain(), "cds[new old]");
  ASSERT_TRUE(r.client.Ask(kEndpoints, {"new", "old"}, "x", "").ok());
  EXPECT_EQ(r.client.Drain(), "eds[new old]");
  ASSERT_TRUE(r.client.Ask(kListeners, {}, "y", "").ok());
  EXPECT_EQ(r.client.Drain(), "lds[web]");
  ASSERT_TRUE(r.client.Ask(kRoutes, {"web"}, "z", "").ok());
  EXPECT_EQ(r.client.Drain(), "rds[web] cds[new]");
}

TEST(WatchReconnect, DeltaRemovesAfterTheRoutesAreTaken) {
  Returned r(Protocol::kDelta);
  ASSERT_TRUE(
      r.client.AskDelta(kClusters, {.initial = {{"old", VersionOf(kBefore, kClusters, "old")}}})
          .ok());
  EXPECT_EQ(r.client.Drain(), "cds[new]");
  ASSERT_TRUE(r.client.AskDelta(kEndpoints, {.subscribe = {"new", "old"}}).ok());
  EXPECT_EQ(r.client.Drain(), "eds[new old]");
  ASSERT_TRUE(r.client
                  .AskDelta(kRoutes, {.subscribe = {"web"},
                                      .initial = {{"web", VersionOf(kBefore, kRoutes, "web")}}})
                  .ok());
  EXPECT_EQ(r.client.Drain(), "rds[web] cds[-old] eds[-old]");
}

TEST(WatchReconnect, AClientWithoutRoutesIsNotWaitedForForEver) {
  Returned r(Protocol::kStateOfTheWorld);
  ASSERT_TRUE(r.client.Ask(kClusters, {}, Snap(kBefore)->Of(kClusters).version, "").ok());
  EXPECT_EQ(r.client.Drain(), "cds[new old]");
  r.client.clock.now += kWatchPatience;
  r.client.watch().Tick();
  EXPECT_EQ(r.client.Drain(), "cds[new]");
}

TEST(WatchReconnect, AnUnknownVersionIsNoReasonToWait) {
  Returned r(Protocol::kStateOfTheWorld);
  ASSERT_TRUE(r.client.Ask(kClusters, {}, "made up", "").ok());
  EXPECT_EQ(r.client.Drain(), "cds[new]");
}

// Some servers answer nothing at all until a client names all that they have; proxies of an older
// version then lose every endpoint.
TEST(WatchSubset, WhoeverAsksForLessIsAnswered) {
  for (const Protocol protocol : {Protocol::kStateOfTheWorld, Protocol::kDelta}) {
    WatchClient client(protocol);
    client.watch().SetSnapshot(Snap({{kClusters, {{"a", "eds"}, {"b", "eds"}, {"c", "eds"}}},
                                     {kEndpoints, {{"a", "1"}, {"b", "1"}, {"c", "1"}}}}));
    if (protocol == Protocol::kDelta) {
      ASSERT_TRUE(client.AskDelta(kEndpoints, {.subscribe = {"b"}}).ok());
    } else {
      ASSERT_TRUE(client.Ask(kEndpoints, {"b"}).ok());
    }
    EXPECT_EQ(client.Drain(), "eds[b]");
  }
}

// A static cluster may want its endpoints before, or without, any cluster of ours.
TEST(WatchSubset, EndpointsAloneAreAnswered) {
  WatchClient client;
  client.watch().SetSnapshot(Snap(kAfter));
  ASSERT_TRUE(client.Ask(kEndpoints, {"new", "no such"}).ok());
  EXPECT_EQ(client.Drain(), "eds[new]");
  ASSERT_TRUE(client.Ask(kClusters, {}).ok());
  EXPECT_EQ(client.Drain(), "cds[new] eds[new]");  // Again: the cluster warms until they come.
}

TEST(WatchLimits, AllStreamsTogetherHaveABudget) {
  WatchClient client;
  client.watch().SetSnapshot(Snap(kAfter));
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back(base::Cat("no-such-", i));
  ASSERT_TRUE(client.Ask(kEndpoints, names).ok());
  const std::uint64_t used = client.counters.bytes;
  EXPECT_GT(used, 100'000U);
  client.counters.bytes = kWatchBytesMax;  // Others' part.
  EXPECT_EQ(client.Ask(kRoutes, {"one"}).code(), absl::StatusCode::kResourceExhausted);
}

TEST(WatchLimits, WhatAStreamHeldIsGivenBack) {
  WatchCounters counters;
  HandClock clock;
  ResponseCache cache;
  {
    Watch watch({Protocol::kStateOfTheWorld, std::nullopt, ""}, clock, cache, counters,
                [](const SerialisedResponse&) {});
    envoy::service::discovery::v3::DiscoveryRequest request;
    request.set_type_url(std::string(TypeUrl(kEndpoints)));
    request.add_resource_names("a");
    ASSERT_TRUE(watch.OnRequest(request.SerializeAsString()).ok());
    EXPECT_GT(counters.bytes, 0U);
  }
  EXPECT_EQ(counters.bytes, 0U);
}

}  // namespace
}  // namespace sluice::control
