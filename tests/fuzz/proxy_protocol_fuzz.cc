// PROXY headers: a verdict does not depend on how the bytes arrive, a header is never longer than
// its input or the bound, and its addresses survive being written and read again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/proxy_protocol.h"

namespace sluice::net {
namespace {

void RunOne(std::string_view input) {
  using Step = ProxyHeader::Step;
  const ProxyHeader whole = ParseProxyHeader(input);
  // Cut anywhere it is the same, or not yet decided.
  const std::size_t step = 1 + input.size() / 64;
  for (std::size_t i = 0; i < input.size(); i += step) {
    const ProxyHeader part = ParseProxyHeader(input.substr(0, i));
    if (part.step == Step::kNeedMore) continue;
    SLUICE_CHECK(part.step == whole.step);
    SLUICE_CHECK(part.step != Step::kHeader || part.bytes == whole.bytes);
  }
  if (whole.step == Step::kNeedMore) SLUICE_CHECK(input.size() < kProxyHeaderBytesMax);
  if (whole.step != Step::kHeader) return;
  SLUICE_CHECK(whole.bytes <= input.size() && whole.bytes <= kProxyHeaderBytesMax);
  SLUICE_CHECK(whole.version == 1 || whole.version == 2);
  if (!whole.has_addresses) return;
  SLUICE_CHECK(whole.source.is_ip() && whole.source.family() == whole.destination.family());
  for (const int version : {1, 2}) {
    std::string again;
    AppendProxyHeader(version, whole.source, whole.destination, again);
    const ProxyHeader read = ParseProxyHeader(again);
    SLUICE_CHECK(read.step == Step::kHeader && read.bytes == again.size());
    SLUICE_CHECK(read.source == whole.source && read.destination == whole.destination);
  }
}

}  // namespace
}  // namespace sluice::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::net::RunOne({reinterpret_cast<const char*>(data), size});
  return 0;
}
