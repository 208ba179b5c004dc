#pragma once
// Time as an argument. The only file pair that may ask the operating system for it.

#include <chrono>

namespace sluice::base {

using Monotonic = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Any thread may call; implementations hold no unguarded state.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Monotonic Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

// The machine's clocks; lives for ever.
const Clock& SystemClock();

}  // namespace sluice::base
