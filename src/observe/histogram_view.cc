#include "observe/histogram_view.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "observe/cells.h"

namespace sluice::observe {
namespace {

std::uint64_t Total(std::span<const std::uint64_t> buckets) {
  std::uint64_t total = 0;
  for (const std::uint64_t n : buckets) total += n;
  return total;
}

}  // namespace

std::array<std::uint64_t, kEnvoyBounds.size()> CumulativeCounts(
    std::span<const std::uint64_t> buckets) {
  std::array<std::uint64_t, kEnvoyBounds.size()> counts{};
  std::uint64_t below = 0;
  std::size_t bound = 0;
  for (unsigned b = 0; b < buckets.size() && bound < counts.size(); ++b) {
    const double floor = static_cast<double>(Histogram::BucketFloor(b));
    const double next = static_cast<double>(Histogram::BucketFloor(b + 1));
    // The bucket holds the whole numbers floor to next - 1.
    while (bound < counts.size() && kEnvoyBounds[bound] < next - 1) {
      const double fit = std::max(0.0, std::floor(kEnvoyBounds[bound]) - floor + 1);
      counts[bound] = below + static_cast<std::uint64_t>(static_cast<double>(buckets[b]) * fit /
                                                         (next - floor));
      ++bound;
    }
    below += buckets[b];
  }
  for (; bound < counts.size(); ++bound) counts[bound] = below;
  return counts;
}

std::array<double, kEnvoyQuantiles.size()> Quantiles(std::span<const std::uint64_t> buckets) {
  std::array<double, kEnvoyQuantiles.size()> values{};
  const std::uint64_t total = Total(buckets);
  if (total == 0) {
    values.fill(std::numeric_limits<double>::quiet_NaN());
    return values;
  }
  std::size_t q = 0;
  std::uint64_t below = 0;
  double last = 0;
  for (unsigned b = 0; b < buckets.size() && q < values.size(); ++b) {
    if (buckets[b] == 0) continue;
    const auto count = static_cast<double>(buckets[b]);
    const auto floor = static_cast<double>(Histogram::BucketFloor(b));
    const double width = static_cast<double>(Histogram::BucketFloor(b + 1)) - floor;
    last = floor + width;
    while (q < values.size()) {
      const double rank =
          kEnvoyQuantiles[q] * static_cast<double>(total) - static_cast<double>(below);
      if (rank > count) break;
      values[q++] = floor + width * std::max(rank, 0.0) / count;
    }
    below += buckets[b];
  }
  for (; q < values.size(); ++q) values[q] = last;  // Rounding at the very end.
  return values;
}

void AppendDouble(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "nan";
    return;
  }
  char text[32];
  const auto result =
      value == std::floor(value) && std::abs(value) < 1e15
          ? std::to_chars(text, text + sizeof(text), static_cast<std::int64_t>(value))
          : std::to_chars(text, text + sizeof(text), value, std::chars_format::general, 6);
  out.append(text, static_cast<std::size_t>(result.ptr - text));
}

}  // namespace sluice::observe
