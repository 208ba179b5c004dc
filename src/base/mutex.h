#pragma once
// std::mutex with clang's thread-safety annotations. Rare: hand-over between threads is
// net::Loop::Post. (absl::Mutex from Debian is not instrumented, so TSan reports false races.)

#include <mutex>

#define SLUICE_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define SLUICE_REQUIRES(x) __attribute__((requires_capability(x)))

namespace sluice::base {

class __attribute__((capability("mutex"))) Mutex {
 public:
  void Lock() __attribute__((acquire_capability())) { mutex_.lock(); }
  void Unlock() __attribute__((release_capability())) { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class __attribute__((scoped_lockable)) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) __attribute__((acquire_capability(mutex))) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() __attribute__((release_capability())) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace sluice::base
