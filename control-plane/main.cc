#include <cstdio>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "control.h"
#include "net/signals.h"
#include "net/socket.h"
#include "options.h"

int main(int argc, char** argv) {
  sluice::control::ParsedOptions parsed = sluice::control::ParseOptions(argc, argv);
  if (!parsed.run) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    return parsed.exit_code;
  }
  sluice::control::Options& options = parsed.options;
  sluice::base::SetAllLogLevels(options.log_level);
  if (options.validate) return sluice::control::ValidateFile(options.config_path);
  std::string token;
  if (!options.token_file.empty()) {
    auto read = sluice::control::ReadToken(options.token_file);
    if (!read.ok()) {
      std::fprintf(stderr, "sluice-control: --api-token-file: %s\n",
                   std::string(sluice::base::MessageOf(read.status())).c_str());
      return 1;
    }
    token = *std::move(read);
  }
  sluice::net::InstallCrashHandler();
  sluice::net::Signals::Block();
  sluice::net::RaiseFileLimit();
  sluice::control::Control control(std::move(options), std::move(token));
  return control.Run();
}
