#include "config/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using ::testing::HasSubstr;

std::string CompileError(std::string_view pattern) {
  base::FieldErrors errors;
  EXPECT_FALSE(Regex::Compile(pattern, errors).has_value());
  return errors.Text();
}

TEST(Regex, MatchesTheWholeTextOnly) {
  const Regex regex = MakeRegex("/v[0-9]+/.*");
  for (const unsigned worker : {0U, 1U, 17U, 255U, Regex::kNoWorker}) {
    EXPECT_TRUE(regex.FullMatch("/v12/x", worker));
    EXPECT_FALSE(regex.FullMatch("x/v12/x", worker));
    EXPECT_FALSE(regex.FullMatch("/v12", worker));
  }
}

TEST(Regex, CopiesAreEqualByPattern) {
  const Regex regex = MakeRegex("a+");
  const Regex copy = regex;
  EXPECT_EQ(copy, regex);
  EXPECT_EQ(MakeRegex("a+"), regex);
  EXPECT_FALSE(MakeRegex("b+") == regex);
}

TEST(Regex, HostilePatternsAreRefusedWithAReason) {
  EXPECT_THAT(CompileError(""), HasSubstr("empty"));
  EXPECT_THAT(CompileError("("), HasSubstr("not a valid RE2 expression '(': missing )"));
  EXPECT_THAT(CompileError("(?=x)"), HasSubstr("invalid perl operator"));
  EXPECT_THAT(CompileError("(a)\\1"), HasSubstr("invalid escape sequence"));
  EXPECT_THAT(CompileError("((a{100}){100}){100}"), HasSubstr("repetition"));
  EXPECT_THAT(CompileError("(x{1000}){20}"), HasSubstr("repetition"));
  EXPECT_THAT(CompileError("\\pL{700}"), HasSubstr("pattern too large"));
  EXPECT_THAT(CompileError(std::string(20'000, 'a')), HasSubstr("at most 16384"));
  EXPECT_THAT(CompileError(std::string(16'000, 'a')), HasSubstr("at most 10000"));
  EXPECT_THAT(CompileError(std::string(5'000, '(') + std::string(5'000, ')')),
              HasSubstr("at most 10000"));
}

TEST(Regex, HostileTextTakesLinearTime) {
  const Regex regex = MakeRegex("(a*)*b");
  EXPECT_FALSE(regex.FullMatch(std::string(100'000, 'a'), 0));
}

TEST(Regex, WorkersUseOneObjectAtOnce) {
  const Regex regex = MakeRegex("[a-z]+[0-9]");
  std::vector<std::thread> workers;
  std::atomic<int> matched = 0;
  for (unsigned worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      const Regex copy = regex;
      for (int i = 0; i < 1000; ++i) matched += copy.FullMatch("abc7", worker) ? 1 : 0;
      matched += copy.FullMatch("abc7", Regex::kNoWorker) ? 1 : 0;
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(matched, 4004);
}

TEST(Regex, ReplacesEveryMatchWithGroups) {
  struct Case {
    std::string pattern, substitution, input, want;
  };
  const Case cases[] = {
      {"^/old/(.*)", "/new/\\1", "/old/a/b", "/new/a/b"},
      {"a", "bb", "banana", "bbbnbbnbb"},
      {"(\\w+)/(\\w+)", "\\2/\\1", "x/y z/w", "y/x w/z"},
      {"x*", "-", "abc", "-a-b-c-"},
      {"b*", "-", "abc", "-a-c-"},
      {"$", "!", "abc", "abc!"},
      {"^", "!", "abc", "!abc"},
      {"o", "\\0\\0", "foo", "foooo"},
      {"", "", "", ""},
      {"é*", "-", "aé", "-a-"},
      {"x*", "-", "é", "-é-"},
  };
  for (const Case& c : cases) {
    if (c.pattern.empty()) continue;
    std::string text = c.input;
    EXPECT_TRUE(MakeRegex(c.pattern).ReplaceAll(text, c.substitution, 0)) << c.pattern;
    EXPECT_EQ(text, c.want) << c.pattern << " on " << c.input;
  }
  std::string text = "abc";
  EXPECT_FALSE(MakeRegex("z").ReplaceAll(text, "y", 0));
  EXPECT_EQ(text, "abc");
}

TEST(Regex, ReplacementIsBounded) {
  std::string text(60'000, 'a');
  const std::string before = text;
  EXPECT_FALSE(MakeRegex("a").ReplaceAll(text, std::string(1000, 'b'), 0));
  EXPECT_EQ(text, before);
}

TEST(Regex, SubstitutionsMayOnlyNameGroupsThatExist) {
  base::FieldErrors errors;
  EXPECT_TRUE(MakeRegex("(a)(b)").CheckSubstitution("\\2\\1\\0", errors));
  EXPECT_TRUE(errors.empty());
  EXPECT_FALSE(MakeRegex("(a)(b)").CheckSubstitution("\\3", errors));
  EXPECT_FALSE(MakeRegex("(a)").CheckSubstitution("\\x", errors));
  EXPECT_EQ(errors.size(), 2U);
}

TEST(Regex, LiteralPrefixIsWhatEveryMatchBeginsWith) {
  EXPECT_EQ(MakeRegex(".*x").LiteralPrefix(), "");
  EXPECT_EQ(MakeRegex("/a|/b").LiteralPrefix(), "/");
  EXPECT_EQ(MakeRegex("/exact").LiteralPrefix(), "/exact");
  const std::string prefix = MakeRegex("/v[0-9]+/.*").LiteralPrefix();
  EXPECT_EQ(prefix, "/v");
}

TEST(StringMatcher, EveryKindWithAndWithoutCase) {
  using Kind = StringMatcher::Kind;
  struct Case {
    Kind kind;
    std::string text;
    bool ignore_case;
    std::string_view value;
    bool want;
  };
  const Case cases[] = {
      {Kind::kExact, "abc", false, "abc", true},  {Kind::kExact, "abc", false, "ABC", false},
      {Kind::kExact, "abc", true, "aBC", true},   {Kind::kExact, "", false, "", true},
      {Kind::kExact, "", false, "x", false},      {Kind::kExact, "abc", false, "abcd", false},
      {Kind::kPrefix, "ab", false, "abc", true},  {Kind::kPrefix, "ab", false, "a", false},
      {Kind::kPrefix, "ab", true, "ABc", true},   {Kind::kPrefix, "ab", false, "cab", false},
      {Kind::kSuffix, "bc", false, "abc", true},  {Kind::kSuffix, "bc", false, "c", false},
      {Kind::kSuffix, "bc", true, "aBC", true},   {Kind::kSuffix, "bc", false, "bca", false},
      {Kind::kContains, "b", false, "abc", true}, {Kind::kContains, "B", false, "abc", false},
      {Kind::kContains, "b", true, "ABC", true},  {Kind::kContains, "bd", true, "ABC", false},
  };
  for (const Case& c : cases) {
    StringMatcher matcher;
    matcher.kind = c.kind;
    matcher.text = c.text;
    matcher.ignore_case = c.ignore_case;
    EXPECT_EQ(matcher.Matches(c.value, 0), c.want) << c.text << " against " << c.value;
  }
  StringMatcher regex;
  regex.kind = Kind::kRegex;
  regex.regex = MakeRegex("a.c");
  EXPECT_TRUE(regex.Matches("abc", 0));
  EXPECT_FALSE(regex.Matches("abcd", 0));
}

// The whole truth table of presence: envoy-behaviour 2.4.
TEST(HeaderMatcher, PresenceInvertAndMissingAsEmpty) {
  struct Case {
    bool present, invert, missing_as_empty, is_there, want;
  };
  const Case cases[] = {
      {true, false, false, true, true},   {true, false, false, false, false},
      {true, true, false, true, false},   {true, true, false, false, true},
      {false, false, false, true, false}, {false, false, false, false, true},
      {false, true, false, true, true},   {false, true, false, false, false},
      {true, false, true, false, true},   {true, true, true, false, false},
  };
  for (const Case& c : cases) {
    HeaderMatcher matcher;
    matcher.name = "x-a";
    matcher.present = c.present;
    matcher.invert = c.invert;
    matcher.missing_as_empty = c.missing_as_empty;
    const auto head = c.is_there ? Request("h", "/", {{"x-a", "1"}}) : Request("h", "/");
    EXPECT_EQ(matcher.Matches(head, 0), c.want)
        << c.present << c.invert << c.missing_as_empty << c.is_there;
  }
}

TEST(HeaderMatcher, AMissingHeaderNeverMatchesATextAlsoInverted) {
  HeaderMatcher matcher;
  matcher.name = "x-a";
  matcher.kind = HeaderMatcher::Kind::kString;
  matcher.string.text = "1";
  const auto without = Request("h", "/");
  const auto with = Request("h", "/", {{"x-a", "1"}});
  EXPECT_TRUE(matcher.Matches(with, 0));
  EXPECT_FALSE(matcher.Matches(without, 0));
  matcher.invert = true;
  EXPECT_FALSE(matcher.Matches(with, 0));
  EXPECT_FALSE(matcher.Matches(without, 0));
  matcher.missing_as_empty = true;
  EXPECT_TRUE(matcher.Matches(without, 0));
  matcher.invert = false;
  matcher.string.text = "";
  EXPECT_TRUE(matcher.Matches(without, 0));
}

TEST(HeaderMatcher, LooksAtEachValueOnItsOwn) {
  HeaderMatcher matcher;
  matcher.name = "x-a";
  matcher.kind = HeaderMatcher::Kind::kString;
  matcher.string.text = "1";
  const auto both = Request("h", "/", {{"x-a", "2"}, {"x-b", "3"}, {"X-A", "1"}});
  const auto comma = Request("h", "/", {{"x-a", "1,2"}});
  const auto other = Request("h", "/", {{"x-a", "2"}, {"x-a", "3"}});
  EXPECT_TRUE(matcher.Matches(both, 0));
  EXPECT_FALSE(matcher.Matches(comma, 0));
  EXPECT_FALSE(matcher.Matches(other, 0));
  matcher.invert = true;  // None of them may be it.
  EXPECT_FALSE(matcher.Matches(both, 0));
  EXPECT_TRUE(matcher.Matches(other, 0));
  matcher.invert = false;
  matcher.string.text = "1,2";
  EXPECT_TRUE(matcher.Matches(comma, 0));
}

TEST(HeaderMatcher, RangesAreHalfOpenAndNeedANumber) {
  HeaderMatcher matcher;
  matcher.name = "x-n";
  matcher.kind = HeaderMatcher::Kind::kRange;
  matcher.range_start = -10;
  matcher.range_end = 5;
  const auto matches = [&](std::string_view value) {
    return matcher.Matches(Request("h", "/", {{"x-n", value}}), 0);
  };
  for (const auto* value : {"-10", "0", "4", "+4"}) EXPECT_TRUE(matches(value)) << value;
  for (const auto* value :
       {"-11", "5", "", "x", "4x", "4,4", "+-4", "99999999999999999999", "0x1", "1.5", "+"}) {
    EXPECT_FALSE(matches(value)) << value;
  }
}

TEST(HeaderMatcher, PseudoHeadersAndFieldsKeptElsewhere) {
  http::RequestHead head = Request("Example.com:80", "/p?q=1");
  head.method_text = "POST";
  head.has_content_length = true;
  head.body = {http::BodyFraming::Kind::kLength, 42};
  const auto is = [&](std::string_view name, std::string_view value) {
    HeaderMatcher matcher;
    matcher.name = name;
    matcher.kind = HeaderMatcher::Kind::kString;
    matcher.string.text = value;
    return matcher.Matches(head, 0);
  };
  EXPECT_TRUE(is(":method", "POST"));
  EXPECT_TRUE(is(":path", "/p?q=1"));
  EXPECT_TRUE(is(":authority", "Example.com:80"));
  EXPECT_TRUE(is("host", "Example.com:80"));
  EXPECT_TRUE(is(":scheme", "http"));
  EXPECT_TRUE(is("content-length", "42"));
  EXPECT_FALSE(is("transfer-encoding", "chunked"));
  EXPECT_FALSE(is(":protocol", ""));
  head.has_content_length = false;
  head.body = {http::BodyFraming::Kind::kChunked, 0};
  EXPECT_TRUE(is("transfer-encoding", "chunked"));
  EXPECT_FALSE(is("content-length", "42"));
}

TEST(FindQueryParameter, FirstValueNotDecoded) {
  EXPECT_EQ(FindQueryParameter("/p?a=1&b=2&a=3", "a"), "1");
  EXPECT_EQ(FindQueryParameter("/p?a=1&b=2&a=3", "b"), "2");
  EXPECT_EQ(FindQueryParameter("/p?a&b", "a"), "");
  EXPECT_EQ(FindQueryParameter("/p?a=%20=x", "a"), "%20=x");
  EXPECT_EQ(FindQueryParameter("/p?&&a=1", "a"), "1");
  EXPECT_EQ(FindQueryParameter("/p?a=1#b=2", "a"), "1");
  EXPECT_EQ(FindQueryParameter("/p#?a=1", "a"), std::nullopt);
  EXPECT_EQ(FindQueryParameter("/p", "a"), std::nullopt);
  EXPECT_EQ(FindQueryParameter("/p?", "a"), std::nullopt);
  EXPECT_EQ(FindQueryParameter("/p?aa=1", "a"), std::nullopt);
  EXPECT_EQ(FindQueryParameter("/p?A=1", "a"), std::nullopt);
}

TEST(QueryMatcher, PresenceAndText) {
  QueryMatcher matcher;
  matcher.name = "q";
  EXPECT_TRUE(matcher.Matches("/?q", 0));
  EXPECT_FALSE(matcher.Matches("/", 0));
  matcher.present = false;
  EXPECT_FALSE(matcher.Matches("/?q", 0));
  EXPECT_TRUE(matcher.Matches("/", 0));
  matcher.string.emplace().text = "1";
  EXPECT_TRUE(matcher.Matches("/?q=1&q=2", 0));
  EXPECT_FALSE(matcher.Matches("/?q=2&q=1", 0));
  EXPECT_FALSE(matcher.Matches("/", 0));
}

}  // namespace
}  // namespace sluice::config
