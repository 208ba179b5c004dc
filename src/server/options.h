#pragma once
// The command line of `sluice`: Envoy's flags with Envoy's meaning, plus a few of ours.
// envoy-behaviour.md 7.5. Values; parsed once on main.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/address.h"
#include "base/log.h"
#include "config/bootstrap.h"

namespace sluice::server {

struct Options {
  enum class Mode : std::uint8_t { kServe, kValidate };

  std::string config_path;
  std::string config_yaml;  // Instead of a file.
  Mode mode = Mode::kServe;
  unsigned concurrency = 0;  // Workers; 0 on the command line means 1, absent all cores.
  config::Defaults defaults = config::Defaults::kSafe;
  base::LogLevel log_level = base::LogLevel::kInfo;
  std::vector<std::pair<base::Component, base::LogLevel>> component_log_levels;
  std::string log_path;
  std::string log_format;
  config::BootstrapOverrides overrides;
  bool reject_unknown_dynamic_fields = false;
  std::string admin_address_path;
  std::string admin_token_file;  // Demanded when admin listens off loopback.
  bool insecure_listen = false;  // Or this, said aloud.
  std::uint32_t file_flush_interval_ms = 10'000;
  std::uint32_t file_flush_min_size_kb = 64;
  std::uint32_t drain_time_s = 600;
  std::string state_dir;  // Where the last accepted configuration is kept; "": nowhere.
  std::optional<base::Address> csds_address;  // Where CSDS listens; unset: nowhere.
  bool drain_immediately = false;             // --drain-strategy immediate
  std::uint32_t shutdown_time_s = 25;
  std::uint32_t shutdown_grace_s = 1;
  std::vector<std::string> command_line;
};

// Errors and --help, --version end the process' start: `exit_code` and `text` say how.
struct ParsedOptions {
  Options options;
  bool run = true;
  int exit_code = 0;
  std::string text;
};
ParsedOptions ParseOptions(int argc, const char* const* argv);

}  // namespace sluice::server
