#include "server/server.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <fstream>

#include "base/field_errors.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "net/dns.h"
#include "net/signals.h"
#include "net/socket.h"
#include "observe/log_writer.h"
#include "server/config_thread.h"
#include "server/csds.h"
#include "server/publisher.h"
#include "server/worker.h"
#include "server/xds_transports.h"

namespace sluice::server {
namespace {

// Body bytes that all connections of a worker may hold at once.
constexpr std::size_t kBufferBytesPerWorker = std::size_t{512} * 1024 * 1024;
constexpr std::uint64_t kFilesKeptFree = 64;

observe::LogWriterOptions LogOptions(const Options& options) {
  observe::LogWriterOptions log;
  log.flush_ms = options.file_flush_interval_ms;
  log.flush_bytes = std::size_t{options.file_flush_min_size_kb} * 1024;
  return log;
}

config::CompileOptions CompileOptionsFor(const Options& options, observe::ServerStats& stats) {
  config::CompileOptions compile;
  compile.defaults = options.defaults;
  compile.reject_unknown_fields = options.reject_unknown_dynamic_fields;
  auto warned = std::make_shared<base::StringSet>();
  compile.on_no_effect = [warned](std::string_view field) {
    if (warned->size() >= 1000 || !warned->insert(std::string(field)).second) return;
    SLUICE_LOG(kInfo, kConfig, "field ", field, " has no effect in Sluice");
  };
  compile.on_unknown_field = [&stats](std::string_view field) {
    stats.dynamic_unknown_fields.Add();
    SLUICE_LOG(kWarning, kConfig, "unknown field ", field, " let through");
  };
  return compile;
}

}  // namespace

struct Server::World {
  World(Options server_options, std::unique_ptr<config::Bootstrap> server_bootstrap)
      : options(std::move(server_options)),
        bootstrap(std::move(server_bootstrap)),
        clock(base::SystemClock()),
        random(base::RandomSeed()),
        log_stats(registry.Get<observe::AccessLogStats>(observe::Scope::kAccessLog, "",
                                                        observe::Registry::kMainOwner)),
        stats(registry.Get<observe::ServerStats>(observe::Scope::kServer, "",
                                                 observe::Registry::kMainOwner)),
        config_stats(registry.Get<observe::ServerStats>(observe::Scope::kServer, "",
                                                        observe::Registry::kMainOwner - 1)),
        log_writer(LogOptions(options), clock, log_stats),
        events(clock),
        loop(clock),
        resolver(net::NewResolver(loop)) {
    loop.set_on_turn(
        [](void* self, std::uint64_t microseconds) {
          static_cast<World*>(self)->stats.main_loop_lag_us.Record(microseconds);
        },
        this);
  }

  Options options;
  std::unique_ptr<config::Bootstrap> bootstrap;
  const base::Clock& clock;
  const base::Monotonic started = clock.Now();
  base::FastRandom random;
  observe::Registry registry;
  observe::AccessLogStats& log_stats;
  observe::ServerStats& stats;
  observe::ServerStats& config_stats;  // Written on the config thread.
  observe::LogWriter log_writer;
  EventLog events;
  net::Loop loop;
  std::unique_ptr<net::Resolver> resolver;
  std::unique_ptr<net::Signals> signals;
  std::vector<std::unique_ptr<Worker>> workers;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<ConfigThread> config_thread;
  std::unique_ptr<Admin> admin;
  std::unique_ptr<Csds> csds;
  net::Timer grace, deadline, drain;
  std::atomic<ServerState> state{ServerState::kPreInitializing};
  std::atomic<bool> healthcheck_failed{false};
  std::size_t busy_workers = 0;
  bool shutting_down = false;
  int exit_code = 0;
};

Server::Server(Options options, std::unique_ptr<config::Bootstrap> bootstrap)
    : world_(std::make_unique<World>(std::move(options), std::move(bootstrap))) {
  World& w = *world_;
  w.grace.Set([](void* self) { static_cast<Server*>(self)->StopAccepting(); }, this);
  w.drain.Set(
      [](void* self) {
        World& world = *static_cast<World*>(self);
        if (!world.shutting_down) world.publisher->listeners().StopAll([] {});
      },
      &w);
  w.deadline.Set(
      [](void* self) {
        SLUICE_LOG(kWarning, kMain, "shutdown time is over; closing what is left");
        static_cast<Server*>(self)->world_->loop.Stop();
      },
      this);
}

Server::~Server() = default;

bool Server::Begin() {
  World& w = *world_;
  const std::uint64_t files = net::RaiseFileLimit();
  const std::uint64_t connections =
      std::max<std::uint64_t>((files - std::min(files, kFilesKeptFree)) * 9 / 10, 16);
  const WorkerShared shared{
      w.clock,
      w.registry,
      w.log_writer,
      std::max<std::uint64_t>(connections / w.options.concurrency, 8),
      kBufferBytesPerWorker,
      {[](void* self, std::shared_ptr<const void> garbage) {
         auto& config_thread = static_cast<World*>(self)->config_thread;
         config_thread->loop().Post([garbage = std::move(garbage)]() mutable { garbage.reset(); });
       },
       &w},
      w.options.concurrency};
  w.log_writer.Start();
  for (unsigned i = 0; i < w.options.concurrency; ++i) {
    w.workers.push_back(std::make_unique<Worker>(i, shared));
  }
  w.publisher = std::make_unique<Publisher>(Publisher::Options{
      w.loop, *w.resolver, w.registry, w.random, w.workers, w.bootstrap->secrets});
  ConfigThread::Options config{
      w.clock, w.registry, *w.bootstrap, CompileOptionsFor(w.options, w.config_stats), {}, {}, {}};
  config.compile.sources = w.bootstrap->sources;
  config.make_transport = NewTransports(*w.bootstrap);
  config.events = &w.events;
  config.state_dir = w.options.state_dir;
  config.publish = [&w](xds::Update update) {
    w.loop.Post([&w, update = std::move(update)] {
      const bool first = w.publisher->Current() == nullptr;
      const auto failed = w.publisher->Publish(update);
      if (first && !failed.empty()) {  // A static listener's address: as fatal as a bad file.
        w.exit_code = 1;
        w.loop.Stop();
      }
    });
  };
  config.initialized = [&w] {
    w.loop.Post([&w] {
      if (w.shutting_down) return;
      w.state = ServerState::kLive;
      w.stats.initialization_time_ms.Record(static_cast<std::uint64_t>(
          std::chrono::duration_cast<base::milliseconds>(w.clock.Now() - w.started).count()));
      SLUICE_LOG(kInfo, kMain, "all dependencies initialized. serving");
    });
  };
  w.stats.concurrency.Set(w.options.concurrency);
  w.config_thread = std::make_unique<ConfigThread>(std::move(config));
  for (const std::unique_ptr<Worker>& worker : w.workers) worker->Start();
  w.registry
      .Get<observe::ListenerManagerStats>(observe::Scope::kListenerManager, "",
                                          observe::Registry::kMainOwner)
      .workers_started.Set(1);
  return true;
}

int Server::Run() {
  World& w = *world_;
  pthread_setname_np(pthread_self(), "main");
  w.signals = std::make_unique<net::Signals>(w.loop, [this](int signal) { OnSignal(signal); });
  if (!Begin()) return 1;
  if (w.bootstrap->admin_address) {
    w.admin = std::make_unique<Admin>(
        AdminSources{w.clock,
                     w.registry,
                     w.options,
                     *w.bootstrap,
                     w.state,
                     w.healthcheck_failed,
                     w.clock.WallNow(),
                     [&w] { return w.config_thread->View(); },
                     [&w] { return w.publisher->clusters().View(); },
                     [&w] { return w.publisher->listeners().View(); },
                     [&w] { return w.publisher->Current(); },
                     [&w](bool fail) { w.healthcheck_failed = fail; },
                     [this](AdminSources::Drain how) { DrainListeners(how); },
                     [this, &w] { w.loop.Post([this] { BeginShutdown(false); }); },
                     [&w](auto values) { w.config_thread->ModifyRuntime(std::move(values)); },
                     [this] { ReopenLogs(); },
                     w.registry.Get<observe::ServerStats>(observe::Scope::kServer, "", kAdminOwner),
                     w.log_writer,
                     w.events,
                     {},
                     [&w] { return w.publisher->listener_tls().View(); }});
    const absl::StatusOr<base::Address> address = w.admin->Start();
    if (!address.ok()) {
      std::fprintf(stderr, "sluice: admin: %s\n",
                   std::string(base::MessageOf(address.status())).c_str());
      w.exit_code = 1;
      Finish();
      return w.exit_code;
    }
    SLUICE_LOG(kInfo, kMain, "admin address: ", address->ToString());
    if (!w.options.admin_address_path.empty()) {
      std::ofstream(w.options.admin_address_path) << address->ToString();
    }
  }
  if (!StartCsds()) {
    w.exit_code = 1;
    Finish();
    return w.exit_code;
  }
  w.state = ServerState::kInitializing;
  w.config_thread->Start();
  w.loop.Run();
  Finish();
  return w.exit_code;
}

bool Server::StartCsds() {
  World& w = *world_;
  if (!w.options.csds_address) return true;
  w.csds = std::make_unique<Csds>(Csds::Options{
      *w.options.csds_address, w.options.insecure_listen,
      [&w, started = w.clock.WallNow()](std::string_view request) {
        return AnswerClientStatus(request, *w.config_thread->View(), *w.bootstrap, started);
      }});
  const absl::StatusOr<base::Address> address = w.csds->Start();
  if (!address.ok()) {
    std::fprintf(stderr, "sluice: %s\n", std::string(base::MessageOf(address.status())).c_str());
    return false;
  }
  SLUICE_LOG(kInfo, kMain, "client status service: ", address->ToString());
  return true;
}

void Server::OnSignal(int signal) {
  if (signal != SIGTERM && signal != SIGINT) return ReopenLogs();  // SIGUSR1, SIGHUP
  if (world_->shutting_down) {
    SLUICE_LOG(kWarning, kMain, "second signal: exiting at once");
    world_->loop.Stop();
    return;
  }
  BeginShutdown(signal == SIGTERM);
}

void Server::ReopenLogs() {
  base::ReopenLogFile();
  world_->log_writer.Reopen();
}

// /drain_listeners. Admin's thread.
void Server::DrainListeners(AdminSources::Drain how) {
  World& w = *world_;
  w.loop.Post([&w, how] {
    if (w.shutting_down) return;
    w.publisher->listeners().BeginDrainAll();
    if (how == AdminSources::Drain::kStop) {
      w.publisher->listeners().StopAll([] {});
    } else if (how == AdminSources::Drain::kGraceful) {
      w.drain.Arm(w.loop.timers(), std::uint64_t{w.options.drain_time_s} * 1000);
    }
  });
}

void Server::BeginShutdown(bool grace) {
  World& w = *world_;
  if (w.shutting_down) return;
  w.shutting_down = true;
  w.state = ServerState::kDraining;
  SLUICE_LOG(kInfo, kMain, "shutting down: connections drain, exit within ",
             w.options.shutdown_time_s, " s");
  w.publisher->listeners().BeginDrainAll();
  w.deadline.Arm(w.loop.timers(), std::max<std::uint64_t>(w.options.shutdown_time_s, 1) * 1000);
  if (grace && w.options.shutdown_grace_s > 0) {
    w.grace.Arm(w.loop.timers(), std::uint64_t{w.options.shutdown_grace_s} * 1000);
  } else {
    StopAccepting();
  }
}

void Server::StopAccepting() {
  World& w = *world_;
  w.publisher->listeners().StopAll([&w] {
    w.busy_workers = w.workers.size();
    for (const std::unique_ptr<Worker>& worker : w.workers) {
      worker->NotifyIdle([&w] {
        w.loop.Post([&w] {
          if (--w.busy_workers == 0) w.loop.Stop();
        });
      });
    }
  });
}

// Threads end in the order that leaves nobody posting to a dead loop.
void Server::Finish() {
  World& w = *world_;
  if (w.admin != nullptr) w.admin->Stop();
  w.csds.reset();
  for (const std::unique_ptr<Worker>& worker : w.workers) worker->Stop();
  w.workers.clear();
  w.config_thread->Stop();
  w.log_writer.Stop();
  SLUICE_LOG(kInfo, kMain, "exiting");
}

std::unique_ptr<config::Bootstrap> LoadBootstrapFor(const Options& options) {
  std::string text = options.config_yaml;
  std::string name = "--config-yaml";
  if (text.empty()) {
    name = options.config_path;
    std::ifstream file(name, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "sluice: %s: cannot be read\n", name.c_str());
      return nullptr;
    }
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  config::CompileOptions compile;
  compile.defaults = options.defaults;
  compile.is_static = true;
  compile.reject_unknown_fields = !options.overrides.allow_unknown_static_fields;
  base::StringSet warned;
  compile.on_no_effect = [&warned](std::string_view field) {
    if (!warned.insert(std::string(field)).second) return;
    SLUICE_LOG(kInfo, kConfig, "field ", field, " has no effect in Sluice");
  };
  base::FieldErrors errors;
  auto bootstrap = config::LoadBootstrap(text, name, options.overrides, compile, errors);
  if (bootstrap == nullptr || !errors.empty()) {
    std::fprintf(stderr, "%s\n", errors.Text("\n").c_str());
    return nullptr;
  }
  return bootstrap;
}

}  // namespace sluice::server
