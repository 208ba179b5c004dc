// One whole exchange over in-memory streams: head in, route, pooled upstream, head and body out.
// And the parts that every request pays for.

#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/field_errors.h"
#include "base/random.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "config/snapshot.h"
#include "filters/chain.h"
#include "net/loop.h"
#include "net/socket.h"
#include "observe/registry.h"
#include "proxy/serve_connection.h"
#include "proxy/snapshot_pin.h"
#include "upstream/clusters.h"
#include "upstream/host_set.h"

namespace sluice::proxy {
namespace {

std::unique_ptr<net::Stream> g_upstream;

std::unique_ptr<net::Stream> ConnectInMemory(net::Loop& loop, const base::Address&,
                                             const net::ConnectOptions&) {
  net::StreamPair pair = net::NewMemoryStreams(loop);
  g_upstream = std::move(pair.b);
  return std::move(pair.a);
}

std::shared_ptr<const config::Listener> MakeListener(int routes) {
  auto host = std::make_shared<config::VirtualHost>();
  host->domains = {"*"};
  for (int i = 0; i <= routes; ++i) {
    config::Route route;
    route.match.path = i == routes ? "/" : base::Cat("/route", i, "/");
    config::ForwardAction forward;
    forward.cluster = "c";
    route.action = forward;
    host->routes.push_back(route);
  }
  config::IndexRoutes(*host);
  auto table = std::make_shared<config::RouteTable>();
  table->virtual_hosts = {host};
  base::FieldErrors errors;
  config::IndexDomains(*table, errors);
  auto http = std::make_shared<config::HttpConnectionManager>();
  http->stat_prefix = "in";
  http->filters.push_back({"router", false, config::RouterFilter{}});
  http->inline_routes = table;
  auto listener = std::make_shared<config::Listener>();
  listener->name = "in";
  listener->filter_chains.push_back({"", http});
  return listener;
}

// A worker with one client and, after the first request, one pooled upstream connection.
struct World {
  World() : loop(base::SystemClock()), buffers(1 << 20), random(1) {
    clusters = std::make_unique<upstream::Clusters>(
        upstream::WorkerParts{loop, buffers, registry, random, 0, 1, &ConnectInMemory});
    auto cluster = std::make_shared<config::Cluster>();
    cluster->name = cluster->stat_name = "c";
    config::Endpoint endpoint;
    endpoint.address = *base::Address::ParseIp("10.0.0.1", 80);
    clusters->Set({cluster, nullptr, std::make_shared<upstream::SharedBreaker>(),
                   upstream::BuildHostSet({endpoint}, nullptr, {})});
    context = std::make_unique<WorkerContext>(WorkerOptions{.loop = loop,
                                                            .buffers = buffers,
                                                            .clusters = *clusters,
                                                            .registry = registry,
                                                            .random = random,
                                                            .worker = 0,
                                                            .access_logger = nullptr,
                                                            .retire = {},
                                                            .hooks = {}});
    auto listener = MakeListener(100);
    auto snapshot = std::make_shared<config::Snapshot>();
    snapshot->listeners.Set("in", listener);
    context->Adopt(snapshot);
    net::StreamPair pair = net::NewMemoryStreams(loop);
    client = std::move(pair.b);
    StartConnection(*context, std::move(pair.a), listener, stats);
  }
  ~World() {
    context->CloseAll();
    for (int i = 0; i < 10; ++i) loop.RunOnce(0);
    context.reset();
    clusters.reset();
    g_upstream.reset();
  }
  // False: something is wrong.
  bool Exchange(std::string_view request, std::string_view response) {
    client->Write({&request, 1});
    loop.RunOnce(0);
    std::array<char, 4096> space;
    while (g_upstream == nullptr || g_upstream->Read(space).status != net::IoStatus::kOk) {
      loop.RunOnce(0);
    }
    g_upstream->Write({&response, 1});
    loop.RunOnce(0);
    return client->Read(space).status == net::IoStatus::kOk;
  }

  net::Loop loop;
  net::BufferPool buffers;
  observe::Registry registry;
  base::FastRandom random;
  observe::ListenerStats stats;
  std::unique_ptr<upstream::Clusters> clusters;
  std::unique_ptr<WorkerContext> context;
  std::unique_ptr<net::Stream> client;
};

constexpr std::string_view kGet =
    "GET /some/path?with=query HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench/1.0\r\n"
    "Accept: */*\r\nAccept-Encoding: gzip\r\nCookie: a=b; c=d\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
    "Date: Thu, 01 Jan 1970 00:16:40 GMT\r\nServer: app\r\n\r\nHello, world!";

void WholeExchange(benchmark::State& state) {
  World world;
  world.Exchange(kGet, kResponse);
  for (auto _ : state) {
    if (!world.Exchange(kGet, kResponse)) state.SkipWithError("no answer");
  }
}
BENCHMARK(WholeExchange);

void PinAndUnpin(benchmark::State& state) {
  SnapshotHolder holder({});
  holder.Adopt(std::make_shared<config::Snapshot>());
  for (auto _ : state) {
    SnapshotPin pin = holder.Pin();
    benchmark::DoNotOptimize(pin);
  }
}
BENCHMARK(PinAndUnpin);

void EmptyChain(benchmark::State& state) {
  filters::Chain chain;
  http::RequestHead head;
  for (auto _ : state) {
    benchmark::DoNotOptimize(chain.RequestHead(head, filters::End::kYes));
  }
}
BENCHMARK(EmptyChain);

}  // namespace
}  // namespace sluice::proxy
