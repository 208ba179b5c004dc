#include "net/task.h"

#include <gmock/gmock.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "loop_fixture.h"
#include "net/socket.h"
#include "net/waiter.h"

namespace sluice::net {
namespace {

using ::testing::ElementsAre;

Task<int> Add(int a, int b) { co_return a + b; }

Task<void> SumTo(int n, int* sum) {
  for (int i = 1; i <= n; ++i) *sum = co_await Add(*sum, i);
}

TEST(Task, RunsWithoutALoopWhenNothingWaits) {
  int sum = 0;
  bool done = false;
  Start(SumTo(50'000, &sum), [](void* d) { *static_cast<bool*>(d) = true; }, &done);
  EXPECT_TRUE(done);
  EXPECT_EQ(sum, 50'000 / 2 * 50'001);
}

Task<void> WaitFor(Waiter& waiter, bool* ready, std::vector<int>* order, int id) {
  while (!*ready) co_await waiter.Wait();
  order->push_back(id);
}

TEST(Waiter, WakeResumesLaterNotInline) {
  Loop loop(base::SystemClock());
  Waiter waiter(loop);
  bool ready = false;
  std::vector<int> order;
  Start(WaitFor(waiter, &ready, &order, 1));
  EXPECT_TRUE(waiter.waiting());
  ready = true;
  waiter.Wake();
  waiter.Wake();
  EXPECT_TRUE(order.empty());
  loop.RunOnce(0);
  EXPECT_THAT(order, ElementsAre(1));
}

Task<void> WaitOnce(Waiter& waiter, int* passed) {
  co_await waiter.Wait();
  ++*passed;
}

TEST(Waiter, WakeWithNobodyWaitingIsKeptForOneWait) {
  Loop loop(base::SystemClock());
  Waiter waiter(loop);
  int passed = 0;
  waiter.Wake();
  waiter.Wake();
  Start(WaitOnce(waiter, &passed));
  EXPECT_EQ(passed, 1);
  Start(WaitOnce(waiter, &passed));
  EXPECT_EQ(passed, 1);
  waiter.Wake();
  loop.RunOnce(0);
  EXPECT_EQ(passed, 2);
  waiter.Wake();
  waiter.Clear();
  Start(WaitOnce(waiter, &passed));
  EXPECT_EQ(passed, 2);
  waiter.Wake();
  loop.RunOnce(0);
  EXPECT_EQ(passed, 3);
}

// A coroutine that the test owns, so that one left waiting is not lost.
struct Held {
  struct promise_type {
    Held get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Held HoldWaiting(Waiter& waiter, int* passed) {
  co_await waiter.Wait();
  ++*passed;
}

TEST(Waiter, OutlivesItsLoopWhenWokenAndNeverResumed) {
  int passed = 0;
  auto loop = std::make_unique<Loop>(base::SystemClock());
  auto waiter = std::make_unique<Waiter>(*loop);
  const Held held = HoldWaiting(*waiter, &passed);
  waiter->Wake();
  loop.reset();  // Mid-flight: the wake is forgotten, the waiter stays sound.
  held.handle.destroy();
  waiter.reset();
  EXPECT_EQ(passed, 0);
}

// An object whose member coroutine it is; deleted when that has ended.
class Session {
 public:
  Session(Loop& loop, std::unique_ptr<Stream> stream, int* alive)
      : loop_(loop), stream_(std::move(stream)), alive_(alive) {
    ++*alive_;
  }
  ~Session() { --*alive_; }
  void Start() {
    net::Start(Serve(), [](void* s) { delete static_cast<Session*>(s); }, this);
  }
  Stream& stream() { return *stream_; }

 private:
  Task<void> Up() {
    char space[16];
    for (;;) {
      const IoResult r = stream_->Read(space);
      if (r.status == IoStatus::kWouldBlock) {
        co_await stream_->WaitReadable();
      } else if (r.status != IoStatus::kOk) {
        break;
      }
    }
    stream_->Close();
  }
  Task<void> Down() {
    const std::string megabyte(1 << 20, 'x');
    while (co_await WriteAll(*stream_, megabyte)) {
    }
    stream_->Close();
  }
  Task<void> Serve() {
    Task<void> up = Up();
    Task<void> down = Down();
    co_await Join(loop_, up, down);
  }

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  int* alive_;
};

TEST(Join, ReturnsWhenBothEndedAndTheFirstToFailClosesTheOther) {
  Loop loop(base::SystemClock());
  StreamPair pair = NewMemoryStreams(loop, 1000);
  int alive = 0;
  (new Session(loop, std::move(pair.a), &alive))->Start();
  Settle(loop);
  EXPECT_EQ(alive, 1);
  pair.b->Close(true);
  EXPECT_TRUE(RunUntil(loop, [&] { return alive == 0; }));
}

TEST(Join, ClosingFromOutsideEndsBothDriversAtEverySuspensionPoint) {
  for (int turns = 0; turns < 6; ++turns) {
    Loop loop(base::SystemClock());
    StreamPair pair = NewMemoryStreams(loop, 1000);
    int alive = 0;
    auto* session = new Session(loop, std::move(pair.a), &alive);
    session->Start();
    std::string_view hello = "hello";
    pair.b->Write({&hello, 1});
    for (int i = 0; i < turns; ++i) loop.RunOnce(0);
    ASSERT_EQ(alive, 1);
    session->stream().Close();
    EXPECT_TRUE(RunUntil(loop, [&] { return alive == 0; })) << turns;
  }
}

Task<void> Nothing() { co_return; }
Task<void> JoinTwo(Loop& loop, Task<void>* a, Task<void>* b, bool* done) {
  co_await Join(loop, *a, *b);
  *done = true;
}

TEST(Join, TwoThatNeverWaitNeedNoLoop) {
  Loop loop(base::SystemClock());
  Task<void> a = Nothing();
  Task<void> b = Nothing();
  bool done = false;
  Start(JoinTwo(loop, &a, &b, &done));
  EXPECT_TRUE(done);
}

TEST(Join, StartsTheFirstFirstAndWaitsForTheSlower) {
  Loop loop(base::SystemClock());
  Waiter one(loop), two(loop);
  bool ready_one = false, ready_two = false, done = false;
  std::vector<int> order;
  Task<void> a = WaitFor(one, &ready_one, &order, 1);
  Task<void> b = WaitFor(two, &ready_two, &order, 2);
  Start(JoinTwo(loop, &a, &b, &done));
  ready_two = true;
  two.Wake();
  loop.RunOnce(0);
  EXPECT_FALSE(done);
  ready_one = true;
  one.Wake();
  loop.RunOnce(0);
  EXPECT_TRUE(done);
  EXPECT_THAT(order, ElementsAre(2, 1));
}

TEST(Frames, OfEverySizeComeBackAligned) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<void*, std::size_t>> frames;
    for (std::size_t bytes = 1; bytes < 6000; bytes += 7) {
      void* frame = AllocateFrame(bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(frame) % alignof(std::max_align_t), 0u);
      std::memset(frame, 0xAB, bytes);
      frames.emplace_back(frame, bytes);
    }
    for (const auto& [frame, bytes] : frames) FreeFrame(frame, bytes);
  }
}

}  // namespace
}  // namespace sluice::net
