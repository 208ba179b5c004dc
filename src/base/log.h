#pragma once
// The program's own log (not the access log): levels per component, one line per event on stderr
// or a file. Any thread; a line is one write. Never called per request above debug level.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"

namespace sluice::base {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kCritical, kOff };

// Envoy's logger names where one fits; `/logging` lists these.
enum class Component : std::uint8_t {
  kMain,
  kConfig,
  kUpstream,
  kConnection,
  kHttp,
  kRouter,
  kAdmin,
  kFilter,
  kFile,
  kDns,
  kControl,
  kCount
};

std::string_view ComponentName(Component component);
std::optional<Component> ParseComponent(std::string_view name);
std::string_view LogLevelName(LogLevel level);  // "info", as --log-level takes it.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

LogLevel GetLogLevel(Component component);
void SetLogLevel(Component component, LogLevel level);
void SetAllLogLevels(LogLevel level);

// How a line looks, in spdlog's pattern language plus Envoy's %j (the message escaped for a JSON
// string) and %_ (the message; here always free of control bytes). %g and %# print nothing.
inline constexpr std::string_view kDefaultLogFormat = "[%Y-%m-%d %T.%e][%t][%l][%n] %v";
void SetLogFormat(const std::string& pattern);

// Sends the log to a file instead of stderr; false when it cannot be opened. Call before threads.
bool OpenLogFile(const std::string& path);
// Opens the same path anew (log rotation); false, and the old file stays, when that fails.
bool ReopenLogFile();

bool LogEnabled(Component component, LogLevel level);
// Control bytes of `message` are written escaped, so no text from outside can forge a line.
void WriteLog(Component component, LogLevel level, std::string_view message);

}  // namespace sluice::base

// SLUICE_LOG(kInfo, kConfig, "listener ", name, " added"): pieces are only joined when enabled.
#define SLUICE_LOG(level, component, ...)                                                          \
  do {                                                                                             \
    if (::sluice::base::LogEnabled(::sluice::base::Component::component,                           \
                                   ::sluice::base::LogLevel::level)) {                             \
      ::sluice::base::WriteLog(::sluice::base::Component::component,                               \
                               ::sluice::base::LogLevel::level, ::sluice::base::Cat(__VA_ARGS__)); \
    }                                                                                              \
  } while (false)
