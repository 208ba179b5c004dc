#include "http/authority.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

using namespace std::string_view_literals;

TEST(ParseAuthority, TakesHostAndPort) {
  struct Case {
    std::string_view text;
    std::string_view host;
    std::optional<std::uint16_t> port;
  };
  for (const Case& test : {
           Case{"a.ex", "a.ex", std::nullopt},
           Case{"A.EX:80", "A.EX", 80},
           Case{"a.ex.", "a.ex.", std::nullopt},
           Case{"a.ex.:65535", "a.ex.", 65535},
           Case{"my_app-1", "my_app-1", std::nullopt},
           Case{"127.0.0.1:1", "127.0.0.1", 1},
           Case{"[::1]", "[::1]", std::nullopt},
           Case{"[2001:DB8::1]:443", "[2001:DB8::1]", 443},
           Case{"[::ffff:1.2.3.4]:08", "[::ffff:1.2.3.4]", 8},
       }) {
    const std::optional<Authority> got = ParseAuthority(test.text);
    ASSERT_TRUE(got) << test.text;
    EXPECT_EQ(got->host, test.host);
    EXPECT_EQ(got->port, test.port);
  }
}

TEST(ParseAuthority, RefusesWhatIsNone) {
  for (const std::string_view text : {
           ""sv,
           ":80"sv,
           "a.ex:"sv,
           "a.ex:0"sv,
           "a.ex:65536"sv,
           "a.ex:000080"sv,
           "a.ex:8o"sv,
           "a.ex:+80"sv,
           "a.ex:80:80"sv,
           "a@b"sv,
           "user:pw@b"sv,
           "a b"sv,
           " a"sv,
           "a "sv,
           "a,b"sv,
           "a/b"sv,
           "a?b"sv,
           "a#b"sv,
           "a\\b"sv,
           "a%41"sv,
           "a\tb"sv,
           "a\0b"sv,
           "\xc3\xa4.ex"sv,
           ".a"sv,
           "."sv,
           ".."sv,
           "a..b"sv,
           "a.ex..:80"sv,
           "["sv,
           "[]"sv,
           "[:"sv,
           "[::1"sv,
           "::1"sv,
           "[::1]x"sv,
           "[::1]80"sv,
           "[::1]:"sv,
           "[::1%25eth0]"sv,
           "[::1%eth0]"sv,
           "[fe80::1%1]"sv,
           "[v1.x]"sv,
           "[1.2.3.4]"sv,
           "[::1\0]"sv,
           "[[::1]]"sv,
           "<a>"sv,
           "a\"b"sv,
           "a'b"sv,
           "a;b"sv,
           "*"sv,
           "$a"sv,
       }) {
    EXPECT_FALSE(ParseAuthority(text)) << text;
  }
  EXPECT_TRUE(ParseAuthority(std::string(255, 'a')));
  EXPECT_FALSE(ParseAuthority(std::string(256, 'a')));
}

TEST(NormalizeAuthority, StripsWhatIsAsked) {
  using StripPort = HostOptions::StripPort;
  struct Case {
    std::string_view text;
    HostOptions options;
    std::string_view want;
  };
  constexpr HostOptions kNone;
  constexpr HostOptions kMatching{StripPort::kMatching, false};
  constexpr HostOptions kAny{StripPort::kAny, false};
  constexpr HostOptions kDot{StripPort::kNone, true};
  constexpr HostOptions kAll{StripPort::kAny, true};
  for (const Case& test : {
           Case{"a.ex.:80", kNone, "a.ex.:80"},
           Case{"a.ex:80", kMatching, "a.ex"},
           Case{"a.ex:81", kMatching, "a.ex:81"},
           Case{"a.ex", kMatching, "a.ex"},
           Case{"a.ex:81", kAny, "a.ex"},
           Case{"[::1]:81", kAny, "[::1]"},
           Case{"[::1]", kAny, "[::1]"},
           Case{"[::1]:80", kMatching, "[::1]"},
           Case{"a.ex.", kDot, "a.ex"},
           Case{"a.ex.:80", kDot, "a.ex:80"},
           Case{"a.ex.:80", kAll, "a.ex"},
           Case{"[::1]", kAll, "[::1]"},
           Case{"", kAll, ""},
           Case{".", kAll, "."},
       }) {
    std::string authority(test.text);
    NormalizeAuthority(authority, test.options, 80);
    EXPECT_EQ(authority, test.want) << test.text;
  }
}

}  // namespace
}  // namespace sluice::http
