#include "server/config_thread.h"

#include <pthread.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "server/xds_sources.h"

namespace sluice::server {
namespace {

using xds::ResourceType;

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

struct ConfigThread::State final : xds::ResponseHandler {
  explicit State(Options thread_options)
      : options(std::move(thread_options)),
        random(base::RandomSeed()),
        loop(options.clock),
        store(options.compile, NamesOf(options.bootstrap.clusters),
              NamesOf(options.bootstrap.listeners)),
        assembler(ValuesOf(options.bootstrap.clusters), ValuesOf(options.bootstrap.listeners)),
        own_events(options.clock),
        events(options.events == nullptr ? own_events : *options.events),
        clusters_stats(options.registry.Get<observe::ClusterManagerStats>(
            observe::Scope::kClusterManager, "", kOwner)),
        listeners_stats(options.registry.Get<observe::ListenerManagerStats>(
            observe::Scope::kListenerManager, "", kOwner)),
        view(std::make_shared<XdsView>()) {
    warming.Set([](void* self) { static_cast<State*>(self)->Advance(); }, this);
  }

  void Begin();
  void StartListeners();
  void CheckInitialized();
  bool Fetched(ResourceType type) const;
  void Subscribe();
  void Advance();
  void PublishView();

  // xds::ResponseHandler
  xds::Verdict OnResponse(const xds::Response& response) override;
  void OnBadResponse(ResourceType type, std::string_view why) override;

  Options options;
  base::FastRandom random;
  net::Loop loop;
  xds::Store store;
  xds::Assembler assembler;
  EventLog own_events;
  EventLog& events;
  // Main writes other statistics of these two, in blocks of its own.
  static constexpr unsigned kOwner = observe::Registry::kMainOwner - 1;
  observe::ClusterManagerStats& clusters_stats;
  observe::ListenerManagerStats& listeners_stats;
  net::Timer warming;
  std::array<bool, xds::kResourceTypes.size()> fetched{};  // A response came.
  bool listeners_started = false;
  bool initialized = false;
  mutable base::Mutex mutex;
  std::shared_ptr<const XdsView> view SLUICE_GUARDED_BY(mutex);
  std::unique_ptr<XdsSources> sources;  // Last: its streams end first.
};

// ---- life cycle
// ----------------------------------------------------------------------------------

void ConfigThread::State::Begin() {
  options.publish(assembler.Initial(loop.clock().Now()));
  if (options.make_transport) {
    sources = std::make_unique<XdsSources>(
        XdsSources::Options{loop, random, options.registry, options.bootstrap, events,
                            options.make_transport, *this, [this] {
                              PublishView();
                              CheckInitialized();
                            }});
    if (options.bootstrap.cds) {
      sources->Subscribe(ResourceType::kCluster, *options.bootstrap.cds, "cluster_manager.cds.");
    }
  }
  Advance();
}

// Listeners wait for the first clusters, as in Envoy: routes should find what they name.
void ConfigThread::State::StartListeners() {
  if (listeners_started || sources == nullptr || !options.bootstrap.lds) return;
  listeners_started = true;
  sources->Subscribe(ResourceType::kListener, *options.bootstrap.lds, "listener_manager.lds.");
}

// Its first response came, or its time is over, or there is none to wait for.
bool ConfigThread::State::Fetched(ResourceType type) const {
  const auto& source =
      type == ResourceType::kCluster ? options.bootstrap.cds : options.bootstrap.lds;
  return sources == nullptr || !source || fetched[IndexOf(type)] || sources->timed_out(type);
}

void ConfigThread::State::CheckInitialized() {
  if (initialized) return;
  if (!Fetched(ResourceType::kCluster) || !assembler.WarmingClusters().empty()) return;
  StartListeners();
  if (!Fetched(ResourceType::kListener) || !assembler.WarmingListeners().empty()) return;
  initialized = true;
  options.initialized();
}

// ---- what arrives
// --------------------------------------------------------------------------------

xds::Verdict ConfigThread::State::OnResponse(const xds::Response& response) {
  const std::set<std::string> wanted = response.type == ResourceType::kEndpoints
                                           ? assembler.WantedAssignments(store)
                                           : assembler.WantedRoutes(store);
  xds::ApplyResult result = store.Apply(response, wanted, loop.clock().WallNow());
  fetched[IndexOf(response.type)] = true;
  if (response.expired) {
    SLUICE_LOG(kInfo, kConfig, response.removed.size(), " ", xds::ShortName(response.type),
               " resources are gone: their TTL has passed");
  } else if (!result.error.empty()) {
    SLUICE_LOG(kWarning, kConfig, result.error);
  }
  for (const std::string& name : result.changed) {
    events.Add(EventLog::Kind::kAccepted, base::Cat(xds::ShortName(response.type), " ", name), "",
               response.version);
  }
  for (const std::string& name : result.removed) {
    events.Add(EventLog::Kind::kRemoved, base::Cat(xds::ShortName(response.type), " ", name),
               response.expired ? "its TTL has passed" : "", response.version);
  }
  assembler.OnApplied(response.type, result, store, loop.now());
  Advance();
  xds::Verdict verdict{std::move(result.error), std::move(result.rejected),
                       std::move(result.changed)};
  verdict.changed.insert(verdict.changed.end(), result.removed.begin(), result.removed.end());
  return verdict;
}

void ConfigThread::State::OnBadResponse(ResourceType type, std::string_view why) {
  SLUICE_LOG(kWarning, kConfig, xds::ShortName(type), " response refused: ", why);
}

// ---- what goes out
// -------------------------------------------------------------------------------

void ConfigThread::State::Subscribe() {
  if (sources == nullptr) return;
  for (const ResourceType type : {ResourceType::kEndpoints, ResourceType::kRoutes}) {
    const std::vector<xds::Want> wants = assembler.Wants(type, store);
    std::set<std::string> names;
    for (const xds::Want& want : wants) names.insert(want.name);
    store.Retain(type, names);
    sources->SetWanted(type, wants);
  }
}

void ConfigThread::State::Advance() {
  xds::Update update = assembler.Take(store, loop.now());
  assembler.TakeFetchTimeouts();
  for (const std::string& name : update.changes.clusters) {
    if (update.snapshot->clusters.Find(name) == nullptr) continue;
    events.Add(EventLog::Kind::kWarmed, base::Cat("cluster ", name));
  }
  for (const std::string& name : update.changes.listeners) {
    if (update.snapshot->listeners.Find(name) == nullptr) continue;
    events.Add(EventLog::Kind::kWarmed, base::Cat("listener ", name));
  }
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
  next->connected = sources != nullptr && sources->connected();
  if (sources != nullptr) next->control_plane = sources->control_plane();
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
    state->sources.reset();
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
