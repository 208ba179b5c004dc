#pragma once
// The log thread: takes access-log records from every worker's ring and writes them to files.
//
// A worker pays a copy per record. It wakes the thread only when that sleeps for want of work (the
// first record after a quiet moment), or when a quarter of its ring is full; otherwise the thread
// looks by itself every poll_ms, and sleeps without a timer when there was nothing for that long
// and every file is flushed. A file is written when flush_bytes are waiting or flush_ms have
// passed. Files are shared by path, opened O_APPEND, and written only here; a reader of a pipe that
// stopped reading costs records, never a worker's time, nor the end of the process.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "config/access_log.h"
#include "observe/log_ring.h"
#include "observe/stats.h"

namespace sluice::observe {

struct LogWriterOptions {
  std::uint32_t flush_ms = 10'000;       // --file-flush-interval-msec
  std::size_t flush_bytes = 64 * 1024;   // --file-flush-min-size-kb
  std::size_t ring_bytes = 1024 * 1024;  // Per worker.
  std::uint32_t poll_ms = 100;
  std::uint32_t stuck_ms = 1'000;  // At Stop: how long a full pipe is waited for.
};

class LogFile;

class LogWriter {
 public:
  // `clock` and `stats` must outlive it; `stats` is written by the log thread.
  LogWriter(const LogWriterOptions& options, const base::Clock& clock, AccessLogStats& stats);
  // Stops.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Starts the log thread. Once.
  void Start();
  // Writes what is waiting and ends the thread. Call after the last producer's last Push.
  void Stop();

  // Any thread. One per worker, for the life of the writer.
  unsigned AddProducer();

  // Any thread; a short lock. The number of the file of `log`, counting one user more; the log
  // thread opens it before its first record.
  std::uint32_t OpenSink(const config::AccessLog& log);
  // One user less; the file is closed after its last record.
  void CloseSink(std::uint32_t sink);
  // Whether the file of `log` can be opened, for whoever accepts a configuration: the message names
  // it.
  static absl::Status Probe(const config::AccessLog& log);

  // The producer's own thread. False: dropped.
  bool Push(unsigned producer, std::uint32_t sink, std::string_view record);

  // Any thread. Opens every file by its path again (log rotation).
  void Reopen();
  // Any thread but the log's. Everything pushed before the call is in its file (or counted as
  // failed) when it returns. REQUIRES: Start() was called and Stop() was not.
  void Flush();

  // Any thread. Whether the log thread waits for the next record, however long that takes.
  bool Asleep() const { return mode_.load() == Mode::kAsleep; }

  // One look at the rings and files. For the log thread, and for tests without Start().
  void Turn();

 private:
  enum class Mode : int { kPolling, kAsleep };

  struct Files;
  void Run();
  void Finish();
  void Wait();
  void Wake();
  LogFile* FileOf(std::uint32_t sink);
  std::size_t DrainRings();
  std::vector<std::uint32_t> UnusedSinks();
  void CloseFiles(const std::vector<std::uint32_t>& unused);
  bool AnyStuck() const;
  int WaitTimeoutMs() const;

  const LogWriterOptions options_;
  const base::Clock& clock_;
  AccessLogStats& stats_;
  const int wake_fd_;
  std::thread thread_;

  std::atomic<Mode> mode_{Mode::kPolling};
  std::atomic<bool> wake_sent_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopen_{false};

  static constexpr unsigned kProducersMax = 1024;
  std::atomic<unsigned> producer_count_{0};
  std::unique_ptr<std::unique_ptr<LogRing>[]> rings_;  // Slots below producer_count_ never change.

  mutable base::Mutex mutex_;
  std::unique_ptr<Files> files_;  // The table is guarded by mutex_, files are the log thread's.
  bool idle_ = false;             // Log thread: the last look found nothing.

  std::atomic<std::uint64_t> flush_wanted_{0};
  std::atomic<std::uint64_t> flush_done_{0};
};

}  // namespace sluice::observe
