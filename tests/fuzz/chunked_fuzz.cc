// Chunked bodies: however the bytes arrive, one reading; and the body, chunked anew by us, reads
// back the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/h1_codec.h"
#include "http/hop_by_hop.h"

namespace sluice::http {
namespace {

struct Reading {
  H1Step end = H1Step::kNeedMore;
  std::string body;
  Fields trailers;
  std::string_view error;
  std::size_t left = 0;  // Bytes behind the message.

  bool operator==(const Reading&) const = default;
};

constexpr std::string_view kRequest =
    "POST / HTTP/1.1\r\nHost: a.ex\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// Gives the parser `piece` bytes more each time; 0: all at once.
Reading Read(std::string_view input, std::size_t piece, bool request, const H1Limits& limits) {
  H1Parser parser(limits);
  RequestHead request_head;
  ResponseHead response_head;
  const H1Step head = request
                          ? parser.ParseRequestHead(kRequest, request_head).step
                          : parser.ParseResponseHead(kResponse, Method::kGet, response_head).step;
  SLUICE_CHECK(head == H1Step::kHead);
  Reading reading;
  std::string buffer;
  do {
    const std::size_t size = piece == 0 ? input.size() : std::min(piece, input.size());
    buffer.append(input.substr(0, size));
    input.remove_prefix(size);
    H1Parser::Result result;
    do {
      result = parser.ParseBody(buffer);
      SLUICE_CHECK(result.consumed <= buffer.size());
      SLUICE_CHECK(result.step != H1Step::kBody || !result.body.empty());
      reading.body.append(result.body);
      buffer.erase(0, result.consumed);
    } while (result.step == H1Step::kBody);
    reading.end = result.step;
  } while (reading.end == H1Step::kNeedMore && !input.empty());
  if (reading.end == H1Step::kNeedMore) {
    SLUICE_CHECK(!parser.OnEof());
    SLUICE_CHECK(buffer.size() <= std::max(limits.chunk_line_bytes_max, limits.trailer_bytes_max));
  }
  if (reading.end == H1Step::kBroken) reading.error = parser.error().text;
  if (reading.end == H1Step::kEnd) {
    reading.trailers = parser.trailers();
    reading.left = buffer.size() + input.size();
  }
  return reading;
}

void CheckRoundTrip(const Reading& reading, bool request, std::size_t chunk) {
  std::string bytes;
  std::string_view body = reading.body;
  while (!body.empty()) {
    const std::string_view data = body.substr(0, chunk);
    body.remove_prefix(data.size());
    char header[18];
    bytes.append(header, EncodeChunkHeader(data.size(), header)).append(data).append("\r\n");
  }
  EncodeLastChunk(reading.trailers, bytes);
  H1Limits limits;
  limits.keep_trailers = true;
  limits.fields_max = std::max<std::size_t>(2, reading.trailers.size());  // The head has two.
  const Reading again = Read(bytes, 0, request, limits);
  SLUICE_CHECK(again.end == H1Step::kEnd && again.left == 0);
  SLUICE_CHECK(again.body == reading.body && again.trailers == reading.trailers);
}

// Two bytes of choices, then the body.
void RunOne(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  H1Limits limits;
  limits.keep_trailers = true;
  if ((data[0] & 2) != 0) limits.chunk_line_bytes_max = 8;
  if ((data[0] & 4) != 0) limits.trailer_bytes_max = 30;
  if ((data[0] & 8) != 0) limits.fields_max = 2;
  const bool request = (data[0] & 1) != 0;
  const Reading whole = Read(input, 0, request, limits);
  SLUICE_CHECK(Read(input, 1 + data[1] % 64U, request, limits) == whole);
  if (input.size() <= 512) SLUICE_CHECK(Read(input, 1, request, limits) == whole);
  for (const Field field : whole.trailers) SLUICE_CHECK(AllowedInTrailers(field.name));
  if (whole.end == H1Step::kEnd) CheckRoundTrip(whole, request, 1 + data[1] % 64U);
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::http::RunOne(data, size);
  return 0;
}
