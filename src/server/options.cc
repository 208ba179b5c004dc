#include "server/options.h"

#include <sched.h>

#include <CLI/CLI.hpp>

#include "base/strings.h"
#include "server/version.h"

namespace sluice::server {
namespace {

unsigned UsableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&cores));
}

// Raw texts, checked after CLI11 has split them.
struct Texts {
  std::string mode = "serve";
  std::string defaults = "safe";
  std::string log_level = "info";
  std::string component_log_level;
  std::string csds_address;
  std::string drain_strategy = "gradual";
  std::uint64_t base_id = 0;
  std::uint32_t concurrency = 0;
  bool version = false;
};

void AddConfigFlags(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-c,--config-path", options.config_path, "Bootstrap file (YAML or JSON)");
  app.add_option("--config-yaml", options.config_yaml, "Bootstrap as text instead of a file");
  app.add_option("--mode", texts.mode,
                 "serve, or validate: check the configuration, print every error, exit")
      ->capture_default_str();
  app.add_option("--concurrency", texts.concurrency,
                 "Worker threads (default: the cores this process may use)");
  app.add_option("--defaults", texts.defaults,
                 "For fields that are not set: safe, or envoy (see docs/defaults.md)")
      ->capture_default_str();
  app.add_option("--service-node", options.overrides.service_node, "node.id");
  app.add_option("--service-cluster", options.overrides.service_cluster, "node.cluster");
  app.add_option("--service-zone", options.overrides.service_zone, "node.locality.zone");
  app.add_flag("--allow-unknown-static-fields", options.overrides.allow_unknown_static_fields,
               "Fields newer than Sluice in the bootstrap are counted, not refused");
  app.add_flag("--reject-unknown-dynamic-fields", options.reject_unknown_dynamic_fields,
               "Fields newer than Sluice in xDS are refused, not counted");
  app.add_option("--base-id", texts.base_id, "Accepted for Envoy's sake; nothing is shared");
}

void AddRunFlags(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-l,--log-level", texts.log_level,
                 "trace, debug, info, warning, error, critical, off")
      ->capture_default_str();
  app.add_option("--component-log-level", texts.component_log_level, "router:debug,config:trace");
  app.add_option("--log-path", options.log_path, "Log file (default: stderr)");
  app.add_option("--log-format", options.log_format, "spdlog pattern of a log line");
  app.add_option("--admin-address-path", options.admin_address_path,
                 "File to write the admin address to, once bound");
  app.add_option("--admin-token-file", options.admin_token_file,
                 "Token that admin requests must bear; needed off loopback");
  app.add_flag("--insecure-listen", options.insecure_listen,
               "Let admin listen off loopback without a token");
  app.add_option("--csds-address", texts.csds_address,
                 "Where the client status service (gRPC) listens: IP:PORT or unix:PATH");
  app.add_option("--state-dir", options.state_dir,
                 "Directory for the last accepted configuration, secrets included: what is served "
                 "while the control plane is away");
  app.add_option("--file-flush-interval-msec", options.file_flush_interval_ms,
                 "How long access-log lines may wait")
      ->capture_default_str();
  app.add_option("--file-flush-min-size-kb", options.file_flush_min_size_kb, "Or how much of them")
      ->capture_default_str();
  app.add_option("--drain-time-s", options.drain_time_s,
                 "How long connections of a removed listener may take to finish")
      ->capture_default_str();
  app.add_option("--drain-strategy", texts.drain_strategy, "gradual or immediate")
      ->capture_default_str();
  app.add_option("--shutdown-time-s", options.shutdown_time_s,
                 "After SIGTERM: exit by then, even with requests in flight")
      ->capture_default_str();
  app.add_option("--shutdown-grace-s", options.shutdown_grace_s,
                 "After SIGTERM: accept for so long while /ready says 503")
      ->capture_default_str();
  app.add_flag("--version", texts.version, "Print the version and exit");
}

std::optional<base::Address> ParseAddress(std::string_view text) {
  if (text.starts_with("unix:")) return base::Address::Unix(text.substr(5));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint64_t> port = base::ParseUint(text.substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  return base::Address::ParseIp(text.substr(0, colon), static_cast<std::uint16_t>(*port));
}

std::string ParseComponentLevels(std::string_view text, Options& options) {
  if (text.empty()) return "";
  for (const std::string_view pair : base::Split(text, ',')) {
    const std::size_t colon = pair.find(':');
    const auto component = base::ParseComponent(pair.substr(0, colon));
    const auto level = colon == std::string_view::npos
                           ? std::nullopt
                           : base::ParseLogLevel(pair.substr(colon + 1));
    if (!component || !level) {
      return base::Cat("--component-log-level: '", pair, "' is no component:level");
    }
    options.component_log_levels.emplace_back(*component, *level);
  }
  return "";
}

// "" or what is wrong.
std::string Check(const Texts& texts, Options& options) {
  if (texts.mode == "validate") {
    options.mode = Options::Mode::kValidate;
  } else if (texts.mode != "serve") {
    return base::Cat("--mode: '", texts.mode, "' is not supported; use serve or validate");
  }
  if (texts.defaults == "envoy") {
    options.defaults = config::Defaults::kEnvoy;
  } else if (texts.defaults != "safe") {
    return base::Cat("--defaults: '", texts.defaults, "' is neither safe nor envoy");
  }
  if (texts.drain_strategy == "immediate") {
    options.drain_immediately = true;
  } else if (texts.drain_strategy != "gradual") {
    return base::Cat("--drain-strategy: '", texts.drain_strategy,
                     "' is neither gradual nor immediate");
  }
  const auto level = base::ParseLogLevel(texts.log_level);
  if (!level) return base::Cat("--log-level: '", texts.log_level, "' is no level");
  options.log_level = *level;
  if (options.config_path.empty() == options.config_yaml.empty()) {
    return "give one of -c FILE and --config-yaml TEXT";
  }
  if (!texts.csds_address.empty()) {
    options.csds_address = ParseAddress(texts.csds_address);
    if (!options.csds_address) {
      return base::Cat("--csds-address: '", texts.csds_address,
                       "' is neither IP:PORT nor unix:PATH");
    }
  }
  if (texts.concurrency > 255) return "--concurrency: at most 255 workers";
  return ParseComponentLevels(texts.component_log_level, options);
}

}  // namespace

ParsedOptions ParseOptions(int argc, const char* const* argv) {
  ParsedOptions parsed;
  Options& options = parsed.options;
  Texts texts;
  CLI::App app(
      "sluice: an HTTP proxy controlled over xDS\n"
      "Start it:          sluice -c bootstrap.yaml\n"
      "Check a file only: sluice --mode validate -c bootstrap.yaml\n"
      "Then look around:  curl 127.0.0.1:9901/help",
      "sluice");
  AddConfigFlags(app, options, texts);
  AddRunFlags(app, options, texts);
  const auto fail = [&](std::string text) {
    parsed.run = false;
    parsed.exit_code = 1;
    parsed.text = base::Cat("sluice: ", text, "\nTry 'sluice --help'.\n");
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    parsed.run = false;
    parsed.text = app.help();
    return parsed;
  } catch (const CLI::ParseError& error) {
    fail(error.what());
    return parsed;
  }
  if (texts.version) {
    parsed.run = false;
    parsed.text = base::Cat("sluice  version: ", kVersion, "\n");
    return parsed;
  }
  if (std::string wrong = Check(texts, options); !wrong.empty()) {
    fail(std::move(wrong));
    return parsed;
  }
  options.concurrency =
      app.count("--concurrency") > 0 ? std::max(texts.concurrency, 1U) : UsableCores();
  options.command_line.assign(argv, argv + argc);
  return parsed;
}

}  // namespace sluice::server
