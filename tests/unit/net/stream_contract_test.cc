// What every Stream promises, held by every kind of stream.

#include <gmock/gmock.h>

#include <string>

#include "stream_fixture.h"

namespace sluice::net {
namespace {

class StreamContract : public ::testing::TestWithParam<Kind> {
 protected:
  Stream& a() { return *pair_.a; }
  Stream& b() { return *pair_.b; }

  // One small exchange, so that a handshake is over.
  void SayHello() {
    std::string_view hello = "hello";
    std::string got;
    bool sent = false;
    ASSERT_TRUE(RunUntil(loop_, [&] {
      if (!sent) sent = a().Write({&hello, 1}).status == IoStatus::kOk;
      char space[16];
      const IoResult r = b().Read(space);
      if (r.status == IoStatus::kOk) got.append(space, r.bytes);
      return got == hello;
    }));
  }

  IoResult Write(Stream& stream, std::string_view bytes) { return stream.Write({&bytes, 1}); }

  Loop loop_{base::SystemClock()};
  ConnectedPair pair_{loop_, GetParam()};
};

TEST_P(StreamContract, BytesArriveInOrderBothWaysAndThenTheEnd) {
  std::string up, down;
  for (int i = 0; i < 300'000; ++i) {
    up += static_cast<char>(i * 7 + i / 256);
    down += static_cast<char>(i * 5 + i / 1000);
  }
  std::string got_up, got_down;
  IoStatus end_a = IoStatus::kOk, end_b = IoStatus::kOk;
  bool good_a = false, good_b = false;
  Start(WriteThenEnd(a(), up, &good_a));
  Start(WriteThenEnd(b(), down, &good_b));
  Start(ReadToEnd(a(), &got_down, &end_a));
  Start(ReadToEnd(b(), &got_up, &end_b));
  ASSERT_TRUE(RunUntil(loop_, [&] { return end_a != IoStatus::kOk && end_b != IoStatus::kOk; }))
      << a().failure();
  EXPECT_TRUE(good_a && good_b);
  EXPECT_EQ(end_a, IoStatus::kEof);
  EXPECT_EQ(end_b, IoStatus::kEof);
  EXPECT_TRUE(got_up == up);
  EXPECT_TRUE(got_down == down);
}

TEST_P(StreamContract, WriteBlocksWhileThePeerDoesNotReadAndGoesOnAfter) {
  SayHello();
  const std::string much(256 * 1024, 'x');
  std::size_t sent = 0;
  int quiet = 0;
  while (quiet < 50) {  // Relays and kernels hold much, not everything.
    const IoResult r = Write(a(), much);
    ASSERT_TRUE(r.status == IoStatus::kOk || r.status == IoStatus::kWouldBlock);
    if (r.status == IoStatus::kOk) {
      ASSERT_GT(r.bytes, 0u);
      sent += r.bytes;
    }
    quiet = r.status == IoStatus::kWouldBlock ? quiet + 1 : 0;
    ASSERT_LT(sent, 64u << 20);
    loop_.RunOnce(1);
  }
  std::size_t got = 0;
  bool more = false;
  ASSERT_TRUE(RunUntil(loop_,
                       [&] {
                         char space[65536];
                         for (IoResult r = b().Read(space); r.status == IoStatus::kOk;
                              r = b().Read(space)) {
                           got += r.bytes;
                         }
                         if (!more && got > 0) {
                           const IoResult r = Write(a(), much);
                           if (r.status == IoStatus::kOk) {
                             more = true;
                             sent += r.bytes;
                           }
                         }
                         return more && got == sent;
                       }))
      << got << " of " << sent;
}

TEST_P(StreamContract, ReadWithNothingThereWouldBlock) {
  SayHello();
  Settle(loop_);
  char space[16];
  EXPECT_EQ(a().Read(space).status, IoStatus::kWouldBlock);
  EXPECT_FALSE(a().ReadyToRead());
  EXPECT_EQ(b().Read(space).status, IoStatus::kWouldBlock);
  Write(b(), "x");
  ASSERT_TRUE(RunUntil(loop_, [&] { return a().ReadyToRead(); }));
  const IoResult r = a().Read(space);
  EXPECT_EQ(r.status, IoStatus::kOk);
  EXPECT_EQ(r.bytes, 1u);
}

TEST_P(StreamContract, SmallReadsLeaveTheRestReadable) {
  SayHello();
  Write(b(), "abcdef");
  std::string got;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    char space[2];
    const IoResult r = a().ReadyToRead() ? a().Read(space) : IoResult{IoStatus::kWouldBlock, 0};
    if (r.status == IoStatus::kOk) {
      EXPECT_LE(r.bytes, 2u);
      got.append(space, r.bytes);
    }
    return got.size() == 6;
  }));
  EXPECT_EQ(got, "abcdef");
}

TEST_P(StreamContract, GathersPiecesInOrder) {
  SayHello();
  std::vector<std::string> texts;
  std::vector<std::string_view> pieces;
  std::string all;
  for (std::size_t i = 0; i < 100; ++i)
    texts.push_back(std::string(i * 13 % 301, static_cast<char>('a' + i % 26)));
  for (const std::string& text : texts) {
    pieces.push_back(text);
    all += text;
  }
  std::string got;
  std::size_t sent = 0;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    if (sent == 0) {
      const IoResult r = a().Write(pieces);
      if (r.status == IoStatus::kOk) sent = r.bytes;
    }
    char space[4096];
    const IoResult r = b().Read(space);
    if (r.status == IoStatus::kOk) got.append(space, r.bytes);
    return sent > 0 && got.size() >= sent;
  }));
  EXPECT_EQ(got, all.substr(0, sent));
}

TEST_P(StreamContract, HalfCloseLeavesTheOtherDirectionOpen) {
  SayHello();
  b().ShutdownWrite();
  char space[16];
  IoResult end{};
  ASSERT_TRUE(RunUntil(loop_, [&] {
    end = a().Read(space);
    return end.status != IoStatus::kWouldBlock;
  }));
  EXPECT_EQ(end.status, IoStatus::kEof);
  EXPECT_EQ(a().Read(space).status, IoStatus::kEof);
  EXPECT_FALSE(a().closed());
  EXPECT_EQ(Write(a(), "still").status, IoStatus::kOk);
  std::string got;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    const IoResult r = b().Read(space);
    if (r.status == IoStatus::kOk) got.append(space, r.bytes);
    return got == "still";
  }));
  EXPECT_EQ(Write(b(), "no").status, IoStatus::kError);
}

TEST_P(StreamContract, CloseMakesWaitsReturnAndCallsFail) {
  SayHello();
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(a(), &got, &end));
  Settle(loop_);
  ASSERT_EQ(end, IoStatus::kOk);
  a().Close();
  a().Close();
  EXPECT_TRUE(a().closed());
  EXPECT_EQ(end, IoStatus::kOk);  // Not inline.
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  EXPECT_EQ(end, IoStatus::kError);
  EXPECT_EQ(Write(a(), "x").status, IoStatus::kError);
  EXPECT_TRUE(a().ReadyToRead());
}

TEST_P(StreamContract, CloseWakesAWriterThatWaits) {
  SayHello();
  const std::string much(40 << 20, 'x');
  bool good = true, ended = false;
  struct Ended {
    bool* flag;
  } mark{&ended};
  Start(
      WriteThenEnd(a(), much, &good), [](void* m) { *static_cast<Ended*>(m)->flag = true; }, &mark);
  for (int i = 0; i < 100; ++i) loop_.RunOnce(1);
  ASSERT_FALSE(ended);
  a().Close(true);
  ASSERT_TRUE(RunUntil(loop_, [&] { return ended; }));
  EXPECT_FALSE(good);
}

TEST_P(StreamContract, PeerThatClosedIsAnEndToReadersAndAnErrorToWriters) {
  SayHello();
  b().Close();
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(a(), &got, &end));
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  EXPECT_EQ(end, IoStatus::kEof);
  ASSERT_TRUE(RunUntil(loop_, [&] { return Write(a(), "x").status == IoStatus::kError; }));
}

TEST_P(StreamContract, ResetIsAnErrorToReaders) {
  SayHello();
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(a(), &got, &end));
  Settle(loop_);
  b().Close(true);
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  // Unix sockets know no reset without unread bytes.
  EXPECT_EQ(end, GetParam() == Kind::kUnix ? IoStatus::kEof : IoStatus::kError);
}

void SetTrue(void* flag) { *static_cast<bool*>(flag) = true; }

TEST_P(StreamContract, HangupIsToldToWhoDoesNotRead) {
  SayHello();
  bool gone = false;
  a().WatchHangup(&SetTrue, &gone);
  Settle(loop_);
  EXPECT_FALSE(gone);
  Write(b(), "bytes do not hide it");
  Settle(loop_);
  EXPECT_FALSE(gone);
  // Behind bytes nobody decrypted only the socket's own end can be seen.
  b().Close(GetParam() == Kind::kTls12 || GetParam() == Kind::kTls13);
  ASSERT_TRUE(RunUntil(loop_, [&] { return gone; }));
  gone = false;
  Settle(loop_);
  EXPECT_FALSE(gone);  // Once.
}

TEST_P(StreamContract, HangupThatCameEarlierIsToldTooButNotInline) {
  SayHello();
  b().Close();
  ASSERT_TRUE(RunUntil(loop_, [&] { return a().ReadyToRead(); }));
  bool gone = false;
  a().WatchHangup(&SetTrue, &gone);
  EXPECT_FALSE(gone);
  EXPECT_TRUE(RunUntil(loop_, [&] { return gone; }));
}

TEST_P(StreamContract, HangupIsNotToldToAReaderNorAfterClearing) {
  SayHello();
  bool gone = false;
  a().WatchHangup(&SetTrue, &gone);
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(a(), &got, &end));
  b().Close();
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  Settle(loop_);
  EXPECT_FALSE(gone);
  a().WatchHangup(&SetTrue, &gone);
  a().WatchHangup(nullptr, nullptr);
  Settle(loop_);
  EXPECT_FALSE(gone);
}

TEST_P(StreamContract, MayBeDestroyedByItsOwnHangup) {
  SayHello();
  pair_.a->WatchHangup([](void* pair) { static_cast<ConnectedPair*>(pair)->a.reset(); }, &pair_);
  b().Close();
  ASSERT_TRUE(RunUntil(loop_, [&] { return pair_.a == nullptr; }));
}

TEST_P(StreamContract, DestroyedBetweenHangupAndItsReportTellsNobody) {
  SayHello();
  bool gone = false;
  a().WatchHangup(&SetTrue, &gone);
  b().Close(true);
  ASSERT_TRUE(RunUntil(loop_, [&] { return a().ReadyToRead() || gone; }));
  bool again = false;
  a().WatchHangup(&SetTrue, &again);  // Deferred now...
  pair_.a.reset();
  Settle(loop_);
  EXPECT_FALSE(again);  // ...and forgotten.
}

TEST_P(StreamContract, ManyRoundTripsByTwoCoroutines) {
  struct Echo {
    static Task<void> Serve(Stream& stream) {
      char space[512];
      for (;;) {
        co_await stream.WaitReadable();
        const IoResult r = stream.Read(space);
        if (r.status == IoStatus::kWouldBlock) continue;
        if (r.status != IoStatus::kOk) break;
        if (!co_await WriteAll(stream, {space, r.bytes})) break;
      }
      stream.ShutdownWrite();
    }
    static Task<void> Ask(Stream& stream, int* answered, bool* done) {
      const std::string question(300, 'q');
      for (int i = 0; i < 200; ++i) {
        if (!co_await WriteAll(stream, question)) break;
        std::size_t got = 0;
        while (got < question.size()) {
          char space[512];
          const IoResult r = stream.Read(space);
          if (r.status == IoStatus::kWouldBlock) {
            co_await stream.WaitReadable();
            continue;
          }
          if (r.status != IoStatus::kOk) break;
          got += r.bytes;
        }
        if (got != question.size()) break;
        ++*answered;
      }
      stream.Close();
      *done = true;
    }
  };
  int answered = 0;
  bool done = false;
  Start(Echo::Serve(b()));
  Start(Echo::Ask(a(), &answered, &done));
  ASSERT_TRUE(RunUntil(loop_, [&] { return done; }));
  EXPECT_EQ(answered, 200);
  Settle(loop_);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StreamContract,
                         ::testing::Values(Kind::kMemory, Kind::kUnix, Kind::kTcp, Kind::kTls13,
                                           Kind::kTls12),
                         [](const ::testing::TestParamInfo<Kind>& kind) {
                           switch (kind.param) {
                             case Kind::kMemory:
                               return "Memory";
                             case Kind::kUnix:
                               return "Unix";
                             case Kind::kTcp:
                               return "Tcp";
                             case Kind::kTls13:
                               return "Tls13";
                             case Kind::kTls12:
                               return "Tls12";
                           }
                           return "?";
                         });

}  // namespace
}  // namespace sluice::net
