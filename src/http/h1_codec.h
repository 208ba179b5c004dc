#pragma once
// HTTP/1.x bytes to events, and events to bytes. No socket, no clock.
//
// One thread; one parser per direction of a connection, reused for every message on it. The
// framing policy (RFC 9112, and what smuggling attacks taught) is stricter than the RFC wherever
// two parsers could disagree: see h1_framing.h for the table of rules.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "http/head.h"

namespace sluice::http {

enum class H1Rule : std::uint8_t;  // h1_framing.h

struct H1Limits {
  std::size_t head_bytes_max = 60 * 1024;  // Start line and fields; over: 431.
  std::size_t fields_max = 100;            // Head fields, and trailer fields on their own.
  std::size_t trailer_bytes_max = 60 * 1024;
  std::size_t chunk_line_bytes_max = 256;  // Size and extensions of one chunk.
  bool accept_http_10 = true;              // Else 426 to requests.
  bool allow_absolute_url = true;
  bool keep_trailers = false;              // Else parsed, checked and dropped.
  std::string default_host_for_http_10{};  // "": HTTP/1.0 without Host is 400.

  bool operator==(const H1Limits&) const = default;
};

// Why input was refused. `text` is static and safe to show to anyone.
struct H1Error {
  int status = 0;  // What to answer a client: 400, 417, 426, 431, 501, 505; 502 for responses.
  std::string_view details;  // Envoy's RESPONSE_CODE_DETAILS, e.g. "http1.codec_error".
  std::string_view text;     // One sentence: which rule, e.g. "two Content-Length fields".
};

enum class H1Step : std::uint8_t {
  kNeedMore,  // Nothing (more) can be told from `input`; `consumed` bytes may be dropped.
  kHead,      // The head is complete and in the caller's struct.
  kBody,      // `body` is a piece of the body, a view into `input`.
  kEnd,     // The message is complete (after kHead with no body, too). Trailers are in trailers().
  kBroken,  // error() says why. The connection cannot be used any further.
};

class H1Parser {
 public:
  struct Result {
    H1Step step;
    std::size_t consumed;  // Of `input`; includes `body`.
    std::string_view body;
  };

  explicit H1Parser(const H1Limits& limits) : limits_(limits) {}

  // A head must arrive in one contiguous `input` that starts where the last message ended; it is
  // consumed only when complete. Already scanned bytes are not scanned again.
  Result ParseRequestHead(std::string_view input, RequestHead& head);
  // `request_method` decides about bodies (HEAD; CONNECT 2xx). A 1xx is a head of its own: call
  // again for the next. 101 sets body.kind to kTunnel.
  Result ParseResponseHead(std::string_view input, Method request_method, ResponseHead& head);
  // After kHead until kEnd: never returns more than one piece at a time.
  Result ParseBody(std::string_view input);
  // The peer closed. True when that ends the message (kUntilClose, a tunnel) or it had ended
  // before; false when it was cut short or had not begun (see idle()).
  bool OnEof();

  const Fields& trailers() const { return trailers_; }
  const H1Error& error() const { return error_; }
  // True before the first byte of a head was seen: closing here loses nothing.
  bool idle() const { return phase_ == Phase::kHead && scanned_ == 0; }
  void set_limits(const H1Limits& limits) { limits_ = limits; }
  // Ready for the next message.
  void Reset();

 private:
  enum class Side : std::uint8_t { kRequest, kResponse };
  enum class Phase : std::uint8_t { kHead, kBody, kDone, kBroken };
  enum class ChunkState : std::uint8_t { kSize, kData, kDataEnd, kTrailers };

  Result Broken(H1Rule rule);
  Result StartHead(std::string_view input);
  Result ScanHead(std::string_view input);
  // One line of a chunked body, from `input` without its CRLF; kNeedMore until it is whole.
  Result TakeLine(std::string_view input, std::size_t bytes_max, H1Rule too_long,
                  std::string_view& line);
  Result ParseChunked(std::string_view input);
  H1Rule ReadChunkLine(std::string_view line);
  H1Rule ReadTrailer(std::string_view line);

  H1Limits limits_;
  H1Error error_;
  Fields trailers_;
  BodyFraming framing_;
  std::uint64_t remaining_ = 0;  // Of a kLength body or of the current chunk.
  std::uint64_t overhead_ = 0;   // Bytes of chunk lines not yet paid for by data.
  std::size_t scanned_ = 0;      // Bytes of the head, chunk or trailer line already scanned.
  std::size_t line_start_ = 0;   // Of the head's line that `scanned_` is in.
  std::size_t lines_ = 0;        // Of the head, or of the trailers.
  std::size_t trailer_bytes_ = 0;
  Side side_ = Side::kRequest;
  Phase phase_ = Phase::kHead;
  ChunkState chunk_state_ = ChunkState::kSize;
};

// ---- encoding
// ------------------------------------------------------------------------------------

// Appends the head as HTTP/1.1, framing rebuilt from `head.body`: Host from `authority`, then
// Content-Length or Transfer-Encoding, then the fields in order. `connection` is written as
// given ("close", "keep-alive", "upgrade"; empty: no Connection field). A kNone body gets a
// Content-Length only when has_content_length says so: set it on replies that have no body.
// REQUIRES: fields hold no hop-by-hop field but an Upgrade that `connection` names, and no control
// byte (the parsers let none in).
void EncodeRequestHead(const RequestHead& head, std::string_view connection, std::string& out);
void EncodeResponseHead(const ResponseHead& head, std::string_view connection, std::string& out);
// Writes the names in `head`, the bytes of an encoded head, as X-Request-Id. In place.
void ProperCaseNames(std::span<char> head);

// "1f4\r\n": then `bytes` of data, then "\r\n". Returns its length; `out` has room for 18.
std::size_t EncodeChunkHeader(std::uint64_t bytes, char* out);
// "0\r\n", trailers, "\r\n".
void EncodeLastChunk(const Fields& trailers, std::string& out);

}  // namespace sluice::http
