#pragma once
// One file, pipe or terminal that access-log lines go to, with what waits to be written.
//
// Log thread only. Never blocks on a reader: a pipe is written only as far as it has room.

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "config/access_log.h"
#include "observe/stats.h"

namespace sluice::observe {

class LogFile {
 public:
  explicit LogFile(const config::AccessLog& log);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // The same for logs that share a file: "/dev/stdout" is the stdout sink.
  static std::string KeyOf(const config::AccessLog& log);
  // A new descriptor for a path; an error names it and says why.
  static absl::StatusOr<int> OpenPath(const std::string& path);

  // Takes one record, in two parts.
  void Append(std::string_view first, std::string_view second, base::Monotonic now,
              AccessLogStats& stats);
  // Writes what waits, as far as it goes without waiting for a reader.
  void Write(base::Monotonic now, AccessLogStats& stats);
  // By its path again; the old descriptor stays when that fails. Call after Write.
  void Reopen(AccessLogStats& stats);
  // What waits is given up.
  void Drop(AccessLogStats& stats);

  std::size_t waiting() const { return buffer_.size() - written_; }
  base::Monotonic waiting_since() const { return waiting_since_; }
  bool stuck() const { return stuck_; }  // The last Write left something: no room.

 private:
  bool EnsureOpen(base::Monotonic now);

  const std::string path_;  // Empty: a standard stream.
  int fd_ = -1;
  bool regular_ = false;
  bool failed_ = false;    // Said so already.
  base::Monotonic tried_;  // Last attempt to open.
  std::string buffer_;
  std::size_t written_ = 0;  // Bytes of buffer_ that are out.
  base::Monotonic waiting_since_;
  bool stuck_ = false;
};

}  // namespace sluice::observe
