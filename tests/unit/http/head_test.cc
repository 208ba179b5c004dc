#include "http/head.h"

#include <gtest/gtest.h>

#include "http/chars.h"

namespace sluice::http {
namespace {

TEST(FindMethod, IsCaseSensitive) {
  struct Case {
    std::string_view text;
    Method want;
  };
  for (const Case& test :
       {Case{"GET", Method::kGet}, Case{"HEAD", Method::kHead}, Case{"POST", Method::kPost},
        Case{"PUT", Method::kPut}, Case{"DELETE", Method::kDelete},
        Case{"CONNECT", Method::kConnect}, Case{"OPTIONS", Method::kOptions},
        Case{"TRACE", Method::kTrace}, Case{"PATCH", Method::kPatch}, Case{"get", Method::kOther},
        Case{"Get", Method::kOther}, Case{"GETT", Method::kOther}, Case{"", Method::kOther},
        Case{"PRI", Method::kOther}}) {
    EXPECT_EQ(FindMethod(test.text), test.want) << test.text;
  }
}

TEST(VersionText, IsEnvoys) {
  EXPECT_EQ(VersionText(Version::kHttp10), "HTTP/1.0");
  EXPECT_EQ(VersionText(Version::kHttp11), "HTTP/1.1");
  EXPECT_EQ(VersionText(Version::kHttp2), "HTTP/2");
}

TEST(ReasonPhrase, KnowsRegisteredCodesOnly) {
  EXPECT_EQ(ReasonPhrase(200), "OK");
  EXPECT_EQ(ReasonPhrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(ReasonPhrase(418), "");
  EXPECT_EQ(ReasonPhrase(599), "");
  for (int status = 100; status < 600; ++status) EXPECT_TRUE(IsFieldValue(ReasonPhrase(status)));
}

TEST(IsGrpcContentType, TakesSuffixesAndParametersNotWeb) {
  for (const std::string_view yes : {"application/grpc", "application/grpc+proto",
                                     "Application/gRPC; charset=utf-8", "application/grpc ;a"}) {
    EXPECT_TRUE(IsGrpcContentType(yes)) << yes;
  }
  for (const std::string_view no :
       {"", "application/grp", "application/grpc-web", "application/grpc-web+proto",
        "application/grpcx", "text/application/grpc"}) {
    EXPECT_FALSE(IsGrpcContentType(no)) << no;
  }
}

TEST(RequestHead, PathWithoutQueryStopsAtEither) {
  RequestHead head;
  head.path = "/a?b";
  EXPECT_EQ(head.PathWithoutQuery(), "/a");
  head.path = "/a#b?c";
  EXPECT_EQ(head.PathWithoutQuery(), "/a");
  head.path = "/a";
  EXPECT_EQ(head.PathWithoutQuery(), "/a");
}

TEST(Heads, ClearForgetsEverything) {
  RequestHead request;
  request.version = Version::kHttp10;
  request.method = Method::kPost;
  request.method_text = "POST";
  request.path = "/x";
  request.authority = "a";
  request.scheme = "https";
  request.fields.Add("a", "b");
  request.body = {BodyFraming::Kind::kLength, 3};
  request.keep_alive = false;
  request.expect_continue = request.upgrade = request.has_content_length = true;
  request.Clear();
  EXPECT_EQ(request.method, Method::kGet);
  EXPECT_EQ(request.method_text, "GET");
  EXPECT_EQ(request.path + request.authority + request.scheme, "");
  EXPECT_TRUE(request.fields.empty());
  EXPECT_EQ(request.body, BodyFraming{});
  EXPECT_EQ(request.version, Version::kHttp11);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_FALSE(request.expect_continue || request.upgrade || request.has_content_length);

  ResponseHead response;
  response.version = Version::kHttp10;
  response.status = 200;
  response.fields.Add("a", "b");
  response.body = {BodyFraming::Kind::kLength, 3};
  response.keep_alive = false;
  response.has_content_length = true;
  response.content_length = 3;
  response.Clear();
  EXPECT_EQ(response.status, 0);
  EXPECT_TRUE(response.fields.empty());
  EXPECT_EQ(response.body, BodyFraming{});
  EXPECT_TRUE(response.keep_alive);
  EXPECT_FALSE(response.has_content_length);
  EXPECT_EQ(response.content_length, 0U);
}

TEST(Chars, TablesAreTheRfcs) {
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    const bool mark = i != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string::npos;
    EXPECT_EQ(TokenLower(c) != 0, alpha || digit || mark) << i;
    EXPECT_EQ(IsFieldValue(std::string_view(&c, 1)), i == 9 || (i >= 0x20 && i != 0x7f)) << i;
    const bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    EXPECT_EQ(HexValue(c) >= 0, hex) << i;
  }
  EXPECT_EQ(HexValue('B'), 11);
  EXPECT_EQ(HexValue('f'), 15);
  EXPECT_TRUE(IsToken("a-B"));
  EXPECT_FALSE(IsToken(""));
  EXPECT_FALSE(IsToken("a b"));
  EXPECT_TRUE(IsFieldValue(""));
}

TEST(IsFieldValue, LooksAtEveryByte) {
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int i = 0; i < 256; ++i) {
        std::string text(size, at % 2 == 0 ? '\xff' : 'a');
        text[at] = static_cast<char>(i);
        ASSERT_EQ(IsFieldValue(text), i == 9 || (i >= 0x20 && i != 0x7f)) << size << " " << at;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::http
