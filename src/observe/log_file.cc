#include "observe/log_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace sluice::observe {
namespace {

// What a reader that stopped reading may cost; later records are dropped.
constexpr std::size_t kWaitingMax = 1024 * 1024;
constexpr std::chrono::seconds kRetryOpen{1};

int StandardFd(const config::AccessLog& log) {
  using Sink = config::AccessLog::Sink;
  if (log.sink == Sink::kStdout || (log.sink == Sink::kFile && log.path == "/dev/stdout")) return 1;
  if (log.sink == Sink::kStderr || (log.sink == Sink::kFile && log.path == "/dev/stderr")) return 2;
  return -1;
}

bool IsRegular(int fd) {
  struct stat status{};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Room for PIPE_BUF bytes, without waiting.
bool HasRoom(int fd) {
  pollfd entry{fd, POLLOUT, 0};
  return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL)) != 0;
}

}  // namespace

LogFile::LogFile(const config::AccessLog& log)
    : path_(StandardFd(log) < 0 ? log.path : ""), fd_(StandardFd(log)) {
  if (fd_ >= 0) regular_ = IsRegular(fd_);
}

LogFile::~LogFile() {
  if (!path_.empty() && fd_ >= 0) close(fd_);
}

std::string LogFile::KeyOf(const config::AccessLog& log) {
  switch (StandardFd(log)) {
    case 1:
      return "/dev/stdout";
    case 2:
      return "/dev/stderr";
    default:
      return log.path;
  }
}

absl::StatusOr<int> LogFile::OpenPath(const std::string& path) {
  // O_NONBLOCK: opening a fifo without a reader fails instead of holding the thread up.
  const int fd =
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
  if (fd >= 0) return fd;
  return base::InvalidArgument(
      base::Cat("unable to open file '", base::Printable(path), "': ", std::strerror(errno)));
}

bool LogFile::EnsureOpen(base::Monotonic now) {
  if (fd_ >= 0) return true;
  if (failed_ && now - tried_ < kRetryOpen) return false;
  tried_ = now;
  const absl::StatusOr<int> opened = OpenPath(path_);
  if (!opened.ok()) {
    if (!failed_) SLUICE_LOG(kError, kFile, "access log: ", base::MessageOf(opened.status()));
    failed_ = true;
    return false;
  }
  failed_ = false;
  fd_ = *opened;
  regular_ = IsRegular(fd_);
  return true;
}

void LogFile::Append(std::string_view first, std::string_view second, base::Monotonic now,
                     AccessLogStats& stats) {
  if (waiting() + first.size() + second.size() > kWaitingMax) {
    stats.write_dropped.Add();
    return;
  }
  if (waiting() == 0) waiting_since_ = now;
  buffer_.append(first).append(second);
  stats.write_buffered.Add();
}

void LogFile::Write(base::Monotonic now, AccessLogStats& stats) {
  stuck_ = false;
  if (waiting() == 0) return;
  if (!EnsureOpen(now)) {
    stats.write_failed.Add();
    Drop(stats);
    return;
  }
  while (waiting() > 0) {
    const std::size_t size = regular_ ? waiting() : std::min<std::size_t>(waiting(), PIPE_BUF);
    if (!regular_ && !HasRoom(fd_)) {
      stuck_ = true;
      break;
    }
    const ssize_t wrote = write(fd_, buffer_.data() + written_, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      stuck_ = true;
      break;
    }
    if (wrote < 0) {
      if (!failed_) SLUICE_LOG(kError, kFile, "access log: write: ", std::strerror(errno));
      failed_ = true;
      stats.write_failed.Add();
      Drop(stats);
      return;
    }
    failed_ = false;
    written_ += static_cast<std::size_t>(wrote);
    stats.write_completed.Add();
  }
  buffer_.erase(0, written_);
  written_ = 0;
}

void LogFile::Reopen(AccessLogStats& stats) {
  if (path_.empty()) return;
  const absl::StatusOr<int> opened = OpenPath(path_);
  if (!opened.ok()) {
    SLUICE_LOG(kError, kFile, "access log: ", base::MessageOf(opened.status()));
    stats.reopen_failed.Add();
    return;
  }
  if (fd_ >= 0) close(fd_);
  fd_ = *opened;
  regular_ = IsRegular(fd_);
  failed_ = false;
}

void LogFile::Drop(AccessLogStats& stats) {
  const auto lines =
      std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(written_), buffer_.end(), '\n');
  stats.write_dropped.Add(static_cast<std::uint64_t>(lines));
  buffer_.clear();
  written_ = 0;
}

}  // namespace sluice::observe
