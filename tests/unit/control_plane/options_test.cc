#include "control-plane/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace sluice::control {
namespace {

using ::testing::HasSubstr;

ParsedOptions Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "sluice-control");
  return ParseOptions(static_cast<int>(arguments.size()), arguments.data());
}

TEST(ControlOptions, Defaults) {
  const ParsedOptions parsed = Parse({"--config", "apps.yaml"});
  ASSERT_TRUE(parsed.run) << parsed.text;
  EXPECT_EQ(parsed.options.xds.ToString(), "127.0.0.1:18000");
  EXPECT_EQ(parsed.options.api.ToString(), "127.0.0.1:18001");
  EXPECT_FALSE(parsed.options.watch);
  EXPECT_TRUE(Parse({"--data", "d"}).run);
}

struct WrongCase {
  std::vector<const char*> arguments;
  const char* text;
};

TEST(ControlOptions, MistakesAreNamed) {
  const WrongCase cases[] = {
      {{}, "give --config FILE"},
      {{"--watch", "--data", "d"}, "--watch: needs --config"},
      {{"--validate", "--data", "d"}, "--validate: needs --config"},
      {{"--config", "a", "--xds", "18000"}, "--xds: '18000'"},
      {{"--config", "a", "--api", "localhost:99999"}, "--api: 'localhost:99999'"},
      {{"--config", "a", "--log-level", "loud"}, "--log-level: 'loud'"},
      {{"--config", "a", "--frobnicate"}, "frobnicate"},
  };
  for (const WrongCase& test : cases) {
    const ParsedOptions parsed = Parse(test.arguments);
    EXPECT_FALSE(parsed.run) << test.text;
    EXPECT_EQ(parsed.exit_code, 1) << test.text;
    EXPECT_THAT(parsed.text, HasSubstr(test.text));
    EXPECT_THAT(parsed.text, HasSubstr("--help"));
  }
  const ParsedOptions help = Parse({"--help"});
  EXPECT_FALSE(help.run);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.text, HasSubstr("--data"));
}

struct AddressCase {
  const char* text;
  const char* want;  // "": not an address.
};

TEST(ControlOptions, Addresses) {
  const AddressCase cases[] = {
      {"127.0.0.1:0", "127.0.0.1:0"},
      {"0.0.0.0:18000", "0.0.0.0:18000"},
      {"[::1]:18000", "[::1]:18000"},
      {"localhost:1", "127.0.0.1:1"},
      {"unix:/run/sluice.sock", "/run/sluice.sock"},
      {"unix:@sluice", "@sluice"},
      {"unix:", ""},
      {"::1:18000", ""},
      {"127.0.0.1", ""},
      {"127.0.0.1:", ""},
      {"127.0.0.1:65536", ""},
      {"127.0.0.1:-1", ""},
      {"example.com:1", ""},
      {"", ""},
  };
  for (const AddressCase& test : cases) {
    const auto address = ParseListenAddress(test.text);
    EXPECT_EQ(address ? address->ToString() : "", test.want) << test.text;
  }
}

}  // namespace
}  // namespace sluice::control
