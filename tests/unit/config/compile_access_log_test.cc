// Access loggers: sinks, formats and filters.

#include "config/compile_access_log.h"

#include "base/strings.h"
#include "config/compile.h"
#include "config/format.h"
#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "observe/stream_info.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

using Holder =
    envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

std::string Logger(std::string_view type, std::string_view inside, std::string_view more = "") {
  return base::Cat(R"(access_log { name: "log" typed_config {
      [type.googleapis.com/envoy.extensions.access_loggers.)",
                   type, "] { ", inside, " } } ", more, " } ");
}
std::string File(std::string_view inside, std::string_view more = "") {
  return Logger("file.v3.FileAccessLog", base::Cat(R"(path: "/var/log/a" )", inside), more);
}

std::vector<AccessLog> Compile(std::string_view text, base::FieldErrors& errors) {
  return CompileAccessLogs(FromText<Holder>(text).access_log(), {}, errors);
}

AccessLog Good(std::string_view text) {
  base::FieldErrors errors;
  std::vector<AccessLog> logs = Compile(text, errors);
  EXPECT_EQ(errors.Text("\n"), "") << text;
  EXPECT_EQ(logs.size(), 1U);
  return logs.empty() ? AccessLog() : logs[0];
}

Format FormatOf(std::string_view text) {
  base::FieldErrors errors;
  return CompileFormat(text, errors);
}

TEST(CompileAccessLogs, DefaultFormatIsEnvoys) {
  const AccessLog log = Good(File(""));
  EXPECT_EQ(log.sink, AccessLog::Sink::kFile);
  EXPECT_EQ(log.path, "/var/log/a");
  EXPECT_EQ(log.format, FormatOf(DefaultAccessLogFormat()));
  EXPECT_FALSE(log.json.has_value());
  EXPECT_FALSE(log.filter.has_value());
  EXPECT_FALSE(log.format.items.empty());
}

TEST(CompileAccessLogs, StreamsByTypeAndByPath) {
  const AccessLog out = Good(Logger("stream.v3.StdoutAccessLog", ""));
  EXPECT_EQ(out.sink, AccessLog::Sink::kStdout);
  EXPECT_EQ(out.path, "");
  EXPECT_EQ(out, Good(Logger("file.v3.FileAccessLog", R"(path: "/dev/stdout")")));
  const AccessLog err = Good(Logger("stream.v3.StderrAccessLog", ""));
  EXPECT_EQ(err.sink, AccessLog::Sink::kStderr);
  EXPECT_EQ(err, Good(Logger("file.v3.FileAccessLog", R"(path: "/dev/stderr")")));
}

TEST(CompileAccessLogs, TextInBothSpellings) {
  const AccessLog log = Good(File(R"(log_format { text_format: "%PROTOCOL%\n" })"));
  EXPECT_EQ(log.format, FormatOf("%PROTOCOL%\n"));
  EXPECT_FALSE(log.omit_empty_values);
  EXPECT_EQ(log, Good(File(R"(format: "%PROTOCOL%\n")")));
  EXPECT_TRUE(
      Good(File(R"(log_format { text_format: "x" omit_empty_values: true })")).omit_empty_values);
}

TEST(CompileAccessLogs, JsonKeepsKindsAndSortsKeys) {
  const AccessLog log = Good(File(R"(log_format { json_format {
      fields { key: "z" value { string_value: "%RESPONSE_CODE%" } }
      fields { key: "a" value { number_value: 1.5 } }
      fields { key: "m" value { struct_value { fields { key: "t" value { bool_value: true } } } } }
      fields { key: "n" value { null_value: NULL_VALUE } }
      fields { key: "l" value { list_value { values { string_value: "x" } } } } } })"));
  ASSERT_TRUE(log.json.has_value());
  const JsonFormat& json = *log.json;
  EXPECT_EQ(json.kind, JsonFormat::Kind::kObject);
  ASSERT_EQ(json.members.size(), 5U);
  EXPECT_EQ(json.members[0].first, "a");
  EXPECT_EQ(json.members[0].second.number, 1.5);
  EXPECT_EQ(json.members[1].first, "l");
  ASSERT_EQ(json.members[1].second.members.size(), 1U);
  EXPECT_EQ(json.members[1].second.members[0].second.format, FormatOf("x"));
  EXPECT_EQ(json.members[2].first, "m");
  EXPECT_EQ(json.members[2].second.members[0].second.kind, JsonFormat::Kind::kBool);
  EXPECT_EQ(json.members[3].second.kind, JsonFormat::Kind::kNull);
  EXPECT_EQ(json.members[4].second.format, FormatOf("%RESPONSE_CODE%"));
}

// Renderers give a leaf of exactly one operator its own type; the oldest spelling has text only.
TEST(CompileAccessLogs, OldJsonSpellingWritesText) {
  const std::string_view fields =
      R"( { fields { key: "c" value { string_value: "%RESPONSE_CODE%" } } })";
  const AccessLog typed = Good(File(base::Cat("typed_json_format", fields)));
  const AccessLog text = Good(File(base::Cat("json_format", fields)));
  EXPECT_EQ(typed, Good(File(base::Cat("log_format { json_format", fields, "}"))));
  EXPECT_EQ(typed.json->members[0].second.format.items.size(), 1U);
  ASSERT_EQ(text.json->members[0].second.format.items.size(), 2U);
  EXPECT_EQ(text.json->members[0].second.format.items[1], FormatItem());
}

TEST(CompileAccessLogs, ReadsFilters) {
  const AccessLog log = Good(File("", R"(filter { or_filter {
      filters { status_code_filter { comparison { op: GE value { default_value: 500 } } } }
      filters { and_filter {
        filters { duration_filter { comparison { op: LE value { default_value: 7 } } } }
        filters { header_filter { header { name: "X-Debug" present_match: true } } } } }
      filters { response_flag_filter { flags: "LH" flags: "UF" flags: "UDO" } }
      filters { response_flag_filter {} } } })"));
  ASSERT_TRUE(log.filter.has_value());
  const AccessLogFilter& filter = *log.filter;
  EXPECT_EQ(filter.kind, AccessLogFilter::Kind::kOr);
  ASSERT_EQ(filter.children.size(), 4U);
  EXPECT_EQ(filter.children[0].kind, AccessLogFilter::Kind::kStatus);
  EXPECT_EQ(filter.children[0].compare, AccessLogFilter::Compare::kGe);
  EXPECT_EQ(filter.children[0].value, 500U);
  ASSERT_EQ(filter.children[1].children.size(), 2U);
  EXPECT_EQ(filter.children[1].kind, AccessLogFilter::Kind::kAnd);
  EXPECT_EQ(filter.children[1].children[0].kind, AccessLogFilter::Kind::kDuration);
  EXPECT_EQ(filter.children[1].children[0].compare, AccessLogFilter::Compare::kLe);
  ASSERT_TRUE(filter.children[1].children[1].header.has_value());
  EXPECT_EQ(filter.children[1].children[1].header->name, "x-debug");
  EXPECT_EQ(filter.children[2].flags,
            observe::FlagBit(observe::ResponseFlag::kFailedLocalHealthCheck) |
                observe::FlagBit(observe::ResponseFlag::kUpstreamConnectionFailure) |
                observe::FlagBit(observe::ResponseFlag::kUnconditionalDropOverload));
  EXPECT_EQ(filter.children[3].flags, 0U);
}

TEST(ResponseFlagNames, AreThoseOfTheBits) {
  const std::vector<std::string_view> names = ResponseFlagNames();
  ASSERT_EQ(names.size(), static_cast<std::size_t>(observe::ResponseFlag::kCount));
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(observe::ParseFlag(names[i]), observe::FlagBit(static_cast<observe::ResponseFlag>(i)))
        << names[i];
  }
}

TEST(CompileAccessLogs, RefusesBadLogs) {
  const std::string at = "access_log[0].";
  const std::string config = at + "typed_config.";
  std::string deep = "status_code_filter { comparison { value { default_value: 1 } } }";
  std::string deep_json = R"(string_value: "x")";
  for (int i = 0; i < 20; ++i) {
    deep = base::Cat("and_filter { filters { ", deep, " } filters { response_flag_filter {} } }");
    deep_json = base::Cat(R"(struct_value { fields { key: "k" value { )", deep_json, "} } }");
  }
  std::string deep_path = at + "filter.";
  for (int i = 0; i < 16; ++i) deep_path += "and_filter.filters[0].";
  const std::vector<BadCase> cases = {
      {"unknown logger",
       R"(access_log { name: "otel" typed_config { type_url: "type.googleapis.com/x.Otel" } })",
       {at + "typed_config: Didn't find a registered implementation for 'otel' with type URL: "
             "'type.googleapis.com/x.Otel'"}},
      {"no path", Logger("file.v3.FileAccessLog", ""), {config + "path: needed"}},
      {"NUL in path",
       Logger("file.v3.FileAccessLog", R"(path: "a\000b")"),
       {config + "path: needed"}},
      {"empty text",
       File(R"(log_format { text_format: "" })"),
       {config + "log_format.text_format: empty"}},
      {"no format", File("log_format {}"), {config + "log_format: no format"}},
      {"format from nowhere",
       File(R"(log_format { text_format_source {} })"),
       {config + "log_format.text_format_source: no source; write inline_string"}},
      {"formatters",
       File(R"(log_format { text_format: "x" formatters {} })"),
       {config + "log_format.formatters: not supported"}},
      {"infinite number",
       File(R"(typed_json_format { fields { key: "k" value { number_value: inf } } })"),
       {config + "typed_json_format.k: no JSON number"}},
      {"one of two filters",
       File("", "filter { and_filter { filters { response_flag_filter {} } } }"),
       {at + "filter.and_filter.filters: write at least two"}},
      {"empty filter", File("", "filter {}"), {at + "filter: empty"}},
      {"no comparison",
       File("", "filter { status_code_filter {} }"),
       {at + "filter.status_code_filter.comparison: needed"}},
      {"unknown flag",
       File("", R"(filter { response_flag_filter { flags: "UF" flags: "XX" } })"),
       {at + "filter.response_flag_filter.flags[1]: 'XX' is no response flag"}},
      {"deep filters",
       File("", base::Cat("filter { ", deep, "}")),
       {deep_path + "and_filter.filters[0]: nested more than 16 deep",
        deep_path + "and_filter.filters[1]: nested more than 16 deep"}},
  };
  for (const BadCase& bad : cases) {
    base::FieldErrors errors;
    Compile(bad.input, errors);
    ExpectErrors(bad, errors);
  }
  base::FieldErrors errors;
  Compile(File(base::Cat(R"(typed_json_format { fields { key: "k" value { )", deep_json, "} } }")),
          errors);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_THAT(errors.errors()[0].message, testing::HasSubstr("nested more than 16 deep"));
}

TEST(CompileAccessLogs, UnknownOperatorsAreRefusedWithTheirPath) {
  for (
      const std::string_view format :
      {R"(log_format { text_format: "%NO_SUCH_THING%" })", R"(format: "%NO_SUCH_THING%")",
       R"(log_format { json_format { fields { key: "k" value { string_value: "%NO_SUCH_THING%" } } } })"}) {
    base::FieldErrors errors;
    Compile(File(format), errors);
    ASSERT_EQ(errors.size(), 1U) << format;
    EXPECT_THAT(errors.errors()[0].path, testing::StartsWith("access_log[0].typed_config."));
    EXPECT_THAT(errors.errors()[0].message, testing::HasSubstr("NO_SUCH_THING"));
  }
}

}  // namespace
}  // namespace sluice::config
