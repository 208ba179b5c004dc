#include "proxy/worker_context.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/strings.h"
#include "config/tcp_proxy.h"
#include "proxy/exchange.h"
#include "proxy/mirror.h"
#include "proxy/server_connection.h"

namespace sluice::proxy {
namespace {

constexpr std::size_t kFreeExchangesMax = 64;

void AppendTwoDigits(std::string& out, unsigned value) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
void WriteImfDate(base::WallTime time, std::string& out) {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  out.assign(kDays[std::chrono::weekday(day).c_encoding()]).append(", ");
  AppendTwoDigits(out, static_cast<unsigned>(date.day()));
  out.append(" ").append(kMonths[static_cast<unsigned>(date.month()) - 1]).append(" ");
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  AppendTwoDigits(out, year / 100);
  AppendTwoDigits(out, year % 100);
  out += ' ';
  AppendTwoDigits(out, static_cast<unsigned>(clock.hours().count()));
  out += ':';
  AppendTwoDigits(out, static_cast<unsigned>(clock.minutes().count()));
  out += ':';
  AppendTwoDigits(out, static_cast<unsigned>(clock.seconds().count()));
  out.append(" GMT");
}

}  // namespace

WorkerContext::WorkerContext(const WorkerOptions& options)
    : options_(options), snapshots_(options.retire) {
  ReadWallClock();
}

WorkerContext::~WorkerContext() {
  SLUICE_CHECK(active_ == 0);
  free_exchanges_.clear();
}

// ---- configuration

void WorkerContext::Adopt(std::shared_ptr<const config::Snapshot> snapshot) {
  snapshots_.Adopt(std::move(snapshot));
  DropGoneChains();
  // A listener that came back drains no more.
  absl::erase_if(draining_listeners_, [this](const std::string& name) {
    return snapshots_.current()->listeners.Find(name) != nullptr;
  });
}

namespace {

const config::FilterChain* FindByKey(const config::Listener& listener, std::string_view key) {
  for (const config::FilterChain& chain : listener.filter_chains) {
    if (chain.key == key) return &chain;
  }
  return nullptr;
}

bool SameTls(const config::FilterChain& a, const config::FilterChain& b) {
  if (a.tls == b.tls) return true;
  return a.tls != nullptr && b.tls != nullptr && *a.tls == *b.tls;
}

}  // namespace

void WorkerContext::DropGoneChains() {
  bool any_gone = false;
  const auto is_left = [&](ListenerEntry& entry) {
    const auto* current = snapshots_.current()->listeners.FindShared(entry.name);
    // A listener that is gone drains as a whole; its entries are only kept by their connections.
    if (current == nullptr) return entry.references == 1;
    if (*current == entry.plan->listener) return false;
    const config::FilterChain* chain = FindByKey(**current, entry.chain);
    // What the client proved in its handshake may not be what is asked for now.
    if (chain != nullptr && SameTls(*chain, *entry.plan->chain)) return false;
    entry.gone = any_gone = true;
    return true;
  };
  absl::erase_if(entries_, [&](auto& named) {
    absl::erase_if(named.second, [&](auto& chain) { return is_left(*chain.second); });
    return named.second.empty();
  });
  if (!any_gone) return;
  for (ServerConnection* connection = first_; connection != nullptr;
       connection = connection->next()) {
    if (connection->chain_gone()) connection->BeginDrain();
  }
}

LocalPtr<ListenerEntry> WorkerContext::EntryFor(std::shared_ptr<const config::Listener> listener,
                                                const config::FilterChain& chain) {
  LocalPtr<ListenerEntry>& entry = entries_[listener->name][chain.key];
  if (!entry) {
    entry = LocalPtr<ListenerEntry>(new ListenerEntry);
    entry->name = listener->name;
    entry->chain = chain.key;
    entry->plan = MakePlan(std::move(listener), chain, nullptr);
  } else {
    options_.retire(std::move(listener));
  }
  PlanOf(*entry);
  return entry;
}

const LocalPtr<ListenerPlan>& WorkerContext::PlanOf(ListenerEntry& entry) {
  if (entry.version != snapshots_.version()) {
    entry.version = snapshots_.version();
    const auto* current = snapshots_.current()->listeners.FindShared(entry.name);
    if (current != nullptr && *current != entry.plan->listener && !entry.gone) {
      const config::FilterChain* chain = FindByKey(**current, entry.chain);
      if (chain != nullptr) entry.plan = MakePlan(*current, *chain, entry.plan.get());
    }
  }
  return entry.plan;
}

LocalPtr<ListenerPlan> WorkerContext::MakePlan(std::shared_ptr<const config::Listener> listener,
                                               const config::FilterChain& chain,
                                               const ListenerPlan* previous) {
  LocalPtr<ListenerPlan> plan(new ListenerPlan);
  plan->id = NextId();
  plan->retire = options_.retire;
  plan->listener = std::move(listener);
  plan->chain = &chain;
  plan->http = chain.http.get();
  if (plan->http != nullptr) TakeHttp(*plan, previous);
  if (chain.tcp != nullptr) {
    plan->tcp_stats = &options_.registry.Get<observe::TcpStats>(
        observe::Scope::kTcp, chain.tcp->stat_prefix, options_.worker);
    TakeLogs(*plan, chain.tcp->access_logs, previous);
  }
  return plan;
}

void WorkerContext::TakeHttp(ListenerPlan& plan, const ListenerPlan* previous) {
  const config::HttpConnectionManager& http = *plan.http;
  plan.stats = &options_.registry.Get<observe::HttpStats>(observe::Scope::kHttp, http.stat_prefix,
                                                          options_.worker);
  plan.cors = &options_.registry.Get<observe::CorsStats>(observe::Scope::kCors, http.stat_prefix,
                                                         options_.worker);
  for (const config::HttpFilter& filter : http.filters) {
    if (const auto* router = std::get_if<config::RouterFilter>(&filter.config)) {
      plan.suppress_envoy_headers = router->suppress_envoy_headers;
    } else if (!filter.disabled) {
      plan.filters = true;
    }
  }
  TakeLogs(plan, http.access_logs, previous);
}

void WorkerContext::TakeLogs(ListenerPlan& plan, const std::vector<config::AccessLog>& logs,
                             const ListenerPlan* previous) {
  if (previous != nullptr && previous->log && previous->log->logs == logs) {
    plan.log = previous->log;
  } else {
    plan.log = LocalPtr<LogPlan>(new LogPlan);
    plan.log->logs = logs;
  }
}

observe::ProxyProtoStats& WorkerContext::proxy_proto_stats(const std::string& prefix) {
  observe::ProxyProtoStats*& stats = proxy_proto_stats_[prefix];
  if (stats == nullptr) {
    stats = &options_.registry.Get<observe::ProxyProtoStats>(observe::Scope::kProxyProto, prefix,
                                                             options_.worker);
  }
  return *stats;
}

observe::WorkerStats& WorkerContext::worker_stats() {
  if (worker_stats_ == nullptr) {
    worker_stats_ = &options_.registry.Get<observe::WorkerStats>(
        observe::Scope::kWorker, base::Cat(options_.worker), options_.worker);
  }
  return *worker_stats_;
}

std::span<char> WorkerContext::PeekSpace(std::size_t bytes) {
  if (peek_space_.size() < bytes) peek_space_.resize(bytes);
  return {peek_space_.data(), bytes};
}

observe::TlsInspectorStats& WorkerContext::tls_inspector_stats() {
  if (tls_inspector_stats_ == nullptr) {
    tls_inspector_stats_ = &options_.registry.Get<observe::TlsInspectorStats>(
        observe::Scope::kTlsInspector, "", options_.worker);
  }
  return *tls_inspector_stats_;
}

// ---- connections

void WorkerContext::BeginDrain(std::string_view listener) {
  if (listener.empty()) {
    draining_all_ = true;
  } else {
    draining_listeners_.emplace(listener);
  }
  for (ServerConnection* connection = first_; connection != nullptr;
       connection = connection->next()) {
    if (listener.empty() || connection->listener() == listener) connection->BeginDrain();
  }
}

bool WorkerContext::draining(std::string_view listener) const {
  return draining_all_ || draining_listeners_.contains(listener);
}

void WorkerContext::CloseAll() {
  for (ServerConnection* connection = first_; connection != nullptr;
       connection = connection->next()) {
    connection->Close();
  }
  for (Mirror* mirror = first_mirror_; mirror != nullptr; mirror = mirror->next()) {
    mirror->Cancel();
  }
}

void WorkerContext::Link(ServerConnection& connection) {
  connection.set_neighbours(nullptr, first_);
  if (first_ != nullptr) first_->set_previous(&connection);
  first_ = &connection;
  ++active_;
}

void WorkerContext::Unlink(ServerConnection& connection) {
  if (connection.previous() != nullptr) {
    connection.previous()->set_next(connection.next());
  } else {
    first_ = connection.next();
  }
  if (connection.next() != nullptr) connection.next()->set_previous(connection.previous());
  CountGone();
}

void WorkerContext::CountGone() {
  --active_;
  if (active_ == 0 && on_idle_ != nullptr) {
    // Not inline: whoever listens may want to destroy this context.
    options_.loop.Post([idle = on_idle_, owner = on_idle_owner_] { idle(owner); });
  }
}

// ---- TLS of clients

void WorkerContext::SetTls(std::string_view listener, std::shared_ptr<const TlsChains> chains) {
  if (chains == nullptr) {
    if (const auto it = tls_.find(listener); it != tls_.end()) tls_.erase(it);
  } else {
    tls_.insert_or_assign(std::string(listener), std::move(chains));
  }
}

std::shared_ptr<const net::TlsServerContext> WorkerContext::TlsFor(
    const ListenerEntry& entry) const {
  const auto listener = tls_.find(entry.name);
  if (listener == tls_.end()) return nullptr;
  const auto chain = listener->second->find(entry.chain);
  return chain == listener->second->end() ? nullptr : chain->second;
}

bool WorkerContext::MayShake(net::Waiter& waiter) {
  if (shaken_) {
    shaking_.push_back(&waiter);
    return false;
  }
  shaken_ = true;
  PostNextShake();
  return true;
}

void WorkerContext::PostNextShake() {
  if (std::exchange(next_shake_posted_, true)) return;
  options_.loop.Post([this] { NextShake(); });
}

// In the next turn, after its events.
void WorkerContext::NextShake() {
  shaken_ = next_shake_posted_ = false;
  if (shaking_.empty()) return;
  net::Waiter* next = shaking_.front();
  shaking_.pop_front();
  next->Wake();
  // Whoever is woken may have given up meanwhile: the line must not wait for it.
  if (!shaking_.empty()) PostNextShake();
}

void WorkerContext::LeaveLine(net::Waiter& waiter) { std::erase(shaking_, &waiter); }

void WorkerContext::Link(Mirror& mirror) {
  mirror.set_neighbours(nullptr, first_mirror_);
  if (first_mirror_ != nullptr) first_mirror_->set_neighbours(&mirror, first_mirror_->next());
  first_mirror_ = &mirror;
  ++active_;
}

void WorkerContext::Unlink(Mirror& mirror) {
  Mirror* const next = mirror.next();
  Mirror* const previous = mirror.previous();
  if (next != nullptr) next->set_neighbours(previous, next->next());
  if (previous != nullptr) {
    previous->set_neighbours(previous->previous(), next);
  } else {
    first_mirror_ = next;
  }
  CountGone();
}

// ---- time

void WorkerContext::ReadWallClock() {
  wall_read_at_ = options_.loop.now();
  wall_ = options_.loop.clock().WallNow();
  WriteImfDate(wall_, date_);
}

base::WallTime WorkerContext::WallNow() {
  const auto since = options_.loop.now() - wall_read_at_;
  if (since >= std::chrono::seconds(1)) {
    ReadWallClock();
    return wall_;
  }
  return wall_ + std::chrono::duration_cast<base::WallTime::duration>(since);
}

std::string_view WorkerContext::DateText() {
  // A new second begins within the reading's second, too.
  const base::WallTime now = WallNow();
  if (std::chrono::floor<std::chrono::seconds>(now) !=
      std::chrono::floor<std::chrono::seconds>(wall_)) {
    ReadWallClock();
  }
  return date_;
}

// ---- exchanges

std::unique_ptr<Exchange> WorkerContext::TakeExchange() {
  if (free_exchanges_.empty()) return std::make_unique<Exchange>(*this);
  std::unique_ptr<Exchange> exchange = std::move(free_exchanges_.back());
  free_exchanges_.pop_back();
  return exchange;
}

void WorkerContext::GiveExchange(std::unique_ptr<Exchange> exchange) {
  if (free_exchanges_.size() < kFreeExchangesMax) free_exchanges_.push_back(std::move(exchange));
}

}  // namespace sluice::proxy
