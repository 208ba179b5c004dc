// HTTP/1 responses: however the bytes arrive, one reading; and what we send on reads back the same.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/h1_codec.h"
#include "http/hop_by_hop.h"
#include "tests/unit/http/h1_drive.h"

namespace sluice::http {
namespace {

void CheckSplits(std::string_view input, std::size_t split, const H1Limits& limits, Method method) {
  const H1Drive fresh(limits, false, method);
  const H1Outcome whole = DriveInPieces(fresh, input, {}, true);
  SLUICE_CHECK(DriveInPieces(fresh, input, {split % (input.size() + 1)}, true).text == whole.text);
  if (input.size() <= 512) {
    const std::vector<std::size_t> bytes(input.size(), 1);
    SLUICE_CHECK(DriveInPieces(fresh, input, bytes, true).text == whole.text);
  }
}

void CheckRoundTrip(std::string_view input, const H1Limits& limits, Method method) {
  H1Parser parser(limits);
  ResponseHead head;
  if (parser.ParseResponseHead(input, method, head).step != H1Step::kHead) return;
  SLUICE_CHECK(head.status >= 100 && head.status <= 599);
  const bool switches = head.status == 101;
  RemoveHopByHop(head.fields, switches);
  head.version = Version::kHttp11;
  std::string bytes;
  EncodeResponseHead(head, head.keep_alive ? "" : "close", bytes);
  H1Limits wide;
  wide.head_bytes_max = bytes.size();
  wide.fields_max = head.fields.size() + 2;
  H1Parser again(wide);
  ResponseHead read;
  const H1Parser::Result result = again.ParseResponseHead(bytes, method, read);
  SLUICE_CHECK(result.step == H1Step::kHead && result.consumed == bytes.size());
  RemoveHopByHop(read.fields, switches);
  SLUICE_CHECK(Describe(read) == Describe(head));
}

// Two bytes of choices, then the connection.
void RunOne(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  H1Limits limits;
  limits.keep_trailers = (data[0] & 1) != 0;
  if ((data[0] & 2) != 0) limits.head_bytes_max = 100;
  if ((data[0] & 4) != 0) limits.fields_max = 3;
  if ((data[0] & 8) != 0) limits.trailer_bytes_max = 30;
  if ((data[0] & 16) != 0) limits.chunk_line_bytes_max = 8;
  constexpr Method kMethods[] = {Method::kGet, Method::kHead, Method::kConnect, Method::kPost};
  const Method method = kMethods[data[0] >> 6];
  CheckSplits(input, data[1], limits, method);
  CheckRoundTrip(input, limits, method);
}

}  // namespace
}  // namespace sluice::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::http::RunOne(data, size);
  return 0;
}
