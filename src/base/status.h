#pragma once
// absl::Status spoken in std::string_view.
//
// Debian's abseil has its own string_view that does not convert from the standard one; these few
// functions are the only place that knows. Any thread.

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::base {

inline absl::Status MakeStatus(absl::StatusCode code, std::string_view message) {
  return absl::Status(code, absl::string_view(message.data(), message.size()));
}
inline absl::Status InvalidArgument(std::string_view message) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, message);
}
inline absl::Status NotFound(std::string_view message) {
  return MakeStatus(absl::StatusCode::kNotFound, message);
}
inline absl::Status Unavailable(std::string_view message) {
  return MakeStatus(absl::StatusCode::kUnavailable, message);
}
inline absl::Status FailedPrecondition(std::string_view message) {
  return MakeStatus(absl::StatusCode::kFailedPrecondition, message);
}
inline absl::Status Internal(std::string_view message) {
  return MakeStatus(absl::StatusCode::kInternal, message);
}

// The message of `status`; valid while `status` lives.
inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace sluice::base
