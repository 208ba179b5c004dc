#include <cstdio>

#include "base/log.h"
#include "net/signals.h"
#include "server/node_proto.h"
#include "server/options.h"
#include "server/server.h"

int main(int argc, char** argv) {
  using sluice::server::Options;
  sluice::server::ParsedOptions parsed = sluice::server::ParseOptions(argc, argv);
  if (!parsed.run) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    return parsed.exit_code;
  }
  Options& options = parsed.options;
  sluice::base::SetAllLogLevels(options.log_level);
  for (const auto& [component, level] : options.component_log_levels) {
    sluice::base::SetLogLevel(component, level);
  }
  if (!options.log_format.empty()) sluice::base::SetLogFormat(options.log_format);
  if (!options.log_path.empty() && !sluice::base::OpenLogFile(options.log_path)) {
    std::fprintf(stderr, "sluice: --log-path %s: cannot be opened\n", options.log_path.c_str());
    return 1;
  }
  sluice::server::TakeProtobufLog();
  auto bootstrap = sluice::server::LoadBootstrapFor(options);
  if (bootstrap == nullptr) return 1;
  if (options.mode == Options::Mode::kValidate) {
    std::printf("configuration '%s' OK\n",
                options.config_path.empty() ? "--config-yaml" : options.config_path.c_str());
    return 0;
  }
  sluice::net::InstallCrashHandler();
  sluice::net::Signals::Block();
  sluice::server::Server server(std::move(options), std::move(bootstrap));
  return server.Run();
}
