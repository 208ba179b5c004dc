// A static bootstrap, served: what clients and origins see, to the byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

TEST(Static, ForwardsAndAnswersReady) {
  FakeUpstream origin;
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin.port()}))));
  Client client(proxy.Port());
  EXPECT_EQ(client.Get("/").body, "ok");
  EXPECT_EQ(proxy.Admin("GET", "/ready").body, "LIVE\n");
}

}  // namespace
}  // namespace sluice::harness
