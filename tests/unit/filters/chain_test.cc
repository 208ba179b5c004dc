// The order of walks, and how they stop and go on.

#include "filters/chain.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::filters {
namespace {

class Recorder final : public Filter {
 public:
  Recorder(char name, std::string& calls, std::map<std::string, Verdict>& verdicts)
      : name_(name), calls_(calls), verdicts_(verdicts) {}
  Verdict OnRequestHead(http::RequestHead&, End) override { return Say("h"); }
  Verdict OnRequestBody(Body&, End) override { return Say("b"); }
  Verdict OnRequestTrailers(http::Fields&) override { return Say("t"); }
  Verdict OnResponseHead(http::ResponseHead&, End) override { return Say("H"); }
  Verdict OnResponseBody(Body&, End) override { return Say("B"); }
  Verdict OnResponseTrailers(http::Fields&) override { return Say("T"); }
  void OnDone(const Outcome&) noexcept override { Say("."); }

 private:
  Verdict Say(std::string_view what) {
    const std::string call = std::string(1, name_).append(what);
    calls_ += call;
    const auto it = verdicts_.find(call);
    return it == verdicts_.end() ? Verdict::kContinue : it->second;
  }
  char name_;
  std::string& calls_;
  std::map<std::string, Verdict>& verdicts_;
};

class ChainTest : public testing::Test {
 protected:
  ChainTest() {
    for (const char name : {'a', 'b', 'c'}) {
      chain_.Add(std::make_unique<Recorder>(name, calls_, verdicts_));
    }
  }
  std::string Calls() { return std::exchange(calls_, {}); }

  std::string calls_;
  std::map<std::string, Verdict> verdicts_;
  Chain chain_;
  http::RequestHead request_;
  http::ResponseHead response_;
  http::Fields trailers_;
  Body body_{"x"};
};

TEST_F(ChainTest, RequestsGoDownResponsesComeUp) {
  EXPECT_EQ(chain_.RequestHead(request_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(chain_.RequestBody(body_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(chain_.RequestTrailers(trailers_), Verdict::kContinue);
  EXPECT_EQ(Calls(), "ahbhchabbbcbatbtct");
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(chain_.ResponseBody(body_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(chain_.ResponseTrailers(trailers_), Verdict::kContinue);
  EXPECT_EQ(Calls(), "cHbHaHcBbBaBcTbTaT");
  const observe::StreamInfo info;
  chain_.Done({info, true});
  EXPECT_EQ(Calls(), "a.b.c.");
  EXPECT_TRUE(chain_.empty());
}

TEST_F(ChainTest, APausedWalkGoesOnBehindWhoPaused) {
  verdicts_ = {{"bh", Verdict::kPause}, {"bH", Verdict::kPause}, {"aB", Verdict::kPause}};
  EXPECT_EQ(chain_.RequestHead(request_, End::kNo), Verdict::kPause);
  EXPECT_EQ(Calls(), "ahbh");
  EXPECT_EQ(chain_.RequestHead(request_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(Calls(), "ch");
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kPause);
  EXPECT_EQ(Calls(), "cHbH");
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(Calls(), "aH");
  EXPECT_EQ(chain_.ResponseBody(body_, End::kNo), Verdict::kPause);
  EXPECT_EQ(chain_.ResponseBody(body_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(Calls(), "cBbBaB");
}

TEST_F(ChainTest, AReplyToARequestPassesAllFilters) {
  verdicts_ = {{"bh", Verdict::kReply}};
  EXPECT_EQ(chain_.RequestHead(request_, End::kNo), Verdict::kReply);
  Calls();
  chain_.BeginReply();
  EXPECT_EQ(chain_.ResponseHead(response_, End::kYes), Verdict::kContinue);
  EXPECT_EQ(Calls(), "cHbHaH");
}

TEST_F(ChainTest, AReplyInAResponseIsSeenByTheOuterFiltersOnly) {
  verdicts_ = {{"bH", Verdict::kReply}};
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kReply);
  EXPECT_EQ(Calls(), "cHbH");
  chain_.BeginReply();
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kContinue);
  EXPECT_EQ(chain_.ResponseBody(body_, End::kYes), Verdict::kContinue);
  EXPECT_EQ(Calls(), "aHaB");
}

TEST_F(ChainTest, AFilterThatPausedAndThenRepliedIsNotAskedAgain) {
  verdicts_ = {{"cH", Verdict::kPause}};
  EXPECT_EQ(chain_.ResponseHead(response_, End::kNo), Verdict::kPause);
  Calls();
  chain_.BeginReply();
  EXPECT_EQ(chain_.ResponseHead(response_, End::kYes), Verdict::kContinue);
  EXPECT_EQ(Calls(), "bHaH");
}

}  // namespace
}  // namespace sluice::filters
