// The filter interface proven with toys in a whole exchange: a body rewriter, an asynchronous
// allow/deny, a trailer adder, a whole-body limit; each killed at every suspension point.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "filters/chain.h"
#include "proxy_fixture.h"

namespace sluice::proxy {
namespace {

using filters::Body;
using filters::Context;
using filters::End;
using filters::Verdict;

// Continues everything; counts its own life.
class Toy : public filters::Filter {
 public:
  Toy(Context& context, int& alive, int& done) : context_(context), alive_(alive), done_(done) {
    ++alive_;
  }
  ~Toy() override { --alive_; }
  Verdict OnRequestHead(http::RequestHead&, End) override { return Verdict::kContinue; }
  Verdict OnRequestBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnRequestTrailers(http::Fields&) override { return Verdict::kContinue; }
  Verdict OnResponseHead(http::ResponseHead&, End) override { return Verdict::kContinue; }
  Verdict OnResponseBody(Body&, End) override { return Verdict::kContinue; }
  Verdict OnResponseTrailers(http::Fields&) override { return Verdict::kContinue; }
  void OnDone(const filters::Outcome&) noexcept override { ++done_; }

 protected:
  Context& context_;

 private:
  int& alive_;
  int& done_;
};

// Doubles every byte of both bodies.
class Doubler final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnRequestHead(http::RequestHead&, End end) override {
    if (end == End::kNo) context_.RequestLengthChanges();
    return Verdict::kContinue;
  }
  Verdict OnRequestBody(Body& body, End) override { return Double(body); }
  Verdict OnResponseHead(http::ResponseHead&, End) override {
    context_.ResponseLengthChanges();
    return Verdict::kContinue;
  }
  Verdict OnResponseBody(Body& body, End) override { return Double(body); }

 private:
  static Verdict Double(Body& body) {
    std::string doubled;
    for (const char c : body.data()) doubled.append(2, c);
    body.Assign(doubled);
    return Verdict::kContinue;
  }
};

class TrailerAdder final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnResponseTrailers(http::Fields& trailers) override {
    trailers.Add("x-added", "1");
    return Verdict::kContinue;
  }
};

// Refuses requests of more than eight bytes.
class BodyLimit final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnRequestBody(Body& body, End) override {
    bytes_ += body.data().size();
    if (bytes_ <= 8) return Verdict::kContinue;
    context_.reply().status = 413;
    context_.reply().body = "too large";
    context_.reply().details = "toy_limit";
    return Verdict::kReply;
  }

 private:
  std::size_t bytes_ = 0;
};

// Pauses at every call and lets the test resume or deny.
class Gate final : public Toy {
 public:
  Gate(Context& context, int& alive, int& done, std::vector<Gate*>& gates)
      : Toy(context, alive, done), gates_(gates) {
    gates_.push_back(this);
  }
  ~Gate() override { std::erase(gates_, this); }
  Verdict OnRequestHead(http::RequestHead&, End) override { return PauseRequest(); }
  Verdict OnRequestBody(Body&, End) override { return PauseRequest(); }
  Verdict OnResponseHead(http::ResponseHead&, End) override { return PauseResponse(); }
  Verdict OnResponseBody(Body&, End) override { return PauseResponse(); }

  // False: nothing was waiting.
  bool Go() {
    if (std::exchange(request_, false)) {
      context_.ResumeRequest();
      return true;
    }
    if (std::exchange(response_, false)) {
      context_.ResumeResponse();
      return true;
    }
    return false;
  }
  void Deny() {
    context_.reply().status = 403;
    context_.reply().body = "denied";
    context_.reply().details = "toy_denied";
    Go();
  }

 private:
  Verdict PauseRequest() {
    request_ = true;
    return Verdict::kPause;
  }
  Verdict PauseResponse() {
    response_ = true;
    return Verdict::kPause;
  }
  std::vector<Gate*>& gates_;
  bool request_ = false;
  bool response_ = false;
};

// Answers in the response's place.
class ResponseReplacer final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnResponseHead(http::ResponseHead& head, End) override {
    if (head.status != 200) return Verdict::kContinue;
    context_.reply().status = 451;
    context_.reply().details = "toy_replaced";
    return Verdict::kReply;
  }
};

// Marks every response that passes, ours included.
class Marker final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnResponseHead(http::ResponseHead& head, End) override {
    head.fields.Add("x-marked", "yes");
    return Verdict::kContinue;
  }
};

class Rerouter final : public Toy {
 public:
  using Toy::Toy;
  Verdict OnRequestHead(http::RequestHead& head, End) override {
    head.path = "/other";
    context_.ClearRoute();
    return Verdict::kContinue;
  }
};

class FiltersInExchange : public testing::Test {
 protected:
  using Add = std::function<void(filters::Chain&, Context&)>;
  FiltersInExchange() : fixture_(Options(this)) {
    fixture_.http().h1.keep_trailers = true;
    config::Route& other = fixture_.AddRoute("/other");
    other.action = config::DirectResponse{200, "other", {}};
    fixture_.AddRoute("/");
    fixture_.Publish();
  }
  ~FiltersInExchange() override {
    EXPECT_EQ(alive_, 0);
    EXPECT_EQ(done_, made_);
  }
  static ProxyFixture::Options Options(FiltersInExchange* self) {
    ProxyFixture::Options options;
    options.filters_owner = self;
    options.add_filters = [](void* owner, filters::Chain& chain, Context& context) {
      auto& test = *static_cast<FiltersInExchange*>(owner);
      if (test.add_) test.add_(chain, context);
    };
    return options;
  }
  template <typename Filter>
  void Use() {
    add_ = [this](filters::Chain& chain, Context& context) { AddOne<Filter>(chain, context); };
  }
  template <typename Filter>
  void AddOne(filters::Chain& chain, Context& context) {
    ++made_;
    chain.Add(std::make_unique<Filter>(context, alive_, done_));
  }
  void UseGate() {
    add_ = [this](filters::Chain& chain, Context& context) {
      ++made_;
      chain.Add(std::make_unique<Gate>(context, alive_, done_, gates_));
    };
  }
  Peer& upstream(std::size_t i = 0) { return *fixture_.upstreams().at(i); }

  int alive_ = 0;
  int done_ = 0;
  int made_ = 0;
  std::vector<Gate*> gates_;
  Add add_;
  ProxyFixture fixture_;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
constexpr std::string_view kPost =
    "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nabcd";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(FiltersInExchange, ABodyIsRewrittenBothWays) {
  Use<Doubler>();
  auto client = fixture_.Connect();
  client->Send(kPost);
  fixture_.Settle();
  EXPECT_NE(upstream().received().find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(upstream().received().ends_with("\r\n8\r\naabbccdd\r\n0\r\n\r\n"));
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("\r\n4\r\nookk\r\n0\r\n\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).sent, 4U);
  EXPECT_EQ(fixture_.logged().at(0).received, 4U);
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, TrailersAreAdded) {
  Use<TrailerAdder>();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n");
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("2\r\nok\r\n0\r\nx-t: 1\r\nx-added: 1\r\n\r\n"));
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, ARequestIsRefusedInItsBody) {
  Use<BodyLimit>();
  auto client = fixture_.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\n\r\nabcdef");
  fixture_.Settle();
  EXPECT_EQ(client->received(), "");
  client->Send("ghijkl");
  fixture_.Settle();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(client->received().ends_with("too large"));
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.logged().at(0).details, "toy_limit");
  EXPECT_EQ(fixture_.logged().at(0).code, 413);
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, PausesHoldOneDirectionOnly) {
  UseGate();
  auto client = fixture_.Connect();
  client->Send(kPost);
  fixture_.Settle();
  EXPECT_TRUE(fixture_.upstreams().empty());
  ASSERT_TRUE(gates_.at(0)->Go());  // Head.
  fixture_.Settle();
  ASSERT_EQ(fixture_.upstreams().size(), 1U);
  // While the body is held, a response may come already.
  upstream().Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  int resumes = 0;
  for (int i = 0; i < 20 && fixture_.logged().empty(); ++i) {
    fixture_.Settle();
    if (!gates_.empty() && gates_[0]->Go()) ++resumes;
  }
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_GE(resumes, 4);
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, DenialIsAsynchronous) {
  UseGate();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  gates_.at(0)->Deny();
  fixture_.Settle();
  ASSERT_TRUE(gates_.at(0)->Go());  // Our own reply passes the filter, too.
  fixture_.Settle();
  while (!gates_.empty() && gates_[0]->Go()) fixture_.Settle();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 403 "));
  EXPECT_TRUE(client->received().ends_with("denied"));
  EXPECT_TRUE(fixture_.upstreams().empty());
  EXPECT_EQ(fixture_.logged().at(0).details, "toy_denied");
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, AResponseIsReplacedBeforeItsHeadIsOut) {
  add_ = [this](filters::Chain& chain, Context& context) {
    AddOne<Marker>(chain, context);
    AddOne<ResponseReplacer>(chain, context);
  };
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 451 ")) << client->received();
  EXPECT_NE(client->received().find("x-marked: yes\r\n"), std::string::npos);
  EXPECT_EQ(client->received().find("x-marked"), client->received().rfind("x-marked"));
  EXPECT_EQ(fixture_.logged().at(0).details, "toy_replaced");
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, OurOwnErrorsPassTheFilters) {
  Use<Marker>();
  fixture_.refuse_connections = true;
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(*client, kGet);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 503 "));
  EXPECT_NE(got.find("x-marked: yes\r\n"), std::string::npos);
  fixture_.ExpectAllGone();
}

TEST_F(FiltersInExchange, ARouteIsChosenAnew) {
  Use<Rerouter>();
  auto client = fixture_.Connect();
  EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("other"));
  EXPECT_EQ(fixture_.logged().at(0).route, "route /other");
  fixture_.ExpectAllGone();
}

// What may end an exchange at any of its suspension points.
enum class Killer { kClientLeaves, kClientResets, kUpstreamLeaves, kTimeout, kCloseAll };

class Killed : public FiltersInExchange, public testing::WithParamInterface<Killer> {
 protected:
  // `resumes` pauses of the gate are let through, then the killer strikes. True once the exchange
  // came to its end by itself before.
  bool RunKilledAfter(int resumes) {
    ProxyFixture fixture(Options(this));
    fixture.AddRoute("/");
    fixture.Publish();
    auto client = fixture.Connect();
    client->Send(kPost);
    bool answered = false;
    fixture.on_turn = [&] {
      if (!answered && !fixture.upstreams().empty()) {
        answered = true;
        fixture.upstreams()[0]->Send(kOk);
      }
    };
    for (int i = 0; i < resumes; ++i) {
      fixture.Settle();
      if (!gates_.empty()) gates_[0]->Go();
    }
    fixture.Settle();
    const bool over = !fixture.logged().empty();
    switch (GetParam()) {
      case Killer::kClientLeaves:
        client->Close();
        break;
      case Killer::kClientResets:
        client->Close(true);
        break;
      case Killer::kUpstreamLeaves:
        if (!fixture.upstreams().empty()) fixture.upstreams()[0]->Close(true);
        break;
      case Killer::kTimeout:
        fixture.Pass(301'000);
        fixture.Pass(301'000);
        break;
      case Killer::kCloseAll:
        fixture.context().CloseAll();
        break;
    }
    for (int i = 0; i < 10; ++i) {
      fixture.Settle();
      if (!gates_.empty()) gates_[0]->Go();
    }
    fixture.ExpectAllGone();
    EXPECT_EQ(alive_, 0);
    EXPECT_EQ(fixture.logged().size(), 1U);
    return over;
  }
};

TEST_P(Killed, AtEverySuspensionPoint) {
  UseGate();
  bool over = false;
  for (int resumes = 0; resumes < 20; ++resumes) {
    SCOPED_TRACE(resumes);
    over = RunKilledAfter(resumes);
  }
  EXPECT_TRUE(over) << "twenty resumes should have been enough to reach the end";
  fixture_.ExpectAllGone();
}

INSTANTIATE_TEST_SUITE_P(All, Killed,
                         testing::Values(Killer::kClientLeaves, Killer::kClientResets,
                                         Killer::kUpstreamLeaves, Killer::kTimeout,
                                         Killer::kCloseAll));

}  // namespace
}  // namespace sluice::proxy
