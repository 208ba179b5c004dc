#pragma once
// What a histogram's buckets say in Envoy's terms: counts up to Envoy's bounds, and quantiles.
// Pure functions over Registry::Sample::buckets; any thread.

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::observe {

// Milliseconds, for all histograms.
inline constexpr std::array<double, 19> kEnvoyBounds = {
    0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
    2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};
inline constexpr std::array<double, 10> kEnvoyQuantiles = {0,    0.25, 0.5,   0.75,  0.9,
                                                           0.95, 0.99, 0.995, 0.999, 1};

// How many values are <= each of kEnvoyBounds. A bucket that a bound cuts is shared out evenly.
std::array<std::uint64_t, kEnvoyBounds.size()> CumulativeCounts(
    std::span<const std::uint64_t> buckets);

// For each of kEnvoyQuantiles, linear within a bucket; NaN when there are no values.
std::array<double, kEnvoyQuantiles.size()> Quantiles(std::span<const std::uint64_t> buckets);

// "0.5", "10", "1.025", "nan": at most six digits, as Envoy's.
void AppendDouble(double value, std::string& out);

}  // namespace sluice::observe
