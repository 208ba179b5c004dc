#include "server/worker.h"

#include <pthread.h>

#include "base/random.h"
#include "net/buffer.h"
#include "net/socket.h"
#include "observe/access_log.h"
#include "proxy/serve_connection.h"
#include "proxy/worker_context.h"

namespace sluice::server {
namespace {

// One listening socket of this worker and the listener version that new connections get.
struct Accepting {
  void* state = nullptr;
  std::shared_ptr<const config::Listener> listener;
  observe::ListenerStats* stats = nullptr;
  std::string stats_name;
  std::unique_ptr<net::Acceptor> acceptor;
};

std::string StatsName(const config::Listener& listener) {
  if (!listener.stat_prefix.empty()) return listener.stat_prefix;
  std::string name = listener.address.ToString();
  for (char& c : name) {
    if (c == ':') c = '_';
  }
  return name;
}

}  // namespace

struct Worker::State {
  State(unsigned worker_index, const WorkerShared& worker_shared)
      : index(worker_index),
        shared(worker_shared),
        random(base::RandomSeed()),
        loop(shared.clock),
        buffers(shared.buffer_bytes_max),
        stats(shared.registry.Get<observe::WorkerStats>(observe::Scope::kWorker,
                                                        base::Cat(worker_index), worker_index)),
        clusters({loop, buffers, shared.registry, random, index, shared.workers}),
        access_log(
            {shared.log_writer, shared.log_writer.AddProducer(), shared.clock, index, stats}),
        context(proxy::WorkerOptions{loop,
                                     buffers,
                                     clusters,
                                     shared.registry,
                                     random,
                                     index,
                                     &access_log,
                                     shared.retire,
                                     {}}) {
    loop.set_on_turn(
        [](void* self, std::uint64_t microseconds) {
          auto& state = *static_cast<State*>(self);
          state.stats.loop_lag_us.Record(microseconds);
          state.stats.connections.Set(static_cast<std::int64_t>(state.context.active()));
        },
        this);
    context.set_on_idle([](void* self) { static_cast<State*>(self)->OnIdle(); }, this);
  }

  void OnIdle() {
    if (context.active() > 0) return;
    std::vector<net::Loop::Function> waiting;
    waiting.swap(idle_waiters);
    for (net::Loop::Function& done : waiting) done();
  }

  static void OnAccepted(void* owner, net::FileDescriptor fd, const base::Address& peer) {
    auto& accepting = *static_cast<Accepting*>(owner);
    auto& state = *static_cast<State*>(accepting.state);
    if (state.context.active() >= state.shared.connections_max) {
      accepting.stats->downstream_global_cx_overflow.Add();
      return;  // Closes it.
    }
    proxy::StartConnection(state.context, net::NewSocketStream(state.loop, std::move(fd), peer),
                           accepting.listener, *accepting.stats);
  }

  unsigned index;
  WorkerShared shared;
  base::FastRandom random;
  net::Loop loop;
  net::BufferPool buffers;
  observe::WorkerStats& stats;
  upstream::Clusters clusters;
  observe::AccessLogger access_log;
  proxy::WorkerContext context;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Accepting>> accepting;
  std::vector<net::Loop::Function> idle_waiters;
};

Worker::Worker(unsigned index, const WorkerShared& shared)
    : state_(std::make_unique<State>(index, shared)) {}

Worker::~Worker() {
  if (thread_.joinable()) thread_.join();
}

void Worker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Worker::Run() {
  const std::string name = base::Cat("worker-", state_->index);
  pthread_setname_np(pthread_self(), name.c_str());
  state_->loop.Run();
  // What is left when main says stop is reset; coroutines walk to their end here, on their thread.
  state_->accepting.clear();
  state_->context.CloseAll();
  while (state_->context.active() > 0) state_->loop.RunOnce(10);
  state_->clusters.CloseIdle();
  state_->loop.RunOnce(0);
}

void Worker::Stop() { state_->loop.Stop(); }

void Worker::Apply(std::shared_ptr<const WorkerUpdate> update) {
  state_->loop.Post([state = state_.get(), update = std::move(update)] {
    for (const upstream::ClusterParts& parts : update->clusters) state->clusters.Set(parts);
    if (update->snapshot != nullptr) state->context.Adopt(update->snapshot);
    for (const auto& [name, hosts] : update->hosts) state->clusters.SetHosts(name, hosts);
    for (const std::string& name : update->removed_clusters) state->clusters.Remove(name);
  });
}

void Worker::Accept(std::uint64_t id, int fd, std::shared_ptr<const config::Listener> listener) {
  state_->loop.Post([state = state_.get(), id, fd, listener = std::move(listener)]() mutable {
    std::unique_ptr<Accepting>& slot = state->accepting[id];
    if (slot == nullptr) slot = std::make_unique<Accepting>();
    Accepting& accepting = *slot;
    accepting.state = state;
    accepting.listener = std::move(listener);
    accepting.stats_name = StatsName(*accepting.listener);
    // Kept for the life of the process: an address' statistics outlive its listeners.
    accepting.stats = &state->shared.registry.Get<observe::ListenerStats>(
        observe::Scope::kListener, accepting.stats_name, state->index);
    for (const config::FilterChain& chain : accepting.listener->filter_chains) {
      if (chain.tls == nullptr || accepting.stats->ssl != nullptr) continue;
      accepting.stats->ssl = &state->shared.registry.Get<observe::TlsStats>(
          observe::Scope::kListenerTls, accepting.stats_name, state->index);
    }
    if (accepting.acceptor == nullptr) {
      accepting.acceptor =
          std::make_unique<net::Acceptor>(state->loop, fd, &State::OnAccepted, &accepting);
    }
  });
}

void Worker::StopAccepting(std::uint64_t id, net::Loop::Function done) {
  state_->loop.Post([state = state_.get(), id, done = std::move(done)]() mutable {
    const auto it = state->accepting.find(id);
    if (it != state->accepting.end()) {
      it->second->acceptor->DrainQueue();
      state->stats.accept_paused.Add(it->second->acceptor->paused_count());
      state->accepting.erase(it);
    }
    done();
  });
}

void Worker::SetTls(std::string listener, std::shared_ptr<const proxy::TlsChains> chains) {
  state_->loop.Post(
      [state = state_.get(), listener = std::move(listener), chains = std::move(chains)]() mutable {
        state->context.SetTls(listener, std::move(chains));
      });
}

void Worker::BeginDrain(std::string listener) {
  state_->loop.Post([state = state_.get(), listener = std::move(listener)] {
    state->context.BeginDrain(listener);
  });
}

void Worker::CloseAll() {
  state_->loop.Post([state = state_.get()] { state->context.CloseAll(); });
}

void Worker::NotifyIdle(net::Loop::Function done) {
  state_->loop.Post([state = state_.get(), done = std::move(done)]() mutable {
    state->idle_waiters.push_back(std::move(done));
    state->OnIdle();
  });
}

}  // namespace sluice::server
