#include "config/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/field_errors.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

FormatItem Literal(std::string text) { return {Operator::kLiteral, std::move(text), "", {}}; }

std::vector<FormatItem> Compile(std::string_view text) {
  base::FieldErrors errors;
  Format format = CompileFormat(text, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  return std::move(format.items);
}

std::string Error(std::string_view text) {
  base::FieldErrors errors;
  CompileFormat(text, errors);
  EXPECT_EQ(errors.size(), 1U) << text << ": " << errors.Text();
  return errors.Text();
}

TEST(CompileFormat, LiteralsAndEscapes) {
  EXPECT_THAT(Compile(""), ElementsAre());
  EXPECT_THAT(Compile("abc"), ElementsAre(Literal("abc")));
  EXPECT_THAT(Compile("100%%"), ElementsAre(Literal("100%")));
  EXPECT_THAT(Compile("%%REQ(x)%%"), ElementsAre(Literal("%REQ(x)%")));
  base::FieldErrors errors;
  EXPECT_EQ(CompileFormat("a%%b", errors).Constant(), "a%b");
  EXPECT_EQ(CompileFormat("", errors).Constant(), "");
  EXPECT_EQ(CompileFormat("a%PROTOCOL%", errors).Constant(), std::nullopt);
  EXPECT_TRUE(errors.empty());
}

TEST(CompileFormat, OperatorsWithArgumentsAndLengths) {
  EXPECT_THAT(Compile("%PROTOCOL%"), ElementsAre(FormatItem{Operator::kProtocol, "", "", {}}));
  EXPECT_THAT(
      Compile("<%REQ(X-A?:PATH):10%>"),
      ElementsAre(Literal("<"), FormatItem{Operator::kReq, "x-a", ":path", 10}, Literal(">")));
  EXPECT_THAT(Compile("%RESP(Content-Type)%%TRAILER(grpc-status)%"),
              ElementsAre(FormatItem{Operator::kResp, "content-type", "", {}},
                          FormatItem{Operator::kTrailer, "grpc-status", "", {}}));
  EXPECT_THAT(Compile("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%"),
              ElementsAre(FormatItem{Operator::kStartTime, "%Y/%m/%dT%H:%M:%S%z %s", "", {}}));
  EXPECT_THAT(Compile("%START_TIME((%d))%x"),
              ElementsAre(FormatItem{Operator::kStartTime, "(%d)", "", {}}, Literal("x")));
  EXPECT_THAT(Compile("%START_TIME%"), ElementsAre(FormatItem{Operator::kStartTime, "", "", {}}));
  EXPECT_THAT(Compile("%ENVIRONMENT(HOME):3%"),
              ElementsAre(FormatItem{Operator::kEnvironment, "HOME", "", 3}));
  EXPECT_THAT(Compile("%GRPC_STATUS%%GRPC_STATUS(NUMBER)%"),
              ElementsAre(FormatItem{Operator::kGrpcStatus, "CAMEL_STRING", "", {}},
                          FormatItem{Operator::kGrpcStatus, "NUMBER", "", {}}));
  EXPECT_THAT(Compile("%PATH%%PATH(NQ:ORIG)%"),
              ElementsAre(FormatItem{Operator::kPath, "WQ", "ORIG_OR_PATH", {}},
                          FormatItem{Operator::kPath, "NQ", "ORIG", {}}));
  EXPECT_THAT(Compile("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"),
              ElementsAre(FormatItem{Operator::kResponseCodeDetails, "ALLOW_WHITESPACES", "", {}}));
}

TEST(CompileFormat, TheDefaultLineCompiles) {
  const auto items = Compile(DefaultAccessLogFormat());
  EXPECT_EQ(items.size(), 31U);
  EXPECT_EQ(items.front(), Literal("["));
  EXPECT_EQ(items.back(), Literal("\"\n"));
}

TEST(CompileFormat, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(Error("%FOO%"), "Not supported field in StreamInfo: FOO");
  EXPECT_THAT(Error("50%"), HasSubstr("no operator at '%'; write %NAME%"));
  EXPECT_THAT(Error("%REQ(x"), HasSubstr("no operator"));
  EXPECT_THAT(Error("%REQ(x)"), HasSubstr("no operator"));
  EXPECT_THAT(Error("%REQ(x):%"), HasSubstr("no operator"));
  EXPECT_THAT(Error("%req(x)%"), HasSubstr("no operator"));
  EXPECT_THAT(Error("% %"), HasSubstr("no operator"));
  EXPECT_THAT(Error("%REQ%"), HasSubstr("needs a header name"));
  EXPECT_THAT(Error("%REQ()%"), HasSubstr("needs a header name"));
  EXPECT_THAT(Error("%REQ(a?b?c)%"), HasSubstr("More than 1 alternative header"));
  EXPECT_THAT(Error("%PROTOCOL(x)%"), HasSubstr("does not take an argument"));
  EXPECT_THAT(Error("%PROTOCOL:5%"), HasSubstr("does not take a length"));
  EXPECT_THAT(Error("%REQ(a):99999999999999999999%"), HasSubstr("length may be at most"));
  EXPECT_THAT(Error("%GRPC_STATUS(X)%"), HasSubstr("CAMEL_STRING, SNAKE_STRING, NUMBER"));
  EXPECT_THAT(Error("%PATH(NQ:X)%"), HasSubstr("ORIG_OR_PATH"));
  EXPECT_THAT(Error("%ENVIRONMENT%"), HasSubstr("needs a name"));
  EXPECT_THAT(Error("%START_TIME(a\nb)%"), HasSubstr("NUL, CR or LF"));
  EXPECT_THAT(Error(std::string(70'000, 'x')), HasSubstr("at most 65536"));
}

TEST(CompileFormat, OperatorsThatAreNotHereAreRefusedByName) {
  for (const std::string_view name : {"BYTES_RETRANSMITTED",
                                      "DOWNSTREAM_HANDSHAKE_DURATION",
                                      "COMMON_DURATION",
                                      "UPSTREAM_TLS_VERSION",
                                      "UPSTREAM_PEER_SUBJECT",
                                      "UPSTREAM_WIRE_BYTES_SENT",
                                      "UPSTREAM_HEADER_BYTES_RECEIVED",
                                      "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
                                      "DOWNSTREAM_WIRE_BYTES_SENT",
                                      "DOWNSTREAM_TLS_GROUP",
                                      "DOWNSTREAM_PEER_OTHERNAME_SAN",
                                      "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
                                      "TLS_JA3_FINGERPRINT",
                                      "UPSTREAM_CONNECTION_ID",
                                      "TRACE_ID",
                                      "VIRTUAL_CLUSTER_NAME",
                                      "DYNAMIC_METADATA",
                                      "METADATA",
                                      "FILTER_STATE",
                                      "CEL"}) {
    const std::string text = "%" + std::string(name) + "%";
    EXPECT_THAT(Error(text), HasSubstr(text + " is not supported; ")) << name;
  }
  EXPECT_THAT(Error("%METADATAX%"), HasSubstr("Not supported field in StreamInfo: METADATAX"));
}

TEST(CompileFormat, EveryErrorIsReported) {
  base::FieldErrors errors;
  CompileFormat("%FOO% %REQ% %BAR%", errors);
  EXPECT_EQ(errors.size(), 3U);
}

}  // namespace
}  // namespace sluice::config
