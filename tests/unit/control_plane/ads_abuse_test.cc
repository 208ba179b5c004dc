// Clients that mean no good: they cost bounded memory and harm nobody else.
#include "control-plane/ads_server.h"
#include "harness/eventually.h"
#include "tests/unit/control_plane/ads_client.h"

namespace sluice::control {
namespace {

Contents Numbered(int number, std::size_t bytes) {
  return {{kClusters, {{"a", "1"}}},
          {kRoutes, {{"web", std::string(bytes, 'x') + std::to_string(number)}}}};
}

// A well-behaved client that has just come is answered.
void ExpectServed(const Served& served) {
  Call call(served.Connect(), kAds);
  ASSERT_TRUE(call.Ask(kRoutes, {"web"}));
  DiscoveryResponse response;
  ASSERT_TRUE(call.Read(response));
  EXPECT_EQ(response.resources_size(), 1);
  EXPECT_TRUE(call.Finish().ok());
}

std::uint64_t Pushes(Served& served) {
  return served.Ask([](AdsServer& server) {
    std::uint64_t sum = 0;
    for (const std::uint64_t pushes : server.counters().watches.pushes) sum += pushes;
    return sum;
  });
}

TEST(AdsAbuse, WhoeverNeverReadsOrAcknowledgesGetsOneResponse) {
  Served served({.address = Loopback()});
  served.Set(Numbered(0, 1 << 20));
  Call silent(served.Connect(), kAds);
  ASSERT_TRUE(silent.Ask(kRoutes, {"web"}));
  for (int i = 1; i <= 50; ++i) served.Set(Numbered(i, 1 << 20));
  ExpectServed(served);
  EXPECT_LE(Pushes(served), 2U);  // One to each, none queued for the silent one.
}

TEST(AdsAbuse, FloodsAndGarbageNamesAreAnsweredOneByOne) {
  Served served({.address = Loopback()});
  served.Set(Numbered(0, 10));
  Call flood(served.Connect(), kAds);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(flood.Ask(kEndpoints, {base::Cat("no-such-\n", i), std::string(1000, 'y')},
                          "a version of my own", ""));
  }
  ExpectServed(served);
  const auto counters = served.Ask([](AdsServer& server) { return server.counters(); });
  EXPECT_LT(counters.watches.bytes, 100'000U);  // Each request replaced the one before.
}

TEST(AdsAbuse, TooLongNamesEndTheStreamAlone) {
  Served served({.address = Loopback()});
  served.Set(Numbered(0, 10));
  Call long_name(served.Connect(), kAds);
  ASSERT_TRUE(long_name.Ask(kEndpoints, {std::string(kWatchNameBytesMax + 1, 'x')}));
  EXPECT_EQ(long_name.End().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ExpectServed(served);
}

TEST(AdsAbuse, LyingAboutVersionsAndNoncesChangesNothing) {
  Served served({.address = Loopback()});
  served.Set(Numbered(0, 10));
  Call liar(served.Connect(), kAds);
  ASSERT_TRUE(liar.Ask(kRoutes, {"web"}));
  DiscoveryResponse response;
  ASSERT_TRUE(liar.Read(response));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(liar.Ask(kRoutes, {"web"}, "v99", base::Cat(1000 + i)));
  ASSERT_TRUE(liar.Ask(kRoutes, {"web"}, response.version_info(), response.nonce()));
  served.Set(Numbered(1, 10));
  ASSERT_TRUE(liar.Read(response));  // The one change, and no answer before it.
  EXPECT_TRUE(response.resources(0).value().ends_with("x1"));
  EXPECT_EQ(served.Ask([](AdsServer& server) { return server.counters().watches.ignored; }), 100U);
}

TEST(AdsAbuse, ManyStreamsOfOneClientEndWithIt) {
  constexpr int kStreams = 300;
  Served served({.address = Loopback(), .streams_max = 200});
  served.Set(Numbered(0, 10));
  {
    std::vector<std::unique_ptr<Call>> calls;
    const auto channel = served.Connect();
    const auto more = served.Connect(), most = served.Connect();
    for (int i = 0; i < kStreams; ++i) {
      calls.push_back(std::make_unique<Call>(i % 3 == 0   ? channel
                                             : i % 3 == 1 ? more
                                                          : most,
                                             kAds));
      calls.back()->Ask(kRoutes, {"web"});
    }
    int answered = 0;
    DiscoveryResponse response;
    for (const auto& call : calls) answered += call->Read(response) ? 1 : 0;
    EXPECT_EQ(answered, 200);
  }
  EXPECT_TRUE(harness::Eventually(
      [&] { return served.Ask([](AdsServer& server) { return server.Proxies().size(); }) == 0; }));
  EXPECT_EQ(served.Ask([](AdsServer& server) { return server.counters().watches.bytes; }), 0U);
  ExpectServed(served);
}

}  // namespace
}  // namespace sluice::control
