#include "server/config_thread.h"

#include <pthread.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "server/state_keeper.h"
#include "server/xds_sources.h"

namespace sluice::server {
namespace {

using xds::ResourceType;

constexpr std::size_t kMissingMax = 1000;  // Of /init_dump.

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
        assembler(ValuesOf(options.bootstrap.clusters), ValuesOf(options.bootstrap.listeners),
                  options.bootstrap.secrets),
        own_events(options.clock),
        events(options.events == nullptr ? own_events : *options.events),
        clusters_stats(options.registry.Get<observe::ClusterManagerStats>(
            observe::Scope::kClusterManager, "", kOwner)),
        listeners_stats(options.registry.Get<observe::ListenerManagerStats>(
            observe::Scope::kListenerManager, "", kOwner)),
        runtime({loop,
                 options.registry.Get<observe::RuntimeStats>(observe::Scope::kRuntime, "", kOwner),
                 options.bootstrap.runtime_layers,
                 [this] {
                   assembler.SetRuntime(runtime.merged());
                   Advance();
                 }}),
        keeper(
            {loop, options.state_dir,
             base::Cat(options.bootstrap.node.id, "\n", options.bootstrap.node.cluster),
             options.registry.Get<observe::StateFileStats>(observe::Scope::kStateFile, "", kOwner),
             [this] { return Collect(); }}),
        view(std::make_shared<XdsView>()) {
    warming.Set([](void* self) { static_cast<State*>(self)->Advance(); }, this);
  }

  void Begin();
  void StartListeners();
  void StartRuntime();
  void CheckInitialized();
  bool Fetched(ResourceType type) const;
  void Subscribe();
  void TakeRuntime(const xds::ApplyResult& result);
  void Advance();
  void PublishView();
  void ViewReferences(XdsView& next);
  std::string VersionOf(ResourceType type) const;
  xds::SavedState Collect() const;
  void Restore();

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
  RuntimeLayers runtime;
  StateKeeper keeper;
  base::WallTime accepted;
  bool restored = false;
  net::Timer warming;
  std::array<std::uint64_t, xds::kResourceTypes.size()> told_generations{};
  std::array<std::uint64_t, xds::kResourceTypes.size()> wanted_generations{};
  std::array<std::shared_ptr<const std::set<std::string>>, xds::kResourceTypes.size()> wanted;
  bool scopes_wanted = false;
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
  assembler.SetRuntime(runtime.merged());
  options.publish(assembler.Initial(loop.clock().Now()));
  if (options.make_transport) {
    sources = std::make_unique<XdsSources>(
        XdsSources::Options{loop, random, options.registry, options.bootstrap, events,
                            options.make_transport, *this, [this] {
                              PublishView();
                              CheckInitialized();
                            }});
    StartRuntime();
    Restore();
    if (options.bootstrap.cds) {
      sources->Subscribe(ResourceType::kCluster, *options.bootstrap.cds, "cluster_manager.cds.");
    }
  }
  Advance();
}

void ConfigThread::State::StartRuntime() {
  std::vector<xds::Want> layers;
  for (const config::RuntimeLayerConfig& layer : options.bootstrap.runtime_layers) {
    if (layer.kind != config::RuntimeLayerConfig::Kind::kRtds) continue;
    layers.push_back({layer.rtds_name, layer.source, base::Cat("runtime.", layer.name, "."),
                      layer.fetch_timeout_ms});
  }
  assembler.WantRuntime(std::move(layers));
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
  const auto& layers = assembler.references();
  for (const std::string& layer : layers.Names(ResourceType::kRuntime)) {
    if (store.runtime().Find(layer) == nullptr && !sources->timed_out(ResourceType::kRuntime)) {
      return;
    }
  }
  if (!Fetched(ResourceType::kCluster) || !assembler.WarmingClusters().empty()) return;
  StartListeners();
  if (!Fetched(ResourceType::kListener) || !assembler.WarmingListeners().empty()) return;
  initialized = true;
  options.initialized();
}

// ---- what arrives
// --------------------------------------------------------------------------------

xds::Verdict ConfigThread::State::OnResponse(const xds::Response& response) {
  xds::ApplyResult result = store.Apply(response, assembler.references(), loop.clock().WallNow());
  fetched[IndexOf(response.type)] = true;
  if (!response.expired) {
    accepted = loop.clock().WallNow();
    restored = false;
  }
  // Also what was good beside what was refused, and a new version of what did not change.
  keeper.Changed();
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
  if (response.type == ResourceType::kRuntime) TakeRuntime(result);
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
  const xds::References& references = assembler.references();
  for (const ResourceType type : xds::kResourceTypes) {
    if (type == ResourceType::kCluster || type == ResourceType::kListener) continue;
    std::uint64_t& told = told_generations[IndexOf(type)];
    if (told == references.generation(type)) continue;
    told = references.generation(type);
    const std::vector<xds::Want> wants = references.Wants(type);
    if (!xds::IsWildcard(type)) {
      sources->SetWanted(type, wants);
    } else if (!wants.empty() && !std::exchange(scopes_wanted, true)) {
      const xds::Want& all = wants.front();
      config::ConfigSource source;
      if (!all.source.is_ads()) source = *all.source.source;
      source.fetch_timeout_ms = all.fetch_timeout_ms;
      sources->Subscribe(type, source, all.stats);
    }
  }
}

void ConfigThread::State::TakeRuntime(const xds::ApplyResult& result) {
  for (const std::vector<std::string>* names : {&result.changed, &result.removed}) {
    for (const std::string& name : *names) {
      const auto* values = store.runtime().FindShared(name);
      runtime.SetRtds(name, values == nullptr ? nullptr : *values);
    }
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
  next->runtime = runtime.View();
  next->accepted = accepted;
  next->restored = restored;
  ViewReferences(*next);
  next->connected = sources != nullptr && sources->connected();
  if (sources != nullptr) next->control_plane = sources->control_plane();
  const base::MutexLock lock(mutex);
  view = std::move(next);
}

void ConfigThread::State::ViewReferences(XdsView& next) {
  for (const ResourceType type : xds::kResourceTypes) {
    const std::size_t i = IndexOf(type);
    const std::uint64_t generation = assembler.references().generation(type);
    if (wanted_generations[i] != generation) {
      wanted_generations[i] = generation;
      wanted[i] = std::make_shared<const std::set<std::string>>(assembler.references().Names(type));
    }
    next.wanted[i] = wanted[i];
  }
  for (const std::string& name : next.warming_listeners) {
    if (next.missing.size() >= kMissingMax) break;
    for (const std::string& what : assembler.MissingOf(store, name)) {
      next.missing.push_back(base::Cat("listener ", name, ": ", what));
    }
  }
}

// ---- headless survival
// ------------------------------------------------------------------------------------

std::string ConfigThread::State::VersionOf(ResourceType type) const {
  const xds::DiscoveryClient* client = sources == nullptr ? nullptr : sources->client(type);
  return client == nullptr ? "" : std::string(client->version(type));
}

xds::SavedState ConfigThread::State::Collect() const {
  xds::SavedState state;
  state.saved = accepted;
  for (const ResourceType type : xds::kResourceTypes) {
    xds::SavedType saved{type, std::string(VersionOf(type)), {}};
    store.view().Of(type).ForEach([&](std::string_view, const auto& record) {
      if (record->bytes == nullptr) return;
      saved.resources.push_back({record->name, record->version, *record->bytes});
    });
    std::ranges::sort(saved.resources, {}, &xds::SavedResource::name);
    state.types.push_back(std::move(saved));
  }
  return state;
}

// What refers comes before what it refers to, since nobody keeps what nobody wants.
void ConfigThread::State::Restore() {
  const std::optional<xds::SavedState> state = keeper.Load();
  if (!state || sources == nullptr) return;
  constexpr ResourceType kOrder[] = {
      ResourceType::kCluster,      ResourceType::kEndpoints, ResourceType::kRuntime,
      ResourceType::kListener,     ResourceType::kSecret,    ResourceType::kExtensionConfig,
      ResourceType::kScopedRoutes, ResourceType::kRoutes,    ResourceType::kVirtualHosts};
  std::size_t resources = 0;
  for (const ResourceType type : kOrder) {
    const auto saved = std::ranges::find(state->types, type, &xds::SavedType::type);
    if (saved == state->types.end() || saved->resources.empty()) continue;
    if (type == ResourceType::kCluster && !options.bootstrap.cds) continue;
    if (type == ResourceType::kListener && !options.bootstrap.lds) continue;
    xds::Response response{
        .type = type, .version = saved->version, .control_plane = "", .resources = {}};
    base::StringMap<std::string> versions;
    for (const xds::SavedResource& each : saved->resources) {
      response.resources.push_back({each.name, each.version, each.bytes});
      versions[each.name] = each.version;
    }
    const xds::ApplyResult result =
        store.Apply(response, assembler.references(), loop.clock().WallNow());
    // Not accepted by this build: the control plane is asked for it again.
    for (const xds::RejectedResource& bad : result.rejected) versions.erase(bad.name);
    if (!result.error.empty()) SLUICE_LOG(kWarning, kConfig, "stored: ", result.error);
    resources += versions.size();
    sources->Restore(type, saved->version, std::move(versions));
    assembler.OnApplied(type, result, store, loop.now());
    if (type == ResourceType::kRuntime) TakeRuntime(result);
  }
  fetched.fill(true);
  accepted = state->saved;
  restored = true;
  SLUICE_LOG(kInfo, kConfig, "serving the stored configuration, ", resources, " resources of ",
             std::chrono::duration_cast<base::seconds>(loop.clock().WallNow() - accepted).count(),
             " s ago, until the control plane answers");
}

ConfigThread::ConfigThread(Options options) : state_(std::make_unique<State>(std::move(options))) {}

ConfigThread::~ConfigThread() { Stop(); }

void ConfigThread::Start() {
  thread_ = std::thread([state = state_.get()] {
    pthread_setname_np(pthread_self(), "config");
    state->loop.Post([state] { state->Begin(); });
    state->loop.Run();
    state->keeper.Flush();
    state->sources.reset();
    state->runtime.StopWatching();
  });
}

void ConfigThread::Stop() {
  if (!thread_.joinable()) return;
  state_->loop.Stop();
  thread_.join();
}

net::Loop& ConfigThread::loop() { return state_->loop; }

void ConfigThread::ModifyRuntime(std::vector<std::pair<std::string, std::string>> values) {
  state_->loop.Post([state = state_.get(), values = std::move(values)] {
    state->runtime.Modify(values);
    state->PublishView();
  });
}

std::shared_ptr<const XdsView> ConfigThread::View() const {
  const base::MutexLock lock(state_->mutex);
  return state_->view;
}

}  // namespace sluice::server
