#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>

#include "http/h1_codec.h"
#include "http/hop_by_hop.h"
#include "tests/unit/http/h1_cases.h"
#include "tests/unit/http/h1_drive.h"

namespace sluice::http {
namespace {

TEST(EncodeRequestHead, WritesHostFramingFieldsConnection) {
  RequestHead head;
  head.method = Method::kPost;
  head.method_text = "POST";
  head.path = "/a?b";
  head.authority = "a.ex:81";
  head.fields.Add("X-A", "b");
  head.fields.Add("x-c", "");
  head.body = {BodyFraming::Kind::kLength, 12};
  std::string out = "before|";
  EncodeRequestHead(head, "close", out);
  EXPECT_EQ(out,
            "before|POST /a?b HTTP/1.1\r\nhost: a.ex:81\r\ncontent-length: 12\r\nx-a: b\r\n"
            "x-c: \r\nconnection: close\r\n\r\n");
}

TEST(EncodeRequestHead, WritesWhatTheBodySays) {
  struct Case {
    BodyFraming body;
    bool has_content_length;
    std::string_view want;
  };
  for (const Case& test : {
           Case{{BodyFraming::Kind::kNone, 0}, false, ""},
           Case{{BodyFraming::Kind::kNone, 0}, true, "content-length: 0\r\n"},
           Case{{BodyFraming::Kind::kChunked, 0}, false, "transfer-encoding: chunked\r\n"},
           Case{{BodyFraming::Kind::kLength, 999999999999999999},
                true,
                "content-length: 999999999999999999\r\n"},
       }) {
    RequestHead head;
    head.path = "/";
    head.authority = "a";
    head.body = test.body;
    head.has_content_length = test.has_content_length;
    std::string out;
    EncodeRequestHead(head, "", out);
    EXPECT_EQ(out, base::Cat("GET / HTTP/1.1\r\nhost: a\r\n", test.want, "\r\n"));
  }
}

TEST(EncodeRequestHead, ConnectsToTheAuthority) {
  RequestHead head;
  head.method = Method::kConnect;
  head.method_text = "CONNECT";
  head.authority = "a.ex:443";
  std::string out;
  EncodeRequestHead(head, "", out);
  EXPECT_EQ(out, "CONNECT a.ex:443 HTTP/1.1\r\nhost: a.ex:443\r\n\r\n");
}

struct ResponseCase {
  std::string_view name;
  int status;
  BodyFraming body;
  std::optional<std::uint64_t> content_length;
  std::string_view want;
};

TEST(EncodeResponseHead, WritesWhatTheBodySays) {
  using Kind = BodyFraming::Kind;
  for (const ResponseCase& test : {
           ResponseCase{"length",
                        200,
                        {Kind::kLength, 5},
                        5,
                        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
           ResponseCase{"length 0",
                        404,
                        {Kind::kNone, 0},
                        0,
                        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"},
           ResponseCase{
               "HEAD", 200, {Kind::kNone, 0}, 5, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"},
           ResponseCase{"304",
                        304,
                        {Kind::kNone, 0},
                        7,
                        "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n"},
           ResponseCase{"204 never has a length",
                        204,
                        {Kind::kNone, 0},
                        0,
                        "HTTP/1.1 204 No Content\r\n\r\n"},
           ResponseCase{"1xx never has a length",
                        103,
                        {Kind::kNone, 0},
                        0,
                        "HTTP/1.1 103 Early Hints\r\n\r\n"},
           ResponseCase{"chunked",
                        200,
                        {Kind::kChunked, 0},
                        std::nullopt,
                        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"},
           ResponseCase{
               "until close", 200, {Kind::kUntilClose, 0}, std::nullopt, "HTTP/1.1 200 OK\r\n\r\n"},
           ResponseCase{"no phrase",
                        599,
                        {Kind::kChunked, 0},
                        std::nullopt,
                        "HTTP/1.1 599 \r\ntransfer-encoding: chunked\r\n\r\n"},
       }) {
    ResponseHead head;
    head.status = test.status;
    head.body = test.body;
    head.has_content_length = test.content_length.has_value();
    head.content_length = test.content_length.value_or(0);
    std::string out;
    EncodeResponseHead(head, "", out);
    EXPECT_EQ(out, test.want) << test.name;
  }
}

TEST(EncodeResponseHead, WritesConnectionLast) {
  ResponseHead head;
  head.status = 101;
  head.body = {BodyFraming::Kind::kTunnel, 0};
  head.fields.Add(Name::kUpgrade, "websocket");
  std::string out;
  EncodeResponseHead(head, "upgrade", out);
  EXPECT_EQ(
      out, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
}

TEST(EncodeChunkHeader, WritesHexAndCrlf) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{9}, std::uint64_t{10},
                                   std::uint64_t{255}, std::uint64_t{4096}, UINT64_MAX}) {
    char out[18];
    const std::size_t length = EncodeChunkHeader(size, out);
    char want[32];
    std::snprintf(want, sizeof(want), "%" PRIx64 "\r\n", size);
    EXPECT_EQ(std::string_view(out, length), want);
  }
}

TEST(EncodeLastChunk, WritesTrailers) {
  Fields trailers;
  std::string out;
  EncodeLastChunk(trailers, out);
  EXPECT_EQ(out, "0\r\n\r\n");
  trailers.Add("grpc-status", "0");
  out.clear();
  EncodeLastChunk(trailers, out);
  EXPECT_EQ(out, "0\r\ngrpc-status: 0\r\n\r\n");
}

// What we send is understood by us as what we meant: Connection, and what an h2c offer loses
// apart, the same text comes out again, for every good message of the tables.
TEST(Encode, RequestsComeBackTheSame) {
  int compared = 0;
  for (const H1Good& good : GoodRequests()) {
    SCOPED_TRACE(good.name);
    H1Parser parser{H1Limits{}};
    RequestHead head;
    ASSERT_EQ(parser.ParseRequestHead(good.input, head).step, H1Step::kHead);
    const bool upgrade = head.upgrade;
    RemoveHopByHop(head.fields, upgrade);
    head.version = Version::kHttp11;  // The proxy's own.
    head.expect_continue = head.fields.Has(Name::kExpect);
    head.keep_alive = true;
    std::string bytes;
    EncodeRequestHead(head, upgrade ? "upgrade" : "", bytes);
    H1Parser again{H1Limits{}};
    RequestHead read;
    ASSERT_EQ(again.ParseRequestHead(bytes, read).step, H1Step::kHead) << bytes;
    RemoveHopByHop(read.fields, upgrade);
    EXPECT_EQ(Describe(read), Describe(head)) << bytes;
    ++compared;
  }
  EXPECT_GE(compared, 40);
}

TEST(Encode, ResponsesComeBackTheSame) {
  for (const H1Good& good : GoodResponses()) {
    SCOPED_TRACE(good.name);
    H1Parser parser{H1Limits{}};
    ResponseHead head;
    ASSERT_EQ(parser.ParseResponseHead(good.input, good.method, head).step, H1Step::kHead);
    RemoveHopByHop(head.fields, head.status == 101);
    head.version = Version::kHttp11;
    std::string bytes;
    EncodeResponseHead(head, head.keep_alive ? "" : "close", bytes);
    H1Parser again{H1Limits{}};
    ResponseHead read;
    ASSERT_EQ(again.ParseResponseHead(bytes, good.method, read).step, H1Step::kHead) << bytes;
    RemoveHopByHop(read.fields, head.status == 101);
    EXPECT_EQ(Describe(read), Describe(head)) << bytes;
  }
}

TEST(H1Encode, ProperCaseIsOfNamesOnly) {
  std::string head =
      "HTTP/1.1 200 ok\r\nx-request-id: a-b: c\r\ncontent-length: 0\r\nx1y_z: v\r\n\r\n";
  ProperCaseNames(head);
  EXPECT_EQ(head,
            "HTTP/1.1 200 ok\r\nX-Request-Id: a-b: c\r\nContent-Length: 0\r\nX1y_Z: v\r\n\r\n");
}

}  // namespace
}  // namespace sluice::http
