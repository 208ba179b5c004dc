#include "server/listeners.h"

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "base/status.h"

namespace sluice::server {

// One bound address: a socket per worker. `wanted` is what the configuration says (port 0 stays 0).
struct Listeners::Bound {
  std::uint64_t id = 0;
  base::Address wanted;
  net::ListenSockets sockets;
  std::string owner;  // The listener's name.
  bool orphan = false;
};

struct Listeners::Entry {
  std::shared_ptr<const config::Listener> listener;
  std::vector<Bound*> bound;
};

Listeners::Listeners(Options options)
    : options_(std::move(options)),
      stats_(options_.registry.Get<observe::ListenerManagerStats>(
          observe::Scope::kListenerManager, "", observe::Registry::kMainOwner)),
      view_(std::make_shared<ListenersView>()) {}

Listeners::~Listeners() = default;

absl::StatusOr<Listeners::Bound*> Listeners::Bind(const base::Address& address,
                                                  const config::Listener& listener) {
  for (const std::unique_ptr<Bound>& bound : bound_) {
    if (bound->wanted != address) continue;
    if (bound->owner == listener.name || bound->orphan) {
      bound->owner = listener.name;
      bound->orphan = false;
      return bound.get();
    }
    // Another listener's address is taken over only when its port is fixed: two listeners with
    // port 0 want two ports.
    if (address.port() != 0 || !address.is_ip()) {
      return base::FailedPrecondition(
          base::Cat("address ", address.ToString(), " is in use by listener ", bound->owner));
    }
  }
  auto sockets =
      net::Listen(address, {static_cast<unsigned>(options_.workers.size()),
                            static_cast<int>(listener.tcp_backlog), listener.ipv4_compat});
  if (!sockets.ok()) return sockets.status();
  auto bound = std::make_unique<Bound>();
  bound->id = next_id_++;
  bound->wanted = address;
  bound->sockets = *std::move(sockets);
  bound->owner = listener.name;
  bound_.push_back(std::move(bound));
  return bound_.back().get();
}

void Listeners::Unbind(Bound& bound) {
  // The sockets of an address close together, after every worker emptied its queue: none may die
  // with clients in it.
  const auto it = std::find_if(bound_.begin(), bound_.end(),
                               [&](const auto& each) { return each.get() == &bound; });
  std::shared_ptr<Bound> leaving = std::move(*it);
  bound_.erase(it);
  auto left = std::make_shared<std::atomic<std::size_t>>(options_.workers.size());
  for (const std::unique_ptr<Worker>& worker : options_.workers) {
    worker->StopAccepting(leaving->id, [leaving, left, &loop = options_.loop] {
      if (--*left == 0) loop.Post([leaving] { leaving->sockets.fds.clear(); });
    });
  }
}

absl::Status Listeners::Set(std::shared_ptr<const config::Listener> listener) {
  if (stopped_) return absl::OkStatus();
  std::vector<base::Address> addresses = listener->additional_addresses;
  addresses.insert(addresses.begin(), listener->address);
  const std::size_t bound_before = bound_.size();
  std::vector<Bound*> bound;
  for (const base::Address& address : addresses) {
    auto result = Bind(address, *listener);
    if (!result.ok()) {
      stats_.listener_create_failure.Add();
      bound_.resize(bound_before);  // No worker knows the new ones yet.
      return result.status();
    }
    bound.push_back(*result);
  }
  std::unique_ptr<Entry>& slot = entries_[listener->name];
  const bool is_new = slot == nullptr;
  if (is_new) slot = std::make_unique<Entry>();
  (is_new ? stats_.listener_added : stats_.listener_modified).Add();
  if (!is_new) stats_.listener_in_place_updated.Add();
  for (Bound* old : slot->bound) {
    if (std::find(bound.begin(), bound.end(), old) == bound.end()) Unbind(*old);
  }
  slot->listener = listener;
  slot->bound = bound;
  for (const Bound* each : bound) {
    for (std::size_t i = 0; i < options_.workers.size(); ++i) {
      options_.workers[i]->Accept(each->id, each->sockets.fds[i].get(), listener);
      stats_.listener_create_success.Add();
    }
    SLUICE_LOG(kInfo, kMain, "listener ", listener->name, is_new ? " is up on " : " updated on ",
               each->sockets.address.ToString());
  }
  PublishView();
  return absl::OkStatus();
}

void Listeners::Remove(std::string_view name) {
  const auto it = entries_.find(name);
  if (it == entries_.end()) return;
  const std::unique_ptr<Entry> entry = std::move(it->second);
  entries_.erase(it);
  stats_.listener_removed.Add();
  SLUICE_LOG(kInfo, kMain, "listener ", name, " removed, its connections drain");
  for (Bound* bound : entry->bound) bound->orphan = true;
  for (const std::unique_ptr<Worker>& worker : options_.workers) {
    worker->BeginDrain(entry->listener->name);
  }
  PublishView();
}

void Listeners::CloseOrphans() {
  std::vector<Bound*> orphans;
  for (const std::unique_ptr<Bound>& bound : bound_) {
    if (bound->orphan) orphans.push_back(bound.get());
  }
  for (Bound* orphan : orphans) Unbind(*orphan);
}

void Listeners::BeginDrainAll() {
  for (const std::unique_ptr<Worker>& worker : options_.workers) worker->BeginDrain("");
}

void Listeners::StopAll(std::function<void()> done) {
  stopped_ = true;
  if (bound_.empty()) {
    options_.loop.Post([done = std::move(done)] { done(); });
    return;
  }
  stats_.listener_stopped.Add(entries_.size());
  std::vector<std::shared_ptr<Bound>> leaving;
  for (std::unique_ptr<Bound>& bound : bound_) leaving.push_back(std::move(bound));
  bound_.clear();
  entries_.clear();
  auto left = std::make_shared<std::atomic<std::size_t>>(options_.workers.size() * leaving.size());
  auto finish = std::make_shared<std::function<void()>>(std::move(done));
  for (const std::shared_ptr<Bound>& bound : leaving) {
    for (const std::unique_ptr<Worker>& worker : options_.workers) {
      worker->StopAccepting(bound->id, [leaving, left, finish, &loop = options_.loop] {
        if (--*left > 0) return;
        loop.Post([leaving, finish] {
          for (const std::shared_ptr<Bound>& each : leaving) each->sockets.fds.clear();
          (*finish)();
        });
      });
    }
  }
  PublishView();
}

void Listeners::PublishView() {
  auto next = std::make_shared<ListenersView>();
  for (const auto& [name, entry] : entries_) {
    ListenerView view{name, {}, entry->listener, false};
    for (const Bound* bound : entry->bound) view.addresses.push_back(bound->sockets.address);
    next->push_back(std::move(view));
  }
  std::sort(next->begin(), next->end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  stats_.total_listeners_active.Set(static_cast<std::int64_t>(next->size()));
  const base::MutexLock lock(view_mutex_);
  view_ = std::move(next);
}

std::shared_ptr<const ListenersView> Listeners::View() const {
  const base::MutexLock lock(view_mutex_);
  return view_;
}

}  // namespace sluice::server
