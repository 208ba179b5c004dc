// Configuration crossing threads: config compiles and assembles, main publishes, workers adopt and
// serve, what they let go of is freed on config. Real threads and sockets, a transport in memory.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/field_errors.h"
#include "base/random.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "net/dns.h"
#include "net/loop.h"
#include "observe/log_writer.h"
#include "observe/registry.h"
#include "server/config_thread.h"
#include "server/publisher.h"
#include "server/worker.h"

namespace sluice::server {
namespace {

using envoy::config::route::v3::RouteConfiguration;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

constexpr int kUpdates = 200;
constexpr int kClients = 2;

void Stamp(google::protobuf::RepeatedPtrField<envoy::config::core::v3::HeaderValueOption>& headers,
           const std::string& name, int number) {
  auto& header = *headers.Add()->mutable_header();
  header.set_key(name);
  header.set_value(std::to_string(number));
}

// Number `number` stands on table, virtual host and route, and is the answer's body.
std::string Routes(int number) {
  RouteConfiguration routes;
  routes.set_name("r");
  Stamp(*routes.mutable_response_headers_to_add(), "x-table", number);
  auto& host = *routes.add_virtual_hosts();
  host.set_name("all");
  host.add_domains("*");
  Stamp(*host.mutable_response_headers_to_add(), "x-host", number);
  auto& route = *host.add_routes();
  route.mutable_match()->set_prefix("/");
  Stamp(*route.mutable_response_headers_to_add(), "x-route", number);
  route.mutable_direct_response()->set_status(200);
  route.mutable_direct_response()->mutable_body()->set_inline_string(std::to_string(number));
  return routes.SerializeAsString();
}

// A control plane in the transport: every acknowledged number is followed by the next, at the next
// tick of the timer, so that clients see most of them.
class CountingTransport final : public xds::Transport {
 public:
  CountingTransport(net::Loop& loop, std::atomic<int>& acknowledged)
      : loop_(loop), acknowledged_(acknowledged), push_(&CountingTransport::OnTick, this) {}

  void Open(xds::TransportEvents& events) override {
    loop_.Post([&events] { events.OnOpen(); });
    events_ = &events;
  }
  void Send(std::string bytes) override {
    DiscoveryRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    ASSERT_FALSE(request.has_error_detail()) << request.error_detail().message();
    if (!request.version_info().empty()) acknowledged_ = std::stoi(request.version_info());
    if (number_ < kUpdates) push_.Arm(loop_.timers(), 1);
  }
  void ReadNext() override {}
  void Close() override { events_ = nullptr; }

 private:
  static void OnTick(void* self) {
    auto& transport = *static_cast<CountingTransport*>(self);
    if (transport.events_ == nullptr) return;
    const std::string number = std::to_string(++transport.number_);
    DiscoveryResponse response;
    response.set_type_url("type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
    response.set_version_info(number);
    response.set_nonce(number);
    auto& any = *response.add_resources();
    any.set_type_url(response.type_url());
    any.set_value(Routes(transport.number_));
    transport.events_->OnMessage(response.SerializeAsString());
  }

  net::Loop& loop_;
  std::atomic<int>& acknowledged_;
  net::Timer push_;
  xds::TransportEvents* events_ = nullptr;
  int number_ = 0;
};

std::unique_ptr<config::Bootstrap> MakeBootstrap() {
  static constexpr std::string_view kYaml = R"(
node: {id: n, cluster: c}
static_resources:
  listeners:
  - name: in
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          rds: {route_config_name: r, config_source: {ads: {}, resource_api_version: V3}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: xds
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: xds
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]
dynamic_resources:
  ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}
)";
  base::FieldErrors errors;
  config::CompileOptions options;
  options.is_static = true;
  auto bootstrap = config::LoadBootstrap(kYaml, "test.yaml", {}, options, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text("\n");
  return bootstrap;
}

// The number after `field` in an answer; -1 when it is not there.
int NumberAfter(const std::string& answer, std::string_view field) {
  const std::size_t at = answer.find(field);
  return at == std::string::npos ? -1 : std::atoi(answer.c_str() + at + field.size());
}

// Asks again and again over one connection until `stop`; every answer must be of one number, and
// numbers never go back.
void Ask(std::uint16_t port, const std::atomic<bool>& stop, std::set<int>& seen) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  static constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  int last = 0;
  while (!stop) {
    ASSERT_EQ(send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(kRequest.size()));
    std::string answer;
    char buffer[2048];
    std::size_t body = std::string::npos;
    do {
      const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
      ASSERT_GT(got, 0);
      answer.append(buffer, static_cast<std::size_t>(got));
      body = answer.find("\r\n\r\n");
    } while (body == std::string::npos ||
             answer.size() <
                 body + 4 + static_cast<std::size_t>(NumberAfter(answer, "content-length: ")));
    const int number = std::atoi(answer.c_str() + body + 4);
    ASSERT_EQ(NumberAfter(answer, "x-table: "), number) << answer;
    ASSERT_EQ(NumberAfter(answer, "x-host: "), number) << answer;
    ASSERT_EQ(NumberAfter(answer, "x-route: "), number) << answer;
    ASSERT_GE(number, last);
    last = number;
    seen.insert(number);
  }
  close(fd);
}

TEST(Publish, EveryAnswerIsOfOneConfigurationWhileTheyChange) {
  const auto bootstrap = MakeBootstrap();
  ASSERT_NE(bootstrap, nullptr);
  const base::Clock& clock = base::SystemClock();
  observe::Registry registry;
  base::FastRandom random(7);
  net::Loop loop(clock);
  auto resolver = net::NewResolver(loop);
  observe::LogWriter log_writer({}, clock,
                                registry.Get<observe::AccessLogStats>(
                                    observe::Scope::kAccessLog, "", observe::Registry::kMainOwner));
  log_writer.Start();
  std::atomic<int> acknowledged{0};
  std::unique_ptr<ConfigThread> config_thread;
  const WorkerShared shared{
      clock,
      registry,
      log_writer,
      100,
      1 << 24,
      {[](void* self, std::shared_ptr<const void> garbage) {
         auto& thread = *static_cast<std::unique_ptr<ConfigThread>*>(self);
         thread->loop().Post([garbage = std::move(garbage)]() mutable { garbage.reset(); });
       },
       &config_thread},
      2};
  std::vector<std::unique_ptr<Worker>> workers;
  for (unsigned i = 0; i < 2; ++i) workers.push_back(std::make_unique<Worker>(i, shared));
  auto publisher =
      std::make_unique<Publisher>(Publisher::Options{loop, *resolver, registry, random, workers});
  config_thread = std::make_unique<ConfigThread>(ConfigThread::Options{
      clock,
      registry,
      *bootstrap,
      {},
      [&](net::Loop& config_loop,
          const StreamSpec&) -> absl::StatusOr<std::unique_ptr<xds::Transport>> {
        return std::make_unique<CountingTransport>(config_loop, acknowledged);
      },
      [&](xds::Update update) {
        loop.Post([&, update = std::move(update)] { publisher->Publish(update); });
      },
      [] {}});
  for (const auto& worker : workers) worker->Start();
  config_thread->Start();
  while (publisher->listeners().View()->empty()) loop.RunOnce(10);
  const std::uint16_t port = publisher->listeners().View()->front().addresses.front().port();

  std::atomic<bool> stop{false};
  std::set<int> seen[kClients];
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] { Ask(port, stop, seen[i]); });
  }
  while (acknowledged < kUpdates) loop.RunOnce(10);
  stop = true;
  for (std::thread& client : clients) client.join();
  for (const std::set<int>& each : seen) EXPECT_GT(each.size(), 20U);

  for (const auto& worker : workers) worker->Stop();
  workers.clear();
  config_thread->Stop();
  log_writer.Stop();
  publisher.reset();
}

}  // namespace
}  // namespace sluice::server
