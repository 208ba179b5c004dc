#include "config/compile_runtime.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "envoy/config/core/v3/base.pb.h"

namespace sluice::config {

RuntimeFraction CompileFraction(const envoy::config::core::v3::RuntimeFractionalPercent& proto,
                                base::FieldErrors& errors) {
  using envoy::type::v3::FractionalPercent;
  RuntimeFraction fraction;
  fraction.key = proto.runtime_key();
  if (!proto.has_default_value()) {
    errors.AddAt("default_value", "is required");
    return fraction;
  }
  switch (proto.default_value().denominator()) {
    case FractionalPercent::TEN_THOUSAND:
      fraction.denominator = 10'000;
      break;
    case FractionalPercent::MILLION:
      fraction.denominator = 1'000'000;
      break;
    default:
      fraction.denominator = 100;  // Other numbers were reported before.
      break;
  }
  fraction.numerator = proto.default_value().numerator();
  if (fraction.numerator > fraction.denominator) {
    errors.AddAt("default_value", base::Cat(fraction.numerator, " of ", fraction.denominator,
                                            " is more than all; write at most that"));
  }
  return fraction;
}

}  // namespace sluice::config
