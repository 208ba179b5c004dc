#include "observe/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/field_errors.h"
#include "observe/time_format.h"

namespace sluice::observe {
namespace {

using std::chrono::milliseconds;

// 2024-01-02T03:04:05.678901234Z
const base::WallTime kStart{std::chrono::nanoseconds(1704164645678901234)};

config::Format Compile(std::string_view text) {
  base::FieldErrors errors;
  config::Format format = config::CompileFormat(text, errors);
  EXPECT_TRUE(errors.empty()) << text;
  return format;
}

// An exchange in which everything happened.
struct Exchange {
  base::Address peer = *base::Address::ParseIp("10.1.2.3", 4711);
  base::Address local = *base::Address::ParseIp("127.0.0.1", 10000);
  http::RequestHead request;
  http::ResponseHead response;
  http::Fields trailers;
  StreamInfo info;

  Exchange() {
    request.path = "/x";
    request.authority = "localhost:10000";
    request.scheme = "http";
    request.fields.Add("user-agent", "curl/8.0");
    request.fields.Add("x-request-id", "b8c0a1de-0000-4000-8000-000000000001");
    response.status = 200;
    response.fields.Add("x-envoy-upstream-service-time", "2");
    info.direct_remote = &peer;
    info.local = &local;
    info.request = &request;
    info.response = &response;
    info.response_code = 200;
    info.bytes_sent = 11;
    info.upstream_remote = *base::Address::ParseIp("127.0.0.1", 8080);
    info.start_wall = kStart;
    info.start = base::Monotonic(std::chrono::hours(1));
    info.end = info.start + milliseconds(3);
  }

  std::string Text(std::string_view format, bool escape = false, bool omit_empty = false) const {
    RenderOptions options;
    options.now = kStart + std::chrono::seconds(1);
    options.escape = escape;
    options.omit_empty_values = omit_empty;
    options.access_log_type = "DownstreamEnd";
    std::string out;
    Render(Compile(format), info, options, out);
    return out;
  }
};

// Every byte at every place of a value that is longer than what is looked at together.
TEST(Render, EscapesAnyByteAnywhere) {
  Exchange exchange;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (std::size_t at = 0; at < 19; ++at) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string value(19, '~');
      value[at] = static_cast<char>(byte);
      std::string expected(value, 0, at);
      if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\') {
        expected += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
      } else {
        expected += static_cast<char>(byte);
      }
      expected.append(value, at + 1);
      exchange.request.path = value;
      EXPECT_EQ(exchange.Text("%REQ(:PATH)%", true), expected) << at << ' ' << byte;
    }
  }
}

TEST(Render, DefaultLineByteForByte) {
  const Exchange exchange;
  EXPECT_EQ(exchange.Text(config::DefaultAccessLogFormat(), true),
            "[2024-01-02T03:04:05.678Z] \"GET /x HTTP/1.1\" 200 - 0 11 3 2 \"-\" \"curl/8.0\" "
            "\"b8c0a1de-0000-4000-8000-000000000001\" \"localhost:10000\" \"127.0.0.1:8080\"\n");
}

TEST(Render, DefaultLineOfAnExchangeInWhichNothingIsKnown) {
  StreamInfo info;
  info.start_wall = kStart;
  std::string out;
  RenderOptions options;
  Render(Compile(config::DefaultAccessLogFormat()), info, options, out);
  EXPECT_EQ(out,
            "[2024-01-02T03:04:05.678Z] \"- - HTTP/1.1\" 0 - 0 0 - - \"-\" \"-\" \"-\" \"-\" "
            "\"-\"\n");
}

Exchange Rich() {
  Exchange e;
  e.request.path = "/a/b?q=1&name=joe";
  e.request.method_text = "POST";
  e.request.body = {http::BodyFraming::Kind::kLength, 17};
  e.request.fields.Add("content-type", "application/grpc+proto");
  e.request.fields.Add("x-long", "abcdefghij");
  e.response.fields.Add("content-type", "application/grpc");
  e.response.body.kind = http::BodyFraming::Kind::kChunked;
  e.trailers.Add("grpc-status", "5");
  e.info.response_trailers = &e.trailers;
  e.info.original_path = "/orig?z=2";
  e.info.remote = *base::Address::ParseIp("2001:db8::1", 0);
  e.info.connection_id = 12;
  e.info.stream_id = 34;
  e.info.filter_chain_name = "chain";
  e.info.requested_server_name = "sni.example";
  e.info.request_head_bytes = 101;
  e.info.response_head_bytes = 102;
  e.info.response_trailer_bytes = 103;
  e.info.bytes_received = 17;
  e.info.response_code_details = "via upstream";
  e.info.connection_termination_details = "gone";
  e.info.flags = FlagBit(ResponseFlag::kUpstreamRetryLimitExceeded) |
                 FlagBit(ResponseFlag::kUpstreamConnectionFailure);
  e.info.route_name = "route";
  e.info.cluster = "web";
  e.info.local_reply_body = "body";
  e.info.attempts = 2;
  e.info.upstream_local = *base::Address::ParseIp("127.0.0.2", 5555);
  e.info.upstream_hostname = "web.example:8080";
  e.info.upstream_transport_failure = "TLS error: bad";
  e.info.upstream_connected = true;
  e.info.upstream_protocol = http::Version::kHttp10;
  e.info.request_end = e.info.start + milliseconds(1);
  e.info.upstream_ready = e.info.start + milliseconds(4);
  e.info.upstream_request_end = e.info.start + milliseconds(5);
  e.info.response_begin = e.info.start + milliseconds(7);
  e.info.end = e.info.start + milliseconds(19);
  return e;
}

// `e` was copied: point at its own parts again.
void Repoint(Exchange& e) {
  e.info.direct_remote = &e.peer;
  e.info.local = &e.local;
  e.info.request = &e.request;
  e.info.response = &e.response;
  e.info.response_trailers = &e.trailers;
}

struct Case {
  const char* format;
  const char* known;    // In Rich().
  const char* missing;  // In an exchange without anything.
};

constexpr Case kCases[] = {
    {"%%x", "%x", "%x"},
    {"%REQ(:METHOD)%", "POST", "-"},
    {"%REQ(:PATH)%", "/a/b?q=1&name=joe", "-"},
    {"%REQ(:AUTHORITY)%", "localhost:10000", "-"},
    {"%REQ(host)%", "localhost:10000", "-"},
    {"%REQ(:SCHEME)%", "http", "-"},
    {"%REQ(X-MISSING?USER-AGENT)%", "curl/8.0", "-"},
    {"%REQ(X-MISSING)%", "-", "-"},
    {"%REQ(X-LONG):4%", "abcd", "-"},
    {"%REQ(CONTENT-LENGTH)%", "17", "-"},
    {"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/orig?z=2", "-"},
    {"%RESP(CONTENT-TYPE)%", "application/grpc", "-"},
    {"%RESP(:STATUS)%", "200", "-"},
    {"%RESP(TRANSFER-ENCODING)%", "chunked", "-"},
    {"%TRAILER(GRPC-STATUS)%", "5", "-"},
    {"%REQ_WITHOUT_QUERY(:PATH)%", "/a/b", "-"},
    {"%PATH%", "/orig?z=2", "-"},
    {"%PATH(NQ)%", "/orig", "-"},
    {"%PATH(WQ:PATH)%", "/a/b?q=1&name=joe", "-"},
    {"%PATH(NQ:PATH)%", "/a/b", "-"},
    {"%PATH(NQ:ORIG)%", "/orig", "-"},
    {"%QUERY_PARAM(name)%", "joe", "-"},
    {"%QUERY_PARAM(none)%", "-", "-"},
    {"%QUERY_PARAMS%", "q=1&name=joe", "-"},
    {"%START_TIME%", "2024-01-02T03:04:05.678Z", "1970-01-01T00:00:00.000Z"},
    {"%START_TIME(%s.%3f)%", "1704164645.678", "0.000"},
    {"%START_TIME(%Y/%m/%d %H:%M:%S.%6f)%", "2024/01/02 03:04:05.678901",
     "1970/01/01 00:00:00.000000"},
    {"%START_TIME(%f %9f %1f)%", "678901234 678901234 6", "000000000 000000000 0"},
    {"%EMIT_TIME(%s)%", "1704164646", "1704164646"},
    {"%REQUEST_HEADERS_BYTES%", "101", "0"},
    {"%RESPONSE_HEADERS_BYTES%", "102", "0"},
    {"%RESPONSE_TRAILERS_BYTES%", "103", "0"},
    {"%BYTES_RECEIVED%", "17", "0"},
    {"%BYTES_SENT%", "11", "0"},
    {"%PROTOCOL%", "HTTP/1.1", "HTTP/1.1"},
    {"%UPSTREAM_PROTOCOL%", "HTTP/1.0", "-"},
    {"%RESPONSE_CODE%", "200", "0"},
    {"%RESPONSE_CODE_DETAILS%", "via_upstream", "-"},
    {"%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "via upstream", "-"},
    {"%CONNECTION_TERMINATION_DETAILS%", "gone", "-"},
    {"%RESPONSE_FLAGS%", "UF,URX", "-"},
    {"%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded", "-"},
    {"%DURATION%", "19", "-"},
    {"%REQUEST_DURATION%", "1", "-"},
    {"%REQUEST_TX_DURATION%", "5", "-"},
    {"%RESPONSE_DURATION%", "7", "-"},
    {"%RESPONSE_TX_DURATION%", "12", "-"},
    {"%UPSTREAM_CONNECTION_POOL_READY_DURATION%", "4", "-"},
    {"%GRPC_STATUS%", "NotFound", "-"},
    {"%GRPC_STATUS(SNAKE_STRING)%", "NOT_FOUND", "-"},
    {"%GRPC_STATUS(NUMBER)%", "5", "-"},
    {"%GRPC_STATUS_NUMBER%", "5", "-"},
    {"%UPSTREAM_HOST%", "127.0.0.1:8080", "-"},
    {"%UPSTREAM_HOST_NAME%", "web.example:8080", "-"},
    {"%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "web.example", "-"},
    {"%UPSTREAM_CLUSTER%", "web", "-"},
    {"%UPSTREAM_CLUSTER_RAW%", "web", "-"},
    {"%UPSTREAM_LOCAL_ADDRESS%", "127.0.0.2:5555", "-"},
    {"%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "127.0.0.2", "-"},
    {"%UPSTREAM_LOCAL_PORT%", "5555", "-"},
    {"%UPSTREAM_REMOTE_ADDRESS%", "127.0.0.1:8080", "-"},
    {"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1", "-"},
    {"%UPSTREAM_REMOTE_PORT%", "8080", "-"},
    {"%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "2", "0"},
    {"%UPSTREAM_TRANSPORT_FAILURE_REASON%", "TLS_error:_bad", "-"},
    {"%DOWNSTREAM_REMOTE_ADDRESS%", "[2001:db8::1]:0", "-"},
    {"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "2001:db8::1", "-"},
    {"%DOWNSTREAM_REMOTE_PORT%", "0", "-"},
    {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "10.1.2.3:4711", "-"},
    {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "10.1.2.3", "-"},
    {"%DOWNSTREAM_DIRECT_REMOTE_PORT%", "4711", "-"},
    {"%DOWNSTREAM_LOCAL_ADDRESS%", "127.0.0.1:10000", "-"},
    {"%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "127.0.0.1", "-"},
    {"%DOWNSTREAM_LOCAL_PORT%", "10000", "-"},
    {"%CONNECTION_ID%", "12", "0"},
    {"%STREAM_ID%", "34", "0"},
    {"%REQUESTED_SERVER_NAME%", "sni.example", "-"},
    {"%ROUTE_NAME%", "route", "-"},
    {"%FILTER_CHAIN_NAME%", "chain", "-"},
    {"%ACCESS_LOG_TYPE%", "DownstreamEnd", "DownstreamEnd"},
    {"%ENVIRONMENT(SLUICE_TEST_VARIABLE)%", "value", "value"},
    {"%ENVIRONMENT(SLUICE_TEST_VARIABLE):2%", "va", "va"},
    {"%ENVIRONMENT(SLUICE_TEST_NO_VARIABLE)%", "-", "-"},
    {"%LOCAL_REPLY_BODY%", "body", "-"},
};

TEST(Render, EveryOperatorKnownAndMissing) {
  setenv("SLUICE_TEST_VARIABLE", "value", 1);
  Exchange known = Rich();
  Repoint(known);
  Exchange missing;
  missing.info = StreamInfo{};
  for (const Case& test : kCases) {
    EXPECT_EQ(known.Text(test.format), test.known) << test.format;
    EXPECT_EQ(missing.Text(test.format), test.missing) << test.format;
    const bool flags = std::string_view(test.format).starts_with("%RESPONSE_FLAGS");
    if (std::string_view(test.missing) == "-" && !flags) {
      EXPECT_EQ(missing.Text(test.format, false, true), "") << test.format;
    }
  }
}

TEST(Render, LocalTimeUsesTheZone) {
  setenv("TZ", "XYZ-5:30", 1);
  tzset();
  const Exchange exchange;
  EXPECT_EQ(exchange.Text("%START_TIME_LOCAL(%H:%M %z)%"), "08:34 +0530");
  EXPECT_EQ(exchange.Text("%START_TIME_LOCAL%"), "2024-01-02T08:34:05.678+0530");
  unsetenv("TZ");
  tzset();
}

TEST(Render, UniqueIdIsAUuidAndTheSameForOneExchange) {
  Exchange one;
  one.info.connection_id = 1;
  Exchange other;
  other.info.connection_id = 2;
  const std::string id = one.Text("%UNIQUE_ID%");
  EXPECT_EQ(id.size(), 36U);
  EXPECT_EQ(id[14], '4');
  EXPECT_EQ(id, one.Text("%UNIQUE_ID%"));
  EXPECT_NE(id, other.Text("%UNIQUE_ID%"));
}

TEST(Render, HostnameIsKnown) { EXPECT_NE(Exchange().Text("%HOSTNAME%"), "-"); }

TEST(Render, HostNameFallsBackToTheAddress) {
  Exchange exchange;
  EXPECT_EQ(exchange.Text("%UPSTREAM_HOST_NAME%"), "127.0.0.1:8080");
  EXPECT_EQ(exchange.Text("%UPSTREAM_HOST_NAME_WITHOUT_PORT%"), "127.0.0.1");
  exchange.info.upstream_hostname = "2001:db8::1";
  EXPECT_EQ(exchange.Text("%UPSTREAM_HOST_NAME_WITHOUT_PORT%"), "2001:db8::1");
}

TEST(Render, GrpcStatusComesFromTrailersThenHeadThenHttpStatus) {
  Exchange e;
  e.request.fields.Add("content-type", "application/grpc");
  e.info.response_code = 503;
  EXPECT_EQ(e.Text("%GRPC_STATUS%"), "Unavailable");
  e.response.fields.Add("grpc-status", "7");
  EXPECT_EQ(e.Text("%GRPC_STATUS%"), "PermissionDenied");
  e.trailers.Add("grpc-status", "99");
  e.info.response_trailers = &e.trailers;
  EXPECT_EQ(e.Text("%GRPC_STATUS%"), "99");
}

TEST(Render, QueryParametersAreDecoded) {
  Exchange e;
  e.request.path = "/?a=x%20y%0A&b=%zz%4&c=1+2";
  EXPECT_EQ(e.Text("%QUERY_PARAM(a)%|%QUERY_PARAM(b)%|%QUERY_PARAM(c)%", true),
            "x y\\x0A|%zz%4|1+2");
}

TEST(Render, TextLogsCannotBeForged) {
  Exchange e;
  e.request.fields.Set("user-agent", "a\" 200 -\n[fake] \\ \x01\x7f\xc2\x85z");
  EXPECT_EQ(e.Text("\"%REQ(USER-AGENT)%\"\n", true),
            "\"a\\x22 200 -\\x0A[fake] \\x5C \\x01\\x7F\\xC2\\x85z\"\n");
}

TEST(Render, AddressesOfEveryFamily) {
  struct Row {
    base::Address address;
    const char* text;
    const char* ip;
  };
  const Row rows[] = {
      {*base::Address::ParseIp("0.0.0.0", 0), "0.0.0.0:0", "0.0.0.0"},
      {*base::Address::ParseIp("255.255.255.255", 65535), "255.255.255.255:65535",
       "255.255.255.255"},
      {*base::Address::ParseIp("::1", 80), "[::1]:80", "::1"},
      {*base::Address::Unix("/run/x.sock"), "/run/x.sock", "/run/x.sock"},
  };
  for (const Row& row : rows) {
    std::string text;
    AppendAddress(row.address, text);
    EXPECT_EQ(text, row.text);
    EXPECT_EQ(text, row.address.ToString());
    std::string ip;
    AppendIp(row.address, ip);
    EXPECT_EQ(ip, row.ip);
  }
}

TEST(RenderHeaderValue, MissingIsEmptyAndControlBytesAreRefused) {
  Exchange e;
  std::string out = "old";
  EXPECT_TRUE(RenderHeaderValue(Compile("%REQ(X-MISSING)%"), e.info, kStart, out));
  EXPECT_EQ(out, "");
  EXPECT_TRUE(RenderHeaderValue(Compile("\"%REQ(USER-AGENT)%\""), e.info, kStart, out));
  EXPECT_EQ(out, "\"curl/8.0\"");
  for (const std::string_view bad : {std::string_view("a\r\nset-cookie: x"),
                                     std::string_view("a\nb"), std::string_view("a\0b", 3)}) {
    e.info.route_name = bad;
    EXPECT_FALSE(RenderHeaderValue(Compile("%ROUTE_NAME%"), e.info, kStart, out));
    EXPECT_EQ(out, "");
  }
}

config::JsonFormat Leaf(std::string_view format) {
  config::JsonFormat leaf;
  leaf.kind = config::JsonFormat::Kind::kFormat;
  leaf.format = Compile(format);
  return leaf;
}

config::JsonFormat Tree() {
  using Kind = config::JsonFormat::Kind;
  config::JsonFormat list;
  list.kind = Kind::kArray;
  list.members.emplace_back("", Leaf("%ROUTE_NAME%"));
  list.members.emplace_back("", Leaf("%PROTOCOL%"));
  config::JsonFormat number;
  number.kind = Kind::kNumber;
  number.number = 1.5;
  config::JsonFormat yes;
  yes.kind = Kind::kBool;
  yes.boolean = true;
  config::JsonFormat root;
  root.kind = Kind::kObject;
  root.members.emplace_back("a", Leaf("%RESPONSE_CODE%"));
  root.members.emplace_back("b", Leaf("%REQ(X-MISSING)%"));
  root.members.emplace_back("c", Leaf("%REQ(:METHOD)% %REQ(X-MISSING)%"));
  root.members.emplace_back("d", std::move(list));
  root.members.emplace_back("e", number);
  root.members.emplace_back("f", yes);
  root.members.emplace_back("g", config::JsonFormat());
  root.members.emplace_back("h\"", Leaf("%REQ(USER-AGENT)%"));
  return root;
}

TEST(RenderJson, TypedNestedAndEscaped) {
  Exchange e;
  e.request.fields.Set("user-agent", "q\"\n\xff");
  std::string out;
  RenderJson(Tree(), e.info, {}, out);
  EXPECT_EQ(out,
            "{\"a\":200,\"b\":null,\"c\":\"GET -\",\"d\":[null,\"HTTP/1.1\"],\"e\":1.5,\"f\":true,"
            "\"g\":null,\"h\\\"\":\"q\\\"\\n\\ufffd\"}");
  RenderOptions options;
  options.omit_empty_values = true;
  out.clear();
  RenderJson(Tree(), e.info, options, out);
  EXPECT_EQ(out,
            "{\"a\":200,\"c\":\"GET \",\"d\":[null,\"HTTP/1.1\"],\"e\":1.5,\"f\":true,"
            "\"g\":null,\"h\\\"\":\"q\\\"\\n\\ufffd\"}");
}

TEST(RenderJson, FirstMemberMayBeOmitted) {
  config::JsonFormat root;
  root.kind = config::JsonFormat::Kind::kObject;
  root.members.emplace_back("a", Leaf("%REQ(X-MISSING)%"));
  root.members.emplace_back("b", Leaf("%RESPONSE_CODE%"));
  RenderOptions options;
  options.omit_empty_values = true;
  std::string out;
  RenderJson(root, Exchange().info, options, out);
  EXPECT_EQ(out, "{\"b\":200}");
}

TEST(AppendTime, AcrossSecondsFormatsAndBeforeTheEpoch) {
  for (int i = 0; i < 20; ++i) {
    std::string out;
    AppendIsoTime(kStart + std::chrono::seconds(i % 3), out);
    EXPECT_EQ(out, "2024-01-02T03:04:0" + std::to_string(5 + i % 3) + ".678Z");
    out.clear();
    AppendTime(kStart, std::string("%s-").append(static_cast<std::size_t>(i % 7), 'x'), false, out);
    EXPECT_EQ(out, std::string("1704164645-").append(static_cast<std::size_t>(i % 7), 'x'));
  }
  std::string out;
  AppendIsoTime(base::WallTime(milliseconds(-1)), out);
  EXPECT_EQ(out, "1969-12-31T23:59:59.999Z");
  out.clear();
  AppendTime(kStart, "%", false, out);
  EXPECT_LE(out.size(), 1U);
}

TEST(ResponseFlags, ShortLongAndBack) {
  std::string out;
  AppendFlags(0, false, out);
  EXPECT_EQ(out, "-");
  for (unsigned i = 0; i < static_cast<unsigned>(ResponseFlag::kCount); ++i) {
    const ResponseFlags bit = FlagBit(static_cast<ResponseFlag>(i));
    out.clear();
    AppendFlags(bit, false, out);
    EXPECT_EQ(ParseFlag(out), bit) << out;
    std::string long_name;
    AppendFlags(bit, true, long_name);
    EXPECT_GT(long_name.size(), out.size());
  }
  EXPECT_EQ(ParseFlag("XX"), 0U);
  EXPECT_EQ(ParseFlag(""), 0U);
  out.clear();
  AppendFlags(
      FlagBit(ResponseFlag::kUnconditionalDropOverload) | FlagBit(ResponseFlag::kDropOverload),
      false, out);
  EXPECT_EQ(out, "DO,UDO");
}

}  // namespace
}  // namespace sluice::observe
