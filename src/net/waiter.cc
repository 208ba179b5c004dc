#include "net/waiter.h"

#include "net/loop.h"

namespace sluice::net {

Waiter::~Waiter() {
  if (queued_) loop_.ForgetReady(*this);
}

void Waiter::Wake() {
  if (!handle_) {
    signalled_ = true;
  } else if (!queued_) {
    loop_.MakeReady(*this);
  }
}

namespace {

struct JoinState {
  unsigned running = 2;
  std::coroutine_handle<> joining = std::noop_coroutine();
};

// Runs one of the two. Owned by Join's frame, so that destroying that one destroys all.
class Side {
 public:
  struct promise_type {
    JoinState* state = nullptr;

    static void* operator new(std::size_t bytes) { return AllocateFrame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) { FreeFrame(frame, bytes); }
    promise_type(Task<void>&, JoinState& s) : state(&s) {}
    Side get_return_object() {
      return Side(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct FinalAwaiter {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
        JoinState& state = *done.promise().state;
        if (--state.running > 0) return std::noop_coroutine();
        return state.joining;
      }
      void await_resume() noexcept {}
    };
    FinalAwaiter final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };

  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() { handle_.destroy(); }
  void Run() { handle_.resume(); }

 private:
  explicit Side(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

Side RunSide(Task<void>& task, JoinState&) {
  Task<void> running = std::move(task);
  co_await std::move(running);
}

struct BothEnded {
  JoinState& state;
  bool await_ready() const { return state.running == 0; }
  void await_suspend(std::coroutine_handle<> handle) { state.joining = handle; }
  void await_resume() const {}
};

}  // namespace

Task<void> Join(Loop&, Task<void>& a, Task<void>& b) {
  JoinState state;
  Side first = RunSide(a, state);
  Side second = RunSide(b, state);
  first.Run();
  second.Run();
  co_await BothEnded{state};
}

}  // namespace sluice::net
