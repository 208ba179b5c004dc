#include "harness/attack_rows.h"

#include "base/strings.h"

namespace sluice::harness {
namespace {

using namespace std::string_literals;

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
const std::string kChunks = "5\r\nhello\r\n0\r\n\r\n" + kSmuggled;

std::string Head(const std::string& name, const std::string& lines,
                 const std::string& method = "POST") {
  return base::Cat(method, " /attack", Marker(name), " HTTP/1.1\r\nHost: test\r\n", lines, "\r\n");
}

// Wrong fields; what follows would be a body to one reader and a request to another.
RequestRow Fields(const std::string& name, const std::string& lines, int status = 400) {
  return {name, Head(name, lines) + kChunks, status};
}

// A wrong value of Content-Length, and of Transfer-Encoding.
RequestRow Length(const std::string& name, const std::string& raw) {
  return {name, Head(name, "Content-Length:" + raw + "\r\n") + "hello" + kSmuggled};
}
RequestRow Encoding(const std::string& name, const std::string& raw, int status = 400) {
  return Fields(name, "Transfer-Encoding:" + raw + "\r\n", status);
}

// A wrong chunked body behind a right head.
RequestRow Chunked(const std::string& name, const std::string& body, int status = 400) {
  return {name, Head(name, "Transfer-Encoding: chunked\r\n") + body, status, Reach::kHead};
}

// A wrong request line: `%` becomes a target with the marker.
RequestRow Line(const std::string& name, std::string line, int status = 400) {
  const std::size_t at = line.find('%');
  if (at != std::string::npos) line.replace(at, 1, "/attack" + Marker(name));
  return {name, line + "\r\nHost: test\r\n\r\n" + kSmuggled, status};
}

// A wrong Host: `lines` stand instead of it.
RequestRow Host(const std::string& name, const std::string& lines) {
  return {name, base::Cat("GET /attack", Marker(name), " HTTP/1.1\r\n", lines, "\r\n", kSmuggled)};
}

std::string Many(std::size_t count, const std::string& text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

void Append(std::vector<RequestRow>& to, const std::vector<RequestRow>& rows) {
  to.insert(to.end(), rows.begin(), rows.end());
}

std::vector<RequestRow> EncodingRows() {
  return {
      Fields("length-then-encoding", "Content-Length: 13\r\nTransfer-Encoding: chunked\r\n"),
      Fields("encoding-then-length", "Transfer-Encoding: chunked\r\nContent-Length: 13\r\n"),
      Fields("length-zero-and-encoding", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
      Fields("length-and-identity", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n", 501),
      Encoding("encoding-tab-behind", " chunked\t"),
      Encoding("encoding-space-behind", " chunked "),
      Encoding("encoding-two-spaces", "  chunked"),
      Encoding("encoding-tab-ahead", "\tchunked"),
      Encoding("encoding-xchunked", " xchunked", 501),
      Encoding("encoding-chunked-identity", " chunked, identity", 501),
      Encoding("encoding-identity-chunked", " identity, chunked", 501),
      Encoding("encoding-chunked-chunked", " chunked,chunked"),
      Encoding("encoding-chunked-space-chunked", " chunked, chunked"),
      Encoding("encoding-identity", " identity", 501),
      Encoding("encoding-gzip", " gzip", 501),
      Encoding("encoding-gzip-chunked", " gzip, chunked", 501),
      Encoding("encoding-empty", ""),
      Encoding("encoding-comma-ahead", " ,chunked"),
      Encoding("encoding-comma-behind", " chunked,"),
      Encoding("encoding-parameter", " chunked;q=1"),
      Encoding("encoding-quoted", " \"chunked\""),
      Encoding("encoding-vertical-tab", " chunked\x0b"),
      Encoding("encoding-nul", " chunked\0"s),
      Encoding("encoding-folded", "\r\n chunked"),
      Fields("encoding-space-before-colon", "Transfer-Encoding : chunked\r\n"),
      Fields("encoding-underscore", "Transfer_Encoding: chunked\r\n"),
      Fields("encoding-twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
      Fields("encoding-twice-identity",
             "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 501),
      {"encoding-in-http10",
       base::Cat("POST /attack", Marker("encoding-in-http10"),
                 " HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n", kChunks)},
  };
}

std::vector<RequestRow> LengthRows() {
  return {
      Length("length-empty", ""),
      Length("length-plus", " +5"),
      Length("length-minus", " -1"),
      Length("length-hex", " 0x10"),
      Length("length-list-same", " 5,5"),
      Length("length-list-same-space", " 5, 5"),
      Length("length-list", " 5,6"),
      Length("length-exponent", " 1e3"),
      Length("length-beyond-64-bits", " 18446744073709551616"),
      Length("length-leading-zeros", " 00000000000000005"),
      Length("length-leading-zero", " 05"),
      Length("length-space-behind", " 5 "),
      Length("length-tab-ahead", "\t5"),
      Length("length-vertical-tab", " 5\x0b"),
      Length("length-fraction", " 5.0"),
      Length("length-two-numbers", " 5 5"),
      Length("length-nul", " 5\0"s),
      Fields("length-two-different", "Content-Length: 5\r\nContent-Length: 6\r\n"),
      Fields("length-two-same", "Content-Length: 5\r\nContent-Length: 5\r\n"),
      Fields("length-space-before-colon", "Content-Length : 5\r\n"),
      Fields("length-folded", "Content-Length:\r\n 5\r\n"),
      Fields("length-underscore", "Content_Length: 5\r\n"),
  };
}

std::vector<RequestRow> ChunkRows() {
  const std::string end = "\r\nhello\r\n0\r\n\r\n" + kSmuggled;
  return {
      Chunked("chunk-hex-prefix", "0xA" + end),
      Chunked("chunk-plus", "+5" + end),
      Chunked("chunk-minus", "-1" + end),
      Chunked("chunk-space-behind", "5 " + end),
      Chunked("chunk-space-ahead", " 5" + end),
      Chunked("chunk-tab-behind", "5\t" + end),
      Chunked("chunk-letter", "G" + end),
      Chunked("chunk-empty-size", end),
      Chunked("chunk-extension-lf", "5;ext=\n" + end),
      Chunked("chunk-extension-quoted-crlf", "5;a=\"\r\n\"" + end),
      Chunked("chunk-extension-nul", "5;\0"s + end),
      Chunked("chunk-17-digits", "ffffffffffffffff1" + end),
      Chunked("chunk-beyond-63-bits", "ffffffffffffffff" + end),
      Chunked("chunk-17-zeros", "00000000000000005" + end),
      Chunked("chunk-extension-long", "5;" + std::string(300, 'a') + end),
      Chunked("chunk-extension-endless", "5;" + std::string(100'000, 'a') + end),
      Chunked("chunk-extensions-outweigh",
              Many(100'000, "1;" + std::string(200, 'a') + "\r\nx\r\n") + "0\r\n\r\n"),
      Chunked("chunk-line-without-cr", "5\nhello\r\n0\r\n\r\n" + kSmuggled),
      Chunked("chunk-line-bare-cr", "5\rhello\r\n0\r\n\r\n" + kSmuggled),
      Chunked("chunk-data-too-long", "5\r\nhello!\r\n0\r\n\r\n" + kSmuggled),
      Chunked("chunk-data-without-crlf", "5\r\nhello0\r\n\r\n" + kSmuggled),
      Chunked("chunk-data-bare-lf", "5\r\nhello\n0\r\n\r\n" + kSmuggled),
      Chunked("trailer-length", "0\r\nContent-Length: 5\r\n\r\n" + kSmuggled),
      Chunked("trailer-encoding", "0\r\nTransfer-Encoding: chunked\r\n\r\n" + kSmuggled),
      Chunked("trailer-host", "0\r\nHost: other\r\n\r\n" + kSmuggled),
      Chunked("trailer-authorization", "0\r\nAuthorization: Basic eA==\r\n\r\n" + kSmuggled),
      Chunked("trailer-nul", "0\r\nx: \0\r\n\r\n"s + kSmuggled),
      Chunked("trailer-folded", "0\r\nx: y\r\n z\r\n\r\n" + kSmuggled),
      Chunked("trailer-bare-lf", "0\r\nx: y\n\r\n" + kSmuggled),
      Chunked("trailer-without-colon", "0\r\nxy\r\n\r\n" + kSmuggled),
      Chunked("trailer-100000", "0\r\n" + Many(100'000, "x: y\r\n") + "\r\n" + kSmuggled, 431),
      Chunked("trailer-endless", "0\r\nx: " + std::string(100'000, 'y'), 431),
  };
}

std::vector<RequestRow> LineRows() {
  return {
      Line("line-two-spaces", "GET  % HTTP/1.1"),
      Line("line-two-spaces-behind", "GET %  HTTP/1.1"),
      Line("line-tab", "GET\t% HTTP/1.1"),
      Line("line-tab-behind", "GET %\tHTTP/1.1"),
      Line("line-space-behind", "GET % HTTP/1.1 "),
      Line("line-space-ahead", " GET % HTTP/1.1"),
      Line("line-no-version", "GET %"),
      Line("line-no-target", "GET HTTP/1.1"),
      Line("line-method-alone", "GET"),
      Line("line-version-110", "GET % HTTP/1.10"),
      Line("line-version-20", "GET % HTTP/2.0", 505),
      Line("line-version-12", "GET % HTTP/1.2", 505),
      Line("line-version-09", "GET % HTTP/0.9", 505),
      Line("line-version-3", "GET % HTTP/3"),
      Line("line-version-lower-case", "GET % http/1.1"),
      Line("line-version-other", "GET % ICY/1.1"),
      Line("line-version-nul", "GET % HTTP/1.1\0"s),
      Line("line-method-long", std::string(33, 'A') + " % HTTP/1.1"),
      Line("line-method-bad", "GE(T % HTTP/1.1"),
      Line("line-method-nul", "G\0T % HTTP/1.1"s),
      Line("line-target-space", "GET /a % HTTP/1.1"),
      Line("line-target-control", "GET /\x01% HTTP/1.1"),
      Line("line-target-nul", "GET /\0% HTTP/1.1"s),
      Line("line-target-delete", "GET /\x7f% HTTP/1.1"),
      Line("line-target-fragment", "GET /#% HTTP/1.1"),
      Line("line-target-relative", "GET attack HTTP/1.1"),
      Line("line-target-asterisk", "GET * HTTP/1.1"),
      Line("line-target-other-scheme", "GET ftp://test% HTTP/1.1"),
      Line("line-target-empty-authority", "GET http://% HTTP/1.1"),
      Line("line-target-user", "GET http://user@test% HTTP/1.1"),
      Line("line-target-64k", "GET %" + std::string(64 * 1024, 'a') + " HTTP/1.1", 431),
      Line("line-connect-path", "CONNECT % HTTP/1.1"),
      Line("line-connect-no-port", "CONNECT test HTTP/1.1"),
      Line("line-http2-preface", "PRI * HTTP/2.0", 505),
      {"line-tls-hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + std::string(64, 'x')},
      {"line-two-empty-lines-ahead",
       "\r\n\r\n" + Head("line-two-empty-lines-ahead", "", "GET") + kSmuggled},
      {"line-bare-lf-ahead", "\n" + Head("line-bare-lf-ahead", "", "GET") + kSmuggled},
      {"line-bare-lf", base::Cat("GET /attack", Marker("line-bare-lf"),
                                 " HTTP/1.1\nHost: test\r\n\r\n", kSmuggled)},
      {"line-bare-cr", base::Cat("GET /attack", Marker("line-bare-cr"),
                                 " HTTP/1.1\rHost: test\r\n\r\n", kSmuggled)},
  };
}

std::vector<RequestRow> FieldRows() {
  return {
      Fields("field-bare-lf", "a: b\nc: d\r\n"),
      Fields("field-bare-cr", "a: b\rc: d\r\n"),
      Fields("field-cr-nul-lf", "a: b\r\0\n"s),
      Fields("field-cr-cr-lf", "a: b\r\r\n"),
      Fields("field-nul", "a: b\0c\r\n"s),
      Fields("field-control", "a: b\x01\r\n"),
      Fields("field-delete", "a: b\x7f\r\n"),
      Fields("field-folded", "a: b\r\n c\r\n"),
      Fields("field-folded-tab", "a: b\r\n\tc\r\n"),
      Fields("field-empty-name", ": x\r\n"),
      Fields("field-space-in-name", "a b: c\r\n"),
      Fields("field-bad-name", "a(b): c\r\n"),
      Fields("field-no-colon", "abc\r\n"),
      Fields("field-space-before-colon", "a : b\r\n"),
      Fields("field-utf8-name", "\xc3\xa4: b\r\n"),
      Host("field-first-folded", " a: b\r\nHost: test\r\n"),
      {"field-lf-lf-end", base::Cat("GET /attack", Marker("field-lf-lf-end"),
                                    " HTTP/1.1\r\nHost: test\n\n", kSmuggled)},
      Fields("bomb-one-field", "a: " + std::string(61 * 1024, 'b') + "\r\n", 431),
      Fields("bomb-many-bytes", Many(90, "a: " + std::string(1000, 'b') + "\r\n"), 431),
      Fields("bomb-101-fields", Many(100, "a: b\r\n"), 431),
      Fields("bomb-100000-fields", Many(100'000, "a: b\r\n"), 431),
      {"bomb-endless-name", Head("bomb-endless-name", std::string(100'000, 'a')), 431},
      Host("host-none", ""),
      Host("host-two", "Host: test\r\nHost: other\r\n"),
      Host("host-two-same", "Host: test\r\nHost: test\r\n"),
      Host("host-empty", "Host:\r\n"),
      Host("host-space", "Host: te st\r\n"),
      Host("host-user", "Host: user@test\r\n"),
      Host("host-comma", "Host: test,other\r\n"),
      Host("host-slash", "Host: test/x\r\n"),
      Host("host-bracket", "Host: [::1\r\n"),
      Host("host-big-port", "Host: test:99999\r\n"),
      Host("host-word-port", "Host: test:http\r\n"),
      Fields("expect-unknown", "Expect: 200-ok\r\n", 417),
      Fields("expect-obfuscated", "Expect: y 100-continue\r\n", 417),
      Fields("expect-twice", "Expect: 100-continue\r\nExpect: 100-continue\r\n", 417),
      {"connect-with-body",
       "CONNECT attack:443 HTTP/1.1\r\nHost: attack:443\r\n"
       "Content-Length: 5\r\n\r\nhello" +
           kSmuggled},
  };
}

}  // namespace

std::string Marker(const std::string& name) { return "?" + name + "!"; }

std::vector<RequestRow> RequestRows() {
  std::vector<RequestRow> rows = EncodingRows();
  Append(rows, LengthRows());
  Append(rows, ChunkRows());
  Append(rows, LineRows());
  Append(rows, FieldRows());
  return rows;
}

std::vector<HarmlessRow> HarmlessRows() {
  const std::string host = " HTTP/1.1\r\nHost: test\r\n";
  return {
      {"encoding-case",
       "POST /a" + host + "tRANSFER-eNCODING: ChUnKeD\r\n\r\n" + "5\r\nhello\r\n0\r\n\r\n",
       "POST",
       "/a",
       "hello",
       {}},
      {"extensions-dropped",
       "POST /a" + host + "Transfer-Encoding: chunked\r\n\r\n" +
           "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n",
       "POST",
       "/a",
       "hello",
       {}},
      {"leading-crlf", "\r\nGET /a" + host + "\r\n", "GET", "/a", "", {}},
      {"unknown-method", "get /a" + host + "\r\n", "get", "/a", "", {}},
      {"absolute-form",
       "GET http://other/a HTTP/1.1\r\nHost: test\r\n\r\n",
       "GET",
       "/a",
       "",
       {"test"}},
      {"connection-names",
       "GET /a" + host + "Connection: x-secret\r\nx-secret: s\r\n\r\n",
       "GET",
       "/a",
       "",
       {"x-secret", "X-Secret"}},
      {"h2c",
       "GET /a" + host +
           "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
           "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
       "GET",
       "/a",
       "",
       {"pgrade", "ettings"}},
      {"te-field",
       "GET /a" + host +
           "TE: gzip\r\nKeep-Alive: timeout=5\r\n"
           "Proxy-Connection: keep-alive\r\n\r\n",
       "GET",
       "/a",
       "",
       {"gzip", "timeout=5", "roxy-"}},
      {"dot-segments", "GET /x/../a" + host + "\r\n", "GET", "/a", "", {}},
      {"expect",
       "POST /a" + host + "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello",
       "POST",
       "/a",
       "hello",
       {"\r\nexpect", "\r\nExpect"}},
      {"length-zero", "POST /a" + host + "Content-Length: 0\r\n\r\n", "POST", "/a", "", {}},
      {"hex-case",
       "POST /a" + host + "Transfer-Encoding: chunked\r\n\r\n" + "0A\r\nhellohello\r\n0\r\n\r\n",
       "POST",
       "/a",
       "hellohello",
       {}},
  };
}

std::vector<ResponseRow> ResponseRows() {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
  return {
      {"length-and-encoding",
       ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + "0\r\n\r\n" + poison},
      {"two-lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + poison},
      {"two-same-lengths", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + poison},
      {"length-list", ok + "Content-Length: 5, 5\r\n\r\nhello" + poison},
      {"length-plus", ok + "Content-Length: +5\r\n\r\nhello" + poison},
      {"length-empty", ok + "Content-Length:\r\n\r\nhello" + poison},
      {"encoding-unknown", ok + "Transfer-Encoding: xchunked\r\n\r\n" + poison},
      {"encoding-gzip", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n" + poison},
      {"encoding-twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"encoding-in-http10", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"status-two-digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"status-four-digits", "HTTP/1.1 2000 OK\r\n\r\n"},
      {"status-999", "HTTP/1.1 999 OK\r\n\r\n"},
      {"status-099", "HTTP/1.1 099 OK\r\n\r\n"},
      {"version-2", "HTTP/2 200 OK\r\n\r\n"},
      {"version-icy", "ICY 200 OK\r\n\r\n"},
      {"http09", "poison without any head at all\r\n\r\n"},
      {"tls-bytes", "\x16\x03\x03\x00\x02\x02\x28"s + "\r\n\r\n"},
      {"bare-lf", "HTTP/1.1 200 OK\nContent-Length: 6\n\npoison"},
      {"field-folded", ok + "a: b\r\n poison\r\nContent-Length: 0\r\n\r\n"},
      {"field-space-before-colon", ok + "Content-Length : 6\r\n\r\npoison"},
      {"field-nul", ok + "a: \0poison\r\nContent-Length: 0\r\n\r\n"s},
      {"field-no-colon", ok + "poison\r\nContent-Length: 0\r\n\r\n"},
      {"interim-with-body", "HTTP/1.1 103 Hints\r\nContent-Length: 6\r\n\r\npoison"},
      {"switching-unasked",
       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
       "Upgrade: x\r\n\r\npoison"},
      {"bomb-bytes", ok + "a: " + std::string(70'000, 'b') + "\r\nContent-Length: 0\r\n\r\n"},
      {"bomb-fields", ok + Many(150, "a: b\r\n") + "Content-Length: 0\r\n\r\n"},
      {"closed-at-once", "", 503, Then::kClose},
      {"reset-at-once", "", 503, Then::kReset},
      {"closed-in-head", "HTTP/1.1 200 OK\r\nContent-Le", 503, Then::kClose},
      {"closed-in-length", ok + "Content-Length: 10\r\n\r\nhello", 200, Then::kClose, false},
      {"closed-in-chunk", chunked + "a\r\nhello", 200, Then::kClose, false},
      {"closed-before-last-chunk", chunked + "5\r\nhello\r\n", 200, Then::kClose, false},
      {"chunk-size-bad", chunked + "5\r\nhello\r\nxyz\r\npoison", 200, Then::kStay, false},
      {"chunk-data-too-long", chunked + "5\r\nhellopoison\r\n0\r\n\r\n", 200, Then::kStay, false},
      {"no-content-with-body", "HTTP/1.1 204 No\r\nContent-Length: 6\r\n\r\npoison", 204},
      {"not-modified-with-body", "HTTP/1.1 304 Not\r\nContent-Length: 6\r\n\r\npoison", 304},
      {"head-with-body", ok + "Content-Length: 6\r\n\r\npoison", 200, Then::kStay, true, "",
       "HEAD"},
      {"more-than-length", ok + "Content-Length: 5\r\n\r\nhello" + poison, 200, Then::kStay, true,
       "hello"},
      {"more-than-chunks", chunked + "5\r\nhello\r\n0\r\n\r\n" + poison, 200, Then::kStay, true,
       "hello"},
  };
}

}  // namespace sluice::harness
