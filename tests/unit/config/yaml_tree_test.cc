// Text that is hostile, broken or too large, and where its errors are said to be.

#include "config/yaml_tree.h"

#include <string>

#include "base/field_errors.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/config/yaml_testing.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using envoy::config::bootstrap::v3::Bootstrap;
using envoy::config::cluster::v3::Cluster;
using envoy::config::route::v3::RouteConfiguration;

TEST(YamlTree, DuplicateKeysAreErrorsWithBothLines) {
  EXPECT_EQ(ErrorsOf<Cluster>("name: a\nname: b\n"),
            "f.yaml:2: duplicate key \"name\", first in line 1\n"
            "f.yaml:2: name: is set twice");
  EXPECT_THAT(ErrorsOf<Bootstrap>("node: {metadata: {a: 1, a: 2}}"),
              HasSubstr("duplicate key \"a\""));
}

std::string Nested(int levels) {
  std::string text = "node: {metadata: {a: ";
  text.append(static_cast<std::size_t>(levels), '[');
  text.append(static_cast<std::size_t>(levels), ']');
  return text + "}}";
}

TEST(YamlTree, NestsSoDeepAndNotDeeper) {
  EXPECT_EQ(ErrorsOf<Bootstrap>(Nested(61)), "");
  EXPECT_EQ(ErrorsOf<Bootstrap>(Nested(62)), "f.yaml:1: more than 64 levels");
  EXPECT_THAT(ErrorsOf<Bootstrap>(Nested(100'000)), StartsWith("f.yaml:1: "));
  EXPECT_THAT(ErrorsOf<Bootstrap>(std::string(1'000'000, '[')), StartsWith("f.yaml:1: "));
  EXPECT_THAT(ErrorsOf<Bootstrap>(std::string(1'000'000, '{')), StartsWith("f.yaml:1: "));
  std::string dashes;
  for (int i = 0; i < 10'000; ++i) dashes += "- ";
  EXPECT_THAT(ErrorsOf<Bootstrap>(dashes + "x"), StartsWith("f.yaml:1: "));
}

TEST(YamlTree, AliasesThatMultiplyAreStopped) {
  std::string text = "node:\n  metadata:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string name = std::to_string(i), last = "*a" + std::to_string(i - 1);
    text += "    a" + name + ": &a" + name + " [";
    for (int k = 0; k < 10; ++k) text += (k == 0 ? "" : ", ") + last;
    text += "]\n";
  }
  const std::string errors = ErrorsOf<Bootstrap>(text);
  EXPECT_THAT(errors, HasSubstr("more than 1000000 values; aliases count each time"));
  EXPECT_LT(errors.size(), 1000U);
}

TEST(YamlTree, AnAliasInsideItsOwnAnchorIsStopped) {
  EXPECT_THAT(ErrorsOf<Bootstrap>("node: {metadata: {a: &a [*a]}}"),
              HasSubstr("more than 64 levels"));
}

TEST(YamlTree, AliasesAreRead) {
  const auto table = Read<RouteConfiguration>(
      "request_headers_to_remove: &names [a, b]\nresponse_headers_to_remove: *names\n");
  EXPECT_THAT(table.response_headers_to_remove(), ElementsAre("a", "b"));
}

TEST(YamlTree, OnlyUtf8TextIsRead) {
  EXPECT_EQ(ErrorsOf<Cluster>("name: x\nalt_stat_name: \"\xff\"\n"),
            "f.yaml:2: byte \\xff is not UTF-8 text");
  for (const std::string_view bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82",
                                     "\x01", "\x7f", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_THAT(ErrorsOf<Cluster>("name: \"" + std::string(bad) + "\""),
                HasSubstr("is not UTF-8 text"));
  }
  EXPECT_THAT(ErrorsOf<Cluster>(std::string_view("name: a\0b", 9)), HasSubstr("\\x00"));
  EXPECT_THAT(ErrorsOf<Cluster>(std::string_view("\xff\xfen\0a\0", 6)), HasSubstr("\\xff"));
  EXPECT_EQ(Read<Cluster>("\xef\xbb\xbfname: \xe2\x82\xac").name(), "\xe2\x82\xac");
}

TEST(YamlTree, BrokenTextIsOneErrorWithItsLine) {
  for (const std::string_view text :
       {"name: x\n  bad: [", "name: x\n\"unterminated", "name: x\n\ttab: y", "name: x\n@at: y",
        "name: x\n? [a, b]\n: c", "name: x\n*nothing : y", "name: x\n--- \nname: y"}) {
    const std::string errors = ErrorsOf<Cluster>(text);
    EXPECT_NE(errors, "") << text;
    EXPECT_THAT(errors, StartsWith("f.yaml:")) << text;
    EXPECT_EQ(errors.find('\n'), std::string::npos) << errors;
  }
}

TEST(YamlTree, NumbersOutOfRangeAreErrors) {
  for (const std::string_view number :
       {"4294967296", "-1", "1.5", "1e400", "0x10", "017", "99999999999999999999999999", "1_000",
        "five", "[]", "NaN"}) {
    EXPECT_THAT(ErrorsOf<Cluster>("per_connection_buffer_limit_bytes: " + std::string(number)),
                HasSubstr("per_connection_buffer_limit_bytes"))
        << number;
  }
  EXPECT_EQ(Read<Cluster>("per_connection_buffer_limit_bytes: 4294967295")
                .per_connection_buffer_limit_bytes()
                .value(),
            4294967295U);
}

TEST(YamlTree, ManyErrorsStayBounded) {
  std::string text = "virtual_hosts:\n";
  for (int i = 0; i < 5000; ++i) text += "- bogus: 1\n";
  base::FieldErrors errors;
  RouteConfiguration table;
  EXPECT_FALSE(YamlToProto(text, "f.yaml", {}, &table, errors));
  EXPECT_EQ(errors.errors().size(), base::FieldErrors::kErrorsMax);
  EXPECT_EQ(errors.size(), 5000U);
}

TEST(YamlTree, MergeKeysAreRefusedByName) {
  EXPECT_THAT(ErrorsOf<Cluster>("<<: {name: x}"), HasSubstr("merge keys are not supported"));
}

TEST(YamlTree, EmptyTextIsAnEmptyMessage) {
  EXPECT_EQ(Read<Cluster>("").ByteSizeLong(), 0U);
  EXPECT_EQ(Read<Cluster>("# only a comment\n").ByteSizeLong(), 0U);
  EXPECT_EQ(Read<Cluster>("{}").ByteSizeLong(), 0U);
  EXPECT_THAT(ErrorsOf<Cluster>("[]"), HasSubstr("must be a mapping"));
  EXPECT_THAT(ErrorsOf<Cluster>("text"), HasSubstr("must be a mapping"));
}

}  // namespace
}  // namespace sluice::config
