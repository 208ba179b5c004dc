// Signals: draining, deadlines, log files; and what a listener change may drain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

// An origin whose /held answer waits for the test.
class Shutdown : public testing::Test {
 protected:
  Shutdown() {
    origin_.On("/held", [this](OriginConnection& connection, OriginRequest&) {
      arrived_.Open();
      release_.Wait();
      connection.Reply(200, "in time");
    });
    origin_.On("/ws", [](OriginConnection& connection, OriginRequest&) {
      connection.Write(
          "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
      connection.Echo();
    });
    listener_.Route("/", Cluster("app", {origin_.port()}));
  }
  ~Shutdown() override { release_.Open(); }

  void Start(std::vector<std::string> arguments) {
    proxy_ = std::make_unique<Proxy>(StaticBootstrap(listener_),
                                     ProxyOptions{.arguments = std::move(arguments)});
    port_ = proxy_->Port();
  }

  Gate arrived_;
  Gate release_;
  FakeUpstream origin_;
  Listener listener_{"in"};
  std::unique_ptr<Proxy> proxy_;
  std::uint16_t port_ = 0;
};

TEST_F(Shutdown, RequestsInFlightFinishNewOnesAreClosedAndReadyTurns503) {
  Start({"--shutdown-grace-s", "3", "--shutdown-time-s", "20"});
  Client held(port_);
  Client idle(port_);
  EXPECT_EQ(idle.Get("/").body, "ok");
  held.Send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
  EXPECT_TRUE(arrived_.Wait());
  proxy_->Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return proxy_->Admin("GET", "/ready").status == 503; }));
  EXPECT_TRUE(idle.SeesClose()) << "an idle connection has nothing to wait for";
  Client late(port_);
  const Response response = late.Get("/");
  EXPECT_EQ(response.body, "ok") << "during the grace everybody is served";
  EXPECT_EQ(response.Header("connection"), "close");
  EXPECT_TRUE(Eventually([&] { return !Client(port_).is_open(); })) << "after it nobody is taken";
  release_.Open();
  const Response last = held.Read();
  EXPECT_EQ(last.body, "in time");
  EXPECT_EQ(last.Header("connection"), "close");
  EXPECT_EQ(proxy_->WaitForExit(), 0);
}

TEST_F(Shutdown, NothingInFlightEndsItAtOnce) {
  Start({"--shutdown-time-s", "600"});
  Client idle(port_);
  EXPECT_EQ(idle.Get("/").body, "ok");
  proxy_->Signal(SIGTERM);
  EXPECT_EQ(proxy_->WaitForExit(), 0);
}

TEST_F(Shutdown, TheDeadlineEndsWhatDoesNotEnd) {
  Start({"--shutdown-time-s", "1"});
  Client tunnel(port_);
  tunnel.Send(
      "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  EXPECT_EQ(tunnel.Read().status, 101);
  proxy_->Signal(SIGTERM);
  EXPECT_EQ(proxy_->WaitForExit(), 0);
  EXPECT_THAT(proxy_->Stderr(), HasSubstr("shutdown time is over"));
}

TEST_F(Shutdown, ASecondSignalEndsItAtOnce) {
  Start({"--shutdown-time-s", "600"});
  Client held(port_);
  held.Send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
  EXPECT_TRUE(arrived_.Wait());
  proxy_->Signal(SIGTERM);
  EXPECT_TRUE(proxy_->WaitForLog("shutting down"));
  proxy_->Signal(SIGTERM);
  EXPECT_TRUE(proxy_->WaitForExit().has_value());
  EXPECT_THAT(proxy_->Stderr(), HasSubstr("second signal"));
}

TEST_F(Shutdown, QuitOverAdminEndsIt) {
  Start({});
  EXPECT_EQ(proxy_->Admin("POST", "/quitquitquit").body, "OK\n");
  EXPECT_EQ(proxy_->WaitForExit(), 0);
}

TEST_F(Shutdown, LogFilesAreReopenedOnSignalAndRequest) {
  const std::string file = MakeDirectory() + "/access.log";
  listener_.AccessLog(file, "%REQ(:PATH)%\n");
  Start({});
  Client client(port_);
  const auto wait_for = [&](const std::string& path, const std::string& text) {
    EXPECT_TRUE(Eventually([&] { return ReadFile(path) == text; })) << ReadFile(path);
  };
  client.Get("/1");
  wait_for(file, "/1\n");
  std::filesystem::rename(file, file + ".1");
  client.Get("/2");
  wait_for(file + ".1", "/1\n/2\n");
  proxy_->Signal(SIGUSR1);
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(file); }));
  client.Get("/3");
  wait_for(file, "/3\n");
  std::filesystem::rename(file, file + ".2");
  EXPECT_EQ(proxy_->Admin("POST", "/reopen_logs").body, "OK\n");
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(file); }));
  client.Get("/4");
  wait_for(file, "/4\n");
  std::filesystem::rename(file, file + ".3");
  proxy_->Signal(SIGHUP);
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(file); }));
}

TEST_F(Shutdown, LinesOfRequestsCutByTheDeadlineAreWritten) {
  const std::string file = MakeDirectory() + "/access.log";
  listener_.AccessLog(file, "%REQ(:PATH)%\n");
  Start({"--shutdown-time-s", "1", "--file-flush-interval-msec", "100000"});
  Client done(port_);
  EXPECT_EQ(done.Get("/done").body, "ok");
  Client held(port_);
  held.Send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
  EXPECT_TRUE(arrived_.Wait());
  proxy_->Signal(SIGTERM);
  EXPECT_EQ(proxy_->WaitForExit(), 0);
  EXPECT_THAT(ReadFile(file), HasSubstr("/done\n"));
  EXPECT_THAT(ReadFile(file), HasSubstr("/held\n"));
}

TEST_F(Shutdown, AListenerChangeDrainsOnlyWhatItMust) {
  FakeControlPlane control;
  control.Set(Cluster("app", {origin_.port()}));
  const auto version = [&](const std::string& header, const std::string& name) {
    Listener listener(name);
    listener.Add(RouteTo("/", "app"));
    AddResponseHeader(*listener.manager().mutable_route_config(), "x-version", header);
    return listener.Build();
  };
  control.Set(version("1", "in"));
  control.Set(version("1", "other"));
  Proxy proxy(AdsBootstrap(control.port()));
  const std::uint16_t port = proxy.Port();
  Client open(port);
  EXPECT_EQ(open.Get("/").Header("x-version"), "1");
  Client tunnel(port);
  tunnel.Send(
      "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
  EXPECT_EQ(tunnel.Read().status, 101);
  Client other(proxy.Port("other"));
  EXPECT_EQ(other.Get("/").Header("x-version"), "1");

  control.Set(version("2", "in"));
  EXPECT_TRUE(control.WaitForAck(kListenerType));
  EXPECT_TRUE(Eventually([&] { return open.Get("/").Header("x-version") == "2"; }))
      << "the connection stays and sees the new connection manager";
  EXPECT_EQ(proxy.Port(), port) << "the listening socket outlives the version";
  tunnel.Send("still");
  EXPECT_EQ(tunnel.ReadRaw(5), "still");
  EXPECT_EQ(other.Get("/").Header("x-version"), "1");

  control.Remove(kListenerType, "other");
  EXPECT_TRUE(control.WaitForAck(kListenerType));
  EXPECT_TRUE(other.SeesClose());
  EXPECT_EQ(open.Get("/").Header("x-version"), "2");
  tunnel.Send("still");
  EXPECT_EQ(tunnel.ReadRaw(5), "still");
}

}  // namespace
}  // namespace sluice::harness
