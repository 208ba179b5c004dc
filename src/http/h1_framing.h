#pragma once
// The rules by which HTTP/1 input is refused, as one table, and the framing decision they guard.
//
// Two parsers that read one message differently are the root of request smuggling, so wherever
// RFC 9112 leaves room, the strict reading is taken and the rest refused. Values and pure
// functions; any thread.

#include <cstdint>
#include <string_view>

#include "http/h1_codec.h"
#include "http/head.h"

namespace sluice::http {

// One per row of the table in h1_framing.cc, in its order. Each has a test.
enum class H1Rule : std::uint8_t {
  kOk,
  // Lines.
  kBareLf,
  kBareCr,
  kHeadTooLarge,
  kTooManyFields,
  // The request line.
  kMethodMalformed,
  kRequestLineMalformed,
  kVersionMalformed,
  kVersionUnsupported,
  kHttp10Refused,
  kTargetBadByte,
  kTargetForm,
  kTargetAuthority,
  kTargetAbsoluteRefused,
  // The status line.
  kStatusLineMalformed,
  kStatusOutOfRange,
  // Fields.
  kFieldFolded,
  kFieldNameEmpty,
  kFieldNameMalformed,
  kFieldSpaceBeforeColon,
  kFieldNoColon,
  kFieldValueBadByte,
  // Framing.
  kLengthMalformed,
  kLengthTwice,
  kEncodingBesideLength,
  kEncodingTwice,
  kEncodingMalformed,
  kEncodingUnknown,
  kEncodingInHttp10,
  kBodyOnConnect,
  kBodyOnInterim,
  // Host and Expect.
  kHostMissing,
  kHostTwice,
  kHostMalformed,
  kExpectUnknown,
  // The chunked body.
  kChunkSizeMalformed,
  kChunkSizeTooLarge,
  kChunkExtensionMalformed,
  kChunkLineTooLong,
  kChunkOverhead,
  kChunkNoLineEnd,
  kTrailersTooLarge,
  kTooManyTrailers,
  kTrailerForbidden,
  kCount,
};

struct H1RuleRow {
  H1Rule rule;
  int status;                // For a client; a response that breaks a rule is always a 502.
  std::string_view details;  // Envoy's words.
  std::string_view text;
};

const H1RuleRow& RuleRow(H1Rule rule);

// What the fields of one head say about framing and the connection, gathered field by field.
struct FramingFacts {
  std::uint64_t length = 0;
  unsigned lengths = 0;             // Content-Length fields.
  unsigned encodings = 0;           // Transfer-Encoding fields.
  unsigned hosts = 0;               // Requests only.
  unsigned expects = 0;             // Requests only.
  bool close = false;               // Connection: close
  bool keep_alive = false;          // Connection: keep-alive
  bool connection_upgrade = false;  // Connection: upgrade
  bool upgrade = false;             // An Upgrade field...
  bool upgrade_h2c = false;         // ...that offers h2c.
};

// Take a value as it stands between the colon and CRLF, white space included.
H1Rule SeeContentLength(std::string_view raw, FramingFacts& facts);
H1Rule SeeTransferEncoding(std::string_view raw, FramingFacts& facts);
// Takes a trimmed value.
void SeeConnection(std::string_view value, FramingFacts& facts);
void SeeUpgrade(std::string_view value, FramingFacts& facts);

// Fills body, keep_alive, expect_continue, upgrade and has_content_length of `head`, whose start
// line and fields are complete.
H1Rule FrameRequest(const FramingFacts& facts, const H1Limits& limits, RequestHead& head);
H1Rule FrameResponse(const FramingFacts& facts, Method request_method, ResponseHead& head);

}  // namespace sluice::http
