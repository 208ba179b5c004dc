// local_reply_config and proxy-status: what becomes of answers made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/field_errors.h"
#include "proxy/local_reply.h"
#include "proxy/proxy_status.h"

namespace sluice::proxy {
namespace {

config::Format Text(std::string_view text) {
  base::FieldErrors errors;
  config::Format format = config::CompileFormat(text, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  return format;
}

config::AccessLogFilter StatusIs(std::uint32_t status) {
  config::AccessLogFilter filter;
  filter.kind = config::AccessLogFilter::Kind::kStatus;
  filter.value = status;
  return filter;
}

class MapReplyTest : public testing::Test {
 protected:
  MapReplyTest() {
    reply_.status = 404;
    reply_.body = "no";
    info_.response_code = 404;
  }
  void Map() { MapReply(config_, {}, 0, info_, reply_); }
  std::string Type() { return std::string(reply_.fields.Get("content-type").value_or("")); }

  config::LocalReplyConfig config_;
  observe::StreamInfo info_;
  filters::LocalReply reply_;
};

TEST_F(MapReplyTest, NothingChangesNothing) {
  Map();
  EXPECT_EQ(reply_.status, 404);
  EXPECT_EQ(reply_.body, "no");
  EXPECT_EQ(Type(), "");
}

TEST_F(MapReplyTest, TheFirstMapperThatMatchesRewrites) {
  config_.mappers.resize(3);
  config_.mappers[0].filter = StatusIs(503);
  config_.mappers[0].body = "wrong";
  config_.mappers[1].filter = StatusIs(404);
  config_.mappers[1].status = 410;
  config_.mappers[1].body = "gone";
  config_.mappers[1].headers.add.push_back({.name = "x-code", .value = Text("%RESPONSE_CODE%")});
  config_.mappers[2].filter = StatusIs(404);
  config_.mappers[2].body = "late";
  Map();
  EXPECT_EQ(reply_.status, 410);
  EXPECT_EQ(info_.response_code, 410);
  EXPECT_EQ(reply_.body, "gone");
  EXPECT_EQ(reply_.fields.Get("x-code"), "404");  // Rendered before the status changes, as Envoy.
}

TEST_F(MapReplyTest, FormatsTheBodyAndNamesItsType) {
  config_.format = config::BodyFormat{.text = Text("<%LOCAL_REPLY_BODY%> %RESPONSE_CODE%"),
                                      .json = {},
                                      .content_type = "text/html"};
  reply_.fields.Add("content-type", "application/x-old");
  Map();
  EXPECT_EQ(reply_.body, "<no> 404");
  EXPECT_EQ(Type(), "text/html");
}

TEST_F(MapReplyTest, AMappersFormatAndTypeWin) {
  config_.format = config::BodyFormat{.text = Text("general"), .json = {}, .content_type = {}};
  config_.mappers.resize(1);
  config_.mappers[0].filter = StatusIs(404);
  config::JsonFormat json;
  json.kind = config::JsonFormat::Kind::kObject;
  json.members.emplace_back("m", config::JsonFormat{.kind = config::JsonFormat::Kind::kFormat,
                                                    .format = Text("%LOCAL_REPLY_BODY%"),
                                                    .members = {}});
  config_.mappers[0].format = config::BodyFormat{.text = {}, .json = json, .content_type = {}};
  Map();
  EXPECT_EQ(reply_.body, "{\"m\":\"no\"}\n");
  EXPECT_EQ(Type(), "application/json");

  reply_.fields.Clear();
  reply_.body = "no";
  info_.response_code = reply_.status = 404;
  config_.mappers[0].headers.add.push_back(
      {.name = "content-type", .value = Text("application/problem+json")});
  Map();
  EXPECT_EQ(Type(), "application/problem+json");
}

TEST_F(MapReplyTest, AGrpcReplyKeepsItsForm) {
  config_.format =
      config::BodyFormat{.text = Text("b:%LOCAL_REPLY_BODY%"), .json = {}, .content_type = {}};
  Map();
  http::RequestHead request;
  request.fields.Add("content-type", "application/grpc");
  http::ResponseHead head;
  std::string_view body;
  ReplyToHead(reply_, request, head, body);
  EXPECT_EQ(head.fields.CountOf(http::Name::kContentType), 1U);
  EXPECT_EQ(head.fields.Get("content-type"), "application/grpc");
  EXPECT_EQ(head.fields.Get("grpc-message"), "b:no");
  EXPECT_EQ(body, "");
}

TEST(ProxyStatus, NamesWhatWentWrong) {
  EXPECT_FALSE(ProxyErrorOf(0).has_value());
  observe::StreamInfo info;
  info.flags = observe::FlagBit(observe::ResponseFlag::kUpstreamConnectionFailure);
  info.response_code_details = "reset{\"x\"}";
  info.connection_termination_details = "gone";
  const auto error = ProxyErrorOf(info.flags);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 502);
  config::ProxyStatusConfig config;
  config.name = "edge";
  EXPECT_EQ(ProxyStatusText(config, *error, info),
            "edge; error=connection_refused; details=\"reset{\\\"x\\\"}; gone; UF\"");
  config.flags = config.termination_details = false;
  EXPECT_EQ(ProxyStatusText(config, *error, info),
            "edge; error=connection_refused; details=\"reset{\\\"x\\\"}\"");
  config.details = false;
  EXPECT_EQ(ProxyStatusText(config, *error, info), "edge; error=connection_refused");
}

}  // namespace
}  // namespace sluice::proxy
