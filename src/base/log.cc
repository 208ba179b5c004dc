#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "spdlog/details/log_msg.h"
#include "spdlog/details/os.h"
#include "spdlog/pattern_formatter.h"

namespace sluice::base {
namespace {

constexpr std::string_view kComponentNames[] = {"main", "config", "upstream", "connection",
                                                "http", "router", "admin",    "filter",
                                                "file", "dns",    "control"};
constexpr std::size_t kComponents = static_cast<std::size_t>(Component::kCount);
static_assert(std::size(kComponentNames) == kComponents);

constexpr std::string_view kLevelNames[] = {"trace", "debug",    "info", "warning",
                                            "error", "critical", "off"};
static_assert(std::size(kLevelNames) == static_cast<std::size_t>(LogLevel::kOff) + 1);

struct ComponentLevel {
  std::atomic<LogLevel> value{LogLevel::kInfo};
};
constinit ComponentLevel levels[kComponents];

std::atomic<LogLevel>& LevelOf(Component component) {
  return levels[static_cast<std::size_t>(component)].value;
}

void AppendEscapedByte(std::string& out, unsigned char byte) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += "\\x";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

// Control bytes, and the C1 controls a terminal would obey (U+0080 to U+009F), as \xNN.
std::string WithoutControls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += ' ';
    } else if (byte < 0x20 || byte == 0x7f) {
      AppendEscapedByte(out, byte);
    } else if (c1) {
      AppendEscapedByte(out, byte);
      AppendEscapedByte(out, static_cast<unsigned char>(text[++i]));
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view ViewOf(spdlog::string_view_t text) { return {text.data(), text.size()}; }

// %j: the message as the inside of a JSON string.
class JsonMessageFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    std::string quoted;
    AppendJsonString(quoted, ViewOf(message.payload));
    out.append(quoted.data() + 1, quoted.data() + quoted.size() - 1);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessageFlag>();
  }
};

// %_: the message.
class MessageFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    out.append(message.payload.data(), message.payload.data() + message.payload.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<MessageFlag>();
  }
};

std::unique_ptr<spdlog::pattern_formatter> MakeFormatter(const std::string& pattern) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessageFlag>('j').add_flag<MessageFlag>('_').set_pattern(pattern);
  return formatter;
}

struct Output {
  Mutex mutex;  // Held while a line is made and written: lines never mix.
  std::unique_ptr<spdlog::pattern_formatter> formatter SLUICE_GUARDED_BY(mutex) =
      MakeFormatter(std::string(kDefaultLogFormat));
  std::string path SLUICE_GUARDED_BY(mutex);  // Empty: stderr.
  int fd SLUICE_GUARDED_BY(mutex) = STDERR_FILENO;
};

// Never destroyed: a thread may log while the process ends.
Output& TheOutput() {
  static Output& output = *new Output;
  return output;
}

int OpenForAppend(const std::string& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

// Gives up silently: there is no place left to complain to.
void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  return static_cast<spdlog::level::level_enum>(level);
}
static_assert(static_cast<int>(LogLevel::kOff) == static_cast<int>(spdlog::level::off));
static_assert(static_cast<int>(LogLevel::kWarning) == static_cast<int>(spdlog::level::warn));

}  // namespace

std::string_view ComponentName(Component component) {
  return kComponentNames[static_cast<std::size_t>(component)];
}

std::optional<Component> ParseComponent(std::string_view name) {
  for (std::size_t i = 0; i < kComponents; ++i) {
    if (kComponentNames[i] == name) return static_cast<Component>(i);
  }
  return std::nullopt;
}

std::string_view LogLevelName(LogLevel level) {
  return kLevelNames[static_cast<std::size_t>(level)];
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  if (name == "warn") return LogLevel::kWarning;
  for (std::size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

LogLevel GetLogLevel(Component component) {
  return LevelOf(component).load(std::memory_order_relaxed);
}

void SetLogLevel(Component component, LogLevel level) {
  LevelOf(component).store(level, std::memory_order_relaxed);
}

void SetAllLogLevels(LogLevel level) {
  for (ComponentLevel& one : levels) one.value.store(level, std::memory_order_relaxed);
}

void SetLogFormat(const std::string& pattern) {
  std::unique_ptr<spdlog::pattern_formatter> formatter = MakeFormatter(pattern);
  Output& output = TheOutput();
  const MutexLock lock(output.mutex);
  output.formatter = std::move(formatter);
}

bool OpenLogFile(const std::string& path) {
  const int fd = OpenForAppend(path);
  if (fd < 0) return false;
  Output& output = TheOutput();
  const MutexLock lock(output.mutex);
  if (output.fd != STDERR_FILENO) close(output.fd);
  output.fd = fd;
  output.path = path;
  return true;
}

bool ReopenLogFile() {
  Output& output = TheOutput();
  const MutexLock lock(output.mutex);
  if (output.path.empty()) return true;
  const int fd = OpenForAppend(output.path);
  if (fd < 0) return false;
  close(output.fd);
  output.fd = fd;
  return true;
}

bool LogEnabled(Component component, LogLevel level) {
  return level != LogLevel::kOff && level >= GetLogLevel(component);
}

void WriteLog(Component component, LogLevel level, std::string_view message) {
  const std::string text = WithoutControls(message);
  const std::string_view name = ComponentName(component);
  spdlog::details::log_msg line(
      std::chrono::time_point_cast<spdlog::log_clock::duration>(SystemClock().WallNow()),
      spdlog::source_loc{}, spdlog::string_view_t(name.data(), name.size()), SpdlogLevel(level),
      spdlog::string_view_t(text.data(), text.size()));
  line.thread_id = spdlog::details::os::thread_id();
  spdlog::memory_buf_t buffer;
  Output& output = TheOutput();
  const MutexLock lock(output.mutex);
  output.formatter->format(line, buffer);
  WriteAll(output.fd, {buffer.data(), buffer.size()});
}

}  // namespace sluice::base
