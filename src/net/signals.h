#pragma once
// Unix signals as events of a loop, and a back-trace when the process crashes.

#include "absl/functional/any_invocable.h"  // lint-ok: std::move_only_function is C++23.
#include "net/loop.h"
#include "net/socket.h"

namespace sluice::net {

// SIGTERM, SIGINT, SIGHUP and SIGUSR1, told to `heard` on the loop's thread.
class Signals final : public Pollable {
 public:
  // Blocks them in this thread and those it starts, and ignores SIGPIPE. Call before any thread.
  static void Block();

  Signals(Loop& loop, absl::AnyInvocable<void(int signal)> heard);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  void OnEvents(std::uint32_t events) override;

 private:
  Loop& loop_;
  absl::AnyInvocable<void(int signal)> heard_;
  FileDescriptor fd_;
};

// On SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT: prints the signal and the stack to stderr, then
// dies of it as usual. Whole process; call once. Sanitizers' own handlers are left alone.
void InstallCrashHandler();

}  // namespace sluice::net
