#pragma once
// main: listening sockets. They belong to addresses, not to listener versions: a new version takes
// them over, and only the last listener of an address closes them. Decisions 9.
//
// Main's loop only, but View(), which any thread may take.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "config/listener.h"
#include "net/loop.h"
#include "net/socket.h"
#include "observe/registry.h"
#include "server/worker.h"

namespace sluice::server {

struct ListenerView {
  std::string name;
  std::vector<base::Address> addresses;  // As bound: real ports.
  std::shared_ptr<const config::Listener> config;
  bool draining = false;
};
using ListenersView = std::vector<ListenerView>;

class Listeners {
 public:
  struct Options {
    net::Loop& loop;
    observe::Registry& registry;
    std::vector<std::unique_ptr<Worker>>& workers;
  };
  explicit Listeners(Options options);
  ~Listeners();

  // Of one publication: first every Remove, then every Set, then CloseOrphans. So a listener takes
  // over the sockets of a removed one.
  // Connections of the removed finish their exchange and close.
  void Remove(std::string_view name);
  // Adds or replaces; when an address cannot be bound, an error that names it (and the old version,
  // if any, stays).
  absl::Status Set(std::shared_ptr<const config::Listener> listener);
  // Sockets that nobody took over close.
  void CloseOrphans();

  // Everything still accepts, but connections close after their exchange.
  void BeginDrainAll();
  // Stops accepting everywhere; `done` once every worker did and the sockets are closed.
  void StopAll(std::function<void()> done);

  std::shared_ptr<const ListenersView> View() const;

 private:
  struct Bound;
  struct Entry;
  absl::StatusOr<Bound*> Bind(const base::Address& address, const config::Listener& listener);
  void Unbind(Bound& bound);
  void PublishView();

  Options options_;
  std::uint64_t next_id_ = 1;
  std::vector<std::unique_ptr<Bound>> bound_;
  base::StringMap<std::unique_ptr<Entry>> entries_;
  observe::ListenerManagerStats& stats_;
  bool stopped_ = false;
  mutable base::Mutex view_mutex_;
  std::shared_ptr<const ListenersView> view_ SLUICE_GUARDED_BY(view_mutex_);
};

}  // namespace sluice::server
