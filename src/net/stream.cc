#include "net/stream.h"

#include <array>

namespace sluice::net {

Task<bool> WriteAll(Stream& stream, std::string_view a, std::string_view b, std::string_view c) {
  std::array<std::string_view, 3> pieces = {a, b, c};
  std::size_t first = 0;
  for (;;) {
    while (first < pieces.size() && pieces[first].empty()) ++first;
    if (first == pieces.size()) co_return true;
    const IoResult result = stream.Write(std::span(pieces).subspan(first));
    if (result.status == IoStatus::kWouldBlock) {
      co_await stream.WaitWritable();
      continue;
    }
    if (result.status != IoStatus::kOk) co_return false;
    std::size_t left = result.bytes;
    while (first < pieces.size() && left >= pieces[first].size()) left -= pieces[first++].size();
    if (first < pieces.size()) pieces[first].remove_prefix(left);
  }
}

}  // namespace sluice::net
