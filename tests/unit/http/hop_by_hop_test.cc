#include "http/hop_by_hop.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/strings.h"

namespace sluice::http {
namespace {

struct Case {
  std::string_view name;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  bool keep_upgrade;
  std::string_view want;  // "name=value name=value"
};

TEST(RemoveHopByHop, LeavesWhatMustTravelOn) {
  for (const Case& test : std::vector<Case>{
           {"the usual",
            {{"connection", "keep-alive"}, {"keep-alive", "5"}, {"a", "b"}},
            false,
            "a=b"},
           {"the whole list",
            {{"proxy-connection", "x"},
             {"te", "gzip"},
             {"transfer-encoding", "chunked"},
             {"upgrade", "x"},
             {"http2-settings", "x"},
             {"a", "b"}},
            false,
            "a=b"},
           {"nominated",
            {{"connection", "close, X-A ,x-b"}, {"x-a", "1"}, {"x-b", "2"}, {"x-c", "3"}},
            false,
            "x-c=3"},
           {"nominated in a second field",
            {{"connection", "close"}, {"x-a", "1"}, {"Connection", "x-a"}},
            false,
            ""},
           {"nominated twice over", {{"connection", "x-a"}, {"x-a", "1"}, {"X-A", "2"}}, false, ""},
           {"trusted ones stay",
            {{"connection",
              "x-forwarded-for, authorization, Cookie, x-envoy-internal, host, content-length, "
              "x-request-id, origin, X-Forwarded-Proto, traceparent, forwarded, x-real-ip"},
             {"x-forwarded-for", "1"},
             {"authorization", "2"},
             {"cookie", "3"},
             {"x-envoy-internal", "4"},
             {"x-request-id", "5"},
             {"origin", "6"},
             {"x-forwarded-proto", "7"},
             {"traceparent", "8"},
             {"forwarded", "9"},
             {"x-real-ip", "10"}},
            false,
            "x-forwarded-for=1 authorization=2 cookie=3 x-envoy-internal=4 x-request-id=5 origin=6 "
            "x-forwarded-proto=7 traceparent=8 forwarded=9 x-real-ip=10"},
           {"upgrade kept",
            {{"connection", "Upgrade, x-a"},
             {"upgrade", "websocket"},
             {"x-a", "1"},
             {"sec-websocket-key", "k"}},
            true,
            "upgrade=websocket sec-websocket-key=k"},
           {"upgrade dropped", {{"connection", "upgrade"}, {"upgrade", "websocket"}}, false, ""},
           {"te: trailers stays, even nominated",
            {{"connection", "TE"}, {"te", "Trailers"}},
            false,
            "te=Trailers"},
           {"te: more than trailers", {{"te", "trailers, deflate"}}, false, ""},
           {"te twice", {{"te", "trailers"}, {"te", "gzip"}}, false, ""},
           {"rubbish in Connection",
            {{"connection", ",,  ,a b,:path,\"x\",timeout=5"}, {"x", "1"}},
            false,
            "x=1"},
           {"nothing to do", {{"a", "b"}, {"trailer", "x"}}, false, "a=b trailer=x"},
       }) {
    Fields fields;
    for (const auto& [name, value] : test.fields) fields.Add(name, value);
    RemoveHopByHop(fields, test.keep_upgrade);
    std::string got;
    for (const Field field : fields) {
      base::Append(got, got.empty() ? "" : " ", field.name, "=", field.value);
    }
    EXPECT_EQ(got, test.want) << test.name;
  }
}

TEST(AllowedInTrailers, RefusesFramingRoutingAndTrust) {
  for (const std::string_view no : {"",
                                    "Content-Length",
                                    "transfer-encoding",
                                    "Host",
                                    "authorization",
                                    "Cookie",
                                    "set-cookie",
                                    "te",
                                    "trailer",
                                    "connection",
                                    "keep-alive",
                                    "upgrade",
                                    "content-type",
                                    "Content-Encoding",
                                    "content-range",
                                    "x-forwarded-for",
                                    "X-Envoy-Internal",
                                    "x-request-id",
                                    "proxy-foo",
                                    "if-match",
                                    "cache-control",
                                    "expect",
                                    "location",
                                    "vary",
                                    ":path",
                                    ":status",
                                    "range",
                                    "max-forwards",
                                    "www-authenticate",
                                    "origin",
                                    "access-control-allow-origin",
                                    "age",
                                    "http2-settings",
                                    "sec-fetch-site"}) {
    EXPECT_FALSE(AllowedInTrailers(no)) << no;
  }
  for (const std::string_view yes :
       {"grpc-status", "Grpc-Message", "x-checksum", "digest", "content-digest", "content-md5",
        "etag", "server-timing", "x-amz-checksum-crc32", "link"}) {
    EXPECT_TRUE(AllowedInTrailers(yes)) << yes;
  }
}

}  // namespace
}  // namespace sluice::http
