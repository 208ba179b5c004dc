// Retries by policy: what is tried again, how often, when, and with which bytes.
#include "retry_fixture.h"

namespace sluice::proxy {
namespace {

TEST_F(RetryPolicy, ABadAnswerIsReplacedByAGoodOne) {
  RetryOn("5xx", 2);
  policy_.attempt_count_upstream = policy_.attempt_count_downstream = true;
  Publish();
  Answer({std::string(k503), std::string(kOk)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  Wait();
  EXPECT_TRUE(client->received().starts_with("HTTP/1.1 200 OK\r\n")) << client->received();
  EXPECT_NE(client->received().find("x-envoy-attempt-count: 2\r\n"), std::string::npos);
  EXPECT_EQ(client->received().find("bad"), std::string::npos);
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_NE(seen_[0].find("x-envoy-attempt-count: 1\r\n"), std::string::npos);
  EXPECT_NE(seen_[1].find("x-envoy-attempt-count: 2\r\n"), std::string::npos);
  // The first answer was complete, so its connection was used again.
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry_success.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry_backoff_exponential.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry_limit_exceeded.Get(), 0U);
  EXPECT_EQ(stats().upstream_rq_5xx.Get(), 0U);
  EXPECT_EQ(stats().upstream_rq_2xx.Get(), 1U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "-");
  EXPECT_EQ(fixture_.logged().at(0).attempts, 2U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheLastBadAnswerGoesToTheClient) {
  RetryOn("5xx", 2);
  Publish();
  Answer({std::string(k503)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  Wait();
  EXPECT_TRUE(client->received().ends_with("\r\n\r\nbad")) << client->received();
  EXPECT_EQ(seen_.size(), 3U);
  EXPECT_EQ(stats().upstream_rq_retry.Get(), 2U);
  EXPECT_EQ(stats().upstream_rq_retry_limit_exceeded.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry_success.Get(), 0U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "URX");
  EXPECT_EQ(fixture_.logged().at(0).code, 503);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, ARefusedConnectionIsTriedAgain) {
  RetryOn("connect-failure", 1);
  retry().backoff_base_ms = retry().backoff_max_ms = 1000;  // Not at once.
  Publish();
  Answer({std::string(kOk)});
  fixture_.refuse_connections = true;
  auto client = fixture_.Connect();
  client->Send(kGet);
  while (fixture_.connected.empty()) fixture_.loop().RunOnce(0);
  fixture_.refuse_connections = false;
  Wait();
  EXPECT_TRUE(client->received().ends_with("ok")) << client->received();
  EXPECT_EQ(fixture_.connected.size(), 2U);
  EXPECT_EQ(fixture_.logged().at(0).attempts, 2U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheLastRefusalSaysThatItWasRetried) {
  RetryOn("connect-failure", 1);
  Publish();
  fixture_.refuse_connections = true;
  auto client = fixture_.Connect();
  client->Send(kGet);
  Wait();
  EXPECT_NE(client->received().find("retried and the latest reset reason: remote connection"),
            std::string::npos)
      << client->received();
  EXPECT_EQ(fixture_.logged().at(0).flags, "UF,URX");
  fixture_.ExpectAllGone();
}

struct Condition {
  std::string_view on;
  std::string_view answer;  // "": closes.
  bool retried;
};

class Conditions : public RetryPolicy, public testing::WithParamInterface<Condition> {};

TEST_P(Conditions, DecideWhatIsTriedAgain) {
  RetryOn(GetParam().on, 1);
  retry().statuses = {404, 451};
  config::HeaderMatcher matcher;
  matcher.name = "x-again";
  retry().response_headers = {matcher};
  Publish();
  Answer({std::string(GetParam().answer), std::string(kOk)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  Wait();
  EXPECT_EQ(seen_.size(), GetParam().retried ? 2U : 1U);
  EXPECT_EQ(client->received().starts_with("HTTP/1.1 200 OK\r\n"),
            GetParam().retried || GetParam().answer.starts_with("HTTP/1.1 200"))
      << client->received();
  fixture_.ExpectAllGone();
}

INSTANTIATE_TEST_SUITE_P(
    All, Conditions,
    testing::Values(
        Condition{"5xx", RESPONSE("500 X", ""), true}, Condition{"5xx", "", true},
        Condition{"5xx", RESPONSE("404 X", ""), false},
        Condition{"5xx", RESPONSE("503 X", "x-envoy-ratelimited: true\r\n"), false},
        Condition{"envoy-ratelimited", RESPONSE("429 X", "x-envoy-ratelimited: true\r\n"), true},
        Condition{"envoy-ratelimited", RESPONSE("429 X", ""), false},
        Condition{"gateway-error", RESPONSE("500 X", ""), false},
        Condition{"gateway-error", RESPONSE("502 X", ""), true},
        Condition{"gateway-error", RESPONSE("504 X", ""), true},
        Condition{"gateway-error", "", true}, Condition{"reset", "", true},
        Condition{"reset", RESPONSE("503 X", ""), false},
        Condition{"reset-before-request", "", false}, Condition{"connect-failure", "", false},
        Condition{"refused-stream", "", false}, Condition{"reset", "garbage\r\n\r\n", true},
        Condition{"retriable-4xx", RESPONSE("409 X", ""), true},
        Condition{"retriable-4xx", RESPONSE("404 X", ""), false},
        Condition{"retriable-status-codes", RESPONSE("451 X", ""), true},
        Condition{"retriable-status-codes", RESPONSE("403 X", ""), false},
        Condition{"retriable-headers", RESPONSE("200 X", "x-again: 1\r\n"), true},
        Condition{"retriable-headers", RESPONSE("200 X", "x-other: 1\r\n"), false},
        Condition{"cancelled", RESPONSE("200 X", "grpc-status: 1\r\n"), true},
        Condition{"deadline-exceeded", RESPONSE("200 X", "grpc-status: 4\r\n"), true},
        Condition{"internal", RESPONSE("200 X", "grpc-status: 13\r\n"), true},
        Condition{"resource-exhausted", RESPONSE("200 X", "grpc-status: 8\r\n"), true},
        Condition{"unavailable", RESPONSE("200 X", "grpc-status: 14\r\n"), true},
        Condition{"unavailable,cancelled", RESPONSE("200 X", "grpc-status: 2\r\n"), false},
        Condition{"nonsense, 5xx ,more", RESPONSE("500 X", ""), true}));

TEST_F(RetryPolicy, OnlyRequestsThatMatchAreRetried) {
  RetryOn("5xx", 1);
  config::HeaderMatcher matcher;
  matcher.name = "x-retry-me";
  retry().request_headers = {matcher};
  Publish();
  Answer({std::string(k503)});
  auto client = fixture_.Connect();
  client->Send(kGet);
  Wait();
  EXPECT_EQ(seen_.size(), 1U);
  EXPECT_EQ(fixture_.logged().at(0).flags, "-");
  client->Send("GET / HTTP/1.1\r\nHost: a.test\r\nX-Retry-Me: 1\r\n\r\n");
  Wait();
  EXPECT_EQ(seen_.size(), 3U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, TheWholeBodyIsSentAgainWithItsTrailers) {
  RetryOn("5xx", 1);
  fixture_.http().h1.keep_trailers = true;
  Publish();
  Answer({std::string(k503), std::string(kOk)});
  auto client = fixture_.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
  fixture_.Settle();
  client->Send("3\r\nfgh\r\n0\r\nX-Sum: 8\r\n\r\n");
  Wait();
  EXPECT_TRUE(client->received().ends_with("ok")) << client->received();
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(BodyOf(seen_[0]).ends_with("0\r\nx-sum: 8\r\n\r\n")) << seen_[0];
  EXPECT_EQ(BodyOf(seen_[1]), "8\r\nabcdefgh\r\n0\r\nx-sum: 8\r\n\r\n");
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, ABodyThatIsStillComingGoesOnInTheNextTry) {
  RetryOn("connect-failure,5xx", 2);
  Publish();
  auto client = fixture_.Connect();
  client->Send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\nabc");
  fixture_.Settle();
  upstream(0).Send(k503);  // It does not want to hear the end.
  Wait();
  Answer({std::string(kOk)});
  client->Send("defgh");
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok")) << client->received();
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(BodyOf(seen_[0]), "abcdefgh");
  EXPECT_EQ(fixture_.upstreams().size(), 2U);
  EXPECT_TRUE(upstream(0).ended());
  EXPECT_EQ(fixture_.logged().at(0).received, 8U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, ABodyThatOutgrowsItsBufferIsSentOnce) {
  RetryOn("5xx", 3);
  policy_.buffer_bytes_max = 6;
  Publish();
  Answer({std::string(k503)});
  auto client = fixture_.Connect();
  client->Send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\nabcd");
  fixture_.Settle();
  client->Send("efgh");
  Wait();
  EXPECT_TRUE(client->received().ends_with("bad"));
  EXPECT_EQ(seen_.size(), 1U);
  EXPECT_EQ(BodyOf(seen_[0]), "abcdefgh");
  EXPECT_EQ(stats().retry_or_shadow_abandoned.Get(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry.Get(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(RetryPolicy, NothingIsTriedAgainOnceBytesWentOut) {
  RetryOn("5xx,reset", 3);
  Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream(0).Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  fixture_.Settle();
  upstream(0).Close();
  Wait();
  EXPECT_TRUE(client->received().ends_with("abc"));
  EXPECT_TRUE(client->ended());
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  EXPECT_EQ(stats().upstream_rq_retry.Get(), 0U);
  fixture_.ExpectAllGone();
}

// Whatever the upstream does, tries are counted once, at most retries + 1, the client gets one
// answer, every whole request is the same, and nothing is left over.
TEST_F(RetryPolicy, AnyScriptIsAccountedForOnce) {
  RetryOn("5xx,reset,connect-failure", 3);
  retry().per_try_timeout_ms = 500;
  Publish();
  const std::string body(3000, 'x');
  const std::string request =
      base::Cat("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3000\r\n\r\n", body);
  base::FastRandom random(7);
  std::uint64_t retries = 0;
  for (int round = 0; round < 300; ++round) {
    seen_.clear();
    std::vector<std::string> script;
    for (int i = 0; i < 4; ++i) {
      static const std::string kAnswers[] = {std::string(k503), "", "-", std::string(kOk),
                                             "HTTP/1.1 200 OK\r\nContent-Le"};
      script.push_back(kAnswers[random.Next() % 5]);
    }
    Answer(script);
    fixture_.refuse_connections = random.Next() % 8 == 0;
    auto client = fixture_.Connect();
    const std::size_t split = 1 + random.Next() % (request.size() - 1);
    client->Send(std::string_view(request).substr(0, split));
    fixture_.Settle();
    client->Send(std::string_view(request).substr(split));
    for (int i = 0; i < 30; ++i) {
      fixture_.Pass(100);
      if (i == 2) fixture_.refuse_connections = false;
    }
    const std::string& got = client->received();
    ASSERT_TRUE(got.starts_with("HTTP/1.1 ")) << round;
    EXPECT_EQ(got.find("HTTP/1.1 ", 1), std::string::npos) << got;
    const Logged& logged = fixture_.logged().back();
    EXPECT_LE(logged.attempts, 4U);
    EXPECT_LE(seen_.size(), logged.attempts);
    for (const std::string& each : seen_) EXPECT_EQ(BodyOf(each), body);
    retries += logged.attempts - 1;
    EXPECT_EQ(stats().upstream_rq_retry.Get(), retries);
    EXPECT_EQ(fixture_.breaker().retries.taken(), 0U);
    client->Close();
    fixture_.Settle();
  }
  EXPECT_GT(retries, 300U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
