#pragma once
// Runtime values: the layers of `layered_runtime` merged into one immutable map, and the fractions
// and flags that configuration reads from it.
//
// Built on the config thread for each change of a layer and carried by the snapshot; any thread may
// read. A key that no layer has answers the default of its reader. envoy-behaviour.md 1.10 (RTDS).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::config {

struct RuntimeValue {
  std::string text;      // As written.
  double number = 0;     // Valid when is_number.
  bool boolean = false;  // Valid when is_boolean.
  bool is_number = false;
  bool is_boolean = false;
  // A FractionalPercent given as a struct: numerator of denominator (100, 10,000 or 1,000,000).
  bool is_fraction = false;
  std::uint32_t numerator = 0;
  std::uint32_t denominator = 100;
  bool operator==(const RuntimeValue&) const = default;
};

class Runtime {
 public:
  using Values = std::map<std::string, RuntimeValue, std::less<>>;
  Runtime() = default;
  explicit Runtime(Values values) : values_(std::move(values)) {}

  const RuntimeValue* Find(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }
  const Values& values() const { return values_; }
  bool operator==(const Runtime&) const = default;

 private:
  Values values_;
};

// RuntimeFractionalPercent: `key` in the runtime (a whole number of percent or a fraction), else
// the default.
struct RuntimeFraction {
  std::uint32_t numerator = 100;
  std::uint32_t denominator = 100;
  std::string key;  // "": the default alone.

  // `random`: any 64-bit number. `runtime` may be null.
  bool Enabled(const Runtime* runtime, std::uint64_t random) const {
    std::uint64_t part = numerator;
    std::uint64_t whole = denominator;
    const RuntimeValue* value = runtime == nullptr || key.empty() ? nullptr : runtime->Find(key);
    if (value != nullptr && value->is_fraction) {
      part = value->numerator;
      whole = value->denominator;
    } else if (value != nullptr && value->is_number && value->number >= 0) {
      part = static_cast<std::uint64_t>(value->number);
      whole = 100;
    }
    return random % whole < part;
  }
  bool operator==(const RuntimeFraction&) const = default;
};

// RuntimeFeatureFlag and RuntimeUInt32 are read alike: by key, else the default.
struct RuntimeFlag {
  bool value = true;
  std::string key;
  bool Enabled(const Runtime* runtime) const {
    const RuntimeValue* found = runtime == nullptr || key.empty() ? nullptr : runtime->Find(key);
    return found != nullptr && found->is_boolean ? found->boolean : value;
  }
  bool operator==(const RuntimeFlag&) const = default;
};

}  // namespace sluice::config
