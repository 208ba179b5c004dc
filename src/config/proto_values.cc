#include "config/proto_values.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile.h"
#include "config/field_policy.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"

namespace sluice::config {
namespace {

constexpr std::int64_t kSecondsMax = 100LL * 365 * 24 * 3600;

}  // namespace

void CheckMessage(const google::protobuf::Message& message, const CompileOptions& options,
                  base::FieldErrors& errors) {
  FieldReport report;
  CheckFields(message, errors, report);
  if (options.on_no_effect) {
    for (const std::string& field : report.no_effect) options.on_no_effect(field);
  }
  for (const UnknownField& field : report.unknown) {
    if (options.reject_unknown_fields) {
      const std::string text = base::Cat("unknown field number ", field.number,
                                         "; leave out what is newer than this version");
      errors.Add(base::Cat(text, field.path.empty() ? "" : " (in ", field.path,
                           field.path.empty() ? "" : ")"));
    } else if (options.on_unknown_field) {
      options.on_unknown_field(base::Cat(field.path, field.path.empty() ? "" : ".", field.number));
    }
  }
}

bool ParseAny(const google::protobuf::Any& any, const CompileOptions& options,
              google::protobuf::Message& out, base::FieldErrors& errors) {
  if (!out.ParseFromString(any.value())) {
    errors.Add(
        base::Cat("the bytes are no ", out.GetTypeName(), "; send the message that @type names"));
    return false;
  }
  CheckMessage(out, options, errors);
  return true;
}

bool UnpackAny(const google::protobuf::Any& any, const CompileOptions& options,
               google::protobuf::Message& out, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  return ParseAny(any, options, out, errors) && errors.size() == before;
}

std::uint64_t DurationMs(const google::protobuf::Duration& duration, std::string_view field,
                         base::FieldErrors& errors) {
  const std::int64_t seconds = duration.seconds();
  const std::int32_t nanos = duration.nanos();
  if (seconds < 0 || nanos < 0 || nanos > 999'999'999 || seconds > kSecondsMax) {
    errors.AddAt(field, "out of range; write a duration from 0s to 3153600000s");
    return 0;
  }
  return static_cast<std::uint64_t>(seconds) * 1000 +
         (static_cast<std::uint64_t>(nanos) + 999'999) / 1'000'000;
}

std::uint64_t DurationMsAtLeast(const google::protobuf::Duration& duration, std::string_view field,
                                std::uint64_t least_ms, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  const std::uint64_t ms = DurationMs(duration, field, errors);
  if (errors.size() == before && ms < least_ms) {
    errors.AddAt(field, base::Cat("too short; write at least ", least_ms, "ms, such as 5s"));
  }
  return ms < least_ms ? least_ms : ms;
}

std::uint32_t BufferLimit(std::uint32_t bytes, base::FieldErrors& errors) {
  constexpr std::uint32_t kLeast = 1024;
  if (bytes >= kLeast) return bytes;
  errors.AddAt("per_connection_buffer_limit_bytes",
               base::Cat(bytes, " is too small; write at least ", kLeast, ", as 65536"));
  return kLeast;
}

void AddEnumError(std::string_view field, int value, std::string_view supported,
                  base::FieldErrors& errors) {
  errors.AddAt(field, base::Cat("value ", value, " is not supported; use ", supported));
}

}  // namespace sluice::config
