#include "server/config_thread.h"

#include <pthread.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "server/node_proto.h"
#include "xds/discovery_client.h"

namespace sluice::server {
namespace {

using xds::ResourceType;

std::string SubscriptionName(ResourceType type) {
  switch (type) {
    case ResourceType::kCluster:
      return "cluster_manager.cds";
    case ResourceType::kEndpoints:
      return "cluster_manager.eds";
    case ResourceType::kListener:
      return "listener_manager.lds";
    case ResourceType::kRoutes:
      return "http.rds";
    default:
      return base::Lowercase(xds::ShortName(type));
  }
}

std::set<std::string> NamesOf(const auto& resources) {
  std::set<std::string> names;
  for (const auto& resource : resources) names.insert(resource.value->name);
  return names;
}

template <typename T>
std::vector<std::shared_ptr<const T>> ValuesOf(
    const std::vector<config::StaticResource<T>>& resources) {
  std::vector<std::shared_ptr<const T>> values;
  for (const auto& resource : resources) values.push_back(resource.value);
  return values;
}

}  // namespace

struct ConfigThread::State final : xds::ResponseHandler, xds::TransportEvents {
  explicit State(Options thread_options)
      : options(std::move(thread_options)),
        random(base::RandomSeed()),
        loop(options.clock),
        store(options.compile, NamesOf(options.bootstrap.clusters),
              NamesOf(options.bootstrap.listeners)),
        assembler(ValuesOf(options.bootstrap.clusters), ValuesOf(options.bootstrap.listeners)),
        plane(options.registry.Get<observe::ControlPlaneStats>(observe::Scope::kControlPlane, "",
                                                               observe::Registry::kMainOwner)),
        clusters_stats(options.registry.Get<observe::ClusterManagerStats>(
            observe::Scope::kClusterManager, "", kOwner)),
        listeners_stats(options.registry.Get<observe::ListenerManagerStats>(
            observe::Scope::kListenerManager, "", kOwner)),
        view(std::make_shared<XdsView>()) {
    for (const ResourceType type : xds::kResourceTypes) {
      stats[static_cast<std::size_t>(type)] = &options.registry.Get<observe::SubscriptionStats>(
          observe::Scope::kSubscription, SubscriptionName(type), observe::Registry::kMainOwner);
    }
    reconnect.Set([](void* self) { static_cast<State*>(self)->Connect(); }, this);
    warming.Set([](void* self) { static_cast<State*>(self)->Advance(); }, this);
    cds_timeout.Set(&State::OnFetchTimeout<ResourceType::kCluster>, this);
    lds_timeout.Set(&State::OnFetchTimeout<ResourceType::kListener>, this);
  }

  observe::SubscriptionStats& Stats(ResourceType type) {
    return *stats[static_cast<std::size_t>(type)];
  }

  void Begin();
  void Connect();
  void StartListeners();
  void CheckInitialized();
  void OnFirstFetchTimeout(ResourceType type);
  template <ResourceType kType>
  static void OnFetchTimeout(void* self) {
    static_cast<State*>(self)->OnFirstFetchTimeout(kType);
  }
  void Subscribe();
  void Advance();
  void PublishView();

  // xds::ResponseHandler
  xds::Verdict OnResponse(const xds::Response& response) override;
  void OnBadResponse(ResourceType type, std::string_view why) override;
  // xds::TransportEvents: the client's, with statistics around.
  void OnOpen() override;
  void OnMessage(std::string bytes) override;
  void OnClosed(std::string_view why) override;
  void OnWake();
  void ArmWake();

  Options options;
  base::FastRandom random;
  net::Loop loop;
  xds::Store store;
  xds::Assembler assembler;
  observe::ControlPlaneStats& plane;
  // Main writes other statistics of these two, in blocks of its own.
  static constexpr unsigned kOwner = observe::Registry::kMainOwner - 1;
  observe::ClusterManagerStats& clusters_stats;
  observe::ListenerManagerStats& listeners_stats;
  std::array<observe::SubscriptionStats*, xds::kResourceTypes.size()> stats{};
  std::unique_ptr<xds::Transport> transport;
  std::unique_ptr<xds::DiscoveryClient> client;
  net::Timer reconnect, wake, warming, cds_timeout, lds_timeout;
  std::array<bool, xds::kResourceTypes.size()> fetched{};  // A response came or time is over.
  bool listeners_started = false;
  bool initialized = false;
  std::string control_plane;
  mutable base::Mutex mutex;
  std::shared_ptr<const XdsView> view SLUICE_GUARDED_BY(mutex);
};

// ---- life cycle
// ----------------------------------------------------------------------------------

void ConfigThread::State::Begin() {
  options.publish(assembler.Initial(loop.clock().Now()));
  if (options.bootstrap.ads && options.make_transport) {
    const config::AdsSource& ads = *options.bootstrap.ads;
    transport = options.make_transport(loop);
    client = std::make_unique<xds::DiscoveryClient>(
        xds::DiscoveryOptions{NodeBytes(options.bootstrap.node), ads.delta,
                              ads.set_node_on_first_message_only, ads.backoff_base_ms,
                              ads.backoff_max_ms},
        xds::DiscoveryClient::Outside{*transport, *this, loop.clock(), random});
    wake.Set([](void* self) { static_cast<State*>(self)->OnWake(); }, this);
    if (options.bootstrap.cds) {
      client->Subscribe(ResourceType::kCluster);
      if (options.bootstrap.cds_fetch_timeout_ms > 0) {
        cds_timeout.Arm(loop.timers(), options.bootstrap.cds_fetch_timeout_ms);
      }
    } else {
      fetched[static_cast<std::size_t>(ResourceType::kCluster)] = true;
    }
    fetched[static_cast<std::size_t>(ResourceType::kListener)] = !options.bootstrap.lds;
    Subscribe();
    Connect();
  } else {
    fetched.fill(true);
  }
  Advance();
}

void ConfigThread::State::Connect() {
  plane.stream_opened.Add();
  transport->Open(*this);
}

// Listeners wait for the first clusters, as in Envoy: routes should find what they name.
void ConfigThread::State::StartListeners() {
  if (listeners_started || client == nullptr || !options.bootstrap.lds) return;
  listeners_started = true;
  client->Subscribe(ResourceType::kListener);
  if (options.bootstrap.lds_fetch_timeout_ms > 0) {
    lds_timeout.Arm(loop.timers(), options.bootstrap.lds_fetch_timeout_ms);
  }
}

void ConfigThread::State::OnFirstFetchTimeout(ResourceType type) {
  if (fetched[static_cast<std::size_t>(type)]) return;
  fetched[static_cast<std::size_t>(type)] = true;
  Stats(type).init_fetch_timeout.Add();
  SLUICE_LOG(kWarning, kConfig, "no ", xds::TypeName(xds::TypeUrl(type)),
             " response within the initial fetch timeout; going on without");
  Advance();
}

void ConfigThread::State::CheckInitialized() {
  if (initialized) return;
  const auto done = [&](ResourceType type) { return fetched[static_cast<std::size_t>(type)]; };
  if (!done(ResourceType::kCluster) || !assembler.WarmingClusters().empty()) return;
  StartListeners();
  if (!done(ResourceType::kListener) || !assembler.WarmingListeners().empty()) return;
  initialized = true;
  options.initialized();
}

// ---- what arrives
// --------------------------------------------------------------------------------

void ConfigThread::State::OnOpen() {
  client->OnOpen();
  ArmWake();
}

void ConfigThread::State::OnWake() {
  client->OnWake();
  ArmWake();
}

// For TTLs and for requests that wait for a token.
void ConfigThread::State::ArmWake() {
  const auto due = client->NextWake();
  if (!due) return wake.Cancel();
  const auto wait = std::chrono::duration_cast<base::milliseconds>(*due - loop.clock().Now());
  wake.Arm(loop.timers(), static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count(), 1)));
}

void ConfigThread::State::OnMessage(std::string bytes) {
  plane.connected_state.Set(
      1);  // Not earlier: gRPC opens streams on connections it yet has to make.
  client->OnMessage(std::move(bytes));
  ArmWake();
}

void ConfigThread::State::OnClosed(std::string_view why) {
  client->OnClosed(why);
  plane.stream_failed.Add();
  plane.connected_state.Set(0);
  for (observe::SubscriptionStats* each : stats) each->update_failure.Add();
  reconnect.Arm(loop.timers(), client->NextBackoffMs());
  PublishView();
}

xds::Verdict ConfigThread::State::OnResponse(const xds::Response& response) {
  const base::Monotonic start = loop.clock().Now();
  observe::SubscriptionStats& counts = Stats(response.type);
  if (!response.expired) counts.update_attempt.Add();
  if (control_plane != response.control_plane && !response.control_plane.empty()) {
    control_plane = response.control_plane;
    options.registry.SetText("control_plane.identifier", control_plane);
  }
  const std::set<std::string> wanted = response.type == ResourceType::kEndpoints
                                           ? assembler.WantedAssignments(store)
                                           : assembler.WantedRoutes(store);
  xds::ApplyResult result = store.Apply(response, wanted, loop.clock().WallNow());
  fetched[static_cast<std::size_t>(response.type)] = true;
  if (response.expired) {
    SLUICE_LOG(kInfo, kConfig, response.removed.size(), " ", xds::ShortName(response.type),
               " resources are gone: their TTL has passed");
  } else if (result.error.empty()) {
    counts.update_success.Add();
    const std::string prefix = SubscriptionName(response.type);
    options.registry.SetText(base::Cat(prefix, ".version_text"), response.version);
    counts.version.Set(
        static_cast<std::int64_t>(base::StringHash{}(response.version) & 0x3fffffffffffffffU));
  } else {
    counts.update_rejected.Add();
    SLUICE_LOG(kWarning, kConfig, result.error);
  }
  if (!result.changed.empty() || !result.removed.empty()) counts.config_reload.Add();
  assembler.OnApplied(response.type, result, store, loop.now());
  Advance();
  const auto took = loop.clock().Now() - start;
  counts.update_duration.Record(
      static_cast<std::uint64_t>(std::chrono::duration_cast<base::milliseconds>(took).count()));
  counts.update_time.Set(
      std::chrono::duration_cast<base::milliseconds>(loop.clock().WallNow().time_since_epoch())
          .count());
  return {std::move(result.error), std::move(result.rejected)};
}

void ConfigThread::State::OnBadResponse(ResourceType type, std::string_view why) {
  Stats(type).update_attempt.Add();
  Stats(type).update_rejected.Add();
  SLUICE_LOG(kWarning, kConfig, "response refused: ", why);
}

// ---- what goes out
// -------------------------------------------------------------------------------

void ConfigThread::State::Subscribe() {
  if (client == nullptr) return;
  const std::set<std::string> assignments = assembler.WantedAssignments(store);
  const std::set<std::string> routes = assembler.WantedRoutes(store);
  store.Retain(ResourceType::kEndpoints, assignments);
  store.Retain(ResourceType::kRoutes, routes);
  client->SetNames(ResourceType::kEndpoints, assignments);
  client->SetNames(ResourceType::kRoutes, routes);
}

void ConfigThread::State::Advance() {
  xds::Update update = assembler.Take(store, loop.now());
  const std::uint64_t timeouts = assembler.TakeFetchTimeouts();
  if (timeouts > 0) Stats(ResourceType::kEndpoints).init_fetch_timeout.Add(timeouts);
  if (!update.empty()) options.publish(std::move(update));
  Subscribe();
  if (const auto deadline = assembler.NextDeadline()) {
    const auto wait = std::chrono::duration_cast<base::milliseconds>(*deadline - loop.now());
    warming.Arm(loop.timers(), static_cast<std::uint64_t>(std::max<std::int64_t>(wait.count(), 1)));
  } else {
    warming.Cancel();
  }
  PublishView();
  CheckInitialized();
}

void ConfigThread::State::PublishView() {
  auto next = std::make_shared<XdsView>();
  next->store = store.view();
  next->warming_clusters = assembler.WarmingClusters();
  next->warming_listeners = assembler.WarmingListeners();
  clusters_stats.warming_clusters.Set(static_cast<std::int64_t>(next->warming_clusters.size()));
  listeners_stats.total_listeners_warming.Set(
      static_cast<std::int64_t>(next->warming_listeners.size()));
  next->connected = client != nullptr && client->connected();
  next->control_plane = control_plane;
  const base::MutexLock lock(mutex);
  view = std::move(next);
}

ConfigThread::ConfigThread(Options options) : state_(std::make_unique<State>(std::move(options))) {}

ConfigThread::~ConfigThread() { Stop(); }

void ConfigThread::Start() {
  thread_ = std::thread([state = state_.get()] {
    pthread_setname_np(pthread_self(), "config");
    state->loop.Post([state] { state->Begin(); });
    state->loop.Run();
    if (state->transport != nullptr) state->transport->Close();
    state->client.reset();
    state->transport.reset();
  });
}

void ConfigThread::Stop() {
  if (!thread_.joinable()) return;
  state_->loop.Stop();
  thread_.join();
}

net::Loop& ConfigThread::loop() { return state_->loop; }

std::shared_ptr<const XdsView> ConfigThread::View() const {
  const base::MutexLock lock(state_->mutex);
  return state_->view;
}

}  // namespace sluice::server
