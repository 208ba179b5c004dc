#include "net/signals.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <vector>

#include "base/strings.h"
#include "loop_fixture.h"
#include "net/file_watch.h"

namespace sluice::net {
namespace {

using ::testing::ElementsAre;

TEST(Signals, AreHeardOnTheLoop) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Signals::Block();
  {
    Loop loop(base::SystemClock());
    std::vector<int> heard;
    Signals signals(loop, [&](int signal) { heard.push_back(signal); });
    raise(SIGHUP);
    raise(SIGUSR1);
    raise(SIGTERM);
    EXPECT_TRUE(heard.empty());
    ASSERT_TRUE(RunUntil(loop, [&] { return heard.size() == 3; }));
    EXPECT_THAT(heard, ::testing::UnorderedElementsAre(SIGHUP, SIGUSR1, SIGTERM));
    heard.clear();
    raise(SIGINT);
    ASSERT_TRUE(RunUntil(loop, [&] { return heard.size() == 1; }));
    EXPECT_THAT(heard, ElementsAre(SIGINT));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

#if !(defined(__has_feature) && \
      (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))
TEST(CrashHandlerDeathTest, SaysWhichSignalAndDiesOfIt) {
  EXPECT_EXIT(
      {
        InstallCrashHandler();
        raise(SIGSEGV);
      },
      ::testing::KilledBySignal(SIGSEGV), "crash: SIGSEGV");
  EXPECT_EXIT(
      {
        InstallCrashHandler();
        SLUICE_CHECK(1 + 1 == 3);
      },
      ::testing::KilledBySignal(SIGABRT), "check failed: 1 \\+ 1 == 3\n.*crash: SIGABRT");
}
#endif

class FileWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "watchXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto watch = FileWatch::Open(loop_, Path("apps.yaml"), [this] { ++changes_; });
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = std::move(*watch);
  }
  void TearDown() override {
    for (const char* name : {"apps.yaml", "other", "..data"}) unlink(Path(name).c_str());
    rmdir(directory_.c_str());
  }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  void Write(const std::string& name) { std::ofstream(Path(name)) << "x"; }
  bool Changed() {
    const bool changed = RunUntil(loop_, [&] { return changes_ > 0; });
    changes_ = 0;
    return changed;
  }

  Loop loop_{base::SystemClock()};
  std::string directory_;
  int changes_ = 0;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, TellsRewritesAndReplacementsOfThatFileOnly) {
  Write("other");
  Settle(loop_);
  EXPECT_EQ(changes_, 0);
  Write("apps.yaml");
  EXPECT_TRUE(Changed());
  ASSERT_EQ(rename(Path("other").c_str(), Path("apps.yaml").c_str()), 0);
  EXPECT_TRUE(Changed());
  Write("apps.yaml");  // The new file is watched, too.
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, TellsWhenAMountedDirectorySwapsItsLink) {
  ASSERT_EQ(symlink("x", Path("other").c_str()), 0);
  ASSERT_EQ(rename(Path("other").c_str(), Path("..data").c_str()), 0);
  EXPECT_TRUE(Changed());
}

TEST(FileWatch, MissingDirectoryIsAnError) {
  Loop loop(base::SystemClock());
  EXPECT_FALSE(FileWatch::Open(loop, ::testing::TempDir() + "none/none.yaml", [] {}).ok());
}

}  // namespace
}  // namespace sluice::net
