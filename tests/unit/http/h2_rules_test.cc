// What RFC 9113 sections 3 to 8 say about bytes from a client, one row per rule, each read whole,
// byte by byte and split at every index.

#include <gtest/gtest.h>

#include "tests/unit/http/h2_drive.h"

namespace sluice::http {
namespace {

using Type = H2FrameType;

struct Case {
  std::string_view name;
  std::string input;      // Behind the preface and SETTINGS.
  std::string_view want;  // A part of the text.
};

std::string Run(const std::string& input, std::size_t split, bool bytewise) {
  H2Drive drive;
  if (bytewise) {
    for (const char c : input) drive.Feed({&c, 1});
  } else {
    drive.Feed(std::string_view(input).substr(0, split));
    drive.Feed(std::string_view(input).substr(split));
  }
  return drive.Text();
}

void Check(const Case& each, const std::string& prefix) {
  SCOPED_TRACE(each.name);
  const std::string input = prefix + each.input;
  const std::string whole = Run(input, 0, false);
  EXPECT_NE(whole.find(each.want), std::string::npos) << "want: " << each.want << "\n" << whole;
  if (input.size() > 4096) return;
  EXPECT_EQ(Run(input, 0, true), whole);
  for (std::size_t i = 1; i < input.size(); ++i) ASSERT_EQ(Run(input, i, false), whole) << i;
}

std::string Priority(std::uint32_t stream, std::uint32_t parent) {
  return Frame(Type::kPriority, 0, stream, Number32(parent) + "\x10");
}
std::string Raw(Type type, std::uint8_t flags, std::uint32_t stream, std::size_t bytes) {
  return Frame(type, flags, stream, std::string(bytes, '\0'));
}

constexpr std::string_view kProtocol = "ended PROTOCOL_ERROR";
constexpr std::string_view kSize = "ended FRAME_SIZE";
constexpr std::string_view kFlow = "ended FLOW_CONTROL_ERROR";

TEST(H2Rules, ConnectionPreface) {
  H2Drive drive;
  drive.Feed(Frame(Type::kPing, 0, 0, "12345678"));
  EXPECT_NE(drive.Text().find(kProtocol), std::string::npos);
  for (const auto& first : {Headers(1, Get()), Frame(Type::kSettings, kH2Ack, 0, "")}) {
    H2Drive other;
    other.Feed(first);
    EXPECT_NE(other.Text().find(kProtocol), std::string::npos);
    EXPECT_EQ(other.opened(), 0U);
  }
}

TEST(H2Rules, GarbageInsteadOfThePreface) {
  H2Drive::DescribeFrames("");
  class Quiet final : public H2Sink {
    H2Stream* OnOpen() override { return nullptr; }
    void OnHead(H2Stream&, bool) override {}
    void OnData(H2Stream&, std::string_view, bool) override {}
    void OnTrailers(H2Stream&) override {}
    void OnReset(H2Stream&, H2Error, bool) override {}
    void OnCanSend(H2Stream&) override {}
    void OnGoaway(std::uint32_t, H2Error) override {}
    void OnPingAck() override {}
    void OnEvent(H2Event) override {}
  } sink;
  H2Session session(H2Session::Role::kServer, {}, {}, sink);
  EXPECT_EQ(session.Receive("PRI * HT"), 8U);
  EXPECT_FALSE(session.ended());
  session.Receive("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(session.ended());
  EXPECT_EQ(session.error(), H2Error::kProtocolError);
}

TEST(H2Rules, FramesAndStates) {
  const std::string open = Headers(1, Get({}, "POST"), false);
  const std::vector<Case> cases = {
      {"4.2 a frame too large", Raw(Type::kPing, 0, 0, 16385), kSize},
      {"4.2 DATA too large", open + Raw(Type::kData, 0, 1, 16385), kSize},
      {"4.3 a broken block", Frame(Type::kHeaders, 5, 1, "\xff\xff\xff\xff\xff\xff\xff"),
       "ended COMPRESSION"},
      {"5.1 DATA while idle", Data(1, "x"), kProtocol},
      {"5.1 RST_STREAM while idle", Rst(1), kProtocol},
      {"5.1 WINDOW_UPDATE while idle", WindowUpdate(1, 10), kProtocol},
      {"5.1 CONTINUATION while idle", Frame(Type::kContinuation, 4, 1, Literals(Get())), kProtocol},
      {"5.1 DATA while half closed", Headers(1, Get()) + Data(1, "x"),
       "> RST_STREAM 1 flags=0 bytes=4 STREAM_CLOSED"},
      {"5.1 HEADERS while half closed", Headers(1, Get()) + Headers(1, {{"a", "b"}}),
       "> RST_STREAM 1 flags=0 bytes=4 STREAM_CLOSED"},
      {"5.1 HEADERS once reset", open + Rst(1) + Headers(1, Get()), "ended STREAM_CLOSED"},
      {"5.1 DATA once reset", open + Rst(1) + Data(1, "x"), "ended STREAM_CLOSED"},
      {"5.1 WINDOW_UPDATE once reset", open + Rst(1) + WindowUpdate(1, 9) + Headers(3, Get()),
       "head 3"},
      {"5.1.1 an even id", Headers(2, Get()), kProtocol},
      {"5.1.1 a smaller id", Headers(5, Get()) + Headers(3, Get()), kProtocol},
      {"5.1.1 ids may skip", Headers(1, Get()) + Headers(7, Get()), "head 7"},
      {"5.3.1 depends on itself",
       Frame(Type::kHeaders, 0x25, 1, Number32(1) + "\x10" + Literals(Get())),
       "> RST_STREAM 1 flags=0 bytes=4 PROTOCOL_ERROR"},
      {"5.3.1 PRIORITY on itself", Priority(1, 1), kProtocol},
      {"5.5 an unknown frame is skipped",
       Frame(static_cast<Type>(0xbb), 0xff, 0, "whatever") + Headers(1, Get()), "head 1"},
      {"5.5 not within a block",
       Frame(Type::kHeaders, 0, 1, Literals(Get())) + Frame(static_cast<Type>(0xbb), 0, 1, "x"),
       kProtocol},
      {"6.1 DATA on stream 0", Data(0, "x"), kProtocol},
      {"6.1 too much padding", open + Frame(Type::kData, kH2Padded, 1, "\x05xx"), kProtocol},
      {"6.1 padding",
       open + Frame(Type::kData, kH2Padded | kH2EndStream, 1, std::string("\x02xy\0\0", 5)),
       "data 1 xy (2) end"},
      {"6.2 HEADERS on stream 0", Headers(0, Get()), kProtocol},
      {"6.2 too much padding", Frame(Type::kHeaders, 0xd, 1, "\x20x"), kProtocol},
      {"6.2 another stream within a block",
       Frame(Type::kHeaders, 1, 1, Literals(Get())) + Headers(3, Get()), kProtocol},
      {"6.3 PRIORITY on stream 0", Priority(0, 1), kProtocol},
      {"6.3 a wrong size", open + Raw(Type::kPriority, 0, 1, 4),
       "> RST_STREAM 1 flags=0 bytes=4 FRAME_SIZE"},
      {"6.3 has no effect", Priority(1, 7) + Headers(3, Get()), "head 3"},
      {"6.4 RST_STREAM on stream 0", Rst(0), kProtocol},
      {"6.4 a wrong size", open + Raw(Type::kRstStream, 0, 1, 3), kSize},
      {"6.5 SETTINGS on a stream", Frame(Type::kSettings, 0, 1, ""), kProtocol},
      {"6.5 a wrong size", Settings("abc"), kSize},
      {"6.5 an acknowledgement with settings", Frame(Type::kSettings, kH2Ack, 0, Setting(3, 1)),
       kSize},
      {"6.5.2 ENABLE_PUSH", Settings(Setting(2, 2)), kProtocol},
      {"6.5.2 INITIAL_WINDOW_SIZE", Settings(Setting(4, 0x80000000U)), kFlow},
      {"6.5.2 MAX_FRAME_SIZE too small", Settings(Setting(5, 16383)), kProtocol},
      {"6.5.2 MAX_FRAME_SIZE too large", Settings(Setting(5, 16777216)), kProtocol},
      {"6.5.2 unknown", Settings(Setting(0xff, 1)) + Headers(1, Get()), "head 1"},
      {"8441 ENABLE_CONNECT_PROTOCOL", Settings(Setting(8, 2)), kProtocol},
      {"6.5.3 acknowledged", Settings(), "> SETTINGS 0 flags=1 bytes=0"},
      {"6.6 PUSH_PROMISE", open + Raw(Type::kPushPromise, 4, 1, 4), kProtocol},
      {"6.7 PING on a stream", Frame(Type::kPing, 0, 1, "12345678"), kProtocol},
      {"6.7 a wrong size", Frame(Type::kPing, 0, 0, "1234567"), kSize},
      {"6.7 answered", Frame(Type::kPing, 0, 0, "12345678"), "> PING 0 flags=1 bytes=8"},
      {"6.7 an answer is not answered", Frame(Type::kPing, kH2Ack, 0, "12345678"), "ping ack"},
      {"6.8 GOAWAY on a stream", Raw(Type::kGoaway, 0, 1, 8), kProtocol},
      {"6.8 a wrong size", Raw(Type::kGoaway, 0, 0, 7), kSize},
      {"6.8 GOAWAY", Frame(Type::kGoaway, 0, 0, Number32(7) + Number32(2) + "text"),
       "goaway 7 INTERNAL_ERROR"},
      {"6.9 a wrong size", WindowUpdate(0, 1) + Raw(Type::kWindowUpdate, 0, 0, 3), kSize},
      {"6.9 nothing, for all", WindowUpdate(0, 0), kProtocol},
      {"6.9 nothing, for one", open + WindowUpdate(1, 0),
       "> RST_STREAM 1 flags=0 bytes=4 PROTOCOL_ERROR"},
      {"6.9.1 too much, for all", WindowUpdate(0, 0x7fffffff), kFlow},
      {"6.9.1 too much, for one", open + WindowUpdate(1, 0x7fffffff),
       "> RST_STREAM 1 flags=0 bytes=4 FLOW_CONTROL"},
      {"6.9.2 too much, by a setting",
       open + WindowUpdate(1, 0x7fff0000) + Settings(Setting(4, 0x7fffffff)), kFlow},
      {"6.10 CONTINUATION on stream 0",
       Frame(Type::kHeaders, 1, 1, "") + Frame(Type::kContinuation, 4, 0, Literals(Get())),
       kProtocol},
      {"6.10 CONTINUATION after the end", open + Frame(Type::kContinuation, 4, 1, ""), kProtocol},
      {"6.10 a block in three",
       Frame(Type::kHeaders, 1, 1, Literals(Get()).substr(0, 5)) +
           Frame(Type::kContinuation, 0, 1, Literals(Get()).substr(5, 9)) +
           Frame(Type::kContinuation, 4, 1, Literals(Get()).substr(14)),
       "head 1 GET / HTTP/2 host=a.ex end"},
      {"8.1 trailers without an end", open + Data(1, "x") + Headers(1, {{"a", "b"}}, false),
       kProtocol},
      {"8.1 trailers", open + Data(1, "x") + Headers(1, {{"a", "b"}}),
       "data 1 x (1)\ntrailers 1 [a: b]\n"},
  };
  for (const Case& each : cases) Check(each, Settings());
}

TEST(H2Rules, MalformedRequests) {
  const auto bad = [](const FieldList& fields) { return Headers(1, fields); };
  const auto with = [](std::string_view name, std::string_view value) {
    return Headers(1, Get({{name, value}}));
  };
  const std::string_view nul("a\0b", 3);
  const std::vector<Case> cases = {
      {"upper case", with("X-Test", "ok"), kProtocol},
      {"an empty name", with("", "x"), kProtocol},
      {"a space in a name", with("a b", "x"), kProtocol},
      {"a colon in a name", with("a:b", "x"), kProtocol},
      {"a name with CR LF", with("a\r\nb", "x"), kProtocol},
      {"NUL in a value", with("a", nul), kProtocol},
      {"CR LF in a value", with("a", "b\r\nx: y"), kProtocol},
      {"LF in a value", with("a", "b\nc"), kProtocol},
      {"a leading space", with("a", " b"), kProtocol},
      {"a trailing tab", with("a", "b\t"), kProtocol},
      {"an unknown pseudo-header", bad(Get({{":x", "y"}})), kProtocol},
      {"a response's pseudo-header", bad(Get({{":status", "200"}})), kProtocol},
      {"a pseudo-header behind a field", with(":method", "GET"), kProtocol},
      {"behind a field", bad({{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}}),
       kProtocol},
      {"two :path", bad({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":path", "/b"}}),
       kProtocol},
      {"two :method",
       bad({{":method", "GET"}, {":method", "PUT"}, {":scheme", "http"}, {":path", "/"}}),
       kProtocol},
      {"two :scheme",
       bad({{":method", "GET"}, {":scheme", "http"}, {":scheme", "http"}, {":path", "/"}}),
       kProtocol},
      {"two :authority",
       bad({{":method", "GET"}, {":authority", "a"}, {":authority", "a"}, {":scheme", "http"}}),
       kProtocol},
      {"no :method", bad({{":scheme", "http"}, {":path", "/"}, {":authority", "a"}}), kProtocol},
      {"no :scheme", bad({{":method", "GET"}, {":path", "/"}, {":authority", "a"}}), kProtocol},
      {"no :path", bad({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}), kProtocol},
      {"an empty :path", bad({{":method", "GET"}, {":scheme", "http"}, {":path", ""}}), kProtocol},
      {"a :path without a slash", bad({{":method", "GET"}, {":scheme", "http"}, {":path", "a"}}),
       kProtocol},
      {"a request line in :path",
       bad({{":method", "GET"}, {":scheme", "http"}, {":path", "/a HTTP/1.1\r\nX: y"}}), kProtocol},
      {"a space in :path", bad({{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}}),
       kProtocol},
      {"a fragment in :path", bad({{":method", "GET"}, {":scheme", "http"}, {":path", "/a#b"}}),
       kProtocol},
      {"* for GET", bad({{":method", "GET"}, {":scheme", "http"}, {":path", "*"}}), kProtocol},
      {"a space in :method", bad({{":method", "G T"}, {":scheme", "http"}, {":path", "/"}}),
       kProtocol},
      {"another :scheme", bad({{":method", "GET"}, {":scheme", "ftp"}, {":path", "/"}}), kProtocol},
      {"userinfo",
       bad({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@a.ex"}}),
       kProtocol},
      {"connection", with("connection", "close"), kProtocol},
      {"keep-alive", with("keep-alive", "5"), kProtocol},
      {"proxy-connection", with("proxy-connection", "close"), kProtocol},
      {"transfer-encoding", with("transfer-encoding", "chunked"), kProtocol},
      {"upgrade", with("upgrade", "h2c"), kProtocol},
      {"te", with("te", "trailers, deflate"), kProtocol},
      {"host differs", with("host", "b.ex"), kProtocol},
      {"two hosts", bad(Get({{"host", "a.ex"}, {"host", "a.ex"}})), kProtocol},
      {"two lengths", bad(Get({{"content-length", "0"}, {"content-length", "0"}})), kProtocol},
      {"a signed length", with("content-length", "+0"), kProtocol},
      {"a length without a body", with("content-length", "5"), kProtocol},
      {"less than announced",
       Headers(1, Get({{"content-length", "5"}}), false) + Data(1, "abc", true), kProtocol},
      {"more than announced",
       Headers(1, Get({{"content-length", "2"}}), false) + Data(1, "abc", true), kProtocol},
      {"less, with trailers",
       Headers(1, Get({{"content-length", "5"}}), false) + Data(1, "abc") +
           Headers(1, {{"a", "b"}}),
       kProtocol},
      {"a body for length 0", Headers(1, Get({{"content-length", "0"}}), false) + Data(1, "a"),
       kProtocol},
      {"expect", with("expect", "the unexpected"), kProtocol},
      {"a pseudo-header in trailers", Headers(1, Get(), false) + Headers(1, {{":path", "/"}}),
       kProtocol},
      {"te in trailers", Headers(1, Get(), false) + Headers(1, {{"te", "gzip"}}), kProtocol},
      {"CONNECT with a path",
       bad({{":method", "CONNECT"}, {":path", "/"}, {":authority", "a.ex:1"}}), kProtocol},
      {"CONNECT without a port", bad({{":method", "CONNECT"}, {":authority", "a.ex"}}), kProtocol},
      {":protocol that was not offered",
       bad({{":method", "CONNECT"},
            {":protocol", "websocket"},
            {":scheme", "http"},
            {":path", "/"},
            {":authority", "a.ex"}}),
       kProtocol},
  };
  for (const Case& each : cases) Check(each, Settings());
}

TEST(H2Rules, GoodRequests) {
  const std::vector<Case> cases = {
      {"host alone",
       Headers(1, {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "b.ex"}}),
       "head 1 GET / HTTP/2 host=b.ex end"},
      {"host as :authority", Headers(1, Get({{"host", "A.ex"}})), "head 1 GET / HTTP/2 host=a.ex"},
      {"crumbs", Headers(1, Get({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}})),
       "[x: y] [cookie: a=1; b=2] end"},
      {"te", Headers(1, Get({{"te", "trailers"}})), "[te: trailers]"},
      {"a length",
       Headers(1, Get({{"content-length", "3"}}, "POST"), false) + Data(1, "ab") +
           Data(1, "c", true),
       "head 1 POST / HTTP/2 host=a.ex len=3\ndata 1 abc (3) end"},
      {"length 0", Headers(1, Get({{"content-length", "0"}}), false) + Data(1, "", true),
       "data 1  (0) end"},
      {"no length", Headers(1, Get({}, "POST"), false) + Data(1, "ab", true),
       "head 1 POST / HTTP/2 host=a.ex chunked\ndata 1 ab (2) end"},
      {"OPTIONS *", Headers(1, {{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}}),
       "head 1 OPTIONS * HTTP/2"},
      {"CONNECT", Headers(1, {{":method", "CONNECT"}, {":authority", "a.ex:80"}}, false),
       "head 1 CONNECT  HTTP/2 host=a.ex:80\n"},
      {"expect", Headers(1, Get({{"expect", "100-continue"}}), false), "expect"},
      {"trailers that frame are dropped",
       Headers(1, Get(), false) + Headers(1, {{"authorization", "x"}, {"grpc-status", "0"}}),
       "trailers 1 [grpc-status: 0]"},
  };
  for (const Case& each : cases) Check(each, Settings());
}

TEST(H2Rules, ExtendedConnect) {
  H2Options options;
  options.allow_connect = true;
  const FieldList fields = {{":method", "CONNECT"}, {":protocol", "websocket"},
                            {":scheme", "https"},   {":path", "/chat"},
                            {":authority", "a.ex"}, {"sec-websocket-version", "13"}};
  H2Drive drive(H2Session::Role::kServer, options);
  drive.Feed(Settings() + Headers(1, fields, false) + Data(1, "frame"));
  EXPECT_NE(drive.Text().find("head 1 GET /chat HTTP/2 host=a.ex upgrade [sec-websocket-version: "
                              "13] [upgrade: websocket]\ndata 1 frame (5)"),
            std::string::npos)
      << drive.Text();
  FieldList get = fields;
  get[0].second = "GET";
  H2Drive other(H2Session::Role::kServer, options);
  other.Feed(Settings() + Headers(1, get, false));
  EXPECT_NE(other.Text().find(kProtocol), std::string::npos);
}

TEST(H2Rules, AStreamErrorIfAskedFor) {
  H2Options options;
  options.stream_error_on_invalid_message = true;
  H2Drive drive(H2Session::Role::kServer, options);
  drive.Feed(Settings() + Headers(1, Get({{"connection", "close"}})) + Headers(3, Get()));
  EXPECT_NE(drive.Text().find("head 3"), std::string::npos);
  EXPECT_NE(drive.Text().find("> RST_STREAM 1 flags=0 bytes=4 PROTOCOL_ERROR"), std::string::npos);
  EXPECT_TRUE(drive.Saw(H2Event::kMessagingError));
}

}  // namespace
}  // namespace sluice::http
