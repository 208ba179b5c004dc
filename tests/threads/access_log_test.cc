// Workers log while the log thread writes, files rotate, and somebody flushes.

#include "observe/access_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/field_errors.h"

namespace sluice::observe {
namespace {

class AccessLogThreads : public testing::Test {
 protected:
  AccessLogThreads() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice_log_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~AccessLogThreads() override { std::filesystem::remove_all(directory_); }

  config::AccessLog FileLog(const std::string& name) const {
    config::AccessLog log;
    log.path = directory_ / name;
    base::FieldErrors errors;
    log.format = config::CompileFormat("%CONNECTION_ID% %STREAM_ID%\n", errors);
    return log;
  }
  std::string Read(const std::string& name) const {
    std::ostringstream out;
    out << std::ifstream(directory_ / name).rdbuf();
    return out.str();
  }

  std::filesystem::path directory_;
  AccessLogStats stats_;
};

TEST_F(AccessLogThreads, NothingIsLostOrTornBetweenWorkersRotationAndFlush) {
  constexpr unsigned kWorkers = 3;
  constexpr unsigned kRecords = 20'000;
  LogWriterOptions options;
  options.flush_bytes = 512;
  options.ring_bytes = 64 * 1024;
  options.poll_ms = 1;
  LogWriter writer(options, base::SystemClock(), stats_);
  writer.Start();
  std::vector<WorkerStats> stats(kWorkers);
  std::atomic<unsigned> running{kWorkers};
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      const unsigned producer = writer.AddProducer();
      AccessLogger logger({writer, producer, base::SystemClock(), w, stats[w]});
      const config::AccessLog shared = FileLog("shared.log");
      const config::AccessLog own = FileLog("own" + std::to_string(w));
      StreamInfo info;
      info.connection_id = w;
      for (unsigned i = 0; i < kRecords; ++i) {
        info.stream_id = i;
        logger.Log(i % 2 == 0 ? shared : own, info);
      }
      running.fetch_sub(1);
    });
  }
  unsigned rotated = 0;
  while (running.load() > 0) {
    writer.Flush();
    if (rotated < 20 && std::filesystem::exists(directory_ / "shared.log")) {
      std::filesystem::rename(directory_ / "shared.log",
                              directory_ / ("shared.log." + std::to_string(rotated)));
      ++rotated;
      writer.Reopen();
    }
  }
  for (std::thread& worker : workers) worker.join();
  writer.Stop();

  std::uint64_t written = 0;
  for (const WorkerStats& each : stats) {
    written += each.access_log_written.Get();
    EXPECT_EQ(each.access_log_written.Get() + each.access_log_dropped.Get(), kRecords);
  }
  EXPECT_EQ(stats_.write_dropped.Get(), 0U);
  std::string all;
  for (unsigned i = 0; i < rotated; ++i) all += Read("shared.log." + std::to_string(i));
  all += Read("shared.log");
  for (unsigned w = 0; w < kWorkers; ++w) all += Read("own" + std::to_string(w));
  std::map<unsigned, std::vector<bool>> seen;
  std::istringstream lines(all);
  std::string line;
  std::uint64_t count = 0;
  while (std::getline(lines, line)) {
    unsigned worker = 0;
    unsigned record = 0;
    char extra = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "%u %u%c", &worker, &record, &extra), 2) << line;
    ASSERT_LT(worker, kWorkers);
    ASSERT_LT(record, kRecords);
    seen[worker].resize(kRecords);
    ASSERT_FALSE(seen[worker][record]) << line;
    seen[worker][record] = true;
    ++count;
  }
  EXPECT_EQ(count, written);
}

TEST_F(AccessLogThreads, OneRecordAfterSilenceWakesTheThread) {
  LogWriterOptions options;
  options.flush_bytes = 1;
  options.poll_ms = 1;
  LogWriter writer(options, base::SystemClock(), stats_);
  writer.Start();
  const unsigned producer = writer.AddProducer();
  WorkerStats stats;
  AccessLogger logger({writer, producer, base::SystemClock(), 0, stats});
  const config::AccessLog log = FileLog("a.log");
  for (unsigned i = 1; i <= 200; ++i) {
    logger.Log(log, StreamInfo());
    // No Flush here: the thread must come by itself, asleep or not.
    while (stats_.write_completed.Get() < i) std::this_thread::yield();
  }
  writer.Stop();
  EXPECT_EQ(stats_.write_buffered.Get(), 200U);
}

TEST_F(AccessLogThreads, SleepsWhenThereIsNothingToDoAndFlushesBeforeItEnds) {
  LogWriterOptions options;
  options.poll_ms = 1;
  LogWriter writer(options, base::SystemClock(), stats_);
  writer.Start();
  const unsigned producer = writer.AddProducer();
  WorkerStats stats;
  AccessLogger logger({writer, producer, base::SystemClock(), 0, stats});
  for (unsigned i = 1; i <= 20; ++i) {
    while (!writer.Asleep()) std::this_thread::yield();
    logger.Log(FileLog("a.log"), StreamInfo());
    while (stats_.write_buffered.Get() < i) std::this_thread::yield();
  }
  EXPECT_EQ(Read("a.log"), "") << "neither enough nor old enough";
  writer.Stop();
  EXPECT_EQ(Read("a.log").size(), 20 * std::string("0 0\n").size());
}

}  // namespace
}  // namespace sluice::observe
