#pragma once
// Compiled access loggers and their filters. Values; any thread may read.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/format.h"
#include "config/matchers.h"

namespace sluice::config {

struct AccessLogFilter {
  enum class Kind : std::uint8_t { kStatus, kDuration, kHeader, kResponseFlags, kAnd, kOr };
  enum class Compare : std::uint8_t { kEq, kGe, kLe, kNe };
  Kind kind = Kind::kAnd;
  Compare compare = Compare::kEq;  // kStatus; kDuration (milliseconds).
  std::uint32_t value = 0;
  std::optional<HeaderMatcher> header;    // kHeader.
  std::uint64_t flags = 0;                // kResponseFlags: bits of observe::ResponseFlag; 0:
                                          // any flag.
  std::vector<AccessLogFilter> children;  // kAnd, kOr.

  bool operator==(const AccessLogFilter&) const = default;
};

struct AccessLog {
  enum class Sink : std::uint8_t { kFile, kStdout, kStderr };
  Sink sink = Sink::kFile;
  std::string path;                // kFile.
  Format format;                   // Text, with the newline it is to end with.
  std::optional<JsonFormat> json;  // Set: instead of `format`; a newline follows the object.
  bool omit_empty_values = false;
  std::optional<AccessLogFilter> filter;

  bool operator==(const AccessLog&) const = default;
};

}  // namespace sluice::config
