#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

namespace sluice::base {
namespace {

// The log is of the process: one test program, one file, reopened per test.
class Log : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice_log_test_XXXXXX";
    const int fd = mkstemp(pattern.data());
    ASSERT_GE(fd, 0);
    close(fd);
    path_ = pattern;
    ASSERT_TRUE(OpenLogFile(path_));
    SetLogFormat("[%l][%n] %v");
    SetAllLogLevels(LogLevel::kInfo);
  }
  void TearDown() override { std::remove(path_.c_str()); }

  static std::string Read(const std::string& path) {
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  std::string path_;
};

TEST_F(Log, WritesOneLinePerEvent) {
  SLUICE_LOG(kInfo, kConfig, "listener ", "in", " has ", 3, " chains");
  SLUICE_LOG(kError, kMain, "b");
  EXPECT_EQ(Read(path_), "[info][config] listener in has 3 chains\n[error][main] b\n");
}

TEST_F(Log, LevelsArePerComponent) {
  SetLogLevel(Component::kHttp, LogLevel::kDebug);
  SetLogLevel(Component::kMain, LogLevel::kOff);
  int evaluated = 0;
  SLUICE_LOG(kDebug, kHttp, "seen");
  SLUICE_LOG(kDebug, kRouter, "unseen", ++evaluated);
  SLUICE_LOG(kCritical, kMain, "unseen", ++evaluated);
  EXPECT_EQ(Read(path_), "[debug][http] seen\n");
  EXPECT_EQ(evaluated, 0);  // Pieces of a disabled line cost nothing.
  EXPECT_EQ(GetLogLevel(Component::kHttp), LogLevel::kDebug);
  SetAllLogLevels(LogLevel::kWarning);
  EXPECT_EQ(GetLogLevel(Component::kHttp), LogLevel::kWarning);
  EXPECT_FALSE(LogEnabled(Component::kMain, LogLevel::kOff));
}

TEST_F(Log, TextFromOutsideCannotForgeALine) {
  using namespace std::string_view_literals;
  WriteLog(Component::kHttp, LogLevel::kInfo,
           "path /a\r\n[critical][main] forged\x1b[2J\x00\x7f\xc2\x9b \xc3\xa4"sv);
  EXPECT_EQ(Read(path_),
            "[info][http] path /a\\x0d\\n[critical][main] forged\\x1b[2J\\x00\\x7f\\xc2\\x9b "
            "\xc3\xa4\n");
}

TEST_F(Log, FormatsAreEnvoys) {
  SetLogFormat(std::string(kDefaultLogFormat));
  WriteLog(Component::kUpstream, LogLevel::kWarning, "x");
  EXPECT_TRUE(std::regex_match(
      Read(path_),
      std::regex(R"(\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]\[warning\]\[upstream\] x\n)")))
      << Read(path_);
  std::remove(path_.c_str());
  ASSERT_TRUE(ReopenLogFile());
  SetLogFormat(R"({"m":"%j","l":"%l"} %_)");
  WriteLog(Component::kMain, LogLevel::kInfo, "say \"a\\b\"\n");
  EXPECT_EQ(Read(path_), R"({"m":"say \"a\\b\"\\n","l":"info"} say "a\b"\n)"
                         "\n");
}

TEST_F(Log, ReopensAfterRotation) {
  WriteLog(Component::kMain, LogLevel::kInfo, "before");
  const std::string rotated = path_ + ".1";
  ASSERT_EQ(std::rename(path_.c_str(), rotated.c_str()), 0);
  WriteLog(Component::kMain, LogLevel::kInfo, "still there");
  ASSERT_TRUE(ReopenLogFile());
  WriteLog(Component::kMain, LogLevel::kInfo, "after");
  EXPECT_EQ(Read(rotated), "[info][main] before\n[info][main] still there\n");
  EXPECT_EQ(Read(path_), "[info][main] after\n");
  std::remove(rotated.c_str());
}

TEST_F(Log, SaysWhenAFileCannotBeOpened) {
  EXPECT_FALSE(OpenLogFile("/nonexistent-directory/x.log"));
  WriteLog(Component::kMain, LogLevel::kInfo, "goes on");
  EXPECT_EQ(Read(path_), "[info][main] goes on\n");
}

TEST(LogNames, AreReadBack) {
  for (int i = 0; i < static_cast<int>(Component::kCount); ++i) {
    const auto component = static_cast<Component>(i);
    EXPECT_EQ(ParseComponent(ComponentName(component)), component);
  }
  for (int i = 0; i <= static_cast<int>(LogLevel::kOff); ++i) {
    const auto level = static_cast<LogLevel>(i);
    EXPECT_EQ(ParseLogLevel(LogLevelName(level)), level);
  }
  EXPECT_EQ(ParseLogLevel("warn"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("WARN"), std::nullopt);
  EXPECT_EQ(ParseComponent("nothing"), std::nullopt);
}

}  // namespace
}  // namespace sluice::base
