#include "control.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/field_errors.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace sluice::control {
namespace {

constexpr std::size_t kFileBytesMax = 16 * 1024 * 1024;

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  net::FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return base::Unavailable(base::Cat(path, ": ", std::strerror(errno)));
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::Unavailable(base::Cat(path, ": ", std::strerror(errno)));
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > bytes_max) {
      return base::InvalidArgument(base::Cat(path, ": larger than ", bytes_max, " bytes"));
    }
  }
}

bool IsOpenToOthers(const base::Address& address) { return !address.IsLoopback(); }

// Everything that is wrong with it, a line each; else the value.
absl::StatusOr<AppsConfig> ReadApps(const std::string& path, std::string& text) {
  auto read = ReadFile(path, kFileBytesMax);
  if (!read.ok()) return read.status();
  text = *std::move(read);
  base::FieldErrors errors;
  AppsConfig config = ParseApps(text, path, errors);
  if (errors.empty()) {
    base::FieldErrors found;
    AssignRouteIds(config);
    CheckApps(config, found);
    if (found.empty()) BuildSnapshot(config, nullptr, found);
    LocateErrors(found, text, path, errors);
  }
  if (!errors.empty()) return base::InvalidArgument(errors.Text("\n"));
  return config;
}

std::string UrlOf(const base::Address& address) {
  return base::Cat(address.is_ip() ? "" : "unix:", address.ToString());
}

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  auto text = ReadFile(path, 64 * 1024);
  if (!text.ok()) return text.status();
  std::string_view line = std::string_view(*text).substr(0, text->find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = base::TrimOws(line);
  if (line.empty()) return base::InvalidArgument(base::Cat(path, ": holds no token"));
  return std::string(line);
}

int ValidateFile(const std::string& path) {
  std::string text;
  const auto config = ReadApps(path, text);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(base::MessageOf(config.status())).c_str());
    return 1;
  }
  std::printf("%s: OK: %zu listeners, %zu apps, %zu hosts\n", path.c_str(),
              config->listeners.size(), config->apps.size(), config->hosts.size());
  return 0;
}

Control::Control(Options options, std::string token)
    : options_(std::move(options)),
      token_(std::move(token)),
      loop_(base::SystemClock()),
      store_(options_.data_dir,
             [this](const StoredConfig& config) { ads_.SetSnapshot(config.snapshot); }),
      ads_({.address = options_.xds,
            .token = IsOpenToOthers(options_.xds) && options_.tls_client_ca.empty() ? token_
                                                                                    : std::string(),
            .insecure = options_.insecure_listen,
            .tls = {options_.tls_cert, options_.tls_key, options_.tls_client_ca}},
           loop_),
      api_(store_, {[this] { return ads_.Proxies(); }, [this] { return ads_.counters(); },
                    [this] { return ads_.snapshot(); }}),
      api_server_({.address = options_.api, .token = token_, .insecure = options_.insecure_listen},
                  loop_, api_) {
  api_.file().path = options_.config_path;
}

Control::~Control() { Stop(); }

std::string Control::TakeFile() {
  std::string text;
  auto config = ReadApps(options_.config_path, text);
  file_hash_ = ContentHash(text);
  absl::Status status = config.status();
  if (config.ok()) status = store_.Replace(*std::move(config), "");
  FileStatus& file = api_.file();
  ++(status.ok() ? file.loads : file.refusals);
  file.error = status.ok() ? "" : std::string(base::MessageOf(status));
  return file.error;
}

// False: the process cannot start, and said why.
bool Control::LoadFirst() {
  if (!options_.data_dir.empty() && mkdir(options_.data_dir.c_str(), 0700) != 0 &&
      errno != EEXIST) {
    std::fprintf(stderr, "sluice-control: --data %s: %s\n", options_.data_dir.c_str(),
                 std::strerror(errno));
    return false;
  }
  const absl::Status loaded = store_.Load();
  if (loaded.ok()) {
    if (const auto text = ReadFile(options_.config_path, kFileBytesMax); text.ok()) {
      file_hash_ = ContentHash(*text);
    }
    SLUICE_LOG(kInfo, kConfig, "using what ", options_.data_dir, " holds (", store_.current().etag,
               ")", options_.config_path.empty() ? "" : "; SIGHUP reads the file instead");
    return true;
  }
  if (!absl::IsNotFound(loaded)) {
    SLUICE_LOG(kError, kConfig, base::MessageOf(loaded));
    // Starting from nothing would tell every proxy to forget what it serves; and what cannot be
    // used now, though whole, is not to be overwritten from the file.
    if (options_.config_path.empty() || !absl::IsDataLoss(loaded)) return false;
  }
  if (options_.config_path.empty()) {
    ads_.SetSnapshot(store_.current().snapshot);
    return true;
  }
  const std::string wrong = TakeFile();
  if (!wrong.empty()) std::fprintf(stderr, "%s\n", wrong.c_str());
  return wrong.empty();
}

bool Control::StartServers() {
  const auto xds = ads_.Start();
  if (!xds.ok()) {
    std::fprintf(stderr, "sluice-control: %s\n",
                 std::string(base::MessageOf(xds.status())).c_str());
    return false;
  }
  const auto api = api_server_.Start();
  if (!api.ok()) {
    std::fprintf(stderr, "sluice-control: --api: %s\n",
                 std::string(base::MessageOf(api.status())).c_str());
    return false;
  }
  if (options_.insecure_listen && token_.empty() &&
      (IsOpenToOthers(*xds) || IsOpenToOthers(*api))) {
    SLUICE_LOG(kWarning, kMain, "--insecure-listen: whoever reaches these ports owns the proxies");
  }
  std::printf("xDS on %s\nAPI on %s%s\n", UrlOf(*xds).c_str(), api->is_ip() ? "http://" : "",
              UrlOf(*api).c_str());
  std::fflush(stdout);
  return WriteAddresses(base::Cat("xds=", UrlOf(*xds), " api=", UrlOf(*api), "\n"));
}

// Under another name first, so that a reader never sees half of it.
bool Control::WriteAddresses(const std::string& text) const {
  if (options_.address_path.empty()) return true;
  const std::string next = base::Cat(options_.address_path, ".tmp");
  std::FILE* file = std::fopen(next.c_str(), "we");
  bool ok = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) ok = std::fclose(file) == 0 && ok;
  ok = ok && std::rename(next.c_str(), options_.address_path.c_str()) == 0;
  if (!ok) {
    std::fprintf(stderr, "sluice-control: --address-path %s: %s\n", options_.address_path.c_str(),
                 std::strerror(errno));
  }
  return ok;
}

void Control::Reload(std::string_view why) {
  const std::string etag = store_.current().etag;
  const std::string wrong = TakeFile();
  if (!wrong.empty()) {
    SLUICE_LOG(kError, kConfig, why, ", but it is refused and the last good one stays: ", wrong);
  } else if (etag != store_.current().etag) {
    SLUICE_LOG(kInfo, kConfig, why, ": now ", store_.current().etag);
  }
}

void Control::OnSignal(int signal) {
  if (signal == SIGTERM || signal == SIGINT) {
    loop_.Stop();
  } else if (signal == SIGHUP && !options_.config_path.empty()) {
    Reload(base::Cat("SIGHUP: ", options_.config_path, " read again"));
  }
}

int Control::Run() {
  signals_ = std::make_unique<net::Signals>(loop_, [this](int signal) { OnSignal(signal); });
  // Before the file is read, so that no edit falls between.
  if (options_.watch) {
    auto watch = net::FileWatch::Open(loop_, options_.config_path, [this] {
      // Touching it takes back nothing that was changed through the API.
      const auto text = ReadFile(options_.config_path, kFileBytesMax);
      if (text.ok() && ContentHash(*text) == file_hash_) return;
      Reload(base::Cat(options_.config_path, " changed"));
    });
    if (!watch.ok()) {
      std::fprintf(stderr, "sluice-control: --watch: %s\n",
                   std::string(base::MessageOf(watch.status())).c_str());
      return 1;
    }
    watch_ = *std::move(watch);
  }
  if (!LoadFirst() || !StartServers()) return 1;
  loop_.Run();
  SLUICE_LOG(kInfo, kMain, "shutting down");
  Stop();
  return 0;
}

void Control::Stop() {
  watch_.reset();
  api_server_.Stop();
  ads_.Stop();
}

}  // namespace sluice::control
