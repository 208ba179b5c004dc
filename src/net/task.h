#pragma once
// Task<T>: a coroutine that runs on one loop's thread, started when awaited, awaited once.
//
// Only drivers await (accept, serve, exchange, forward, connect, probe). Parameters are scalars,
// string_view, T& or T*: a temporary bound to anything else outlives nobody. Frames come from a
// per-thread free list. No exceptions: an escaping one ends the process.
// To cancel, close what it waits for; the coroutine then walks to its end.

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/check.h"

namespace sluice::net {

// Per-thread free lists of coroutine frames up to 4 KiB; larger ones go to the heap.
void* AllocateFrame(std::size_t bytes);
void FreeFrame(void* frame, std::size_t bytes);

template <typename T = void>
class Task;

namespace internal {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();

  static void* operator new(std::size_t bytes) { return AllocateFrame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) { FreeFrame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().continuation;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <typename T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  void return_value(T result) { value.emplace(std::move(result)); }
  T Take() { return std::move(*value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void Take() {}
};

}  // namespace internal

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) {
      handle.promise().continuation = waiting;
      return handle;
    }
    T await_resume() { return handle.promise().Take(); }
  };
  Awaiter operator co_await() && { return Awaiter{handle_}; }

 private:
  Handle handle_;
};

template <typename T>
Task<T> internal::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> internal::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

namespace internal {

// A root coroutine: starts at once, frees itself, then calls `done`.
struct Root {
  struct promise_type {
    static void* operator new(std::size_t bytes) { return AllocateFrame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) { FreeFrame(frame, bytes); }
    Root get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

inline Root RunRoot(Task<void> task, void (*done)(void*), void* owner) {
  {
    Task<void> running = std::move(task);
    co_await std::move(running);
  }  // The frame is gone before its owner.
  if (done != nullptr) done(owner);
}

}  // namespace internal

// Starts `task` now, on this thread. When it has ended and its frame is destroyed, `done(owner)`
// runs: the place to delete the object whose member coroutine it was.
inline void Start(Task<void> task, void (*done)(void*) = nullptr, void* owner = nullptr) {
  internal::RunRoot(std::move(task), done, owner);
}

}  // namespace sluice::net
