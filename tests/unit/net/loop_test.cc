#include "net/loop.h"

#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "loop_fixture.h"
#include "net/socket.h"

namespace sluice::net {
namespace {

using ::testing::ElementsAre;

class EventFd final : public Pollable {
 public:
  EventFd(Loop& loop, std::function<void()> on_events)
      : loop_(loop), on_events_(std::move(on_events)), fd_(eventfd(0, EFD_NONBLOCK)) {
    EXPECT_TRUE(loop_.Add(fd_.get(), *this));
  }
  ~EventFd() { loop_.Remove(fd_.get(), *this); }
  void OnEvents(std::uint32_t) override { on_events_(); }
  void Signal() {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(fd_.get(), &one, sizeof(one)), 8);
  }

 private:
  Loop& loop_;
  std::function<void()> on_events_;
  FileDescriptor fd_;
};

TEST(Loop, PollableDestroyedByAnotherOfTheSameBatchHearsNothing) {
  Loop loop(base::SystemClock());
  int calls = 0;
  std::unique_ptr<EventFd> one, two;
  one = std::make_unique<EventFd>(loop, [&] { ++calls; });
  two = std::make_unique<EventFd>(loop, [&] { ++calls; });
  loop.RunOnce(0);  // Both are writable at first.
  ASSERT_EQ(calls, 2);
  one.reset();
  two.reset();
  calls = 0;
  one = std::make_unique<EventFd>(loop, [&] {
    ++calls;
    two.reset();
  });
  two = std::make_unique<EventFd>(loop, [&] {
    ++calls;
    one.reset();
  });
  loop.RunOnce(0);
  EXPECT_EQ(calls, 1);
  EXPECT_NE(one == nullptr, two == nullptr);
}

TEST(Loop, PostedFunctionsRunInOrderAndNotInline) {
  Loop loop(base::SystemClock());
  std::vector<int> order;
  loop.Post([&] {
    order.push_back(1);
    loop.Post([&] { order.push_back(3); });
  });
  loop.Post([&] { order.push_back(2); });
  EXPECT_TRUE(order.empty());
  loop.RunOnce(-1);
  EXPECT_THAT(order, ElementsAre(1, 2));
  loop.RunOnce(-1);  // Does not sleep: something is posted.
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(Loop, FunctionsStillQueuedAtDestructionAreDestroyedUnrun) {
  auto token = std::make_shared<int>(0);
  bool ran = false;
  {
    Loop loop(base::SystemClock());
    loop.Post([token, &ran] { ran = true; });
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

TEST(Loop, RunReturnsAfterStopEvenWhenStopCameFirst) {
  Loop loop(base::SystemClock());
  loop.Stop();
  loop.Run();
  loop.Post([&] { loop.Stop(); });
  loop.Run();
}

TEST(Loop, TimersFireFromRun) {
  Loop loop(base::SystemClock());
  Timer timer([](void* owner) { static_cast<Loop*>(owner)->Stop(); }, &loop);
  timer.Arm(loop.timers(), 15);
  const base::Monotonic before = base::SystemClock().Now();
  loop.Run();
  EXPECT_GE(base::SystemClock().Now() - before, base::milliseconds(14));
  EXPECT_FALSE(timer.armed());
}

TEST(Loop, TimerArmedAfterALongSleepCountsFromTheEventNotFromBeforeIt) {
  FakeClock clock;
  Loop loop(clock);
  bool fired = false;
  Timer timer([](void* owner) { *static_cast<bool*>(owner) = true; }, &fired);
  EventFd event(loop, [&] { timer.Arm(loop.timers(), 1000); });
  clock.Pass(base::seconds(60));
  loop.RunOnce(0);
  EXPECT_TRUE(timer.armed());
  EXPECT_FALSE(fired);
  clock.Pass(base::milliseconds(990));
  loop.RunOnce(0);
  EXPECT_FALSE(fired);
  clock.Pass(base::milliseconds(20));
  loop.RunOnce(0);
  EXPECT_TRUE(fired);
}

TEST(Loop, OnTurnHearsHowLongAHandlerTook) {
  FakeClock clock;
  Loop loop(clock);
  std::uint64_t heard = 0;
  loop.set_on_turn([](void* owner, std::uint64_t us) { *static_cast<std::uint64_t*>(owner) = us; },
                   &heard);
  loop.Post([&] { clock.Pass(base::microseconds(1234)); });
  loop.RunOnce(0);
  EXPECT_EQ(heard, 1234u);
}

TEST(Deferred, RunsOnceAtTheEndOfTheTurnAndNotAfterDestruction) {
  Loop loop(base::SystemClock());
  int runs = 0;
  const auto count = [](void* owner) { ++*static_cast<int*>(owner); };
  Deferred kept(loop, count, &runs);
  auto dropped = std::make_unique<Deferred>(loop, count, &runs);
  kept.Schedule();
  kept.Schedule();
  dropped->Schedule();
  EXPECT_EQ(runs, 0);
  dropped.reset();
  loop.RunOnce(0);
  EXPECT_EQ(runs, 1);
}

TEST(Deferred, OneThatSchedulesItselfDoesNotKeepTheLoopFromItsSockets) {
  Loop loop(base::SystemClock());
  struct Endless {
    explicit Endless(Loop& loop) : call(loop, &Run, this) { call.Schedule(); }
    static void Run(void* self) {
      ++static_cast<Endless*>(self)->runs;
      static_cast<Endless*>(self)->call.Schedule();
    }
    int runs = 0;
    Deferred call;
  };
  Endless endless(loop);
  bool posted = false;
  loop.RunOnce(-1);
  loop.Post([&] { posted = true; });
  loop.RunOnce(-1);
  EXPECT_TRUE(posted);
  EXPECT_GE(endless.runs, 2);
  EXPECT_LT(endless.runs, 20);
}

}  // namespace
}  // namespace sluice::net
