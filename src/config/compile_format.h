#pragma once
// SubstitutionFormatString and JSON formats: proto to value. Config thread.

#include <cstdint>

#include "config/format.h"

namespace google::protobuf {
class Struct;
}
namespace envoy::config::core::v3 {
class SubstitutionFormatString;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// Whether a JSON leaf that is one operator keeps its type. The oldest spelling writes strings only.
enum class JsonLeaves : std::uint8_t { kTyped, kStrings };

JsonFormat CompileJsonFormat(const google::protobuf::Struct& proto, JsonLeaves leaves,
                             base::FieldErrors& errors);

// Of the body of a response made here.
BodyFormat CompileBodyFormat(const envoy::config::core::v3::SubstitutionFormatString& proto,
                             base::FieldErrors& errors);

}  // namespace sluice::config
