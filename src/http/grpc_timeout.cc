#include "http/grpc_timeout.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::http {
namespace {

constexpr std::size_t kDigitsMax = 8;
constexpr std::uint64_t kNumberMax = 99'999'999;

}  // namespace

std::optional<std::uint64_t> ParseGrpcTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
  const auto number = base::ParseUint(text.substr(0, text.size() - 1));
  if (!number.has_value()) return std::nullopt;
  switch (text.back()) {
    case 'H':
      return *number * 3'600'000;
    case 'M':
      return *number * 60'000;
    case 'S':
      return *number * 1000;
    case 'm':
      return *number;
    case 'u':
      return (*number + 999) / 1000;
    case 'n':
      return (*number + 999'999) / 1'000'000;
    default:
      return std::nullopt;
  }
}

std::string GrpcTimeoutText(std::uint64_t ms) {
  if (ms <= kNumberMax) return base::Cat(ms, "m");
  if (ms / 1000 <= kNumberMax) return base::Cat(ms / 1000, "S");
  if (ms / 60'000 <= kNumberMax) return base::Cat(ms / 60'000, "M");
  return base::Cat(std::min(ms / 3'600'000, kNumberMax), "H");
}

}  // namespace sluice::http
