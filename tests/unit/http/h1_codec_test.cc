#include "http/h1_codec.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/http/h1_cases.h"
#include "tests/unit/http/h1_drive.h"

namespace sluice::http {
namespace {

using namespace std::string_view_literals;

H1Limits WithTrailers() {
  H1Limits limits;
  limits.keep_trailers = true;
  return limits;
}

// Whole, byte by byte, and split at every index: the same outcome, or a test failure.
H1Outcome DriveEveryWay(std::string_view input, bool request, Method method, bool eof,
                        const H1Limits& limits = WithTrailers()) {
  const H1Drive fresh(limits, request, method);
  H1Outcome whole = DriveInPieces(fresh, input, {}, eof);
  const std::vector<std::size_t> bytes(input.size(), 1);
  EXPECT_EQ(DriveInPieces(fresh, input, bytes, eof).text, whole.text) << "byte by byte";
  for (std::size_t i = 1; i < input.size(); ++i) {
    const H1Outcome split = DriveInPieces(fresh, input, {i}, eof);
    EXPECT_EQ(split.text, whole.text) << "split at " << i;
    if (split.text != whole.text) break;
  }
  return whole;
}

void ExpectRefused(const H1Attack& attack, bool request) {
  SCOPED_TRACE(attack.name);
  const H1Outcome got = DriveEveryWay(attack.input, request, attack.method, false);
  ASSERT_TRUE(got.broken) << got.text;
  const H1RuleRow& row = RuleRow(attack.rule);
  EXPECT_EQ(got.error.text, row.text);
  EXPECT_EQ(got.error.status, request ? row.status : 502);
  EXPECT_EQ(got.error.details, row.details);
}

TEST(H1Requests, AttacksAreRefusedByTheirRule) {
  for (const H1Attack& attack : RequestAttacks()) ExpectRefused(attack, true);
  EXPECT_GE(RequestAttacks().size(), 90U);
}

TEST(H1Requests, AfterOneThatIsFineAttacksAreRefusedToo) {
  const std::string first = "GET /first HTTP/1.1\r\nHost: a.ex\r\n\r\n";
  for (const H1Attack& attack : RequestAttacks()) {
    // One CRLF ahead of a request is skipped: what is attacked there is the start of a connection.
    if (attack.input.starts_with('\r')) continue;
    SCOPED_TRACE(attack.name);
    const H1Outcome got =
        DriveInPieces(H1Drive(WithTrailers(), true), first + std::string(attack.input), {}, false);
    EXPECT_TRUE(got.broken);
    EXPECT_EQ(got.messages, 1U);
    EXPECT_EQ(got.error.text, RuleRow(attack.rule).text);
  }
}

TEST(H1Responses, AttacksAreRefusedByTheirRule) {
  for (const H1Attack& attack : ResponseAttacks()) ExpectRefused(attack, false);
  EXPECT_GE(ResponseAttacks().size(), 40U);
}

TEST(H1Requests, GoodOnesAreUnderstood) {
  for (const H1Good& good : GoodRequests()) {
    SCOPED_TRACE(good.name);
    EXPECT_EQ(DriveEveryWay(good.input, true, good.method, true).text, good.want);
  }
}

TEST(H1Responses, GoodOnesAreUnderstood) {
  for (const H1Good& good : GoodResponses()) {
    SCOPED_TRACE(good.name);
    EXPECT_EQ(DriveEveryWay(good.input, false, good.method, true).text, good.want);
  }
}

// What is cut short anywhere is never taken for complete, except a body that the close ends.
TEST(H1Requests, CutShortAnywhereIsNotComplete) {
  for (const H1Good& good : GoodRequests()) {
    SCOPED_TRACE(good.name);
    const std::size_t messages =
        DriveInPieces(H1Drive(WithTrailers(), true), good.input, {}, true).messages;
    for (std::size_t size = 0; size < good.input.size(); ++size) {
      const H1Outcome got =
          DriveInPieces(H1Drive(WithTrailers(), true), good.input.substr(0, size), {}, true);
      EXPECT_FALSE(got.broken) << size << got.text;
      EXPECT_LT(got.messages, messages) << size;
    }
  }
}

struct LimitCase {
  std::string_view name;
  H1Limits limits;
  std::string input;
  H1Rule rule;  // kOk: accepted.
};

std::string Repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::vector<LimitCase> LimitCases() {
  constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a.ex\r\n";
  constexpr std::string_view kChunked =
      "POST / HTTP/1.1\r\nHost: a.ex\r\nTransfer-Encoding: chunked\r\n\r\n";
  H1Limits bytes = WithTrailers();
  bytes.head_bytes_max = 100;
  H1Limits fields = WithTrailers();
  fields.fields_max = 5;
  H1Limits trailer_bytes = WithTrailers();
  trailer_bytes.trailer_bytes_max = 40;
  H1Limits dropped = trailer_bytes;
  dropped.keep_trailers = false;
  H1Limits chunk_line = WithTrailers();
  chunk_line.chunk_line_bytes_max = 20;
  H1Limits no_old = WithTrailers();
  no_old.accept_http_10 = false;
  H1Limits no_absolute = WithTrailers();
  no_absolute.allow_absolute_url = false;
  H1Limits host = WithTrailers();
  host.default_host_for_http_10 = "default.ex";
  const H1Limits usual = WithTrailers();
  using base::Cat;
  const std::string x64(64, 'x');
  return {
      {"head of 100 bytes", bytes, Cat(kGet, "A: ", x64, "x\r\n\r\n"), H1Rule::kOk},
      {"head of 101 bytes", bytes, Cat(kGet, "A: ", x64, "xx\r\n\r\n"), H1Rule::kHeadTooLarge},
      {"head without end", bytes, Cat(kGet, "A: ", x64, x64), H1Rule::kHeadTooLarge},
      {"target without end", bytes, Cat("GET /", x64, x64), H1Rule::kHeadTooLarge},
      {"a CRLF ahead does not count", bytes, Cat("\r\n", kGet, "A: ", x64, "x\r\n\r\n"),
       H1Rule::kOk},
      {"64 KiB target", usual, Cat("GET /", std::string(65536, 'a'), " HTTP/1.1\r\n"),
       H1Rule::kHeadTooLarge},
      {"5 fields", fields, Cat(kGet, Repeated("A: b\r\n", 4), "\r\n"), H1Rule::kOk},
      {"6 fields", fields, Cat(kGet, Repeated("A: b\r\n", 5), "\r\n"), H1Rule::kTooManyFields},
      {"fields without end", fields, Cat(kGet, Repeated("A: b\r\n", 50)), H1Rule::kTooManyFields},
      {"40 bytes of trailers", trailer_bytes,
       Cat(kChunked, "0\r\nA: ", std::string(33, 'x'), "\r\n\r\n"), H1Rule::kOk},
      {"41 bytes of trailers", trailer_bytes,
       Cat(kChunked, "0\r\nA: ", std::string(34, 'x'), "\r\n\r\n"), H1Rule::kTrailersTooLarge},
      {"dropped trailers count too", dropped,
       Cat(kChunked, "0\r\nA: ", std::string(34, 'x'), "\r\n\r\n"), H1Rule::kTrailersTooLarge},
      {"trailers without end", trailer_bytes, Cat(kChunked, "0\r\n", Repeated("A: b\r\n", 50)),
       H1Rule::kTrailersTooLarge},
      {"a trailer without end", trailer_bytes, Cat(kChunked, "0\r\nA: ", x64),
       H1Rule::kTrailersTooLarge},
      {"6 trailers", fields, Cat(kChunked, "0\r\n", Repeated("A: b\r\n", 6), "\r\n"),
       H1Rule::kTooManyTrailers},
      {"chunk line of 20 bytes", chunk_line,
       Cat(kChunked, "1;", std::string(16, 'a'), "\r\nx\r\n0\r\n\r\n"), H1Rule::kOk},
      {"chunk line of 21 bytes", chunk_line,
       Cat(kChunked, "1;", std::string(17, 'a'), "\r\nx\r\n0\r\n\r\n"), H1Rule::kChunkLineTooLong},
      {"chunk line without end", usual, Cat(kChunked, "1;", std::string(300, 'a')),
       H1Rule::kChunkLineTooLong},
      {"extensions outweigh the data", usual,
       Cat(kChunked, Repeated(Cat("1;", std::string(200, 'a'), "\r\nx\r\n"), 100)),
       H1Rule::kChunkOverhead},
      {"many small chunks are fine", usual,
       Cat(kChunked, Repeated("1\r\nx\r\n", 20000), "0\r\n\r\n"), H1Rule::kOk},
      {"HTTP/1.0 refused", no_old, "GET / HTTP/1.0\r\nHost: a.ex\r\n\r\n", H1Rule::kHttp10Refused},
      {"absolute form refused", no_absolute, "GET http://a.ex/ HTTP/1.1\r\nHost: a.ex\r\n\r\n",
       H1Rule::kTargetAbsoluteRefused},
      {"default host for HTTP/1.0", host, "GET / HTTP/1.0\r\n\r\n", H1Rule::kOk},
      {"no default host for HTTP/1.1", host, "GET / HTTP/1.1\r\n\r\n", H1Rule::kHostMissing},
  };
}

TEST(H1Limits, EndWhatIsTooMuch) {
  for (const LimitCase& test : LimitCases()) {
    SCOPED_TRACE(test.name);
    const H1Drive fresh(test.limits, true);
    const H1Outcome whole = DriveInPieces(fresh, test.input, {}, false);
    const std::vector<std::size_t> bytes(test.input.size(), 1);
    EXPECT_EQ(DriveInPieces(fresh, test.input, bytes, false).text, whole.text);
    EXPECT_EQ(whole.broken, test.rule != H1Rule::kOk) << whole.text;
    if (whole.broken) {
      EXPECT_EQ(whole.error.text, RuleRow(test.rule).text);
      EXPECT_EQ(whole.error.status, RuleRow(test.rule).status);
    }
  }
}

TEST(H1Rules, EachHasARowThatBreaksIt) {
  std::set<H1Rule> seen = {H1Rule::kOk};
  for (const H1Attack& attack : RequestAttacks()) seen.insert(attack.rule);
  for (const H1Attack& attack : ResponseAttacks()) seen.insert(attack.rule);
  for (const LimitCase& test : LimitCases()) seen.insert(test.rule);
  for (int i = 0; i < static_cast<int>(H1Rule::kCount); ++i) {
    EXPECT_TRUE(seen.contains(static_cast<H1Rule>(i))) << RuleRow(static_cast<H1Rule>(i)).text;
  }
}

TEST(H1Rules, TextsTellThemApart) {
  std::set<std::string_view> texts;
  for (int i = 0; i < static_cast<int>(H1Rule::kCount); ++i) {
    EXPECT_TRUE(texts.insert(RuleRow(static_cast<H1Rule>(i)).text).second) << i;
  }
}

TEST(H1Parser, LeavesWhatFollowsTheMessage) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  const std::string_view input = "GET / HTTP/1.1\r\nHost: a.ex\r\n\r\nGET /next"sv;
  const H1Parser::Result result = parser.ParseRequestHead(input, head);
  ASSERT_EQ(result.step, H1Step::kHead);
  EXPECT_EQ(input.substr(result.consumed), "GET /next");
  EXPECT_EQ(parser.ParseBody(input.substr(result.consumed)).step, H1Step::kEnd);
  EXPECT_EQ(parser.ParseBody(input.substr(result.consumed)).consumed, 0U);
}

TEST(H1Parser, KeepsABodyLengthExactly) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  const std::string_view input =
      "POST / HTTP/1.1\r\nHost: a.ex\r\nContent-Length: 3\r\n\r\nabcGET"sv;
  std::string_view rest = input.substr(parser.ParseRequestHead(input, head).consumed);
  const H1Parser::Result piece = parser.ParseBody(rest);
  EXPECT_EQ(piece.step, H1Step::kBody);
  EXPECT_EQ(piece.body, "abc");
  EXPECT_EQ(piece.body.data(), rest.data());  // A view, not a copy.
  rest.remove_prefix(piece.consumed);
  EXPECT_EQ(parser.ParseBody(rest).step, H1Step::kEnd);
  EXPECT_EQ(rest, "GET");
}

TEST(H1Parser, IsIdleUntilAHeadBegins) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  EXPECT_TRUE(parser.idle());
  EXPECT_EQ(parser.ParseRequestHead("\r\n", head).step, H1Step::kNeedMore);
  EXPECT_TRUE(parser.idle());  // Such a CRLF belongs to the last message.
  EXPECT_EQ(parser.ParseRequestHead("\r\nG", head).step, H1Step::kNeedMore);
  EXPECT_FALSE(parser.idle());
}

TEST(H1Parser, StaysBroken) {
  H1Parser parser{H1Limits{}};
  RequestHead head;
  EXPECT_EQ(parser.ParseRequestHead("(", head).step, H1Step::kBroken);
  EXPECT_EQ(parser.ParseRequestHead("GET / HTTP/1.1\r\nHost: a.ex\r\n\r\n", head).step,
            H1Step::kBroken);
  EXPECT_FALSE(parser.OnEof());
  parser.Reset();
  EXPECT_EQ(parser.ParseRequestHead("GET / HTTP/1.1\r\nHost: a.ex\r\n\r\n", head).step,
            H1Step::kHead);
}

// A head of 50 kB that arrives byte by byte: scanning anew each time would be 10^9 steps.
TEST(H1Parser, ScansEachByteOnce) {
  std::string input = "GET / HTTP/1.1\r\nHost: a.ex\r\nCookie: " + std::string(50000, 'c');
  H1Parser parser{H1Limits{}};
  RequestHead head;
  for (std::size_t size = 1; size <= input.size(); ++size) {
    ASSERT_EQ(parser.ParseRequestHead(std::string_view(input).substr(0, size), head).step,
              H1Step::kNeedMore);
  }
  input += "\r\n\r\n";
  EXPECT_EQ(parser.ParseRequestHead(input, head).step, H1Step::kHead);
}

}  // namespace
}  // namespace sluice::http
