// What crosses threads in net: Post and Stop. Run under ThreadSanitizer.

#include "net/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "net/task.h"
#include "net/waiter.h"

namespace sluice::net {
namespace {

TEST(LoopThreads, PostsOfManyThreadsAllRunInOrderPerPoster) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 20'000;
  Loop loop(base::SystemClock());
  std::thread runner([&] { loop.Run(); });
  std::vector<int> last(kThreads, -1);  // The loop's thread only.
  int total = 0;
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&, t, i] {
          EXPECT_TRUE(loop.IsCurrent());
          EXPECT_EQ(last[static_cast<std::size_t>(t)], i - 1);
          last[static_cast<std::size_t>(t)] = i;
          ++total;
        });
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  loop.Post([&] { loop.Stop(); });
  runner.join();
  EXPECT_EQ(total, kThreads * kPosts);
}

// A wake that is lost leaves the loop asleep for ever, and this test hanging.
TEST(LoopThreads, PingPongNeverLosesAWake) {
  Loop one(base::SystemClock());
  Loop two(base::SystemClock());
  std::thread first([&] { one.Run(); });
  std::thread second([&] { two.Run(); });
  struct Game {
    void Hit(int left) {
      if (left == 0) {
        one.Stop();
        two.Stop();
        return;
      }
      (left % 2 == 0 ? one : two).Post([this, left] { Hit(left - 1); });
    }
    Loop& one;
    Loop& two;
  } game{one, two};
  game.Hit(20'000);
  first.join();
  second.join();
}

TEST(LoopThreads, StopFromAnotherThreadEndsASleepingLoop) {
  for (int round = 0; round < 200; ++round) {
    Loop loop(base::SystemClock());
    std::atomic<bool> running{false};
    std::thread runner([&] {
      running = true;
      loop.Run();
    });
    while (!running) std::this_thread::yield();
    loop.Stop();
    runner.join();
  }
}

Task<void> CountWakes(Waiter& waiter, int* wakes, int until) {
  while (*wakes < until) {
    co_await waiter.Wait();
    ++*wakes;
  }
}

// Frames come from lists of the thread: each loop's coroutines stay on its own.
TEST(LoopThreads, CoroutinesOfSeveralLoopsDoNotMeet) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      Loop loop(base::SystemClock());
      for (int round = 0; round < 500; ++round) {
        Waiter waiter(loop);
        int wakes = 0;
        Start(CountWakes(waiter, &wakes, 5));
        while (wakes < 5) {
          waiter.Wake();
          loop.RunOnce(0);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::net
