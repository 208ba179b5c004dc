// A control plane that serves, changes its mind, lies, dies and comes back, in front of real
// traffic. ctest: timeout=600
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

// A listener "in" with route table "table" to cluster "app", all over ADS.
struct World {
  World() {
    origin.On("/", 200, "one");
    control.Set(Cluster("app", {origin.port()}));
    control.Set(Listener("in").Rds("table").Build());
    control.Set(RouteTable("table", {RouteTo("/", "app")}));
  }
  FakeUpstream origin;
  FakeControlPlane control;
};

TEST(ControlPlane, ResourcesBecomeTrafficAndChangesReachOpenConnections) {
  World world;
  Proxy proxy(AdsBootstrap(world.control.port()));
  Client client(proxy.Port());
  EXPECT_EQ(client.Get("/").body, "one");
  world.control.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
  EXPECT_TRUE(world.control.WaitForAck(kRouteType));
  EXPECT_TRUE(Eventually([&] { return client.Get("/").body == "two"; }));
}

}  // namespace
}  // namespace sluice::harness
