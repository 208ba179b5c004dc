#include "net/client_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/net/hello_bytes.h"

namespace sluice::net {
namespace {

using Step = ClientHello::Step;
using testing::ElementsAre;

constexpr std::size_t kMax = 16 * 1024;

TEST(ClientHello, TellsNameAndProtocols) {
  const std::string bytes =
      HelloBytes({.name = "WWW.Example.org", .protocols = {"h2", "http/1.1"}});
  const ClientHello hello = ParseClientHello(bytes, kMax);
  EXPECT_EQ(hello.step, Step::kHello);
  EXPECT_EQ(hello.server_name, "www.example.org");
  EXPECT_THAT(hello.alpn, ElementsAre("h2", "http/1.1"));
  EXPECT_EQ(hello.bytes, bytes.size());
}

TEST(ClientHello, NeedsNeither) {
  const ClientHello hello = ParseClientHello(HelloBytes({}), kMax);
  EXPECT_EQ(hello.step, Step::kHello);
  EXPECT_EQ(hello.server_name, "");
  EXPECT_TRUE(hello.alpn.empty());
  EXPECT_EQ(ParseClientHello(HelloBytes({.extensions = false}), kMax).step, Step::kHello);
}

TEST(ClientHello, MayBeCutAnywhere) {
  for (const std::size_t record : {std::size_t{16384}, std::size_t{100}, std::size_t{7}}) {
    const std::string bytes =
        HelloBytes({.name = "a.test", .protocols = {"h2"}, .record_bytes = record});
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ASSERT_EQ(ParseClientHello(bytes.substr(0, i), kMax).step, Step::kNeedMore)
          << record << " " << i;
    }
    const ClientHello hello = ParseClientHello(bytes + "early data", kMax);
    EXPECT_EQ(hello.step, Step::kHello) << record;
    EXPECT_EQ(hello.server_name, "a.test");
    EXPECT_EQ(hello.bytes, bytes.size());
  }
}

TEST(ClientHello, TellsPlainTextAtOnce) {
  EXPECT_EQ(ParseClientHello("", kMax).step, Step::kNeedMore);
  EXPECT_EQ(ParseClientHello("G", kMax).step, Step::kNotTls);
  EXPECT_EQ(ParseClientHello("PROXY ", kMax).step, Step::kNotTls);
  EXPECT_EQ(ParseClientHello("\x16", kMax).step, Step::kNeedMore);
  EXPECT_EQ(ParseClientHello("\x16\x02", kMax).step, Step::kNotTls);
  EXPECT_EQ(ParseClientHello("\x80\x2e\x01\x03\x01", kMax).step, Step::kNotTls) << "SSL 2";
}

TEST(ClientHello, IsBounded) {
  const std::string bytes = HelloBytes({.name = "a.test", .padding = 2000});
  EXPECT_EQ(ParseClientHello(bytes, 1000).step, Step::kTooLarge);
  EXPECT_EQ(ParseClientHello(bytes.substr(0, 9), 1000).step, Step::kTooLarge)
      << "told by its length alone";
  EXPECT_EQ(ParseClientHello(bytes, 4000).step, Step::kHello);
  const std::string crumbs = HelloBytes({.name = "a.test", .padding = 50, .record_bytes = 1});
  EXPECT_EQ(ParseClientHello(crumbs, kMax).step, Step::kBroken) << "a record per byte";
}

TEST(ClientHello, RefusesWhatIsNone) {
  const std::string good = HelloBytes({.name = "a.test"});
  const auto with = [&good](std::size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    return ParseClientHello(bytes, kMax).step;
  };
  EXPECT_EQ(with(5, 2), Step::kBroken) << "a ServerHello";
  EXPECT_EQ(with(9, 2), Step::kBroken) << "a version before 3";
  EXPECT_EQ(ParseClientHello(std::string("\x16\x03\x01\x00\x00", 5), kMax).step, Step::kBroken);
  EXPECT_EQ(ParseClientHello("\x16\x03\x01\xff\xff", kMax).step, Step::kBroken);
  EXPECT_EQ(ParseClientHello(HelloBytes({.name = "a.test", .name_twice = true}), kMax).step,
            Step::kBroken);
  EXPECT_EQ(ParseClientHello(HelloBytes({.name = std::string("a\0b", 3)}), kMax).step,
            Step::kBroken);
  EXPECT_EQ(ParseClientHello(HelloBytes({.name = std::string(256, 'a')}), kMax).step,
            Step::kBroken);
  EXPECT_EQ(ParseClientHello(HelloBytes({.protocols = {""}}), kMax).step, Step::kBroken);
  // A record that goes on after the message, though no more of it has arrived.
  std::string promise = good;
  promise[4] = static_cast<char>(promise[4] + 1);
  EXPECT_EQ(ParseClientHello(promise, kMax).step, Step::kBroken);
  std::string longer = good;  // More in the record than the message says.
  longer += 'x';
  longer[4] = static_cast<char>(longer[4] + 1);
  EXPECT_EQ(ParseClientHello(longer, kMax).step, Step::kBroken);
}

// Every byte changed to every value: never a crash, never a name that is not text.
TEST(ClientHello, SurvivesAnyByte) {
  const std::string good = HelloBytes({.name = "a.test", .protocols = {"h2"}});
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(byte);
      const ClientHello hello = ParseClientHello(bytes, kMax);
      for (const char c : hello.server_name) ASSERT_TRUE(c > 0x20 && c < 0x7f);
      ASSERT_TRUE(hello.step == Step::kHello || hello.server_name.empty());
    }
  }
}

}  // namespace
}  // namespace sluice::net
