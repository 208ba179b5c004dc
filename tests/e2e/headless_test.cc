// --state-dir: a process starts and serves while its control plane is away, and goes on from there
// when it is back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/eventually.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Headless : testing::Test {
  Headless() {
    upstream.On("/", 200, "hello");
    plane.Set(EdsCluster("app"));
    plane.Set(Assignment("app", {upstream.port()}));
    plane.Set(Listener("in").Rds("table").Build());
    plane.Set(RouteTable("table", {RouteTo("/", "app")}));
  }
  ProxyOptions Options() const {
    ProxyOptions options;
    options.arguments = {"--state-dir", directory};
    return options;
  }
  std::string Bootstrap() const { return AdsBootstrap(plane.port()); }
  // Serves once and stores what it got.
  void Fill() {
    Proxy proxy(Bootstrap(), Options());
    EXPECT_EQ(Client(proxy.Port()).Get("/").body, "hello");
    EXPECT_TRUE(proxy.WaitForStat("state_file.written", 1));
  }
  std::string File() const { return directory + "/xds.state"; }

  FakeUpstream upstream;
  FakeControlPlane plane;
  std::string directory = MakeDirectory();
};

TEST_F(Headless, ServesWhatWasStoredAndTakesOverWhenTheControlPlaneIsBack) {
  Fill();
  EXPECT_EQ(std::filesystem::status(File()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  plane.Stop();
  Proxy proxy(Bootstrap(), Options());  // Waits until it is ready.
  EXPECT_EQ(Client(proxy.Port()).Get("/").body, "hello");
  EXPECT_EQ(*proxy.Stat("state_file.loaded"), 1U);
  const std::string ready = proxy.Admin("GET", "/ready?verbose").body;
  EXPECT_THAT(ready, HasSubstr("LIVE\nconfiguration: stored, accepted "));
  EXPECT_THAT(proxy.Admin("GET", "/server_info").body, HasSubstr("configuration: stored"));
  EXPECT_TRUE(proxy.WaitForStat("server.config_age_seconds", 1));
  const std::uint64_t listeners = *proxy.Stat("listener_manager.listener_create_success");

  plane.Restart();
  EXPECT_TRUE(Eventually([&] {
    return proxy.Admin("GET", "/ready?verbose").body.find("the control plane's, accepted") !=
           std::string::npos;
  }));
  // The versions it held went along, and nothing moved.
  bool told = false;
  for (const SeenRequest& request : plane.Seen()) {
    if (request.stream > 1 && request.nonce.empty() && request.type == kClusterType) {
      told = told || request.version == plane.Version(kClusterType);
    }
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(*proxy.Stat("listener_manager.listener_create_success"), listeners);
  EXPECT_EQ(*proxy.Stat("cluster_manager.cluster_modified"), 0U);
  // And what changes now arrives.
  plane.Set(RouteTable("table", {DirectRoute("/", 200, "new")}));
  EXPECT_TRUE(Eventually([&] { return Client(proxy.Port()).Get("/").body == "new"; }));
}

TEST_F(Headless, ADamagedFileIsReportedAndIgnored) {
  Fill();
  std::string bytes = ReadFile(File());
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(File(), bytes);
  Proxy proxy(Bootstrap(), Options());
  EXPECT_TRUE(proxy.WaitForLog("xds.state is damaged: its checksum is wrong"));
  EXPECT_EQ(*proxy.Stat("state_file.rejected"), 1U);
  EXPECT_EQ(Client(proxy.Port()).Get("/").body, "hello");  // From the control plane.
}

TEST_F(Headless, AnotherNodesFileIsNotOurs) {
  Fill();
  Proxy proxy(
      AdsBootstrap(
          plane.port(),
          {.listeners = true, .clusters = true, .fetch_timeout = "15s", .node_id = "other"}),
      Options());
  EXPECT_TRUE(proxy.WaitForLog("belongs to another node, "));
  EXPECT_EQ(*proxy.Stat("state_file.loaded"), 0U);
}

TEST_F(Headless, ADirectoryThatIsGoneIsNoReasonToStop) {
  ProxyOptions options = Options();
  options.arguments[1] = directory + "/gone";
  Proxy proxy(Bootstrap(), options);
  EXPECT_TRUE(proxy.WaitForStat("state_file.write_failed", 1));
  EXPECT_EQ(Client(proxy.Port()).Get("/").body, "hello");
}

}  // namespace
}  // namespace sluice::harness
