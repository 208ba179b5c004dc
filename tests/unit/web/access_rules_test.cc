#include "web/access_rules.h"

#include <gtest/gtest.h>

namespace sluice::web {
namespace {

const base::Address kLoopback = *base::Address::ParseIp("127.0.0.1", 9901);
const base::Address kOutside = *base::Address::ParseIp("192.0.2.7", 9901);

struct Case {
  const char* name;
  unsigned want;  // 0: allowed.
  std::string method = "GET";
  std::vector<WebHeader> headers = {};
  bool has_body = false;
  base::Address local = kLoopback;
  std::string token = "";
  std::string path = "/";
};

class JudgeTable : public ::testing::TestWithParam<Case> {};

TEST_P(JudgeTable, Verdict) {
  const Case& c = GetParam();
  AccessRules rules;
  rules.host_names = {"sluice.example"};
  rules.token = c.token;
  rules.open_paths = {"/healthz"};
  WebRequest request;
  request.method = c.method;
  request.path = c.path;
  request.headers = c.headers;
  bool has_host = false;
  for (const WebHeader& header : c.headers) has_host = has_host || header.name == "Host";
  if (!has_host) request.headers.push_back({"Host", "localhost:9901"});
  EXPECT_EQ(Judge(rules, request, c.local, c.has_body).status, c.want);
}

const std::string kForm = "application/x-www-form-urlencoded";

INSTANTIATE_TEST_SUITE_P(
    Host, JudgeTable,
    ::testing::Values(
        Case{"Localhost", 0, "GET", {{"Host", "localhost:9901"}}},
        Case{"LocalhostUpperCase", 0, "GET", {{"Host", "LOCALHOST"}}},
        Case{"LoopbackV4", 0, "GET", {{"Host", "127.0.0.1:9901"}}},
        Case{"LoopbackV4Other", 0, "GET", {{"Host", "127.1.2.3"}}},
        Case{"LoopbackV6", 0, "GET", {{"Host", "[::1]:9901"}}},
        Case{"Configured", 0, "GET", {{"Host", "Sluice.Example:80"}}},
        Case{"OwnAddress", 0, "GET", {{"Host", "192.0.2.7:1234"}}, false, kOutside},
        Case{"OtherAddress", 403, "GET", {{"Host", "192.0.2.8"}}, false, kOutside},
        Case{"ForeignName", 403, "GET", {{"Host", "evil.example"}}},
        Case{"NameThatStartsLikeLocalhost", 403, "GET", {{"Host", "localhost.evil.example"}}},
        Case{"NameThatStartsLikeLoopback", 403, "GET", {{"Host", "127.0.0.1.evil.example"}}},
        Case{"Empty", 403, "GET", {{"Host", ""}}}, Case{"OnlyPort", 403, "GET", {{"Host", ":80"}}},
        Case{"UserInfo", 403, "GET", {{"Host", "localhost:x@evil.example"}}},
        Case{"UnixSocketAsksNoName",
             0,
             "GET",
             {{"Host", "any.example"}},
             false,
             *base::Address::Unix("/tmp/socket")}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Origin, JudgeTable,
    ::testing::Values(
        Case{"Own", 0, "GET", {{"Host", "localhost:9901"}, {"Origin", "http://localhost:9901"}}},
        Case{"OwnBehindTls",
             0,
             "POST",
             {{"Host", "localhost:9901"}, {"Origin", "https://localhost:9901"}}},
        Case{"Foreign", 403, "GET", {{"Origin", "http://evil.example"}}},
        Case{"OtherPort", 403, "GET", {{"Origin", "http://localhost:3000"}}},
        Case{"Null", 403, "GET", {{"Origin", "null"}}},
        Case{"SecondOneForeign",
             403,
             "GET",
             {{"Origin", "http://localhost:9901"}, {"Origin", "http://evil.example"}}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Mutation, JudgeTable,
    ::testing::Values(
        Case{"PostWithoutBody", 0, "POST"},
        Case{"PostWithoutBodyButFormType", 0, "POST", {{"Content-Type", kForm}}},
        Case{"PostJson", 0, "POST", {{"Content-Type", "application/json"}}, true},
        Case{"PutYaml", 0, "PUT", {{"Content-Type", "application/yaml"}}, true},
        Case{"PostForm", 403, "POST", {{"Content-Type", kForm}}, true},
        Case{"PostFormWithParameter", 403, "POST", {{"content-type", kForm + "; charset=x"}}, true},
        Case{"PostTextPlain", 403, "POST", {{"Content-Type", "Text/Plain"}}, true},
        Case{"PostMultipart",
             403,
             "POST",
             {{"Content-Type", "multipart/form-data; boundary=x"}},
             true},
        Case{"DeleteForm", 403, "DELETE", {{"Content-Type", kForm}}, true},
        Case{"PatchForm", 403, "PATCH", {{"Content-Type", kForm}}, true},
        Case{"CrossSite", 403, "POST", {{"Sec-Fetch-Site", "cross-site"}}},
        Case{"SameSiteIsStillAnotherOrigin", 403, "POST", {{"Sec-Fetch-Site", "same-site"}}},
        Case{"SameOrigin", 0, "POST", {{"Sec-Fetch-Site", "same-origin"}}},
        Case{"TypedIn", 0, "POST", {{"Sec-Fetch-Site", "none"}}},
        Case{"ReadingIsNoMutation", 0, "GET", {{"Sec-Fetch-Site", "cross-site"}}}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Token, JudgeTable,
    ::testing::Values(
        Case{"Right", 0, "GET", {{"Authorization", "Bearer s3cret"}}, false, kLoopback, "s3cret"},
        Case{"SchemeInAnyCase",
             0,
             "GET",
             {{"authorization", "bearer s3cret"}},
             false,
             kLoopback,
             "s3cret"},
        Case{"Missing", 401, "GET", {}, false, kLoopback, "s3cret"},
        Case{"Wrong", 401, "GET", {{"Authorization", "Bearer s3creT"}}, false, kLoopback, "s3cret"},
        Case{"Prefix", 401, "GET", {{"Authorization", "Bearer s3c"}}, false, kLoopback, "s3cret"},
        Case{"Longer",
             401,
             "GET",
             {{"Authorization", "Bearer s3crets3cret"}},
             false,
             kLoopback,
             "s3cret"},
        Case{"Empty", 401, "GET", {{"Authorization", "Bearer "}}, false, kLoopback, "s3cret"},
        Case{"Basic", 401, "GET", {{"Authorization", "Basic s3cret"}}, false, kLoopback, "s3cret"},
        Case{"OpenPath", 0, "GET", {}, false, kLoopback, "s3cret", "/healthz"},
        Case{"BelowAnOpenPath", 401, "GET", {}, false, kLoopback, "s3cret", "/healthz/x"},
        Case{"TokenDoesNotExcuseTheHost",
             403,
             "GET",
             {{"Host", "evil.example"}, {"Authorization", "Bearer s3cret"}},
             false,
             kLoopback,
             "s3cret"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::web
