#include "net/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"

namespace sluice::net {
namespace {

constexpr int kEventsMax = 256;
// Passes over what handlers made ready, before the loop looks at its sockets again.
constexpr int kReadyPasses = 4;

std::uint64_t ThisThread() {
  static thread_local char mark;
  return reinterpret_cast<std::uintptr_t>(&mark);
}

}  // namespace

Loop::Loop(const base::Clock& clock) : clock_(clock), now_(clock.Now()), timers_(now_) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  SLUICE_CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0);
  dispatching_.reserve(kEventsMax);
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;  // Only wakes: nothing to call.
  SLUICE_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

Loop::~Loop() {
  std::vector<Function> unrun;
  {
    base::MutexLock lock(posted_mutex_);
    unrun.swap(posted_);
  }
  unrun.clear();  // While the loop still works: they may own streams and timers.
  while (ready_first_ != nullptr) ForgetReady(*ready_first_);
  while (deferred_first_ != nullptr) deferred_first_->Cancel();
  close(wake_fd_);
  close(epoll_fd_);
}

void Loop::Run() {
  while (!stopping_.exchange(false)) RunOnce(-1);
}

void Loop::Stop() {
  stopping_.store(true);
  WakeUp();
}

void Loop::Post(Function function) {
  {
    base::MutexLock lock(posted_mutex_);
    posted_.push_back(std::move(function));
  }
  WakeUp();
}

void Loop::WakeUp() {
  if (awake_.exchange(true)) return;
  // Edge-triggered and never read: every write is a new edge, and the counter does not fill.
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

bool Loop::IsCurrent() const {
  const std::uint64_t thread = thread_.load(std::memory_order_relaxed);
  return thread == 0 || thread == ThisThread();
}

// Says that we may sleep before looking at what was posted: a Post that is not seen here sees us
// asleep and writes.
int Loop::TimeoutMs(int timeout_ms) {
  if (ready_first_ != nullptr || deferred_first_ != nullptr) return 0;
  if (timeout_ms != 0) {
    const int timer_ms = timers_.NextTimeoutMs(clock_.Now());
    if (timer_ms >= 0 && (timeout_ms < 0 || timer_ms < timeout_ms)) timeout_ms = timer_ms;
  }
  awake_.store(false);
  if (stopping_.load()) return 0;
  base::MutexLock lock(posted_mutex_);
  return posted_.empty() ? timeout_ms : 0;
}

void Loop::RunOnce(int timeout_ms) {
  thread_.store(ThisThread(), std::memory_order_relaxed);
  Dispatch(TimeoutMs(timeout_ms));
  timers_.Advance(now_);
  RunPosted();
  for (int pass = 0; pass < kReadyPasses; ++pass) {
    RunDeferred();
    if (ready_first_ == nullptr) break;
    RunReady();
  }
  if (on_turn_ != nullptr) {
    const auto turn = std::chrono::duration_cast<base::microseconds>(clock_.Now() - now_);
    on_turn_(on_turn_owner_, static_cast<std::uint64_t>(turn.count() < 0 ? 0 : turn.count()));
  }
}

void Loop::Dispatch(int timeout_ms) {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_fd_, events, kEventsMax, timeout_ms);
  SLUICE_CHECK(count >= 0 || errno == EINTR);
  awake_.store(true);
  now_ = clock_.Now();
  timers_.SetNow(now_);
  dispatching_.clear();
  for (int i = 0; i < count; ++i) {
    void* const pollable = events[i].data.ptr;  // A copy: the kernel's struct is packed.
    dispatching_.push_back(pollable);
  }
  for (int i = 0; i < count; ++i) {
    auto* pollable = static_cast<Pollable*>(dispatching_[static_cast<std::size_t>(i)]);
    if (pollable != nullptr) pollable->OnEvents(events[i].events);
  }
  dispatching_.clear();
}

bool Loop::Add(int fd, Pollable& pollable) {
  SLUICE_DCHECK(IsCurrent());
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &pollable;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::Remove(int fd, Pollable& pollable) {
  SLUICE_DCHECK(IsCurrent());
  epoll_event ignored = {};
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &ignored);
  for (void*& entry : dispatching_) {
    if (entry == &pollable) entry = nullptr;
  }
}

void Loop::MakeReady(Waiter& waiter) {
  SLUICE_DCHECK(IsCurrent());
  waiter.queued_ = true;
  waiter.next_ready_ = nullptr;
  waiter.previous_ready_ = ready_last_;
  (ready_last_ != nullptr ? ready_last_->next_ready_ : ready_first_) = &waiter;
  ready_last_ = &waiter;
  ++ready_count_;
}

void Loop::ForgetReady(Waiter& waiter) {
  Waiter*& before =
      waiter.previous_ready_ != nullptr ? waiter.previous_ready_->next_ready_ : ready_first_;
  Waiter*& after =
      waiter.next_ready_ != nullptr ? waiter.next_ready_->previous_ready_ : ready_last_;
  before = waiter.next_ready_;
  after = waiter.previous_ready_;
  waiter.queued_ = false;
  --ready_count_;
}

// Only as many as were queued at the start: what they wake in turn waits for the next pass.
void Loop::RunReady() {
  for (std::size_t left = ready_count_; left > 0 && ready_first_ != nullptr; --left) {
    Waiter& waiter = *ready_first_;
    ForgetReady(waiter);
    std::exchange(waiter.handle_, nullptr).resume();
  }
}

void Loop::RunDeferred() {
  for (std::size_t left = deferred_count_; left > 0 && deferred_first_ != nullptr; --left) {
    Deferred& call = *deferred_first_;
    call.Cancel();
    call.run_(call.owner_);
  }
}

void Loop::RunPosted() {
  std::vector<Function> running;
  {
    base::MutexLock lock(posted_mutex_);
    if (posted_.empty()) return;
    running.swap(posted_);
  }
  for (Function& function : running) {
    function();
    function = nullptr;  // What it owns goes before the next one runs.
  }
}

void Deferred::Schedule() {
  if (scheduled_) return;
  SLUICE_DCHECK(loop_.IsCurrent());
  scheduled_ = true;
  next_ = nullptr;
  previous_ = loop_.deferred_last_;
  (previous_ != nullptr ? previous_->next_ : loop_.deferred_first_) = this;
  loop_.deferred_last_ = this;
  ++loop_.deferred_count_;
}

void Deferred::Cancel() {
  if (!scheduled_) return;
  (previous_ != nullptr ? previous_->next_ : loop_.deferred_first_) = next_;
  (next_ != nullptr ? next_->previous_ : loop_.deferred_last_) = previous_;
  scheduled_ = false;
  --loop_.deferred_count_;
}

}  // namespace sluice::net
