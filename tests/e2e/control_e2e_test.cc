// sluice-control and sluice together: what an operator does to a site that is in use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "base/strings.h"
#include "harness/certificates.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/control_program.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"
#include "harness/tls_client.h"

namespace sluice::harness {
namespace {

using ::testing::HasSubstr;

std::string AppUrl(std::uint16_t port) {
  return base::Cat("{\"url\":\"http://127.0.0.1:", port, "\"}");
}

// One listener, two apps, everything to the first.
std::string Apps(std::uint16_t a, std::uint16_t b) {
  return base::Cat(
      "listeners: { web: { address: 127.0.0.1, port: 0 } }\n"
      "apps:\n"
      "  a: { url: http://127.0.0.1:",
      a,
      " }\n"
      "  b: { url: http://127.0.0.1:",
      b,
      " }\n"
      "hosts:\n"
      "  \"*\": { routes: [ { id: all, path: /, app: a } ] }\n");
}

std::string RouteJson(std::string_view app) {
  return base::Cat("{\"path\":\"/\",\"app\":\"", app, "\"}");
}

// Clients that never stop asking, until the end.
class Traffic {
 public:
  explicit Traffic(std::uint16_t port, int clients = 4) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, port] { Run(port); });
  }
  ~Traffic() { Stop(); }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  int answers() const { return answers_; }
  int failures() const { return failures_; }
  int connections() const { return connections_; }
  // Waits until so many more answers came.
  bool More(int answers) {
    const int goal = answers_ + answers;
    return Eventually([&] { return answers_ >= goal; });
  }

 private:
  void Run(std::uint16_t port) {
    Client client(port);
    ++connections_;
    while (!stop_) {
      const Response response = client.Get("/x");
      ++(response.status == 200 && response.complete ? answers_ : failures_);
      if (response.status != 0 && client.is_open()) continue;
      client = Client(port);
      ++connections_;
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<int> answers_{0}, failures_{0}, connections_{0};
  std::vector<std::thread> threads_;
};

bool WaitForCurrent(ControlProgram& control) {
  return control.WaitForApi("/v1/proxies", "\"state\":\"current\"");
}

TEST(Control, RoutesAndAppsChangeUnderRequests) {
  FakeUpstream a, b;
  a.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  b.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "b"); });
  ControlProgram control(Apps(a.port(), b.port()));
  Proxy proxy(AdsBootstrap(control.xds_port()));
  const std::uint16_t port = proxy.Port("web");
  EXPECT_EQ(Client(port).Get("/").body, "a");
  Traffic traffic(port);
  ASSERT_TRUE(traffic.More(10));
  for (int i = 0; i < 40; ++i) {
    const Response changed =
        control.Api("PUT", "/v1/hosts/*/routes/all", RouteJson(i % 2 == 0 ? "b" : "a"));
    ASSERT_EQ(changed.status, 200) << changed.body;
    ASSERT_TRUE(traffic.More(5));
  }
  // New apps come and the old ones go, while they are in use.
  for (int i = 0; i < 20; ++i) {
    const std::string fresh = base::Cat("/v1/apps/n", i);
    ASSERT_EQ(control.Api("PUT", fresh, AppUrl(i % 2 == 0 ? b.port() : a.port())).status, 201);
    ASSERT_EQ(control.Api("PUT", "/v1/hosts/*/routes/all", RouteJson(base::Cat("n", i))).status,
              200);
    if (i > 0) {
      ASSERT_EQ(control.Api("DELETE", base::Cat("/v1/apps/n", i - 1)).status, 204);
    }
    ASSERT_TRUE(traffic.More(5));
  }
  EXPECT_TRUE(WaitForCurrent(control)) << control.Api("GET", "/v1/proxies").body;
  traffic.Stop();
  EXPECT_EQ(traffic.failures(), 0) << "of " << traffic.answers();
  EXPECT_EQ(traffic.connections(), 4);  // Nor was any of them closed.
  EXPECT_EQ(Client(port).Get("/").body, "a");
  EXPECT_GT(b.requests(), 0);
}

TEST(Control, AppMovesToAnotherPort) {
  FakeUpstream before, after;
  before.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "before"); });
  after.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "after"); });
  ControlProgram control(Apps(before.port(), after.port()));
  Proxy proxy(AdsBootstrap(control.xds_port()));
  const std::uint16_t port = proxy.Port("web");
  Traffic traffic(port);
  ASSERT_TRUE(traffic.More(10));
  ASSERT_EQ(control.Api("PUT", "/v1/apps/a", AppUrl(after.port())).status, 200);
  ASSERT_TRUE(Eventually([&] { return Client(port).Get("/").body == "after"; }));
  ASSERT_TRUE(traffic.More(50));
  traffic.Stop();
  EXPECT_EQ(traffic.failures(), 0);
  const int old_requests = before.requests();
  EXPECT_EQ(Client(port).Get("/").body, "after");
  EXPECT_EQ(before.requests(), old_requests);
}

// Every counter of updates that were taken, refused, or changed something.
std::string UpdateCounters(Proxy& proxy) {
  return proxy.Admin("GET", "/stats?filter=(update_success|update_rejected|config_reload)$").body;
}

TEST(Control, KilledAndRestartedItPushesNothingAgain) {
  FakeUpstream a, b;
  a.OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  b.OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "b"); });
  ControlProgram control(Apps(a.port(), b.port()));
  Proxy proxy(AdsBootstrap(control.xds_port()));
  const std::uint16_t port = proxy.Port("web");
  ASSERT_EQ(control.Api("PUT", "/v1/hosts/*/routes/all", RouteJson("b")).status, 200);
  ASSERT_TRUE(Eventually([&] { return Client(port).Get("/").body == "b"; }));
  ASSERT_TRUE(WaitForCurrent(control));
  const std::string etag = control.Api("GET", "/v1/config").Header("etag");
  const std::string counters = UpdateCounters(proxy);
  EXPECT_THAT(counters, HasSubstr("config_reload"));

  control.Kill();
  ASSERT_TRUE(Eventually([&] { return proxy.Stat("control_plane.connected_state") == 0U; }));
  EXPECT_EQ(Client(port).Get("/").body, "b");  // The last good configuration.
  control.Start();
  ASSERT_TRUE(WaitForCurrent(control)) << control.Api("GET", "/v1/proxies").body;
  const Response config = control.Api("GET", "/v1/config");
  EXPECT_EQ(config.Header("etag"), etag);  // What the API changed survived.
  const std::string proxies = control.Api("GET", "/v1/proxies").body;
  EXPECT_THAT(proxies, HasSubstr("\"node\":\"e2e\""));
  EXPECT_THAT(proxies, HasSubstr("\"error\":\"\""));
  const std::string metrics = control.Api("GET", "/metrics").body;
  for (const char* type : {"cds", "eds", "lds", "rds"}) {
    EXPECT_THAT(metrics,
                HasSubstr(base::Cat("sluice_control_pushes_total{type=\"", type, "\"} 0\n")));
  }
  EXPECT_EQ(UpdateCounters(proxy), counters);
  // And it is connected in earnest.
  ASSERT_EQ(control.Api("PUT", "/v1/hosts/*/routes/all", RouteJson("a")).status, 200);
  EXPECT_TRUE(Eventually([&] { return Client(port).Get("/").body == "a"; }));
}

// Between proxy and control plane: whatever the latter sends goes on with `from` turned into `to`,
// which is as long. So a control plane of another version might speak.
void Distort(FakeUpstream& relay, std::uint16_t to_port, std::string from, std::string to) {
  relay.Forget().OnAccept([=](OriginConnection& proxy) {
    Socket control = Socket::Connect(to_port);
    std::thread upwards([&] {
      for (std::string bytes = proxy.ReadRaw(); !bytes.empty(); bytes = proxy.ReadRaw()) {
        control.Write(bytes);
      }
      control.ShutdownWrite();
    });
    for (std::string bytes; control.ReadSome(bytes) == Socket::Read::kBytes; bytes.clear()) {
      const std::size_t at = bytes.find(from);
      if (at != std::string::npos) bytes.replace(at, from.size(), to);
      if (!proxy.Write(bytes)) break;
    }
    proxy.Close();
    upwards.join();
  });
}

TEST(Control, RefusalOfAProxyIsVisible) {
  FakeUpstream a;
  a.OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  ControlProgram control(Apps(a.port(), a.port()));
  FakeUpstream relay;
  Distort(relay, control.xds_port(), "/v[0-9]+", "/v[0-9+(");
  Proxy proxy(AdsBootstrap(relay.port()));
  const std::uint16_t port = proxy.Port("web");
  ASSERT_TRUE(WaitForCurrent(control));
  const Response put =
      control.Api("POST", "/v1/hosts/*/routes", R"({"id":"r","regex":"/v[0-9]+","app":"b"})");
  ASSERT_EQ(put.status, 201) << put.body;
  ASSERT_TRUE(control.WaitForApi("/v1/proxies", "\"state\":\"refused\""))
      << control.Api("GET", "/v1/proxies").body;
  EXPECT_THAT(control.Api("GET", "/v1/proxies").body, HasSubstr("routes[0].match.safe_regex"));
  EXPECT_THAT(control.Api("GET", "/readyz?verbose").body, HasSubstr("refusing: 1"));
  EXPECT_EQ(Client(port).Get("/").body, "a");  // The last good configuration.
  EXPECT_THAT(control.Api("GET", "/metrics").body,
              HasSubstr("sluice_control_nacks_total{type=\"rds\"} 1\n"));
  // Once it is mended, all is well.
  ASSERT_EQ(control.Api("DELETE", "/v1/hosts/*/routes/r").status, 204);
  EXPECT_TRUE(WaitForCurrent(control)) << control.Api("GET", "/v1/proxies").body;
  EXPECT_EQ(Client(port).Get("/").body, "a");
}

TEST(Control, FileIsFollowedAndMistakesInItDoNoHarm) {
  FakeUpstream a, b;
  a.OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  b.OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "b"); });
  ControlProgram control(Apps(a.port(), b.port()), {"--watch"});
  Proxy proxy(AdsBootstrap(control.xds_port()));
  const std::uint16_t port = proxy.Port("web");
  std::string next = Apps(a.port(), b.port());
  next.replace(next.find("app: a"), 6, "app: b");
  control.WriteApps(next);
  EXPECT_TRUE(Eventually([&] { return Client(port).Get("/").body == "b"; }));
  std::string bad = next;
  bad.replace(bad.find("app: b"), 6, "app: z");
  control.WriteApps(bad);
  EXPECT_TRUE(control.WaitForApi("/readyz?verbose", "apps.yaml:6"));
  EXPECT_THAT(control.Api("GET", "/v1/config").Header("x-sluice-file-error"), HasSubstr("'z'"));
  EXPECT_EQ(Client(port).Get("/").body, "b");
  // Written in place this time, as some editors do.
  WriteFile(control.file(), Apps(a.port(), b.port()));
  EXPECT_TRUE(Eventually([&] { return Client(port).Get("/").body == "a"; }));
  EXPECT_EQ(control.Api("GET", "/v1/config").Header("x-sluice-file-error"), "");
}

TEST(Control, ListenersSpeakTlsByName) {
  FakeUpstream a;
  a.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  const CertificateAuthority authority;
  const std::string directory = MakeDirectory();
  const auto files = [&](const std::string& name) {
    const Identity identity = authority.Issue({"DNS:" + name});
    WriteFile(base::Cat(directory, "/", name, ".cert"), identity.certificate_pem);
    WriteFile(base::Cat(directory, "/", name, ".key"), identity.private_key_pem);
    return base::Cat("{ cert: ", directory, "/", name, ".cert, key: ", directory, "/", name,
                     ".key }");
  };
  std::string apps = Apps(a.port(), a.port());
  const std::string tls =
      base::Cat("port: 0, tls: [ ", files("one.example"), ", ", files("two.example"), " ]");
  apps.replace(apps.find("port: 0"), 7, tls);
  ControlProgram control(apps);
  Proxy proxy(AdsBootstrap(control.xds_port()));
  const std::uint16_t port = proxy.Port("web");
  for (const std::string name : {"one.example", "two.example"}) {
    TlsClient client(port, {.sni = name});
    ASSERT_TRUE(client.shaken()) << name;
    EXPECT_EQ(client.server_name(), name);
    EXPECT_THAT(client.Get("/"), HasSubstr("200 OK"));
  }
  // Another certificate for the same name, without a restart of anything.
  const Identity fresh = authority.Issue({"DNS:three.example"});
  WriteFile(directory + "/one.example.cert", fresh.certificate_pem);
  WriteFile(directory + "/one.example.key", fresh.private_key_pem);
  control.Signal(SIGHUP);
  EXPECT_TRUE(Eventually(
      [&] { return TlsClient(port, {.sni = "three.example"}).server_name() == "three.example"; }));
}

TEST(Control, FleetsOfProxiesGetTheirOwn) {
  FakeUpstream a, b;
  a.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "a"); });
  b.Forget().OnAny([](OriginConnection& c, OriginRequest&) { c.Reply(200, "b"); });
  ControlProgram control(base::Cat(Apps(a.port(), b.port()),
                                   "fleets: { lab: { apps: { a: { url: http://127.0.0.1:", b.port(),
                                   " } } } }\n"));
  Proxy usual(AdsBootstrap(control.xds_port()));
  ProxyOptions lab;
  lab.arguments = {"--service-cluster", "lab", "--service-node", "lab-1"};
  Proxy other(AdsBootstrap(control.xds_port()), lab);
  EXPECT_EQ(Client(usual.Port("web")).Get("/").body, "a");
  EXPECT_EQ(Client(other.Port("web")).Get("/").body, "b");
  EXPECT_THAT(control.Api("GET", "/v1/proxies").body, HasSubstr("\"fleet\":\"lab\""));
}

TEST(Control, AnswersOnlyThoseItShould) {
  FakeUpstream a;
  ControlProgram control(Apps(a.port(), a.port()));
  Client client(control.api_port());
  client.Send("GET /v1/config HTTP/1.1\r\nhost: evil.example.com\r\n\r\n");
  EXPECT_EQ(client.Read().status, 403);
  Client form(control.api_port());
  form.Send(base::Cat("POST /v1/hosts/*/routes HTTP/1.1\r\nhost: 127.0.0.1:", control.api_port(),
                      "\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}"));
  EXPECT_EQ(form.Read().status, 403);
  const std::string token = control.directory() + "/token";
  WriteFile(token, "secret\n");
  ControlProgram closed(Apps(a.port(), a.port()), {"--api-token-file", token});
  EXPECT_EQ(closed.Api("GET", "/v1/config").status, 401);
  EXPECT_EQ(closed.Api("PUT", "/v1/apps/a", AppUrl(1)).status, 401);
  EXPECT_EQ(closed.Api("GET", "/healthz").status, 200);
}

}  // namespace
}  // namespace sluice::harness
