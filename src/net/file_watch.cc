#include "net/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/status.h"
#include "base/strings.h"
#include "net/socket_stream.h"

namespace sluice::net {

absl::StatusOr<std::unique_ptr<FileWatch>> FileWatch::Open(Loop& loop, const std::string& path,
                                                           absl::AnyInvocable<void()> changed) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  std::string name = slash == path.npos ? path : path.substr(slash + 1);
  FileDescriptor fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd || inotify_add_watch(fd.get(), directory.c_str(),
                               IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
    return base::Unavailable(base::Cat("cannot watch ", directory, ": ", ErrnoText(errno)));
  }
  std::unique_ptr<FileWatch> watch(
      new FileWatch(loop, std::move(fd), std::move(name), std::move(changed)));
  if (!loop.Add(watch->fd_.get(), *watch)) {
    return base::Unavailable(base::Cat("cannot watch ", directory, ": ", ErrnoText(errno)));
  }
  return watch;
}

FileWatch::FileWatch(Loop& loop, FileDescriptor fd, std::string name,
                     absl::AnyInvocable<void()> changed)
    : loop_(loop), fd_(std::move(fd)), name_(std::move(name)), changed_(std::move(changed)) {}

FileWatch::~FileWatch() { loop_.Remove(fd_.get(), *this); }

void FileWatch::OnEvents(std::uint32_t) {
  bool ours = false;
  alignas(inotify_event) char events[8192];
  for (;;) {
    const ssize_t bytes = read(fd_.get(), events, sizeof(events));
    if (bytes <= 0) break;
    for (ssize_t at = 0; at < bytes;) {
      inotify_event event;
      std::memcpy(&event, events + at, sizeof(event));
      const char* text = events + at + sizeof(event);
      const std::string_view name(text, event.len == 0 ? 0 : strnlen(text, event.len));
      // `..data` is the link that a mounted ConfigMap swaps; after an overflow anything may be so.
      ours = ours || name_.empty() || name == name_ || name == "..data" ||
             (event.mask & IN_Q_OVERFLOW) != 0;
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
  }
  if (ours) changed_();  // May destroy this.
}

}  // namespace sluice::net
