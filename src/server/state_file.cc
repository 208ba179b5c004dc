#include "server/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

#include "base/status.h"
#include "base/strings.h"
#include "net/socket.h"
#include "net/socket_stream.h"

namespace sluice::server {
namespace {

constexpr off_t kBytesMax = off_t{1} << 30;  // No configuration is larger; a foreign file may be.

absl::Status Failed(std::string_view what, const std::string& path) {
  const int error = errno;
  return base::Unavailable(base::Cat("cannot ", what, " ", path, ": ", net::ErrnoText(error)));
}

}  // namespace

std::string StatePath(const std::string& directory) { return base::Cat(directory, "/xds.state"); }

std::optional<xds::SavedState> ReadState(const std::string& directory, const std::string& node,
                                         std::string& why) {
  const std::string path = StatePath(directory);
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) why = base::Cat(path, " cannot be read: ", net::ErrnoText(errno));
    return std::nullopt;
  }
  if (!S_ISREG(info.st_mode) || info.st_size > kBytesMax) {
    why = base::Cat(path, " is no regular file of at most ", kBytesMax, " bytes");
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (!file) {
    why = base::Cat(path, " cannot be read");
    return std::nullopt;
  }
  absl::StatusOr<xds::SavedState> state = xds::DecodeState(bytes);
  if (!state.ok()) {
    why = base::Cat(path, " ", base::MessageOf(state.status()));
    return std::nullopt;
  }
  if (state->node != node) {
    why = base::Cat(path, " belongs to another node, ", base::Printable(state->node));
    return std::nullopt;
  }
  return *std::move(state);
}

absl::Status WriteState(const std::string& directory, const xds::SavedState& state) {
  const std::string path = StatePath(directory);
  const std::string next = base::Cat(path, ".next");
  const std::string bytes = xds::EncodeState(state);
  unlink(next.c_str());  // Left by a crash; its mode might be wrong.
  const net::FileDescriptor fd(
      open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed("create", next);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = write(fd.get(), bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return Failed("write", next);
    done += static_cast<std::size_t>(wrote);
  }
  if (fsync(fd.get()) != 0) return Failed("sync", next);
  if (rename(next.c_str(), path.c_str()) != 0) return Failed("replace", path);
  const net::FileDescriptor folder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return Failed("sync", directory);
  return absl::OkStatus();
}

}  // namespace sluice::server
