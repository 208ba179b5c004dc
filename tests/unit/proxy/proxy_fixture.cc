#include "proxy_fixture.h"

#include <array>

#include "base/field_errors.h"
#include "config/domain_index.h"
#include "config/path_index.h"
#include "upstream/host_set.h"

namespace sluice::proxy {
namespace {

ProxyFixture* g_fixture = nullptr;

}  // namespace

// ---- Peer

void Peer::Pump(std::size_t bytes_max) {
  if (!unsent_.empty()) Send({});
  std::array<char, 4096> space;
  while (!ended_ && bytes_max > 0) {
    const std::size_t wanted = std::min(bytes_max, space.size());
    const net::IoResult result = stream_->Read({space.data(), wanted});
    if (result.status == net::IoStatus::kWouldBlock) break;
    if (result.status != net::IoStatus::kOk) {
      ended_ = true;
      broken_ = result.status == net::IoStatus::kError;
      break;
    }
    received_.append(space.data(), result.bytes);
    bytes_max -= result.bytes;
  }
}

void Peer::Send(std::string_view bytes) {
  unsent_.append(bytes);
  while (!unsent_.empty()) {
    const std::string_view piece = unsent_;
    const net::IoResult result = stream_->Write({&piece, 1});
    if (result.status == net::IoStatus::kWouldBlock) return;
    if (result.status != net::IoStatus::kOk) {
      unsent_.clear();
      return;
    }
    unsent_.erase(0, result.bytes);
  }
  if (shut_down_) stream_->ShutdownWrite();
}

void Peer::ShutdownWrite() {
  shut_down_ = true;
  if (unsent_.empty()) stream_->ShutdownWrite();
}

// ---- ProxyFixture

ProxyFixture::ProxyFixture(const Options& options)
    : options_(options), loop_(clock_), buffers_(options.buffer_bytes_max), random_(1) {
  g_fixture = this;
  http_.stat_prefix = "in";
  http_.generate_request_id = false;
  http_.filters.push_back({"router", false, config::RouterFilter{}});
  host_.name = "all";
  host_.domains = {"*"};
  cluster_.name = cluster_.stat_name = "c";
  breaker_ = std::make_shared<upstream::SharedBreaker>();
  clusters_ = std::make_unique<upstream::Clusters>(
      upstream::WorkerParts{loop_, buffers_, registry_, random_, 0, 1, &FakeConnect});
  WorkerOptions worker = {.loop = loop_,
                          .buffers = buffers_,
                          .clusters = *clusters_,
                          .registry = registry_,
                          .random = random_,
                          .worker = 0,
                          .access_logger = nullptr,
                          .retire = {&OnRetire, this},
                          .hooks = {}};
  worker.hooks.owner = this;
  worker.hooks.ended = &OnEnded;
  if (options_.add_filters != nullptr) {
    worker.hooks.add_filters = [](void* owner, filters::Chain& chain, filters::Context& context) {
      auto& fixture = *static_cast<ProxyFixture*>(owner);
      fixture.options_.add_filters(fixture.options_.filters_owner, chain, context);
    };
  }
  context_ = std::make_unique<WorkerContext>(worker);
}

ProxyFixture::~ProxyFixture() {
  context_->CloseAll();
  on_turn = nullptr;
  on_connect = nullptr;
  Settle();
  context_.reset();
  clusters_.reset();
  g_fixture = nullptr;
}

config::Route& ProxyFixture::AddRoute(std::string_view prefix, std::string_view cluster) {
  config::Route route;
  route.name = std::string("route ").append(prefix);
  route.match.path = prefix;
  config::ForwardAction forward;
  forward.cluster = cluster;
  route.action = forward;
  host_.routes.push_back(route);
  return host_.routes.back();
}

void ProxyFixture::Publish() {
  auto host = std::make_shared<config::VirtualHost>(host_);
  config::IndexRoutes(*host);
  auto table = std::make_shared<config::RouteTable>(table_);
  table->virtual_hosts = {host};
  base::FieldErrors errors;
  config::IndexDomains(*table, errors);
  ASSERT_TRUE(errors.empty());
  auto http = std::make_shared<config::HttpConnectionManager>(http_);
  if (http->rds_name.empty()) http->inline_routes = table;
  auto listener = std::make_shared<config::Listener>();
  listener->name = "in";
  listener->filter_chains.push_back({"chain", tcp ? nullptr : http});
  if (tcp) listener->filter_chains.back().tcp = std::make_shared<config::TcpProxy>(*tcp);
  listener_ = listener;
  auto snapshot = std::make_shared<config::Snapshot>();
  snapshot->generation = ++generation_;
  snapshot->runtime = runtime;
  snapshot->listeners.Set("in", listener_);
  if (!http->rds_name.empty()) snapshot->route_tables.Set(http->rds_name, table);
  context_->Adopt(snapshot);

  std::vector<config::Endpoint> endpoints(hosts);
  for (unsigned i = 0; i < hosts; ++i) {
    endpoints[i].address = *base::Address::ParseIp(base::Cat("10.0.0.", i + 1), 80);
    endpoints[i].hostname = "upstream.test";
  }
  clusters_->Set({std::make_shared<config::Cluster>(cluster_), nullptr, breaker_,
                  upstream::BuildHostSet(endpoints, nullptr, {})});
}

std::shared_ptr<Peer> ProxyFixture::Connect() {
  net::StreamPair pair = net::NewMemoryStreams(loop_, options_.stream_capacity);
  auto client = std::make_shared<Peer>(std::move(pair.b));
  clients_.push_back(client);
  StartConnection(*context_, std::move(pair.a), listener_, listener_stats_);
  return client;
}

void ProxyFixture::Settle() {
  // Enough turns for the longest chain of hand-overs; nothing here waits for real time.
  for (int turn = 0; turn < 12; ++turn) {
    loop_.RunOnce(0);
    for (const auto& client : clients_) client->Pump(client_bytes_per_turn);
    for (std::size_t i = 0; i < upstreams_.size(); ++i) {
      if (upstreams_[i].get() != stuck) upstreams_[i]->Pump();
    }
    if (on_turn) on_turn();
  }
}

void ProxyFixture::Pass(std::uint64_t ms) {
  clock_.Pass(base::milliseconds(ms));
  Settle();
}

std::string ProxyFixture::Ask(Peer& client, std::string_view request) {
  client.Send(request);
  Settle();
  return client.TakeReceived();
}

std::unique_ptr<net::Stream> ProxyFixture::FakeConnect(net::Loop& loop,
                                                       const base::Address& address,
                                                       const net::ConnectOptions&) {
  net::StreamPair pair = net::NewMemoryStreams(loop, g_fixture->options_.stream_capacity);
  g_fixture->connected.push_back(address.IpText());
  if (g_fixture->refuse_connections) {
    pair.a->Close();
    return std::move(pair.a);
  }
  auto peer = std::make_shared<Peer>(std::move(pair.b));
  g_fixture->upstreams_.push_back(peer);
  if (g_fixture->on_connect) g_fixture->on_connect(*peer);
  return std::move(pair.a);
}

observe::HttpStats& ProxyFixture::stats() {
  return registry_.Get<observe::HttpStats>(observe::Scope::kHttp, "in", 0);
}
observe::ClusterStats& ProxyFixture::cluster_stats(std::string_view cluster) {
  return registry_.Get<observe::ClusterStats>(observe::Scope::kCluster, std::string(cluster), 0);
}
observe::TcpStats& ProxyFixture::tcp_stats() {
  return registry_.Get<observe::TcpStats>(observe::Scope::kTcp, "t", 0);
}
observe::CorsStats& ProxyFixture::cors_stats() {
  return registry_.Get<observe::CorsStats>(observe::Scope::kCors, "in", 0);
}

void ProxyFixture::OnEnded(void* owner, const observe::StreamInfo& info) {
  auto& fixture = *static_cast<ProxyFixture*>(owner);
  Logged logged = {info.response_code,
                   info.response_code_details,
                   "",
                   std::string(info.route_name),
                   std::string(info.cluster),
                   info.bytes_received,
                   info.bytes_sent,
                   info.attempts};
  observe::AppendFlags(info.flags, false, logged.flags);
  fixture.logged_.push_back(std::move(logged));
}

void ProxyFixture::OnRetire(void* owner, std::shared_ptr<const void> garbage) {
  static_cast<ProxyFixture*>(owner)->retired_.push_back(std::move(garbage));
}

void ProxyFixture::ExpectAllGone() {
  for (const auto& client : clients_) client->Close();
  Settle();
  EXPECT_EQ(context_->active(), 0U);
  EXPECT_EQ(context_->exchanges(), 0U);
  EXPECT_EQ(stats().downstream_cx_active.Get(), 0);
  EXPECT_EQ(stats().downstream_rq_active.Get(), 0);
  EXPECT_EQ(stats().downstream_cx_upgrades_active.Get(), 0);
  EXPECT_EQ(listener_stats_.downstream_cx_active.Get(), 0);
  EXPECT_EQ(cluster_stats().upstream_rq_active.Get(), 0);
  EXPECT_EQ(cluster_stats().upstream_rq_pending_active.Get(), 0);
  EXPECT_EQ(breaker_->retries.taken(), 0U);
  clusters_->CloseIdle();
  Settle();
  EXPECT_EQ(cluster_stats().upstream_cx_active.Get(), 0);
  EXPECT_EQ(buffers_.bytes_in_use(), 0U);
  EXPECT_EQ(context_->snapshots().alive(), context_->snapshots().current() == nullptr ? 0U : 1U);
}

}  // namespace sluice::proxy
