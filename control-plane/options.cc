#include "options.h"

#include <CLI/CLI.hpp>

#include "base/strings.h"

namespace sluice::control {
namespace {

struct Texts {
  std::string xds = "127.0.0.1:18000";
  std::string api = "127.0.0.1:18001";
  std::string log_level = "info";
  bool version = false;
};

void AddFlags(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-c,--config", options.config_path, "apps.yaml: listeners, apps, hosts");
  app.add_flag("--watch", options.watch, "Read the file again whenever it changes");
  app.add_option("--data", options.data_dir,
                 "Directory that keeps what is in use, so that changes made through the API "
                 "survive. At start it wins over --config");
  app.add_option("--xds", texts.xds, "Where proxies connect: IP:PORT or unix:PATH")
      ->capture_default_str();
  app.add_option("--xds-tls-cert", options.tls_cert,
                 "Certificate chain for xDS over TLS; the files are followed when they change");
  app.add_option("--xds-tls-key", options.tls_key, "Its private key");
  app.add_option("--xds-tls-client-ca", options.tls_client_ca,
                 "Proxies must show a certificate of this authority");
  app.add_option("--api", texts.api, "Where the JSON API listens: IP:PORT or unix:PATH")
      ->capture_default_str();
  app.add_option("--api-token-file", options.token_file,
                 "Token that API requests must bear, and proxies when --xds is off loopback and "
                 "asks for no certificates");
  app.add_flag("--insecure-listen", options.insecure_listen, "Listen off loopback without a token");
  app.add_option("--address-path", options.address_path,
                 "File to write \"xds=... api=...\" to, once both are bound");
  app.add_option("-l,--log-level", texts.log_level,
                 "trace, debug, info, warning, error, critical, off")
      ->capture_default_str();
  app.add_flag("--validate", options.validate,
               "Check the file, print every error with its line, exit");
  app.add_flag("--version", texts.version, "Print the version and exit");
}

// "" or what is wrong.
std::string Check(const Texts& texts, Options& options) {
  const auto xds = ParseListenAddress(texts.xds);
  if (!xds) return base::Cat("--xds: '", texts.xds, "' is neither IP:PORT nor unix:PATH");
  options.xds = *xds;
  const auto api = ParseListenAddress(texts.api);
  if (!api) return base::Cat("--api: '", texts.api, "' is neither IP:PORT nor unix:PATH");
  options.api = *api;
  const auto level = base::ParseLogLevel(texts.log_level);
  if (!level) return base::Cat("--log-level: '", texts.log_level, "' is no level");
  options.log_level = *level;
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return "--xds-tls-cert and --xds-tls-key: give both";
  }
  if (options.tls_cert.empty() && !options.tls_client_ca.empty()) {
    return "--xds-tls-client-ca: needs --xds-tls-cert and --xds-tls-key";
  }
  if (options.config_path.empty() && (options.watch || options.validate)) {
    return base::Cat(options.watch ? "--watch" : "--validate", ": needs --config FILE");
  }
  if (options.config_path.empty() && options.data_dir.empty()) {
    return "give --config FILE, or --data DIR to start from what it holds (or from nothing)";
  }
  return "";
}

}  // namespace

std::optional<base::Address> ParseListenAddress(std::string_view text) {
  if (text.starts_with("unix:")) return base::Address::Unix(text.substr(5));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = base::ParseUint(text.substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  std::string_view ip = text.substr(0, colon);
  if (ip == "localhost") ip = "127.0.0.1";
  // Without brackets, the end of an IPv6 address would be read as a port.
  if (!ip.starts_with('[') && ip.find(':') != std::string_view::npos) return std::nullopt;
  return base::Address::ParseIp(ip, static_cast<std::uint16_t>(*port));
}

ParsedOptions ParseOptions(int argc, const char* const* argv) {
  ParsedOptions parsed;
  Texts texts;
  CLI::App app(
      "sluice-control: tells proxies over xDS which app answers what\n"
      "Start it:          sluice-control --config apps.yaml --watch\n"
      "Check a file only: sluice-control --config apps.yaml --validate\n"
      "Then change it:    sluicectl --help",
      "sluice-control");
  AddFlags(app, parsed.options, texts);
  const auto fail = [&](std::string_view text) {
    parsed.run = false;
    parsed.exit_code = 1;
    parsed.text = base::Cat("sluice-control: ", text, "\nTry 'sluice-control --help'.\n");
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
    parsed.text = base::Cat("sluice-control  version: ", SLUICE_VERSION, "\n");
    return parsed;
  }
  if (const std::string wrong = Check(texts, parsed.options); !wrong.empty()) fail(wrong);
  return parsed;
}

}  // namespace sluice::control
