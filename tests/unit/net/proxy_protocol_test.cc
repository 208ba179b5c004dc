// PROXY headers: every row whole and cut at every byte, and what we write read back.

#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::net {
namespace {

using Step = ProxyHeader::Step;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

std::string V2(std::string_view command_family, std::string_view block) {
  std::string out = kSignature;
  out += command_family;
  out += static_cast<char>(block.size() >> 8);
  out += static_cast<char>(block.size() & 0xff);
  return out.append(block);
}
const std::string kBlock4("\x0a\x00\x00\x01\x0a\x00\x00\x02\x30\x39\x01\xbb", 12);

base::Address Ip(std::string_view ip, std::uint16_t port) {
  return *base::Address::ParseIp(ip, port);
}

// Whole, with a tail, and at every cut: it needs more until it is there, and never changes its
// mind.
void ExpectHeader(const std::string& header, const base::Address* source,
                  const base::Address* destination) {
  SCOPED_TRACE(header);
  for (std::size_t i = 0; i < header.size(); ++i) {
    EXPECT_EQ(ParseProxyHeader(std::string_view(header).substr(0, i)).step, Step::kNeedMore) << i;
  }
  for (const std::string_view tail : {"", "GET / HTTP/1.1\r\n", "\n", "PROXY "}) {
    const ProxyHeader parsed = ParseProxyHeader(header + std::string(tail));
    ASSERT_EQ(parsed.step, Step::kHeader);
    EXPECT_EQ(parsed.bytes, header.size());
    EXPECT_EQ(parsed.has_addresses, source != nullptr);
    if (source == nullptr) continue;
    EXPECT_EQ(parsed.source, *source);
    EXPECT_EQ(parsed.destination, *destination);
  }
}

TEST(ProxyProtocol, ReadsVersion1) {
  const base::Address a = Ip("192.168.0.1", 56324);
  const base::Address b = Ip("192.168.0.11", 443);
  ExpectHeader("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", &a, &b);
  const base::Address c = Ip("2001:db8::1", 1);
  const base::Address d = Ip("::1", 65535);
  ExpectHeader("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", &c, &d);
  ExpectHeader("PROXY UNKNOWN\r\n", nullptr, nullptr);
  ExpectHeader("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", nullptr, nullptr);
  EXPECT_EQ(ParseProxyHeader("PROXY UNKNOWN\r\n").version, 1);
}

TEST(ProxyProtocol, ReadsVersion2) {
  const base::Address a = Ip("10.0.0.1", 12345);
  const base::Address b = Ip("10.0.0.2", 443);
  ExpectHeader(V2("\x21\x11", kBlock4), &a, &b);
  // Extensions are skipped.
  ExpectHeader(V2("\x21\x11", kBlock4 + std::string("\x04\x00\x03"
                                                    "abc"
                                                    "\x01\x00\x00",
                                                    9)),
               &a, &b);
  std::string block6(36, '\0');
  block6[15] = 1;
  block6[31] = 2;
  block6[33] = 80;
  block6[35] = 81;
  const base::Address c = Ip("::1", 80);
  const base::Address d = Ip("::2", 81);
  ExpectHeader(V2("\x21\x21", block6), &c, &d);
  ExpectHeader(V2(std::string("\x20\x00", 2), ""), nullptr, nullptr);
  ExpectHeader(V2("\x20\x11", kBlock4), nullptr, nullptr);  // LOCAL: what follows is ignored.
  ExpectHeader(V2(std::string("\x21\x00", 2), "anything"), nullptr, nullptr);
  EXPECT_EQ(ParseProxyHeader(V2("\x21\x11", kBlock4)).version, 2);
}

TEST(ProxyProtocol, WhatBeginsOtherwiseIsNone) {
  for (const std::string input : {"GET / HTTP/1.1\r\n", "PROXx TCP4", "proxy TCP4", "\r\n\r\nGET",
                                  "\x16\x03\x01", "PRI * "}) {
    EXPECT_EQ(ParseProxyHeader(input).step, Step::kNone) << input;
  }
}

TEST(ProxyProtocol, BrokenHeadersAreRefusedHoweverTheyArrive) {
  std::vector<std::string> rows = {
      "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
      "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n",
      "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP6 [::1] ::1 1 2\r\n",
      "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
      "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY UNKNOWNx\r\n",
      "PROXY \r\n",
      "PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.4\r 1.2.3.4 1 2\r\n",
      "PROXY UNKNOWN \x80\r\n",
      "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n",
      V2("\x31\x11", kBlock4),                // A version that is not 2.
      V2("\x22\x11", kBlock4),                // A command that is not known.
      V2("\x21\x12", kBlock4),                // UDP.
      V2("\x21\x31", std::string(216, 'u')),  // Unix.
      V2("\x21\x11", kBlock4.substr(0, 11)),
      V2("\x21\x11", kBlock4 + "\x04"),
      V2("\x21\x11", kBlock4 + std::string("\x04\x00\x05"
                                           "abc",
                                           6)),
      V2("\x21\x21", kBlock4),
      V2("\x21\x11", std::string(kProxyHeaderBytesMax, 'x')),
  };
  for (const std::string& row : rows) {
    SCOPED_TRACE(row);
    EXPECT_EQ(ParseProxyHeader(row).step, Step::kBroken);
    // Once broken, it stays so; before, it never is a header.
    bool broken = false;
    for (std::size_t i = 0; i <= row.size(); ++i) {
      const Step step = ParseProxyHeader(std::string_view(row).substr(0, i)).step;
      EXPECT_TRUE(step == Step::kBroken || (step == Step::kNeedMore && !broken)) << i;
      broken = broken || step == Step::kBroken;
    }
    EXPECT_TRUE(broken);
  }
}

TEST(ProxyProtocol, ALineWithoutAnEndIsNotWaitedForForEver) {
  const std::string endless = "PROXY UNKNOWN " + std::string(200, ' ');
  EXPECT_EQ(ParseProxyHeader(endless.substr(0, 106)).step, Step::kNeedMore);
  EXPECT_EQ(ParseProxyHeader(endless.substr(0, 107)).step, Step::kBroken);
}

TEST(ProxyProtocol, WhatIsWrittenReadsBack) {
  const struct {
    base::Address source, destination;
    bool known;
  } rows[] = {
      {Ip("1.2.3.4", 5), Ip("6.7.8.9", 10), true},
      {Ip("2001:db8::7", 65535), Ip("::1", 0), true},
      {Ip("1.2.3.4", 5), Ip("::1", 10), false},
      {*base::Address::Unix("/run/x"), Ip("1.2.3.4", 5), false},
      {base::Address(), base::Address(), false},
  };
  for (const auto& row : rows) {
    for (const int version : {1, 2}) {
      std::string header;
      AppendProxyHeader(version, row.source, row.destination, header);
      const ProxyHeader read = ParseProxyHeader(header + "x");
      ASSERT_EQ(read.step, Step::kHeader) << header;
      EXPECT_EQ(read.version, version);
      EXPECT_EQ(read.bytes, header.size());
      EXPECT_EQ(read.has_addresses, row.known);
      if (!row.known) continue;
      EXPECT_EQ(read.source, row.source);
      EXPECT_EQ(read.destination, row.destination);
    }
  }
}

}  // namespace
}  // namespace sluice::net
