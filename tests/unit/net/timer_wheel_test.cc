#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"

namespace sluice::net {
namespace {

constexpr base::Monotonic kStart{base::seconds(5)};

base::Monotonic At(std::uint64_t us) { return kStart + base::microseconds(us); }

struct Counter {
  Counter() : timer([](void* self) { ++static_cast<Counter*>(self)->fired; }, this) {}
  int fired = 0;
  Timer timer;
};

TEST(TimerWheel, FiresOnTheFirstTickAtOrAfterTheDeadline) {
  TimerWheel wheel(kStart);
  Counter c;
  c.timer.Arm(wheel, 25);
  wheel.Advance(At(29'999));
  EXPECT_EQ(c.fired, 0);
  wheel.Advance(At(30'000));
  EXPECT_EQ(c.fired, 1);
  wheel.Advance(At(300'000));
  EXPECT_EQ(c.fired, 1);
}

TEST(TimerWheel, LaterDeadlineReplacesTheEarlierOne) {
  TimerWheel wheel(kStart);
  Counter c;
  c.timer.Arm(wheel, 100);
  c.timer.Arm(wheel, 5000);
  wheel.Advance(At(4'990'000));
  EXPECT_EQ(c.fired, 0);
  wheel.Advance(At(5'000'000));
  EXPECT_EQ(c.fired, 1);
}

TEST(TimerWheel, EarlierDeadlineReplacesTheLaterOne) {
  TimerWheel wheel(kStart);
  Counter c;
  c.timer.Arm(wheel, 5000);
  c.timer.Arm(wheel, 100);
  wheel.Advance(At(100'000));
  EXPECT_EQ(c.fired, 1);
  wheel.Advance(At(6'000'000));
  EXPECT_EQ(c.fired, 1);
}

TEST(TimerWheel, TimersMayDestroyEachOtherWhileFiring) {
  TimerWheel wheel(kStart);
  struct Both {
    std::unique_ptr<Timer> a, b;
    int fired = 0;
  } both;
  both.a = std::make_unique<Timer>(
      [](void* o) {
        static_cast<Both*>(o)->b.reset();
        ++static_cast<Both*>(o)->fired;
      },
      &both);
  both.b = std::make_unique<Timer>(
      [](void* o) {
        static_cast<Both*>(o)->a.reset();
        ++static_cast<Both*>(o)->fired;
      },
      &both);
  both.a->Arm(wheel, 10);
  both.b->Arm(wheel, 10);
  wheel.Advance(At(20'000));
  EXPECT_EQ(both.fired, 1);
}

TEST(TimerWheel, ReArmingFromFireWaitsAgain) {
  TimerWheel wheel(kStart);
  struct Again {
    explicit Again(TimerWheel& w) : wheel(w), timer(&Fire, this) { timer.Arm(wheel, 0); }
    static void Fire(void* self) {
      auto& again = *static_cast<Again*>(self);
      ++again.fired;
      again.timer.Arm(again.wheel, 0);
    }
    TimerWheel& wheel;
    int fired = 0;
    Timer timer;
  };
  Again again(wheel);
  wheel.Advance(At(10'000));
  EXPECT_EQ(again.fired, 1);
  wheel.Advance(At(20'000));
  EXPECT_EQ(again.fired, 2);
}

TEST(TimerWheel, DestroyedBeforeItsTimersLeavesThemUsable) {
  Counter c;
  {
    TimerWheel wheel(kStart);
    c.timer.Arm(wheel, 10);
  }
  EXPECT_FALSE(c.timer.armed());
  TimerWheel other(kStart);
  c.timer.Arm(other, 10);
  other.Advance(At(10'000));
  EXPECT_EQ(c.fired, 1);
}

// Against the obvious model: what is due at a tick boundary has fired by then, nothing else.
class Property {
 public:
  explicit Property(std::uint64_t seed) : random_(seed), timers_(200) {
    for (std::size_t i = 0; i < timers_.size(); ++i) {
      timers_[i].owner = this;
      timers_[i].index = i;
      timers_[i].timer = std::make_unique<Timer>(&Fire, &timers_[i]);
    }
  }

  void Run() {
    for (int step = 0; step < 3000 && !::testing::Test::HasFailure(); ++step) Step();
  }

 private:
  struct Entry {
    Property* owner = nullptr;
    std::size_t index = 0;
    std::unique_ptr<Timer> timer;
  };

  static void Fire(void* entry_pointer) {
    auto& entry = *static_cast<Entry*>(entry_pointer);
    Property& self = *entry.owner;
    const auto found = self.due_.find(entry.index);
    ASSERT_NE(found, self.due_.end()) << "fired without being armed";
    EXPECT_LE(found->second, self.now_us_) << "fired early";
    self.due_.erase(found);
    if (self.random_.Next() % 8 == 0) self.Arm(entry.index);
  }

  std::uint64_t Below(std::uint64_t bound) { return random_.Next() % bound; }

  std::uint64_t AnyDelayMs() {
    switch (Below(6)) {
      case 0:
        return Below(30);
      case 1:
        return Below(2'600);
      case 2:
        return 2'500 + Below(200);
      case 3:
        return Below(700'000);
      case 4:
        return Below(200'000'000);
      default:
        return Below(60'000'000'000);
    }
  }

  void Arm(std::size_t index) {
    const std::uint64_t after_ms = AnyDelayMs();
    timers_[index].timer->Arm(wheel_, after_ms);
    // The tick of now has been processed: what is due on it fires on the next.
    due_[index] = std::max(now_us_ + after_ms * 1000, now_us_ / 10'000 * 10'000 + 1);
  }

  void Step() {
    const std::size_t index = Below(timers_.size());
    switch (Below(8)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Arm(index);
        return;
      case 4:
        timers_[index].timer->Cancel();
        due_.erase(index);
        return;
      case 5:
        timers_[index].timer = std::make_unique<Timer>(&Fire, &timers_[index]);
        due_.erase(index);
        return;
      default:
        break;
    }
    ExpectNextTimeoutIsNotLate();
    now_us_ += Below(2) == 0 ? Below(30'000) : AnyDelayMs() * 1000 / (1 + Below(8));
    wheel_.Advance(At(now_us_));
    const std::uint64_t tick_us = now_us_ / 10'000 * 10'000;
    for (const auto& [armed, due_us] : due_) {
      EXPECT_GT(due_us, tick_us) << "late at " << now_us_;
      EXPECT_TRUE(timers_[armed].timer->armed());
    }
  }

  void ExpectNextTimeoutIsNotLate() {
    const int wait_ms = wheel_.NextTimeoutMs(At(now_us_));
    for (const auto& [index, due_us] : due_) {
      ASSERT_GE(wait_ms, 0);
      const std::uint64_t fires_us = (due_us + 9'999) / 10'000 * 10'000;
      EXPECT_LT(now_us_ + static_cast<std::uint64_t>(wait_ms) * 1000, fires_us + 1000);
    }
  }

  base::FastRandom random_;
  TimerWheel wheel_{kStart};
  std::vector<Entry> timers_;
  std::map<std::size_t, std::uint64_t> due_;  // Index to deadline.
  std::uint64_t now_us_ = 0;
};

TEST(TimerWheel, AgreesWithASortedMap) {
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t seed = base::RandomSeed();
    SCOPED_TRACE(seed);
    Property(seed).Run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace sluice::net
