#pragma once
// The command line of `sluice-control`. Values; parsed once on main.

#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/log.h"

namespace sluice::control {

struct Options {
  std::string config_path;  // "": what --data holds, or nothing yet.
  bool watch = false;
  std::string data_dir;  // "": changes through the API die with the process.
  base::Address xds;
  base::Address api;
  std::string tls_cert, tls_key, tls_client_ca;  // Of the xDS port; "": plain text.
  std::string token_file;                        // Demanded off loopback,
  bool insecure_listen = false;                  // or this, said aloud.
  std::string address_path;
  base::LogLevel log_level = base::LogLevel::kInfo;
  bool validate = false;
};

// Errors and --help, --version end the process' start: `exit_code` and `text` say how.
struct ParsedOptions {
  Options options;
  bool run = true;
  int exit_code = 0;
  std::string text;
};
ParsedOptions ParseOptions(int argc, const char* const* argv);

// "127.0.0.1:18000", "[::1]:18000", "localhost:18000", "unix:/run/x" or "unix:@abstract".
std::optional<base::Address> ParseListenAddress(std::string_view text);

}  // namespace sluice::control
