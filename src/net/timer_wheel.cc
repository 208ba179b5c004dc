#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/check.h"

// A tick t has one byte per level. A timer sits at the level of the highest byte in which its
// slot_tick_ differs from tick_, in the slot that byte names; when tick_ reaches that byte, the
// slot is taken apart into lower levels. So level and slot always follow from the two ticks.

namespace sluice::net {
namespace {

constexpr std::uint64_t kTickUs = TimerWheel::kTickMs * 1000;
constexpr std::uint64_t kAfterMsMax = std::uint64_t{1} << 40;

std::uint64_t MicrosecondsSince(base::Monotonic start, base::Monotonic now) {
  const auto passed = std::chrono::duration_cast<base::microseconds>(now - start).count();
  return passed > 0 ? static_cast<std::uint64_t>(passed) : 0;
}

}  // namespace

void Timer::Arm(TimerWheel& wheel, std::uint64_t after_ms) {
  SLUICE_DCHECK(fire_ != nullptr);
  const std::uint64_t due_us = wheel.now_us_ + std::min(after_ms, kAfterMsMax) * 1000;
  deadline_ = std::max(1 + (due_us + kTickUs - 1) / kTickUs, wheel.tick_ + 1);
  if (wheel_ == &wheel && deadline_ >= slot_tick_) return;
  if (wheel_ != nullptr) wheel_->Unlink(*this);
  wheel.Schedule(*this);
}

void Timer::Detach() {
  deadline_ = 0;
  if (wheel_ != nullptr) wheel_->Unlink(*this);
}

TimerWheel::TimerWheel(base::Monotonic start) : start_(start) {}

TimerWheel::~TimerWheel() {
  for (auto& level : slots_) {
    for (Slot& slot : level) {
      for (Timer* timer = slot.first; timer != nullptr; timer = timer->next_) {
        timer->wheel_ = nullptr;
        timer->deadline_ = 0;
      }
    }
  }
}

unsigned TimerWheel::LevelOf(std::uint64_t tick) const {
  const std::uint64_t different = tick ^ tick_;
  if (different == 0) return 0;
  return std::min(kLevels - 1, (63u - static_cast<unsigned>(std::countl_zero(different))) / 8);
}

void TimerWheel::Schedule(Timer& timer) {
  // The top level wraps around; 255 of its slots ahead are never the current one.
  timer.slot_tick_ = std::min(timer.deadline_, tick_ + (std::uint64_t{255} << 24));
  Link(timer);
}

void TimerWheel::Link(Timer& timer) {
  const unsigned level = LevelOf(timer.slot_tick_);
  const unsigned index = (timer.slot_tick_ >> (8 * level)) & (kSlots - 1);
  Slot& slot = slots_[level][index];
  timer.wheel_ = this;
  timer.previous_ = nullptr;
  timer.next_ = slot.first;
  if (slot.first != nullptr) slot.first->previous_ = &timer;
  slot.first = &timer;
  occupied_[level][index / 64] |= std::uint64_t{1} << (index % 64);
  ++linked_;
}

void TimerWheel::Unlink(Timer& timer) {
  if (timer.next_ != nullptr) timer.next_->previous_ = timer.previous_;
  if (timer.previous_ != nullptr) {
    timer.previous_->next_ = timer.next_;
  } else {
    const unsigned level = LevelOf(timer.slot_tick_);
    const unsigned index = (timer.slot_tick_ >> (8 * level)) & (kSlots - 1);
    SLUICE_DCHECK(slots_[level][index].first == &timer);
    slots_[level][index].first = timer.next_;
    if (timer.next_ == nullptr) {
      occupied_[level][index / 64] &= ~(std::uint64_t{1} << (index % 64));
    }
  }
  timer.wheel_ = nullptr;
  --linked_;
}

std::uint64_t TimerWheel::NextTick() const {
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = 8 * level;
    const unsigned current = (tick_ >> shift) & (kSlots - 1);
    const std::uint64_t base = (tick_ >> shift) - current;
    // The top level goes once around, the others to their end.
    const unsigned slots = level == kLevels - 1 ? current + kSlots : kSlots;
    for (unsigned i = current + 1; i < slots;) {
      const unsigned index = i % kSlots;
      const std::uint64_t word = occupied_[level][index / 64] >> (index % 64);
      if (word == 0) {
        i += 64 - index % 64;
        continue;
      }
      i += static_cast<unsigned>(std::countr_zero(word));
      if (i >= slots) break;
      return (base + i) << shift;
    }
  }
  return std::numeric_limits<std::uint64_t>::max();
}

void TimerWheel::SetNow(base::Monotonic now) { now_us_ = MicrosecondsSince(start_, now); }

void TimerWheel::Advance(base::Monotonic now) {
  SetNow(now);
  const std::uint64_t target = 1 + now_us_ / kTickUs;
  while (tick_ < target) {
    const std::uint64_t next = linked_ == 0 ? target : NextTick();
    if (next > target) {
      tick_ = target;  // No byte a slot waits for was passed.
      break;
    }
    ProcessTick(next);
  }
}

void TimerWheel::ProcessTick(std::uint64_t tick) {
  tick_ = tick;
  if (linked_ == 0) return;
  for (unsigned level = kLevels - 1; level > 0; --level) {
    if ((tick & ((std::uint64_t{1} << (8 * level)) - 1)) != 0) continue;
    const unsigned index = (tick >> (8 * level)) & (kSlots - 1);
    Timer* timer = std::exchange(slots_[level][index].first, nullptr);
    occupied_[level][index / 64] &= ~(std::uint64_t{1} << (index % 64));
    while (timer != nullptr) {
      Timer& moved = *std::exchange(timer, timer->next_);
      --linked_;
      moved.wheel_ = nullptr;
      if (moved.deadline_ == 0) continue;
      Schedule(moved);
    }
  }
  // One by one from the front: `fire` may destroy any of them.
  Slot& slot = slots_[0][tick & (kSlots - 1)];
  while (slot.first != nullptr) {
    Timer& timer = *slot.first;
    Unlink(timer);
    if (timer.deadline_ == 0) continue;
    if (timer.deadline_ > tick_) {
      Schedule(timer);
      continue;
    }
    timer.deadline_ = 0;
    timer.fire_(timer.owner_);
  }
}

int TimerWheel::NextTimeoutMs(base::Monotonic now) const {
  if (linked_ == 0) return -1;
  const std::uint64_t due_us = (NextTick() - 1) * kTickUs;
  const std::uint64_t passed_us = MicrosecondsSince(start_, now);
  if (due_us <= passed_us) return 0;
  const std::uint64_t wait_ms = (due_us - passed_us + 999) / 1000;
  return static_cast<int>(std::min<std::uint64_t>(wait_ms, 1 << 30));
}

}  // namespace sluice::net
