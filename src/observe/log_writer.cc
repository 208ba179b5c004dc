#include "observe/log_writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "base/strings.h"
#include "observe/log_file.h"

namespace sluice::observe {

namespace {

using std::chrono::milliseconds;

constexpr int kStuckStepMs = 10;

}  // namespace

struct LogWriter::Files {
  struct Row {
    std::unique_ptr<LogFile> file;
    std::string key;
    unsigned users = 0;
  };
  // Guarded by mutex_. Index: the sink's number; rows without a file are free.
  std::vector<Row> rows;
  base::StringMap<std::uint32_t> by_key;
  bool some_unused = false;

  // The log thread's view of `rows`; null: look again.
  std::vector<LogFile*> view;
};

LogWriter::LogWriter(const LogWriterOptions& options, const base::Clock& clock,
                     AccessLogStats& stats)
    : options_(options),
      clock_(clock),
      stats_(stats),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      rings_(std::make_unique<std::unique_ptr<LogRing>[]>(kProducersMax)),
      files_(std::make_unique<Files>()) {
  SLUICE_CHECK(wake_fd_ >= 0);
}

LogWriter::~LogWriter() {
  Stop();
  close(wake_fd_);
}

void LogWriter::Start() {
  SLUICE_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
}

void LogWriter::Stop() {
  if (stopping_.exchange(true)) return;
  Wake();
  if (thread_.joinable()) {
    thread_.join();
  } else {
    Finish();
  }
}

unsigned LogWriter::AddProducer() {
  const base::MutexLock lock(mutex_);
  const unsigned index = producer_count_.load(std::memory_order_relaxed);
  SLUICE_CHECK(index < kProducersMax);
  rings_[index] = std::make_unique<LogRing>(options_.ring_bytes);
  producer_count_.store(index + 1, std::memory_order_release);
  return index;
}

std::uint32_t LogWriter::OpenSink(const config::AccessLog& log) {
  std::string key = LogFile::KeyOf(log);
  const base::MutexLock lock(mutex_);
  const auto found = files_->by_key.find(key);
  if (found != files_->by_key.end()) {
    ++files_->rows[found->second].users;
    return found->second;
  }
  std::size_t free = 0;
  while (free < files_->rows.size() && files_->rows[free].file != nullptr) ++free;
  if (free == files_->rows.size()) files_->rows.emplace_back();
  const auto sink = static_cast<std::uint32_t>(free);
  files_->rows[free] = {std::make_unique<LogFile>(log), key, 1};
  files_->by_key.emplace(std::move(key), sink);
  return sink;
}

void LogWriter::CloseSink(std::uint32_t sink) {
  const base::MutexLock lock(mutex_);
  SLUICE_CHECK(sink < files_->rows.size() && files_->rows[sink].users > 0);
  if (--files_->rows[sink].users == 0) files_->some_unused = true;
}

absl::Status LogWriter::Probe(const config::AccessLog& log) {
  const std::string key = LogFile::KeyOf(log);
  if (log.sink != config::AccessLog::Sink::kFile || key == "/dev/stdout" || key == "/dev/stderr") {
    return absl::OkStatus();
  }
  const absl::StatusOr<int> opened = LogFile::OpenPath(log.path);
  if (!opened.ok()) return opened.status();
  close(*opened);
  return absl::OkStatus();
}

bool LogWriter::Push(unsigned producer, std::uint32_t sink, std::string_view record) {
  LogRing& ring = *rings_[producer];
  const bool pushed = ring.Push(sink, record);
  // Push stored its tail, and Wait stores kAsleep before it looks at the tails, all sequentially
  // consistent: either we see it asleep here, or it sees our record there.
  if (mode_.load(std::memory_order_seq_cst) == Mode::kAsleep) {
    Wake();
  } else if (ring.WaitingAtMost() > ring.capacity() / 4 && ring.Waiting() > ring.capacity() / 4) {
    Wake();
  }
  return pushed;
}

void LogWriter::Wake() {
  if (wake_sent_.exchange(true)) return;
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the thread wakes up anyway.
  static_cast<void>(!write(wake_fd_, &one, sizeof(one)));
}

void LogWriter::Reopen() {
  reopen_.store(true);
  Wake();
}

void LogWriter::Flush() {
  const std::uint64_t wanted = flush_wanted_.fetch_add(1) + 1;
  Wake();
  for (std::uint64_t done = flush_done_.load(); done < wanted; done = flush_done_.load()) {
    flush_done_.wait(done);
  }
}

void LogWriter::Run() {
  while (!stopping_.load()) {
    Turn();
    Wait();
  }
  Finish();
}

// The file of a sink, for the log thread.
LogFile* LogWriter::FileOf(std::uint32_t sink) {
  if (sink >= files_->view.size() || files_->view[sink] == nullptr) {
    const base::MutexLock lock(mutex_);
    files_->view.clear();
    for (const Files::Row& row : files_->rows) files_->view.push_back(row.file.get());
  }
  return sink < files_->view.size() ? files_->view[sink] : nullptr;
}

std::size_t LogWriter::DrainRings() {
  const base::Monotonic now = clock_.Now();
  const unsigned count = producer_count_.load(std::memory_order_acquire);
  std::size_t records = 0;
  for (unsigned i = 0; i < count; ++i) {
    records +=
        rings_[i]->Drain([&](std::uint32_t sink, std::string_view first, std::string_view second) {
          LogFile* file = FileOf(sink);
          if (file == nullptr) {
            stats_.write_dropped.Add();
            return;
          }
          file->Append(first, second, now, stats_);
          if (file->waiting() >= options_.flush_bytes && !file->stuck()) file->Write(now, stats_);
        });
  }
  return records;
}

void LogWriter::Turn() {
  // What was asked before the rings are looked at is done after it.
  const std::uint64_t flush_wanted = flush_wanted_.load();
  const bool flush = flush_wanted > flush_done_.load(std::memory_order_relaxed);
  const bool reopen = reopen_.exchange(false);
  const std::vector<std::uint32_t> unused = UnusedSinks();
  const std::size_t records = DrainRings();
  const base::Monotonic now = clock_.Now();
  std::size_t waiting = 0;
  for (LogFile* file : files_->view) {
    if (file == nullptr) continue;
    const bool due =
        file->waiting() > 0 && now - file->waiting_since() >= milliseconds(options_.flush_ms);
    if (due) stats_.flushed_by_timer.Add();
    if (due || flush || reopen || file->stuck() || file->waiting() >= options_.flush_bytes) {
      file->Write(now, stats_);
    }
    if (reopen) file->Reopen(stats_);
    waiting += file->waiting();
  }
  CloseFiles(unused);
  stats_.write_total_buffered.Set(static_cast<std::int64_t>(waiting));
  idle_ = records == 0;
  if (flush) {
    flush_done_.store(flush_wanted);
    flush_done_.notify_all();
  }
}

std::vector<std::uint32_t> LogWriter::UnusedSinks() {
  std::vector<std::uint32_t> unused;
  const base::MutexLock lock(mutex_);
  if (!files_->some_unused) return unused;
  files_->some_unused = false;
  for (std::uint32_t i = 0; i < files_->rows.size(); ++i) {
    if (files_->rows[i].file != nullptr && files_->rows[i].users == 0) unused.push_back(i);
  }
  return unused;
}

// `unused` were so before the rings were drained, so no record for them can be left.
void LogWriter::CloseFiles(const std::vector<std::uint32_t>& unused) {
  for (const std::uint32_t sink : unused) {
    std::unique_ptr<LogFile> file;
    {
      const base::MutexLock lock(mutex_);
      Files::Row& row = files_->rows[sink];
      if (row.users > 0) continue;  // Wanted again meanwhile.
      file = std::move(row.file);
      files_->by_key.erase(row.key);
    }
    if (sink < files_->view.size()) files_->view[sink] = nullptr;
    file->Write(clock_.Now(), stats_);
    file->Drop(stats_);
  }
}

void LogWriter::Finish() {
  flush_wanted_.fetch_add(1);
  Turn();
  for (unsigned waited = 0; waited < options_.stuck_ms && AnyStuck();
       waited += unsigned{kStuckStepMs}) {
    poll(nullptr, 0, kStuckStepMs);  // The reader of a pipe may still come.
    for (LogFile* file : files_->view) {
      if (file != nullptr) file->Write(clock_.Now(), stats_);
    }
  }
  for (LogFile* file : files_->view) {
    if (file != nullptr) file->Drop(stats_);
  }
}

bool LogWriter::AnyStuck() const {
  return std::ranges::any_of(files_->view,
                             [](const LogFile* file) { return file != nullptr && file->stuck(); });
}

int LogWriter::WaitTimeoutMs() const {
  std::int64_t timeout = idle_ ? -1 : options_.poll_ms;
  const base::Monotonic now = clock_.Now();
  const auto sooner = [&](std::int64_t ms) {
    timeout =
        timeout < 0 ? std::max<std::int64_t>(ms, 1) : std::clamp<std::int64_t>(ms, 1, timeout);
  };
  for (const LogFile* file : files_->view) {
    if (file == nullptr || file->waiting() == 0) continue;
    if (file->stuck()) sooner(options_.poll_ms);
    const auto left = file->waiting_since() + milliseconds(options_.flush_ms) - now;
    sooner(std::chrono::ceil<milliseconds>(left).count());
  }
  return static_cast<int>(std::min<std::int64_t>(timeout, 60'000));
}

void LogWriter::Wait() {
  if (idle_) {
    mode_.store(Mode::kAsleep, std::memory_order_seq_cst);
    const unsigned count = producer_count_.load(std::memory_order_acquire);
    for (unsigned i = 0; i < count; ++i) {
      if (rings_[i]->Empty()) continue;
      mode_.store(Mode::kPolling, std::memory_order_seq_cst);
      return;
    }
  }
  pollfd entry{wake_fd_, POLLIN, 0};
  if (poll(&entry, 1, WaitTimeoutMs()) > 0) {
    std::uint64_t ignored = 0;
    static_cast<void>(!read(wake_fd_, &ignored, sizeof(ignored)));
    wake_sent_.store(false);  // Before Turn looks: whoever finds it still set is seen there.
  }
  mode_.store(Mode::kPolling, std::memory_order_seq_cst);
}

}  // namespace sluice::observe
