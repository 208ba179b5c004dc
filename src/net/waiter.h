#pragma once
// Waiter: the one thing a coroutine waits on that is not another coroutine. Join: two drivers.
//
// Loop's thread only. No allocation. Wake() never resumes inline: the loop resumes after the
// current handlers, so that nobody's object dies under a caller.

#include <coroutine>

#include "net/task.h"

namespace sluice::net {

class Loop;

// One waiting coroutine at most. Wakes are sticky: a Wake() with nobody waiting makes the next
// Wait() return at once. So waiting is always a loop over the condition:
//   while (!ready()) co_await waiter.Wait();
class Waiter {
 public:
  explicit Waiter(Loop& loop) : loop_(loop) {}
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void Wake();
  bool waiting() const { return static_cast<bool>(handle_); }
  // Forgets a Wake() that nobody waited for.
  void Clear() { signalled_ = false; }

  struct Awaiter {
    Waiter& waiter;
    bool await_ready() const { return std::exchange(waiter.signalled_, false); }
    void await_suspend(std::coroutine_handle<> handle) { waiter.handle_ = handle; }
    void await_resume() const {}
  };
  Awaiter Wait() {
    SLUICE_DCHECK(!handle_);
    return Awaiter{*this};
  }

 private:
  friend class Loop;
  Loop& loop_;
  std::coroutine_handle<> handle_;
  Waiter* next_ready_ = nullptr;  // In the loop's list of waiters to resume.
  Waiter* previous_ready_ = nullptr;
  bool queued_ = false;
  bool signalled_ = false;
};

// Runs both to their end; then the awaiting coroutine goes on. `a` starts first.
// The first to fail closes the other's side; Join itself cancels nothing.
Task<void> Join(Loop& loop, Task<void>& a, Task<void>& b);

}  // namespace sluice::net
