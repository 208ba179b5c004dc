#include "store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

constexpr std::string_view kFileName = "apps.yaml";
constexpr std::string_view kCaFileName = "ca_files";  // Copies of the files that apps.yaml names.
constexpr std::string_view kChecksumLine = "# sluice checksum ";
constexpr std::size_t kBytesMax = 64 << 20;

absl::Status Failed(std::string_view what, const std::string& path) {
  return base::Internal(base::Cat("cannot ", what, " '", path, "': ", std::strerror(errno)));
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("open", path);
  const absl::Cleanup close_fd = [fd] { ::close(fd); };
  return ::fsync(fd) == 0 ? absl::OkStatus() : Failed("sync", path);
}

// The new content, whole and on the disk, or the old one: whatever dies in between.
absl::Status WriteAtomically(const std::string& directory, std::string_view name,
                             std::string_view bytes) {
  const std::string path = base::Cat(directory, "/", name);
  const std::string next = base::Cat(path, ".tmp");
  {
    const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return Failed("create", next);
    const absl::Cleanup close_fd = [fd] { ::close(fd); };
    if (absl::Status status = WriteAll(fd, bytes, next); !status.ok()) return status;
    if (::fsync(fd) != 0) return Failed("sync", next);
  }
  if (::rename(next.c_str(), path.c_str()) != 0) return Failed("replace", path);
  return SyncDirectory(directory);
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT) return base::NotFound(base::Cat("'", path, "' does not exist"));
  if (fd < 0) return Failed("open", path);
  const absl::Cleanup close_fd = [fd] { ::close(fd); };
  std::string bytes;
  char buffer[64 * 1024];
  while (true) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", path);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > kBytesMax) return base::Internal(base::Cat("'", path, "' is too large"));
  }
}

// The YAML before the checksum line, or an error.
absl::StatusOr<std::string_view> Verified(std::string_view bytes) {
  const std::size_t line = bytes.rfind(kChecksumLine);
  if (line == std::string_view::npos || (line != 0 && bytes[line - 1] != '\n')) {
    return base::InvalidArgument("its checksum line is missing");
  }
  const std::string_view content = bytes.substr(0, line);
  if (bytes.substr(line) != base::Cat(kChecksumLine, ContentHash(content), "\n")) {
    return base::InvalidArgument("its checksum is wrong");
  }
  return content;
}

// "<bytes of path> <bytes of text>\n<path><text>\n" for each.
std::string CaFilesText(const CaFiles& files) {
  std::string out;
  for (const auto& [path, text] : files.used) {
    base::Append(out, path.size(), " ", text.size(), "\n", path, text, "\n");
  }
  return out;
}

// What is damaged is as good as not there: it matters only when the file itself is gone, too.
std::map<std::string, std::string> ParseCaFiles(std::string_view bytes) {
  std::map<std::string, std::string> files;
  while (!bytes.empty()) {
    const std::size_t line = bytes.find('\n');
    const std::size_t space = bytes.find(' ');
    if (line == std::string_view::npos || space > line) return {};
    const auto path_size = base::ParseUint(bytes.substr(0, space));
    const auto text_size = base::ParseUint(bytes.substr(space + 1, line - space - 1));
    bytes.remove_prefix(line + 1);
    if (!path_size || !text_size || *path_size > bytes.size() ||
        *text_size + 1 > bytes.size() - *path_size) {
      return {};
    }
    files[std::string(bytes.substr(0, *path_size))] = bytes.substr(*path_size, *text_size);
    bytes.remove_prefix(*path_size + *text_size + 1);
  }
  return files;
}

void TellGone(const Snapshot& snapshot) {
  for (const std::string& path : snapshot.ca_files.gone) {
    SLUICE_LOG(kWarning, kConfig, "ca_file '", base::Printable(path, 512),
               "' cannot be read; what it held when it was read last is used");
  }
}

// Out of the way, under a name that is free; nobody's data is overwritten.
absl::StatusOr<std::string> SetAside(const std::string& path) {
  for (int i = 0; i < 1000; ++i) {
    std::string aside = base::Cat(path, ".damaged-", i);
    if (::link(path.c_str(), aside.c_str()) == 0) {
      if (::unlink(path.c_str()) != 0) return Failed("remove", path);
      return aside;
    }
    if (errno != EEXIST) return Failed("set aside", path);
  }
  return base::Internal(base::Cat("too many damaged files beside '", path, "'"));
}

}  // namespace

Store::Store(std::string data_dir, std::function<void(const StoredConfig&)> changed)
    : data_dir_(std::move(data_dir)), changed_(std::move(changed)) {
  current_.etag = base::Cat("\"", ContentHash(PrintAppsYaml(current_.config)), "\"");
  base::FieldErrors none;
  current_.snapshot = BuildSnapshot(current_.config, nullptr, none);
}

absl::Status Store::Load() {
  if (data_dir_.empty()) return base::NotFound("no data directory");
  const std::string path = base::Cat(data_dir_, "/", kFileName);
  absl::StatusOr<std::string> bytes = ReadWhole(path);
  if (!bytes.ok()) return bytes.status();
  absl::Status status = absl::OkStatus();
  if (const auto content = Verified(*bytes); !content.ok()) {
    status = content.status();
  } else {
    base::FieldErrors errors;
    AppsConfig config = ParseApps(*content, path, errors);
    if (errors.empty()) {
      StoredConfig next;
      next.etag = base::Cat("\"", ContentHash(*content), "\"");
      // As if it were the configuration before this one: what its files held then still counts.
      Snapshot before;
      before.ca_files.used = KeptCaFiles();
      next.snapshot = BuildSnapshot(config, &before, errors);
      next.config = std::move(config);
      // What it says may have become wrong without damage: a CA file that went away.
      if (!errors.empty()) return base::FailedPrecondition(base::Cat(path, ": ", errors.Text()));
      current_ = std::move(next);
      TellGone(*current_.snapshot);
      if (changed_) changed_(current_);
      return absl::OkStatus();
    }
    status = errors.ToStatus();
  }
  const absl::StatusOr<std::string> aside = SetAside(path);
  if (!aside.ok()) return aside.status();
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          base::Cat("'", path, "' is damaged (", base::MessageOf(status),
                                    "); it was moved to '", *aside, "'"));
}

absl::Status Store::CheckTag(std::string_view if_match) const {
  if (if_match.empty() || if_match == "*" || if_match == current_.etag) return absl::OkStatus();
  return base::FailedPrecondition(base::Cat("the configuration has changed meanwhile: it is ",
                                            current_.etag, " now, not ",
                                            base::Printable(if_match, 64)));
}

absl::Status Store::Replace(AppsConfig config, std::string_view if_match) {
  refusal_.clear();
  if (absl::Status status = CheckTag(if_match); !status.ok()) return status;
  AssignRouteIds(config);
  base::FieldErrors errors;
  CheckApps(config, errors, &current_.config);
  StoredConfig next;
  if (errors.empty()) next.snapshot = BuildSnapshot(config, current_.snapshot.get(), errors);
  if (!errors.empty()) {
    refusal_ = errors.errors();
    return errors.ToStatus();
  }
  if (absl::Status status = Consistent(*next.snapshot); !status.ok()) return status;
  const std::string yaml = PrintAppsYaml(config);
  next.etag = base::Cat("\"", ContentHash(yaml), "\"");
  next.config = std::move(config);
  if (absl::Status status = Write(next, yaml); !status.ok()) return status;
  if (next.snapshot->ca_files.gone != current_.snapshot->ca_files.gone) TellGone(*next.snapshot);
  current_ = std::move(next);
  if (changed_) changed_(current_);
  return absl::OkStatus();
}

absl::Status Store::Edit(const std::function<absl::Status(AppsConfig&)>& edit,
                         std::string_view if_match) {
  refusal_.clear();
  // A lost race is told as one, whatever the edit would say about what it finds.
  if (absl::Status status = CheckTag(if_match); !status.ok()) return status;
  AppsConfig copy = current_.config;
  if (absl::Status status = edit(copy); !status.ok()) return status;
  return Replace(std::move(copy), if_match);
}

std::map<std::string, std::string> Store::KeptCaFiles() const {
  const auto bytes = ReadWhole(base::Cat(data_dir_, "/", kCaFileName));
  if (!bytes.ok()) return {};
  const auto content = Verified(*bytes);
  return content.ok() ? ParseCaFiles(*content) : std::map<std::string, std::string>();
}

absl::Status Store::Write(const StoredConfig& next, const std::string& yaml) {
  if (data_dir_.empty()) return absl::OkStatus();
  const auto with_checksum = [](const std::string& text) {
    return base::Cat(text, kChecksumLine, ContentHash(text), "\n");
  };
  if (next.snapshot->ca_files.used != current_.snapshot->ca_files.used) {
    const std::string files = with_checksum(CaFilesText(next.snapshot->ca_files));
    absl::Status status = WriteAtomically(data_dir_, kCaFileName, files);
    if (!status.ok()) return status;
  }
  return WriteAtomically(data_dir_, kFileName, with_checksum(yaml));
}

}  // namespace sluice::control
