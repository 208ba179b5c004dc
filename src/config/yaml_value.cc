#include "config/yaml_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/yaml_tree.h"

namespace sluice::config {
namespace {

constexpr std::int64_t kDurationSecondsMax = 315'576'000'000;

// A JSON number: no plus sign, no leading zero, digits on both sides of the point.
bool IsJsonNumber(std::string_view text) {
  const auto digits = [&text] {
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count;
  };
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  const bool zero = !text.empty() && text.front() == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

std::optional<double> ToDouble(std::string_view text) {
  if (!IsJsonNumber(text)) return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

template <typename Int>
std::optional<Int> ToInteger(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar || !IsJsonNumber(node.text)) return std::nullopt;
  const std::string_view text = node.text;
  Int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc() && result.ptr == text.data() + text.size()) return value;
  // 10.0 and 1e3: exact as long as a double counts in ones.
  const std::optional<double> number = ToDouble(text);
  if (!number || std::trunc(*number) != *number || std::abs(*number) > 9007199254740992.0) {
    return std::nullopt;
  }
  if (std::is_unsigned_v<Int> && *number < 0) return std::nullopt;
  return static_cast<Int>(*number);
}

// Edits that turn `a` into `b`; two letters swapped are one edit.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before, above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<DurationValue> ParseDuration(std::string_view text) {
  if (text.empty() || text.back() != 's') return std::nullopt;
  text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::optional<std::uint64_t> seconds = base::ParseUint(whole);
  if (!seconds || *seconds > static_cast<std::uint64_t>(kDurationSecondsMax)) return std::nullopt;
  std::uint64_t nanos = 0;
  if (point != std::string_view::npos) {
    const std::string_view digits = text.substr(point + 1);
    const std::optional<std::uint64_t> fraction = base::ParseUint(digits);
    if (!fraction || digits.size() > 9) return std::nullopt;
    nanos = *fraction;
    for (std::size_t i = digits.size(); i < 9; ++i) nanos *= 10;
  }
  DurationValue value{static_cast<std::int64_t>(*seconds), static_cast<std::int32_t>(nanos)};
  if (negative) value = {-value.seconds, -value.nanos};
  return IsValidDuration(value) ? std::optional(value) : std::nullopt;
}

bool IsValidDuration(const DurationValue& value) {
  if (value.seconds > kDurationSecondsMax || value.seconds < -kDurationSecondsMax) return false;
  if (value.nanos > 999'999'999 || value.nanos < -999'999'999) return false;
  return !(value.seconds > 0 && value.nanos < 0) && !(value.seconds < 0 && value.nanos > 0);
}

std::optional<std::int64_t> ParseSigned(const YamlNode& node, std::int64_t low, std::int64_t high) {
  const std::optional<std::int64_t> value = ToInteger<std::int64_t>(node);
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

std::optional<std::uint64_t> ParseUnsigned(const YamlNode& node, std::uint64_t high) {
  const std::optional<std::uint64_t> value = ToInteger<std::uint64_t>(node);
  return value && *value <= high ? value : std::nullopt;
}

std::optional<double> ParseDouble(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) return std::nullopt;
  if (node.text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (node.text == "Infinity") return std::numeric_limits<double>::infinity();
  if (node.text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return ToDouble(node.text);
}

std::optional<bool> ParseBool(const YamlNode& node) {
  if (node.kind != YamlNode::Kind::kScalar) return std::nullopt;
  if (node.text == "true") return true;
  if (node.text == "false") return false;
  return std::nullopt;
}

void NearestWord::Offer(std::string_view candidate) {
  if (word_.size() > 100 || candidate.size() > 100) return;
  const std::size_t distance = EditDistance(word_, candidate);
  const std::size_t allowed = std::max<std::size_t>(1, std::min<std::size_t>(3, word_.size() / 3));
  if (distance > allowed || distance >= distance_) return;
  distance_ = distance;
  best_ = candidate;
}

}  // namespace sluice::config
