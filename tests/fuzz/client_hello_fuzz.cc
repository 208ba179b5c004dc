// ClientHellos: however the bytes arrive, one reading, within bounds.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/client_hello.h"

namespace sluice::net {
namespace {

constexpr std::size_t kMax = 16 * 1024;

void Check(std::string_view input, std::size_t cut) {
  const ClientHello whole = ParseClientHello(input, kMax);
  const ClientHello part = ParseClientHello(input.substr(0, cut), kMax);
  using Step = ClientHello::Step;
  // What was decided early stays decided.
  if (part.step != Step::kNeedMore) {
    SLUICE_CHECK(part.step == whole.step && part.server_name == whole.server_name &&
                 part.alpn == whole.alpn && part.bytes == whole.bytes);
  }
  SLUICE_CHECK(whole.step == Step::kHello || (whole.server_name.empty() && whole.alpn.empty()));
  SLUICE_CHECK(whole.bytes <= input.size() && whole.server_name.size() <= 255);
  if (whole.step == Step::kHello && whole.bytes < input.size()) {
    SLUICE_CHECK(ParseClientHello(input.substr(0, whole.bytes), kMax).step == Step::kHello);
  }
}

}  // namespace
}  // namespace sluice::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const std::size_t cut : {input.size() * data[0] / 256, std::size_t{5}, std::size_t{9}}) {
    sluice::net::Check(input, cut < input.size() ? cut : input.size());
  }
  return 0;
}
