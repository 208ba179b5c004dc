#include "config/data_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "absl/cleanup/cleanup.h"
#include "base/field_errors.h"
#include "base/strings.h"
#include "envoy/config/core/v3/base.pb.h"

namespace sluice::config {

// Stops soon after `bytes_max`, so that the caller sees what is too long.
std::optional<std::string> ReadFile(const std::string& path, std::size_t bytes_max,
                                    base::FieldErrors& errors) {
  const auto fail = [&](std::string_view reason) -> std::optional<std::string> {
    errors.AddAt("filename", base::Cat("cannot read '", base::Printable(path), "': ", reason));
    return std::nullopt;
  };
  if (path.find('\0') != std::string::npos) return fail("the name holds a NUL");
  // Without O_NONBLOCK a named pipe would hold this thread up for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(std::strerror(errno));
  const absl::Cleanup close_fd = [fd] { ::close(fd); };
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail("it is no regular file");
  std::string bytes;
  char buffer[16 * 1024];
  while (bytes.size() <= bytes_max) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(std::strerror(errno));
    if (got == 0) break;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  return bytes;
}

std::optional<std::string> ReadDataSource(const envoy::config::core::v3::DataSource& source,
                                          std::size_t bytes_max, base::FieldErrors& errors) {
  using Source = envoy::config::core::v3::DataSource;
  std::optional<std::string> bytes;
  switch (source.specifier_case()) {
    case Source::kInlineBytes:
      bytes = source.inline_bytes();
      break;
    case Source::kInlineString:
      bytes = source.inline_string();
      break;
    case Source::kFilename:
      if (source.filename().empty()) {
        errors.AddAt("filename", "is empty");
        return std::nullopt;
      }
      bytes = ReadFile(source.filename(), bytes_max, errors);
      break;
    case Source::kEnvironmentVariable: {
      const std::string& name = source.environment_variable();
      const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
      if (value == nullptr) {
        errors.AddAt("environment_variable", base::Cat("'", base::Printable(name), "' is not set"));
        return std::nullopt;
      }
      bytes = value;
      break;
    }
    case Source::SPECIFIER_NOT_SET:
      errors.Add("no source; write inline_string, inline_bytes, filename or environment_variable");
      return std::nullopt;
  }
  if (bytes.has_value() && bytes->size() > bytes_max) {
    errors.Add(base::Cat("has ", source.specifier_case() == Source::kFilename ? "more than " : "",
                         source.specifier_case() == Source::kFilename ? bytes_max : bytes->size(),
                         " bytes; at most ", bytes_max, " are allowed"));
    return std::nullopt;
  }
  return bytes;
}

}  // namespace sluice::config
