#pragma once
// Waiting without sleeping: every wait of the end-to-end tests is bounded here.
//
// Any thread. Times in milliseconds.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "base/clock.h"

namespace sluice::harness {

// Long, since sanitizers and loaded machines are slow; nothing that works waits for so long.
inline constexpr base::milliseconds kPatience{20'000};

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_HARNESS_SANITIZED 1
#endif
#endif
#if defined(SLUICE_HARNESS_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
// Built for speed, as what operators run: the figures of the decisions hold for such builds.
#if defined(__OPTIMIZE__) && !defined(SLUICE_HARNESS_SANITIZED)
inline constexpr bool kReleaseLike = true;
#else
inline constexpr bool kReleaseLike = false;
#endif

// True as soon as `condition` is; false when patience is over. Polls, since it looks into another
// process; what this process can be told about uses Gate.
bool Eventually(const std::function<bool()>& condition, base::milliseconds patience = kPatience);

// A door that opens once; any number of threads wait at it.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // False when patience is over first.
  bool Wait(base::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace sluice::harness
