// Failures and other replies made here, as what a client and the log get of them.

#include "proxy/local_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observe/format.h"

namespace sluice::proxy {
namespace {

std::string Text(const http::Fields& fields) {
  std::string text;
  for (const http::Field field : fields) {
    text.append(field.name).append("=").append(field.value).append(";");
  }
  return text;
}

TEST(Failures, EachIsAnswerableAndSaysWhy) {
  for (int i = 0; i <= static_cast<int>(FailureKind::kExpectationFailed); ++i) {
    const auto kind = static_cast<FailureKind>(i);
    filters::LocalReply reply;
    FailureToReply(kind, {}, reply);
    EXPECT_FALSE(reply.details.empty()) << i;
    EXPECT_EQ(reply.details.find(' '), std::string::npos) << reply.details;
    EXPECT_TRUE(reply.status == 0 || (reply.status >= 301 && reply.status <= 504)) << i;
    EXPECT_EQ(reply.status == 0, kind == FailureKind::kDownstreamGone);
  }
}

TEST(Failures, SpeakAsEnvoyDoes) {
  struct Case {
    FailureKind kind;
    FailureContext context;
    int status;
    std::string_view body;
    std::string_view details;
    std::string_view flags;
  };
  FailureContext refused;
  refused.transport_failure = "delayed connect error: 111";
  FailureContext replayed;
  replayed.replayed = true;
  FailureContext incomplete;
  incomplete.request_complete = false;
  FailureContext not_found;
  not_found.cluster_not_found_status = 404;
  const Case cases[] = {
      {FailureKind::kConnectFailed, refused, 503,
       "upstream connect error or disconnect/reset before headers. reset reason: remote connection "
       "failure, transport failure reason: delayed connect error: 111",
       "upstream_reset_before_response_started{remote_connection_failure,"
       "delayed_connect_error:_111}",
       "UF"},
      {FailureKind::kUpstreamClosed, replayed, 503,
       "upstream connect error or disconnect/reset before headers. retried and the latest reset "
       "reason: connection termination",
       "upstream_reset_before_response_started{connection_termination}", "UC"},
      {FailureKind::kUpstreamProtocolError,
       {},
       502,
       "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
       "upstream_reset_before_response_started{protocol_error}",
       "UPE"},
      {FailureKind::kNoHealthyUpstream,
       {},
       503,
       "no healthy upstream",
       "no_healthy_upstream",
       "UH"},
      {FailureKind::kStreamIdleTimeout, {}, 504, "stream timeout", "stream_idle_timeout", "SI"},
      {FailureKind::kStreamIdleTimeout, incomplete, 408, "stream timeout", "stream_idle_timeout",
       "SI"},
      {FailureKind::kMaxStreamDuration,
       {},
       504,
       "downstream duration timeout",
       "max_duration_timeout",
       "DT"},
      {FailureKind::kMaxStreamDuration, incomplete, 408, "downstream duration timeout",
       "max_duration_timeout", "DT"},
      {FailureKind::kClusterNotFound, not_found, 404, "", "cluster_not_found", "NC"},
  };
  for (const Case& c : cases) {
    filters::LocalReply reply;
    FailureToReply(c.kind, c.context, reply);
    EXPECT_EQ(reply.status, c.status);
    EXPECT_EQ(reply.body, c.body);
    EXPECT_EQ(reply.details, c.details);
    std::string flags;
    observe::AppendFlags(reply.flags, false, flags);
    EXPECT_EQ(flags, c.flags);
  }
}

TEST(LocalReplies, GrpcClientsNeverTakeAReplyOfOursForSuccess) {
  filters::LocalReply reply;
  reply.status = 200;
  http::RequestHead request;
  request.fields.Add("content-type", "application/grpc");
  http::ResponseHead head;
  std::string_view body;
  ReplyToHead(reply, request, head, body);
  EXPECT_EQ(head.fields.Get("grpc-status"), "2");
}

TEST(LocalReplies, WhatBreaksOffBehindTheHeadSaysSo) {
  EXPECT_EQ(DetailsBehindHead(FailureKind::kUpstreamClosed),
            "upstream_reset_after_response_started{connection_termination}");
  EXPECT_EQ(DetailsBehindHead(FailureKind::kResponseTimeout), "");
}

TEST(LocalReplies, OverflowAndDropsSayMore) {
  filters::LocalReply overflow;
  FailureToReply(FailureKind::kUpstreamOverflow, {}, overflow);
  EXPECT_EQ(Text(overflow.fields), "x-envoy-overloaded=true;");
  filters::LocalReply dropped;
  FailureToReply(FailureKind::kDropOverload, {}, dropped);
  EXPECT_EQ(Text(dropped.fields), "x-envoy-drop-overload=true;");
}

TEST(LocalReplies, GrpcClientsGetAStatusInTheHead) {
  filters::LocalReply reply;
  FailureToReply(FailureKind::kNoHealthyUpstream, {}, reply);
  http::RequestHead request;
  request.fields.Add("content-type", "application/grpc+proto");
  http::ResponseHead head;
  std::string_view body = "x";
  reply.body = "50% \xc3\xa4";
  ReplyToHead(reply, request, head, body);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(Text(head.fields),
            "content-type=application/grpc;grpc-status=14;grpc-message=50%25 %C3%A4;");
  EXPECT_EQ(body, "");
}

TEST(LocalReplies, BodiesAreAnnouncedToHeadAndAbsentFrom204) {
  filters::LocalReply reply;
  reply.status = 200;
  reply.body = "four";
  http::RequestHead request;
  request.method = http::Method::kHead;
  http::ResponseHead head;
  std::string_view body;
  ReplyToHead(reply, request, head, body);
  EXPECT_EQ(body, "");
  EXPECT_TRUE(head.has_content_length);
  EXPECT_EQ(head.content_length, 4U);
  EXPECT_EQ(head.body.kind, http::BodyFraming::Kind::kNone);
  reply.status = 204;
  request.method = http::Method::kGet;
  ReplyToHead(reply, request, head, body);
  EXPECT_EQ(body, "");
}

}  // namespace
}  // namespace sluice::proxy
