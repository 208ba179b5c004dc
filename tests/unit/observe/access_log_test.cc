#include "observe/access_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/field_errors.h"
#include "base/status.h"
#include "observe/log_ring.h"

namespace sluice::observe {
namespace {

using std::chrono::milliseconds;
using Compare = config::AccessLogFilter::Compare;
using Kind = config::AccessLogFilter::Kind;

class FakeClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return now; }
  base::WallTime WallNow() const override { return wall; }
  base::Monotonic now{std::chrono::hours(1)};
  base::WallTime wall{std::chrono::hours(500'000)};
};

// A directory of its own, gone afterwards.
class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice_log_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  ~AccessLogTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }
  static std::string Read(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  static config::AccessLog FileLog(const std::string& path, std::string_view format) {
    config::AccessLog log;
    log.path = path;
    base::FieldErrors errors;
    log.format = config::CompileFormat(format, errors);
    EXPECT_TRUE(errors.empty());
    return log;
  }
  AccessLogger::Worker Worker(LogWriter& writer) {
    return {writer, writer.AddProducer(), clock_, 0, worker_stats_};
  }

  std::filesystem::path directory_;
  FakeClock clock_;
  AccessLogStats stats_;
  WorkerStats worker_stats_;
};

TEST(LogRing, RecordsOfAllSizesComeOutAsTheyWentInAlsoAroundTheEnd) {
  LogRing ring(4096);
  EXPECT_EQ(ring.capacity(), 4096U);
  std::uint32_t sink = 0;
  for (std::size_t size = 0; size < 1500; size += 7) {
    std::string record(size, 'a');
    for (std::size_t i = 0; i < size; ++i) record[i] = static_cast<char>(i * 31 + size);
    ASSERT_TRUE(ring.Push(++sink, record)) << size;
    const std::size_t records =
        ring.Drain([&](std::uint32_t got, std::string_view first, std::string_view second) {
          EXPECT_EQ(got, sink);
          EXPECT_EQ(std::string(first) + std::string(second), record);
        });
    EXPECT_EQ(records, 1U);
    EXPECT_TRUE(ring.Empty());
  }
}

TEST(LogRing, FullRefusesAndRecovers) {
  LogRing ring(4096);
  const std::string record(100, 'x');
  unsigned pushed = 0;
  while (ring.Push(1, record)) ++pushed;
  EXPECT_EQ(pushed, 4096U / 112U);
  EXPECT_GT(ring.Waiting(), 4096U - 112U);
  EXPECT_EQ(ring.Drain([](auto, auto, auto) {}), pushed);
  EXPECT_EQ(ring.Waiting(), 0U);
  EXPECT_TRUE(ring.Push(1, record));
  EXPECT_FALSE(ring.Push(1, std::string(4000, 'x'))) << "more than half a ring";
}

TEST_F(AccessLogTest, WritesWhenEnoughWaitsOrTimeHasCome) {
  LogWriterOptions options;
  options.flush_bytes = 20;
  LogWriter writer(options, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const config::AccessLog log = FileLog(Path("a.log"), "%RESPONSE_CODE% line\n");
  StreamInfo info;
  info.response_code = 201;
  logger.Log(log, info);
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "");
  EXPECT_EQ(stats_.write_total_buffered.Get(), 9);
  clock_.now += milliseconds(9'999);
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "");
  clock_.now += milliseconds(1);
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "201 line\n");
  EXPECT_EQ(stats_.flushed_by_timer.Get(), 1U);
  for (int i = 0; i < 3; ++i) logger.Log(log, info);
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "201 line\n201 line\n201 line\n201 line\n");
  EXPECT_EQ(stats_.write_buffered.Get(), 4U);
  EXPECT_EQ(stats_.write_completed.Get(), 2U);
  EXPECT_EQ(stats_.write_total_buffered.Get(), 0);
  EXPECT_EQ(worker_stats_.access_log_written.Get(), 4U);
}

TEST_F(AccessLogTest, ReopenFollowsARename) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const config::AccessLog log = FileLog(Path("a.log"), "%RESPONSE_CODE%\n");
  StreamInfo info;
  info.response_code = 1;
  logger.Log(log, info);
  writer.Reopen();
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "1\n");
  std::filesystem::rename(Path("a.log"), Path("a.log.1"));
  info.response_code = 2;
  logger.Log(log, info);
  writer.Reopen();
  writer.Turn();
  info.response_code = 3;
  logger.Log(log, info);
  writer.Stop();
  EXPECT_EQ(Read(Path("a.log.1")), "1\n2\n");
  EXPECT_EQ(Read(Path("a.log")), "3\n");
}

TEST_F(AccessLogTest, ReopenThatFailsKeepsTheOldFile) {
  std::filesystem::create_directory(Path("d"));
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const config::AccessLog log = FileLog(Path("d/a.log"), "%RESPONSE_CODE%\n");
  StreamInfo info;
  logger.Log(log, info);
  writer.Reopen();
  writer.Turn();
  std::filesystem::rename(Path("d"), Path("e"));
  writer.Reopen();
  writer.Turn();
  EXPECT_EQ(stats_.reopen_failed.Get(), 1U);
  logger.Log(log, info);
  writer.Stop();
  EXPECT_EQ(Read(Path("e/a.log")), "0\n0\n");
}

TEST_F(AccessLogTest, OneFileForAllLoggersOfItsPath) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger one(Worker(writer));
  AccessLogger two(Worker(writer));
  StreamInfo info;
  one.Log(FileLog(Path("a.log"), "one\n"), info);
  two.Log(FileLog(Path("a.log"), "two\n"), info);
  two.Log(FileLog(Path("b.log"), "three\n"), info);
  writer.Stop();
  EXPECT_EQ(Read(Path("a.log")), "one\ntwo\n");
  EXPECT_EQ(Read(Path("b.log")), "three\n");
  EXPECT_EQ(stats_.write_completed.Get(), 2U);
}

TEST_F(AccessLogTest, AFullRingDropsAndCounts) {
  LogWriterOptions options;
  options.ring_bytes = 4096;
  LogWriter writer(options, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const config::AccessLog log =
      FileLog(Path("a.log"), "0123456789012345678901234567890123456789\n");
  for (int i = 0; i < 200; ++i) logger.Log(log, StreamInfo());
  const std::uint64_t written = worker_stats_.access_log_written.Get();
  EXPECT_GT(written, 50U);
  EXPECT_EQ(worker_stats_.access_log_dropped.Get(), 200U - written);
  EXPECT_GT(worker_stats_.access_log_dropped.Get(), 0U);
  writer.Turn();
  logger.Log(log, StreamInfo());
  EXPECT_EQ(worker_stats_.access_log_written.Get(), written + 1);
  writer.Stop();
  EXPECT_EQ(Read(Path("a.log")).size(), (written + 1) * 41);
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedCostsItsRecordsOnly) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const config::AccessLog bad = FileLog(Path("none/a.log"), "x\n");
  logger.Log(bad, StreamInfo());
  logger.Log(bad, StreamInfo());
  logger.Log(FileLog(Path("b.log"), "y\n"), StreamInfo());
  writer.Stop();
  EXPECT_EQ(Read(Path("b.log")), "y\n");
  EXPECT_EQ(stats_.write_dropped.Get(), 2U);
  EXPECT_EQ(stats_.write_failed.Get(), 1U);
}

TEST_F(AccessLogTest, ProbeNamesTheFile) {
  EXPECT_TRUE(LogWriter::Probe(FileLog(Path("a.log"), "x\n")).ok());
  EXPECT_TRUE(LogWriter::Probe(FileLog("/dev/stdout", "x\n")).ok());
  const absl::Status status = LogWriter::Probe(FileLog(Path("none/a.log"), "x\n"));
  EXPECT_THAT(std::string(base::MessageOf(status)), testing::HasSubstr(Path("none/a.log")));
}

// A pipe whose reader has stopped reading.
TEST_F(AccessLogTest, AStuckReaderNeverHoldsTheOthersUp) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const int reader = open(Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  LogWriterOptions options;
  options.flush_bytes = 1;
  options.stuck_ms = 0;
  LogWriter writer(options, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const std::string line = std::string(999, 'x') + "\n";
  const config::AccessLog fifo = FileLog(Path("fifo"), line);
  const config::AccessLog file = FileLog(Path("b.log"), "y\n");
  for (int i = 0; i < 2000; ++i) {
    logger.Log(fifo, StreamInfo());
    writer.Turn();
  }
  logger.Log(file, StreamInfo());
  writer.Turn();
  EXPECT_EQ(Read(Path("b.log")), "y\n");
  EXPECT_GT(stats_.write_dropped.Get(), 0U);
  // The reader comes back: what was kept arrives in whole lines.
  std::string got;
  char buffer[65536];
  for (int i = 0; i < 100; ++i) {
    const ssize_t size = read(reader, buffer, sizeof(buffer));
    if (size > 0) got.append(buffer, static_cast<std::size_t>(size));
    writer.Turn();
  }
  EXPECT_EQ(got.size() % line.size(), 0U);
  EXPECT_EQ(got.size() / line.size() + stats_.write_dropped.Get(), 2000U);
  writer.Stop();
  close(reader);
}

TEST_F(AccessLogTest, AnUnusedFileIsClosedAfterItsLastRecord) {
  LogWriter writer({}, clock_, stats_);
  const config::AccessLog log = FileLog(Path("a.log"), "x\n");
  {
    AccessLogger logger(Worker(writer));
    logger.Log(log, StreamInfo());
  }
  writer.Turn();
  EXPECT_EQ(Read(Path("a.log")), "x\n") << "closing flushes";
  std::filesystem::rename(Path("a.log"), Path("old.log"));
  AccessLogger logger(Worker(writer));
  logger.Log(log, StreamInfo());
  writer.Stop();
  EXPECT_EQ(Read(Path("old.log")), "x\n");
  EXPECT_EQ(Read(Path("a.log")), "x\n") << "opened anew";
}

TEST_F(AccessLogTest, ManyFilesStayBounded) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  for (int i = 0; i < 200; ++i) {
    logger.Log(FileLog(Path(std::to_string(i)), "x\n"), StreamInfo());
  }
  writer.Stop();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Read(Path(std::to_string(i))), "x\n");
}

TEST_F(AccessLogTest, HugeRecordsAreCutAndStayLines) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  const std::string body(200'000, 'b');
  StreamInfo info;
  info.local_reply_body = body;
  logger.Log(FileLog(Path("a.log"), "%LOCAL_REPLY_BODY%\n"), info);
  config::AccessLog json = FileLog(Path("b.log"), "");
  json.json = config::JsonFormat();
  json.json->kind = config::JsonFormat::Kind::kFormat;
  json.json->format = FileLog("", "%LOCAL_REPLY_BODY%").format;
  logger.Log(json, info);
  info.local_reply_body = "short";
  logger.Log(json, info);
  writer.Stop();
  const std::string text = Read(Path("a.log"));
  EXPECT_EQ(text.size(), 64U * 1024);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(Read(Path("b.log")), "\"short\"\n");
  EXPECT_EQ(worker_stats_.access_log_dropped.Get(), 1U);
}

// ---- filters
// -------------------------------------------------------------------------------------

config::AccessLogFilter Filter(Kind kind, Compare compare, std::uint32_t value) {
  config::AccessLogFilter filter;
  filter.kind = kind;
  filter.compare = compare;
  filter.value = value;
  return filter;
}

TEST(Passes, StatusAndDurationCompare) {
  struct Case {
    Compare compare;
    bool below, equal, above;
  };
  const Case cases[] = {{Compare::kEq, false, true, false},
                        {Compare::kGe, false, true, true},
                        {Compare::kLe, true, true, false},
                        {Compare::kNe, true, false, true}};
  for (const Case& test : cases) {
    for (const Kind kind : {Kind::kStatus, Kind::kDuration}) {
      StreamInfo info;
      info.start = base::Monotonic(std::chrono::hours(1));
      const auto at = [&](int value) {
        info.response_code = value;
        info.end = info.start + milliseconds(value);
        return Passes(Filter(kind, test.compare, 400), info, 0);
      };
      EXPECT_EQ(at(399), test.below);
      EXPECT_EQ(at(400), test.equal);
      EXPECT_EQ(at(401), test.above);
    }
  }
}

TEST(Passes, FlagsHeadersAndTheirCombinations) {
  StreamInfo info;
  config::AccessLogFilter any = Filter(Kind::kResponseFlags, Compare::kEq, 0);
  config::AccessLogFilter timeout = any;
  timeout.flags = FlagBit(ResponseFlag::kUpstreamRequestTimeout);
  EXPECT_FALSE(Passes(any, info, 0));
  info.flags = FlagBit(ResponseFlag::kNoRouteFound);
  EXPECT_TRUE(Passes(any, info, 0));
  EXPECT_FALSE(Passes(timeout, info, 0));
  info.flags |= FlagBit(ResponseFlag::kUpstreamRequestTimeout);
  EXPECT_TRUE(Passes(timeout, info, 0));

  config::AccessLogFilter header = Filter(Kind::kHeader, Compare::kEq, 0);
  header.header.emplace();
  header.header->name = "x-debug";
  EXPECT_FALSE(Passes(header, info, 0)) << "no request";
  http::RequestHead request;
  info.request = &request;
  EXPECT_FALSE(Passes(header, info, 0));
  request.fields.Add("x-debug", "1");
  EXPECT_TRUE(Passes(header, info, 0));

  const config::AccessLogFilter never = Filter(Kind::kStatus, Compare::kEq, 999);
  config::AccessLogFilter all = Filter(Kind::kAnd, Compare::kEq, 0);
  config::AccessLogFilter some = Filter(Kind::kOr, Compare::kEq, 0);
  EXPECT_TRUE(Passes(all, info, 0));
  EXPECT_FALSE(Passes(some, info, 0));
  all.children = {header, timeout};
  some.children = {never, timeout};
  EXPECT_TRUE(Passes(all, info, 0));
  EXPECT_TRUE(Passes(some, info, 0));
  all.children.push_back(never);
  some.children = {never};
  EXPECT_FALSE(Passes(all, info, 0));
  EXPECT_FALSE(Passes(some, info, 0));
}

TEST_F(AccessLogTest, TheFilterDecides) {
  LogWriter writer({}, clock_, stats_);
  AccessLogger logger(Worker(writer));
  config::AccessLog log = FileLog(Path("a.log"), "%RESPONSE_CODE%\n");
  log.filter = Filter(Kind::kStatus, Compare::kGe, 500);
  StreamInfo info;
  for (const int code : {200, 503, 404, 500}) {
    info.response_code = code;
    logger.Log(log, info);
  }
  writer.Stop();
  EXPECT_EQ(Read(Path("a.log")), "503\n500\n");
  EXPECT_EQ(worker_stats_.access_log_written.Get(), 2U);
}

}  // namespace
}  // namespace sluice::observe
