// Routes swapped a thousand times under load: every answer comes from exactly one configuration,
// and nothing that is open notices.
// ctest: serial
// ctest: timeout=600
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <charconv>
#include <thread>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

constexpr int kUpdates = 1000;
constexpr int kUpdatesSeen = 900;
constexpr int kClients = 64;
constexpr int kSockets = 50;
constexpr int kEventStreams = 20;
// A build for speed gives more in the time that others need for this.
constexpr int kAnswers = kReleaseLike ? 200'000 : kSanitized ? 10'000 : 20'000;
// Of each update, answers wait for so many before the next: the numbers cannot be skipped by luck.
constexpr int kAnswersPerUpdate = kAnswers / kUpdates;
// Clusters behind the newest that stay known: as a control plane does that makes before it breaks.
constexpr int kClustersKept = 4;

std::string Number(int number) { return base::Cat(number); }
std::string ClusterName(int number) { return base::Cat("c", number); }

// Number `n` as stamps on table, virtual host and route, and in the choice of the upstream.
RouteTableProto Stamped(int number) {
  RouteTableProto table = RouteTable("table", {RouteTo("/", ClusterName(number))});
  AddResponseHeader(table, "x-table", Number(number));
  auto* host = table.mutable_virtual_hosts(0);
  AddResponseHeader(*host, "x-host", Number(number));
  auto* route = host->mutable_routes(0);
  AddResponseHeader(*route, "x-route", Number(number));
  route->mutable_route()->mutable_timeout()->set_seconds(0);
  return table;
}

// What all clients share.
struct Tally {
  std::atomic<bool> stop{false};
  std::atomic<int> answers{0};
  std::atomic<int> failures{0};
  std::atomic<int> mixed{0};
  std::array<std::atomic<bool>, kUpdates + 1> seen{};
  std::mutex mutex;
  std::string first_complaint;

  void Complain(std::atomic<int>& counter, const std::string& text) {
    const std::lock_guard lock(mutex);
    if (counter++ == 0) first_complaint += text + "\n";
  }
  int SeenCount() const {
    int count = 0;
    for (const auto& each : seen) count += each ? 1 : 0;
    return count;
  }
};

void RunClient(std::uint16_t port, Tally& tally) {
  Client client(port);
  while (!tally.stop) {
    const Response response = client.Get("/");
    if (response.status != 200 || !response.complete) {
      return tally.Complain(tally.failures, base::Cat("failed: ", response.head, response.body));
    }
    const std::string stamp = response.Header("x-table");
    if (response.Header("x-host") != stamp || response.Header("x-route") != stamp ||
        response.Header("x-upstream") != stamp) {
      tally.Complain(tally.mixed, base::Cat("mixed: ", response.head));
    }
    int number = 0;
    std::from_chars(stamp.data(), stamp.data() + stamp.size(), number);
    if (number >= 1 && number <= kUpdates) tally.seen[static_cast<std::size_t>(number)] = true;
    ++tally.answers;
  }
}

// Echoes one message a turn on a WebSocket opened under the first configuration.
class Tunnel {
 public:
  explicit Tunnel(std::uint16_t port) : client_(port) {
    client_.Send(
        "GET /ws HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    open_ = client_.Read().status == 101;
  }
  bool Echoes(std::string_view message) {
    return open_ && client_.Send(message) && client_.ReadRaw(message.size()) == message;
  }

 private:
  Client client_;
  bool open_ = false;
};

// Reads one event a turn; the origin sends one per byte that the test grants.
class EventStream {
 public:
  explicit EventStream(std::uint16_t port) : client_(port) {
    client_.Send("GET /events HTTP/1.1\r\nhost: test\r\n\r\n");
    open_ = client_.Read("GET", true).status == 200;
  }
  bool Next() {
    constexpr std::string_view kEvent = "8\r\ndata: x\n\r\n";
    return open_ && client_.ReadRaw(kEvent.size()) == kEvent;
  }

 private:
  Client client_;
  bool open_ = false;
};

// Grants each event stream one more event at a time.
class EventSource {
 public:
  void Grant() {
    const std::lock_guard lock(mutex_);
    ++granted_;
    changed_.notify_all();
  }
  void End() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void Serve(OriginConnection& connection) {
    connection.Write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    std::unique_lock lock(mutex_);
    for (int sent = 0;; ++sent) {
      changed_.wait(lock, [&] { return granted_ > sent || ended_; });
      if (ended_) return connection.Close();
      lock.unlock();
      const bool alive = connection.Write("8\r\ndata: x\n\r\n");
      lock.lock();
      if (!alive) return;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int granted_ = 0;
  bool ended_ = false;
};

TEST(Swap, ThousandUpdatesUnderLoadMixNothingAndCloseNothing) {
  EventSource events;
  FakeUpstream origin;
  std::map<std::uint16_t, int> number_of_port;
  std::vector<std::uint16_t> port_of_number = {0};
  for (int number = 1; number <= kUpdates; ++number) {
    port_of_number.push_back(number == 1 ? origin.port() : origin.AddPort());
    number_of_port[port_of_number.back()] = number;
  }
  origin.Forget();
  origin.OnAny([&](OriginConnection& connection, OriginRequest& request) {
    connection.Reply(200, "stamped",
                     base::Cat("x-upstream: ", number_of_port.at(request.port), "\r\n"));
  });
  origin.On("/ws", [](OriginConnection& connection, OriginRequest&) {
    connection.Write(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    connection.Echo();
    connection.Close();
  });
  origin.On("/events",
            [&](OriginConnection& connection, OriginRequest&) { events.Serve(connection); });

  FakeControlPlane control;
  std::vector<ClusterProto> clusters;
  const auto publish = [&](int number) {
    clusters.push_back(
        Cluster(ClusterName(number), {port_of_number[static_cast<std::size_t>(number)]}));
    if (clusters.size() > kClustersKept) clusters.erase(clusters.begin());
    control.SetClusters(clusters);
    if (number > 1 && !control.WaitForAck(kClusterType)) return false;
    control.Set(Stamped(number));
    return number == 1 || control.WaitForAck(kRouteType);
  };
  publish(1);
  control.Set(Listener("in").Rds("table").Build());
  Proxy proxy(AdsBootstrap(control.port()));
  const std::uint16_t port = proxy.Port();

  std::vector<std::unique_ptr<Tunnel>> tunnels;
  std::vector<std::unique_ptr<EventStream>> streams;
  for (int i = 0; i < kSockets; ++i) tunnels.push_back(std::make_unique<Tunnel>(port));
  for (int i = 0; i < kEventStreams; ++i) streams.push_back(std::make_unique<EventStream>(port));
  Tally tally;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] { RunClient(port, tally); });
  }

  int streams_closed = 0;
  int acknowledged = 1;
  for (int number = 2; number <= kUpdates && tally.failures == 0; ++number) {
    if (!publish(number)) break;
    ++acknowledged;
    EXPECT_TRUE(Eventually(
        [&] { return tally.answers >= number * kAnswersPerUpdate || tally.failures > 0; }));
    if (number % 50 != 0) continue;
    events.Grant();
    for (auto& each : tunnels) streams_closed += each->Echoes(Number(number)) ? 0 : 1;
    for (auto& each : streams) streams_closed += each->Next() ? 0 : 1;
  }
  EXPECT_TRUE(Eventually([&] { return tally.answers >= kAnswers || tally.failures > 0; },
                         base::milliseconds(120'000)));
  tally.stop = true;
  for (std::thread& each : clients) each.join();
  events.Grant();
  for (auto& each : tunnels) streams_closed += each->Echoes("the end") ? 0 : 1;
  for (auto& each : streams) streams_closed += each->Next() ? 0 : 1;

  const int seen = tally.SeenCount();
  std::printf("swap: %d answers, %d of %d updates acknowledged, %d seen on the wire\n",
              tally.answers.load(), acknowledged, kUpdates, seen);
  EXPECT_EQ(tally.failures, 0) << tally.first_complaint;
  EXPECT_EQ(tally.mixed, 0) << tally.first_complaint;
  EXPECT_EQ(streams_closed, 0);
  EXPECT_EQ(acknowledged, kUpdates);
  EXPECT_GE(seen, kUpdatesSeen);
  EXPECT_GE(tally.answers, kAnswers);
  tunnels.clear();
  streams.clear();
  events.End();
}

}  // namespace
}  // namespace sluice::harness
