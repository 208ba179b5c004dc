#pragma once
// A loop driven by the test itself, turn by turn, and a clock that stands still until told.

#include <gtest/gtest.h>

#include <functional>

#include "base/clock.h"
#include "net/loop.h"

namespace sluice::net {

class FakeClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return now_; }
  base::WallTime WallNow() const override {
    return base::WallTime(
        std::chrono::duration_cast<base::WallTime::duration>(now_.time_since_epoch()));
  }
  void Pass(base::microseconds time) { now_ += time; }

 private:
  base::Monotonic now_{base::seconds(1000)};
};

// Turns until `done()`; false after about ten seconds of nothing.
inline bool RunUntil(Loop& loop, const std::function<bool()>& done) {
  for (int turn = 0; turn < 100'000; ++turn) {
    if (done()) return true;
    loop.RunOnce(turn < 1000 ? 1 : 0);
    if (turn >= 1000 && turn % 10 == 0) loop.RunOnce(10);
    if (turn > 2000) break;
  }
  return done();
}

// A few turns in which something that must not happen could.
inline void Settle(Loop& loop) {
  for (int turn = 0; turn < 20; ++turn) loop.RunOnce(1);
}

}  // namespace sluice::net
