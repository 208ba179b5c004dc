#include "net/signals.h"

#include <execinfo.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/check.h"

namespace sluice::net {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitizerReportsCrashes = true;
#else
constexpr bool kSanitizerReportsCrashes = false;
#endif
#endif

constexpr int kHeard[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr int kFramesMax = 64;
constexpr std::size_t kStackBytes = 64 * 1024;

sigset_t HeardSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kHeard) sigaddset(&set, signal);
  return set;
}

// Only async-signal-safe calls from here.
void Say(const char* text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

void OnCrash(int signal) {
  const char* name = "a fatal signal";
  switch (signal) {
    case SIGSEGV:
      name = "SIGSEGV";
      break;
    case SIGBUS:
      name = "SIGBUS";
      break;
    case SIGILL:
      name = "SIGILL";
      break;
    case SIGFPE:
      name = "SIGFPE";
      break;
    case SIGABRT:
      name = "SIGABRT";
      break;
    default:
      break;
  }
  Say("crash: ");
  Say(name);
  Say("\n");
  void* frames[kFramesMax];
  backtrace_symbols_fd(frames, backtrace(frames, kFramesMax), STDERR_FILENO);
  raise(signal);  // The handler was reset on entry: dies, with a core where those are kept.
}

}  // namespace

void Signals::Block() {
  const sigset_t set = HeardSet();
  SLUICE_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
}

Signals::Signals(Loop& loop, absl::AnyInvocable<void(int signal)> heard)
    : loop_(loop), heard_(std::move(heard)) {
  const sigset_t set = HeardSet();
  fd_ = FileDescriptor(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  SLUICE_CHECK(fd_.get() >= 0 && loop_.Add(fd_.get(), *this));
}

Signals::~Signals() { loop_.Remove(fd_.get(), *this); }

void Signals::OnEvents(std::uint32_t) {
  signalfd_siginfo heard[8];
  for (;;) {
    const ssize_t bytes = read(fd_.get(), heard, sizeof(heard));
    if (bytes <= 0) return;
    const auto count = static_cast<std::size_t>(bytes) / sizeof(heard[0]);
    for (std::size_t i = 0; i < count; ++i) heard_(static_cast<int>(heard[i].ssi_signo));
  }
}

void InstallCrashHandler() {
  if (kSanitizerReportsCrashes) return;
  static char stack[kStackBytes];  // A stack that overflowed cannot run the handler.
  stack_t alternative = {};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof(stack);
  sigaltstack(&alternative, nullptr);
  void* frame[1];
  backtrace(frame, 1);  // Loads what it needs now, not inside a handler.
  struct sigaction action = {};
  action.sa_handler = &OnCrash;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_ONSTACK | SA_NODEFER);
  for (const int signal : kCrashes) sigaction(signal, &action, nullptr);
}

}  // namespace sluice::net
