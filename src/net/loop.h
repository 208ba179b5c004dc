#pragma once
// An epoll loop: one thread, edge-triggered readiness, posted functions, a timer wheel.
//
// Everything but Post() and Stop() belongs to the loop's own thread. File descriptors are
// registered once, for both directions, and never re-armed: an exchange costs no epoll_ctl.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "base/clock.h"
#include "base/mutex.h"
#include "net/deferred.h"
#include "net/timer_wheel.h"
#include "net/waiter.h"

namespace sluice::net {

// Something with a file descriptor in a loop. Events are EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP,
// EPOLLERR, edge-triggered.
class Pollable {
 public:
  virtual void OnEvents(std::uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

class Loop {
 public:
  using Function = absl::AnyInvocable<void()>;

  explicit Loop(const base::Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Until Stop(). The calling thread becomes the loop's thread.
  void Run();
  // One turn: waits at most `timeout_ms` (-1: as long as it takes). For tests and Run().
  void RunOnce(int timeout_ms);
  // Any thread; Run() returns after the current turn.
  void Stop();

  // Any thread: runs `function` on the loop's thread, in order per poster. Functions still queued
  // at destruction are destroyed unrun.
  void Post(Function function);

  // True on the loop's thread (or before any Run: on every thread).
  bool IsCurrent() const;

  // The time at the start of this turn. Cheap.
  base::Monotonic now() const { return now_; }
  const base::Clock& clock() const { return clock_; }
  TimerWheel& timers() { return timers_; }

  // Registers `fd` for every event; false (errno) when the kernel refuses. Remove before close.
  bool Add(int fd, Pollable& pollable);
  void Remove(int fd, Pollable& pollable);

  // Called after every turn with its duration in microseconds (without the wait); for lag
  // histograms.
  void set_on_turn(void (*on_turn)(void*, std::uint64_t microseconds), void* owner) {
    on_turn_ = on_turn;
    on_turn_owner_ = owner;
  }

 private:
  friend class Waiter;
  friend class Deferred;
  int TimeoutMs(int timeout_ms);
  void Dispatch(int timeout_ms);
  void RunDeferred();
  void WakeUp();
  void MakeReady(Waiter& waiter);
  void ForgetReady(Waiter& waiter);
  void RunReady();
  void RunPosted();

  const base::Clock& clock_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  base::Monotonic now_;
  TimerWheel timers_;
  Waiter* ready_first_ = nullptr;
  Waiter* ready_last_ = nullptr;
  std::size_t ready_count_ = 0;
  Deferred* deferred_first_ = nullptr;
  Deferred* deferred_last_ = nullptr;
  std::size_t deferred_count_ = 0;
  std::vector<void*> dispatching_;  // Pollables of the current epoll batch; nulled by Remove.
  std::atomic<bool> stopping_{false};
  std::atomic<bool> awake_{true};  // False while it may sleep in epoll_wait: Post must write.
  std::atomic<std::uint64_t> thread_{0};
  base::Mutex posted_mutex_;
  std::vector<Function> posted_ SLUICE_GUARDED_BY(posted_mutex_);
  void (*on_turn_)(void*, std::uint64_t) = nullptr;
  void* on_turn_owner_ = nullptr;
};

}  // namespace sluice::net
