#pragma once
// Deadlines: a coarse wheel per loop (10 ms ticks). Re-arming a timer later is two stores.
//
// Loop's thread only. A timer fires on the first tick at or after its deadline, never before.

#include <cstdint>

#include "base/clock.h"

namespace sluice::net {

class TimerWheel;

// Calls `fire(owner)` once per Arm. Destroying or Cancel()ling it is always safe, also from `fire`.
class Timer {
 public:
  using Fire = void (*)(void* owner);
  Timer() = default;
  Timer(Fire fire, void* owner) : fire_(fire), owner_(owner) {}
  ~Timer() { Detach(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Set(Fire fire, void* owner) {
    fire_ = fire;
    owner_ = owner;
  }
  // (Re)starts it `after_ms` from the wheel's now. REQUIRES: Set.
  void Arm(TimerWheel& wheel, std::uint64_t after_ms);
  // One store: its place in the wheel is left lazily.
  void Cancel() { deadline_ = 0; }
  bool armed() const { return deadline_ != 0; }

 private:
  friend class TimerWheel;
  void Detach();

  Fire fire_ = nullptr;
  void* owner_ = nullptr;
  TimerWheel* wheel_ = nullptr;  // Not null while linked in a slot.
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  std::uint64_t deadline_ = 0;   // Tick; 0: not armed (it may still be linked, lazily).
  std::uint64_t slot_tick_ = 0;  // The tick whose slot it is linked in.
};

class TimerWheel {
 public:
  static constexpr std::uint64_t kTickMs = 10;
  explicit TimerWheel(base::Monotonic start);
  ~TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // What Arm counts from until the next call; fires nothing.
  void SetNow(base::Monotonic now);
  // Fires everything due at `now`. Not from a timer's `fire`.
  void Advance(base::Monotonic now);
  // Milliseconds until something may be due, -1 for never. Never later than the truth.
  int NextTimeoutMs(base::Monotonic now) const;

 private:
  friend class Timer;
  struct Slot;
  void Link(Timer& timer);
  void Unlink(Timer& timer);
  void Schedule(Timer& timer);  // Links it for its deadline, or near it.
  void ProcessTick(std::uint64_t tick);
  // The first tick at which a slot must be looked at. REQUIRES: linked_ > 0.
  std::uint64_t NextTick() const;
  unsigned LevelOf(std::uint64_t tick) const;

  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlots = 256;  // Level 0: 2.56 s; level 3: about 497 days.
  struct Slot {
    Timer* first = nullptr;
  };
  Slot slots_[kLevels][kSlots];
  std::uint64_t occupied_[kLevels][kSlots / 64] = {};
  base::Monotonic start_;
  std::uint64_t tick_ = 1;    // The last one processed.
  std::uint64_t now_us_ = 0;  // Since start_.
  std::uint64_t linked_ = 0;
};

}  // namespace sluice::net
