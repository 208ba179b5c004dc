#pragma once
// Reading the scalar pieces of xDS messages with their checks: durations, Any, enums.
//
// Config thread. Errors go to the current scope of `errors`.

#include <cstdint>
#include <string_view>

namespace google::protobuf {
class Any;
class Duration;
class Message;
}  // namespace google::protobuf
namespace envoy::config::core::v3 {
class ConfigSource;
}
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct CompileOptions;

// Checks every field's class (field_policy.h) below the current scope and tells `options` what has
// no effect and what is unknown; with reject_unknown_fields the latter are errors.
void CheckMessage(const google::protobuf::Message& message, const CompileOptions& options,
                  base::FieldErrors& errors);

// Parses `any` into `out`, whose type it must have, and runs CheckMessage() on it. False after
// adding the error that the bytes are none: refused fields are errors too, but `out` can be read.
bool ParseAny(const google::protobuf::Any& any, const CompileOptions& options,
              google::protobuf::Message& out, base::FieldErrors& errors);
// The same, false after any error.
bool UnpackAny(const google::protobuf::Any& any, const CompileOptions& options,
               google::protobuf::Message& out, base::FieldErrors& errors);

// Milliseconds of a duration from 0 to 100 years (more would overflow deadlines in nanoseconds).
// A part of a millisecond counts as one, so that what is set never turns into 0. 0 on error.
std::uint64_t DurationMs(const google::protobuf::Duration& duration, std::string_view field,
                         base::FieldErrors& errors);
// The same, where 0 would make no sense: `least_ms` or an error.
std::uint64_t DurationMsAtLeast(const google::protobuf::Duration& duration, std::string_view field,
                                std::uint64_t least_ms, base::FieldErrors& errors);

// A set per_connection_buffer_limit_bytes: at least 1024, as less holds no message head's line.
std::uint32_t BufferLimit(std::uint32_t bytes, base::FieldErrors& errors);

// An enum value that is not implemented, also one newer than our protos.
void AddEnumError(std::string_view field, int value, std::string_view supported,
                  base::FieldErrors& errors);

}  // namespace sluice::config
