#pragma once
// Single values of proto3 JSON read from YAML scalars. Pure functions, any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::config {

struct YamlNode;

struct DurationValue {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;

  bool operator==(const DurationValue&) const = default;
};

// "1.5s", "-0.001s": at most 9 fractional digits, at most 10,000 years.
std::optional<DurationValue> ParseDuration(std::string_view text);

// Within what google.protobuf.Duration may hold: range, nanos below a second, one sign.
bool IsValidDuration(const DurationValue& value);

// A decimal integer, quoted or not; 10.0 and 1e3 too, as JSON has it. Nullopt when it is none or
// out of range. No leading zeros: YAML 1.1 reads them as octal.
std::optional<std::int64_t> ParseSigned(const YamlNode& node, std::int64_t low, std::int64_t high);
std::optional<std::uint64_t> ParseUnsigned(const YamlNode& node, std::uint64_t high);

// A finite number, or quoted or not NaN, Infinity, -Infinity.
std::optional<double> ParseDouble(const YamlNode& node);

// true or false, quoted or not.
std::optional<bool> ParseBool(const YamlNode& node);

// The candidate nearest to `word` when near enough to be a slip of the finger; empty if none.
class NearestWord {
 public:
  explicit NearestWord(std::string_view word) : word_(word) {}
  void Offer(std::string_view candidate);
  std::string_view best() const { return best_; }

 private:
  std::string_view word_;
  std::string best_;
  std::size_t distance_ = ~std::size_t{0};
};

}  // namespace sluice::config
