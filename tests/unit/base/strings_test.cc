#include "base/strings.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"

namespace sluice::base {
namespace {

using namespace std::string_view_literals;

TEST(Cat, JoinsTextAndNumbers) {
  EXPECT_EQ(Cat("a", std::string("b"), "c"sv, 1, -2, std::uint64_t{18446744073709551615U}),
            "abc1-218446744073709551615");
  EXPECT_EQ(Cat(), "");
  EXPECT_EQ(Cat(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  std::string out = "x";
  Append(out, "y", 2);
  EXPECT_EQ(out, "xy2");
}

TEST(EqualsIgnoreCase, FoldsAsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-Length", "cONTENT-lENGTH"));
  EXPECT_TRUE(EqualsIgnoreCase("", ""));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoreCase("\xc4", "\xe4"));
  EXPECT_EQ(Lowercase("AbC\xc4-Z"), "abc\xc4-z");
}

TEST(TrimOws, TakesSpacesAndTabsOnly) {
  EXPECT_EQ(TrimOws(" \t a b\t "), "a b");
  EXPECT_EQ(TrimOws("\na\r"), "\na\r");
  EXPECT_EQ(TrimOws(" \t"), "");
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(Split("a,b", ','), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(Split(",a,", ','), (std::vector<std::string_view>{"", "a", ""}));
  EXPECT_EQ(Split("", ','), (std::vector<std::string_view>{""}));
}

TEST(ParseUint, TakesDigitsOnly) {
  EXPECT_EQ(ParseUint("0"), 0U);
  EXPECT_EQ(ParseUint("007"), 7U);
  EXPECT_EQ(ParseUint("18446744073709551615"), 18446744073709551615U);
  for (const std::string_view text :
       {"", "+1", "-1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "1.0", "1e3"}) {
    EXPECT_FALSE(ParseUint(text)) << text;
  }
}

TEST(Printable, EscapesAndCuts) {
  EXPECT_EQ(Printable("a\\b\r\n\x7f\xff"), "a\\\\b\\x0d\\x0a\\x7f\\xff");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  EXPECT_EQ(Printable("abc", 3), "abc");
}

TEST(AppendJsonString, EscapesAndReplacesBadUtf8) {
  struct Case {
    std::string_view text;
    std::string_view want;
  };
  for (const Case& test : {
           Case{"a\"b\\c\n\r\t"sv, R"("a\"b\\c\n\r\t")"sv},
           Case{"\0\x1f\x7f"sv, R"("\u0000\u001f\u007f")"sv},
           Case{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"sv,
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""sv},
           Case{"\xff\xc3"sv, R"("\ufffd\ufffd")"sv},
           Case{"\xc0\xae"sv, R"("\ufffd\ufffd")"sv},            // Overlong.
           Case{"\xed\xa0\x80"sv, R"("\ufffd\ufffd\ufffd")"sv},  // A surrogate.
           Case{"\xf4\x90\x80\x80"sv, R"("\ufffd\ufffd\ufffd\ufffd")"sv},
           Case{""sv, "\"\""sv},
       }) {
    std::string out;
    AppendJsonString(out, test.text);
    EXPECT_EQ(out, test.want);
  }
}

TEST(Base64, EncodesTheRfcsVectors) {
  struct Case {
    std::string_view bytes;
    std::string_view text;
  };
  for (const Case& test : {Case{"", ""}, Case{"f", "Zg=="}, Case{"fo", "Zm8="}, Case{"foo", "Zm9v"},
                           Case{"foob", "Zm9vYg=="}, Case{"fooba", "Zm9vYmE="},
                           Case{"foobar", "Zm9vYmFy"}, Case{"\xff\xfe\xfd", "//79"}}) {
    EXPECT_EQ(Base64Encode(test.bytes), test.text);
    EXPECT_EQ(Base64Decode(test.text), test.bytes);
  }
  EXPECT_EQ(Base64Decode("__79"), "\xff\xfe\xfd");  // The URL-safe alphabet.
  EXPECT_EQ(Base64Decode("Zg"), "f");               // Padding may be left out.
}

TEST(Base64, RefusesRubbish) {
  for (const std::string_view text : {"Z", "Zm9v!", "Zm 9v", "=Zg", "Zg=a", "Zm9vY", "Zm9v\n"}) {
    EXPECT_FALSE(Base64Decode(text)) << text;
  }
}

TEST(Base64, ComesBack) {
  FastRandom random(7);
  for (std::size_t size = 0; size < 100; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(random.Next());
    EXPECT_EQ(Base64Decode(Base64Encode(bytes)), bytes);
  }
}

TEST(StringMap, IsLookedUpByView) {
  StringMap<int> map;
  map["a"] = 1;
  const auto found = map.find("a"sv);
  ASSERT_NE(found, map.end());
  EXPECT_EQ(found->second, 1);
  EXPECT_EQ(map.find("b"sv), map.end());
}

}  // namespace
}  // namespace sluice::base
