#include "http/h1_framing.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/strings.h"
#include "http/chars.h"

namespace sluice::http {
namespace {

constexpr std::string_view kCodec = "http1.codec_error";
constexpr std::string_view kCharacters = "http1.invalid_characters";
constexpr std::string_view kUrl = "http1.invalid_url";
constexpr std::string_view kLarge = "http1.headers_too_large";
constexpr std::string_view kMany = "http1.too_many_headers";
constexpr std::string_view kEncoding = "http1.invalid_transfer_encoding";

constexpr H1RuleRow kRules[] = {
    {H1Rule::kOk, 0, "", ""},
    {H1Rule::kBareLf, 400, kCodec, "line ends in LF without CR"},
    {H1Rule::kBareCr, 400, kCodec, "CR without LF"},
    {H1Rule::kHeadTooLarge, 431, kLarge, "head has too many bytes"},
    {H1Rule::kTooManyFields, 431, kMany, "head has too many fields"},
    {H1Rule::kMethodMalformed, 400, kCodec, "method is not a token of at most 32 characters"},
    {H1Rule::kRequestLineMalformed, 400, kCodec,
     "request line is not: method SP target SP version"},
    {H1Rule::kVersionMalformed, 400, kCodec, "malformed HTTP version"},
    {H1Rule::kVersionUnsupported, 505, kCodec, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
    {H1Rule::kHttp10Refused, 426, "low_version", "HTTP/1.0 is not accepted"},
    {H1Rule::kTargetBadByte, 400, kUrl, "request target has a control byte, a space or a '#'"},
    {H1Rule::kTargetForm, 400, kUrl, "request target has the wrong form for its method"},
    {H1Rule::kTargetAuthority, 400, kUrl, "request target has a malformed authority"},
    {H1Rule::kTargetAbsoluteRefused, 400, "absolute_path_rejected",
     "request target in absolute form is not accepted"},
    {H1Rule::kStatusLineMalformed, 400, kCodec, "status line is not: version SP code [SP reason]"},
    {H1Rule::kStatusOutOfRange, 400, kCodec, "status code is not in 100 to 599"},
    {H1Rule::kFieldFolded, 400, kCodec, "field line begins with white space (obsolete folding)"},
    {H1Rule::kFieldNameEmpty, 400, kCodec, "field name is empty"},
    {H1Rule::kFieldNameMalformed, 400, kCharacters, "field name is not a token"},
    {H1Rule::kFieldSpaceBeforeColon, 400, kCodec, "white space between field name and colon"},
    {H1Rule::kFieldNoColon, 400, kCodec, "field line has no colon"},
    {H1Rule::kFieldValueBadByte, 400, kCharacters, "field value has a control byte"},
    {H1Rule::kLengthMalformed, 400, kCodec,
     "Content-Length is not 1 to 18 digits without leading zero"},
    {H1Rule::kLengthTwice, 400, kCodec, "two Content-Length fields"},
    {H1Rule::kEncodingBesideLength, 400, "http1.content_length_and_chunked_not_allowed",
     "Transfer-Encoding beside Content-Length"},
    {H1Rule::kEncodingTwice, 400, kEncoding, "two Transfer-Encoding fields"},
    {H1Rule::kEncodingMalformed, 400, kEncoding, "Transfer-Encoding is not exactly \"chunked\""},
    {H1Rule::kEncodingUnknown, 501, kEncoding, "Transfer-Encoding other than chunked"},
    {H1Rule::kEncodingInHttp10, 400, "http1.transfer_encoding_not_allowed",
     "Transfer-Encoding in HTTP/1.0"},
    {H1Rule::kBodyOnConnect, 400, "http1.body_disallowed", "CONNECT with a body"},
    {H1Rule::kBodyOnInterim, 400, "http1.body_disallowed", "1xx response with a body"},
    {H1Rule::kHostMissing, 400, "missing_host_header", "no Host field"},
    {H1Rule::kHostTwice, 400, kCodec, "two Host fields"},
    {H1Rule::kHostMalformed, 400, kCodec, "malformed Host field"},
    {H1Rule::kExpectUnknown, 417, kCodec, "Expect other than 100-continue"},
    {H1Rule::kChunkSizeMalformed, 400, kCodec, "chunk size is not 1 to 16 hex digits"},
    {H1Rule::kChunkSizeTooLarge, 400, kCodec, "chunk size is beyond 2^63-1"},
    {H1Rule::kChunkExtensionMalformed, 400, kCodec, "malformed chunk extension"},
    {H1Rule::kChunkLineTooLong, 400, kCodec, "chunk line has too many bytes"},
    {H1Rule::kChunkOverhead, 400, kCodec, "chunk lines outweigh the data they carry"},
    {H1Rule::kChunkNoLineEnd, 400, kCodec, "chunk data does not end in CRLF"},
    {H1Rule::kTrailersTooLarge, 431, kLarge, "trailers have too many bytes"},
    {H1Rule::kTooManyTrailers, 431, kMany, "too many trailer fields"},
    {H1Rule::kTrailerForbidden, 400, kCodec, "field is not allowed in trailers"},
};

consteval bool InOrder() {
  if (std::size(kRules) != static_cast<std::size_t>(H1Rule::kCount)) return false;
  for (std::size_t i = 0; i < std::size(kRules); ++i) {
    if (kRules[i].rule != static_cast<H1Rule>(i)) return false;
  }
  return true;
}
static_assert(InOrder(), "rows stand in the order of H1Rule");

constexpr std::size_t kLengthDigitsMax = 18;  // Below 10^18: sums of two never overflow.

// Calls `see` with every element of a comma-separated list.
template <typename See>
void ForEachElement(std::string_view list, See see) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    see(base::TrimOws(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

// The rules that hold for both directions.
H1Rule CheckFraming(const FramingFacts& facts, Version version) {
  if (facts.lengths > 1) return H1Rule::kLengthTwice;
  if (facts.encodings == 0) return H1Rule::kOk;
  if (facts.lengths > 0) return H1Rule::kEncodingBesideLength;
  if (facts.encodings > 1) return H1Rule::kEncodingTwice;
  if (version == Version::kHttp10) return H1Rule::kEncodingInHttp10;
  return H1Rule::kOk;
}

bool KeepAlive(const FramingFacts& facts, Version version) {
  if (facts.close) return false;
  return version != Version::kHttp10 || facts.keep_alive;
}

BodyFraming LengthBody(std::uint64_t length) {
  if (length == 0) return {};
  return {BodyFraming::Kind::kLength, length};
}

}  // namespace

const H1RuleRow& RuleRow(H1Rule rule) {
  SLUICE_DCHECK(rule < H1Rule::kCount);
  return kRules[static_cast<std::size_t>(rule)];
}

H1Rule SeeContentLength(std::string_view raw, FramingFacts& facts) {
  ++facts.lengths;
  while (!raw.empty() && raw.front() == ' ') raw.remove_prefix(1);
  if (raw.empty() || raw.size() > kLengthDigitsMax) return H1Rule::kLengthMalformed;
  if (raw.size() > 1 && raw.front() == '0') return H1Rule::kLengthMalformed;
  std::uint64_t length = 0;
  for (const char c : raw) {
    if (!IsDigit(c)) return H1Rule::kLengthMalformed;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  facts.length = length;
  return H1Rule::kOk;
}

H1Rule SeeTransferEncoding(std::string_view raw, FramingFacts& facts) {
  ++facts.encodings;
  // One space at most: parsers that trim less, or more, than others are how this field is hidden.
  if (!raw.empty() && raw.front() == ' ') raw.remove_prefix(1);
  if (base::EqualsIgnoreCase(raw, "chunked")) return H1Rule::kOk;
  bool tokens = true;
  bool other = false;
  ForEachElement(raw, [&](std::string_view coding) {
    tokens = tokens && IsToken(coding);
    other = other || !base::EqualsIgnoreCase(coding, "chunked");
  });
  return tokens && other ? H1Rule::kEncodingUnknown : H1Rule::kEncodingMalformed;
}

void SeeConnection(std::string_view value, FramingFacts& facts) {
  ForEachElement(value, [&](std::string_view token) {
    switch (token.size()) {
      case 5:
        facts.close = facts.close || base::EqualsIgnoreCase(token, "close");
        break;
      case 7:
        facts.connection_upgrade =
            facts.connection_upgrade || base::EqualsIgnoreCase(token, "upgrade");
        break;
      case 10:
        facts.keep_alive = facts.keep_alive || base::EqualsIgnoreCase(token, "keep-alive");
        break;
      default:
        break;
    }
  });
}

void SeeUpgrade(std::string_view value, FramingFacts& facts) {
  facts.upgrade = true;
  ForEachElement(value, [&](std::string_view protocol) {
    facts.upgrade_h2c = facts.upgrade_h2c || base::EqualsIgnoreCase(protocol, "h2c");
  });
}

H1Rule FrameRequest(const FramingFacts& facts, const H1Limits& limits, RequestHead& head) {
  const H1Rule rule = CheckFraming(facts, head.version);
  if (rule != H1Rule::kOk) return rule;
  const bool old = head.version == Version::kHttp10;
  if (facts.hosts > 1) return H1Rule::kHostTwice;
  if (facts.hosts == 0) {
    if (!old) return H1Rule::kHostMissing;
    if (head.authority.empty()) head.authority = limits.default_host_for_http_10;
    if (head.authority.empty()) return H1Rule::kHostMissing;
  }
  if (facts.expects > 1) return H1Rule::kExpectUnknown;
  if (head.method == Method::kConnect && (facts.encodings > 0 || facts.length > 0)) {
    return H1Rule::kBodyOnConnect;
  }
  head.has_content_length = facts.lengths > 0;
  head.body =
      facts.encodings > 0 ? BodyFraming{BodyFraming::Kind::kChunked, 0} : LengthBody(facts.length);
  head.keep_alive = KeepAlive(facts, head.version);
  head.expect_continue = facts.expects == 1 && !old;  // RFC 9110 10.1.1: HTTP/1.0 cannot mean it.
  head.upgrade = facts.upgrade && facts.connection_upgrade && !facts.upgrade_h2c && !old;
  return H1Rule::kOk;
}

H1Rule FrameResponse(const FramingFacts& facts, Method request_method, ResponseHead& head) {
  const H1Rule rule = CheckFraming(facts, head.version);
  if (rule != H1Rule::kOk) return rule;
  head.keep_alive = KeepAlive(facts, head.version);
  if (head.status < 200) {
    if (facts.encodings > 0 || facts.length > 0) return H1Rule::kBodyOnInterim;
    if (head.status == 101) head.body = {BodyFraming::Kind::kTunnel, 0};
    return H1Rule::kOk;
  }
  if (request_method == Method::kConnect && head.status < 300) {
    head.body = {BodyFraming::Kind::kTunnel, 0};  // Lengths mean nothing here: RFC 9110 9.3.6.
    return H1Rule::kOk;
  }
  if (head.status == 204) {
    // Whoever announces a body may send one: such a connection is not used again.
    if (facts.encodings > 0 || facts.length > 0) head.keep_alive = false;
    return H1Rule::kOk;
  }
  head.has_content_length = facts.lengths > 0;
  head.content_length = facts.length;
  if (request_method == Method::kHead || head.status == 304) return H1Rule::kOk;
  if (facts.encodings > 0) {
    head.body = {BodyFraming::Kind::kChunked, 0};
  } else if (facts.lengths > 0) {
    head.body = LengthBody(facts.length);
  } else {
    head.body = {BodyFraming::Kind::kUntilClose, 0};
    head.keep_alive = false;
  }
  return H1Rule::kOk;
}

}  // namespace sluice::http
