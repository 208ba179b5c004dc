#include "harness/proxy.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "harness/program.h"

namespace sluice::harness {
namespace {

// Removes the directories when the test program ends.
class Directories {
 public:
  ~Directories() {
    for (const std::string& each : made_) {
      std::error_code ignored;
      std::filesystem::remove_all(each, ignored);
    }
  }
  std::string Make() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-e2e-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    return *made_.insert(name).first;
  }

 private:
  std::set<std::string> made_;
};

std::uint16_t PortIn(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return 0;
  std::uint16_t port = 0;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  return port;
}

}  // namespace

std::string MakeDirectory() {
  static Directories directories;
  return directories.Make();
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

Proxy::Proxy(std::string_view bootstrap, ProxyOptions options)
    : options_(std::move(options)), directory_(MakeDirectory()) {
  const std::string file = directory_ + "/bootstrap.yaml";
  WriteFile(file, bootstrap);
  const std::string address_file = directory_ + "/admin";
  std::vector<std::string> arguments = {SLUICE_BIN_DIR "/sluice", "-c", file,
                                        "--admin-address-path", address_file};
  const std::pair<std::string, std::string> usual[] = {
      {"--concurrency", base::Cat(options_.concurrency)},
      {"--shutdown-grace-s", "0"},
      {"--shutdown-time-s", "5"},
      {"--file-flush-interval-msec", "20"}};
  for (const auto& [flag, value] : usual) {
    const auto& given = options_.arguments;
    if (std::find(given.begin(), given.end(), flag) != given.end()) continue;
    arguments.insert(arguments.end(), {flag, value});
  }
  arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
  pid_ = Spawn(arguments, directory_);
  const bool admin_up = Eventually([&] {
    admin_port_ = PortIn(ReadFile(address_file));
    return admin_port_ != 0 || !Running();
  });
  EXPECT_TRUE(admin_up && Running()) << "sluice did not start:\n" << Stderr();
  if (options_.wait_ready && Running()) {
    EXPECT_TRUE(Eventually([&] { return Admin("GET", "/ready").status == 200 || !Running(); }))
        << "sluice is not ready:\n"
        << Stderr();
  }
}

Proxy::~Proxy() {
  if (Running()) ::kill(pid_, SIGTERM);
  std::optional<int> code = WaitForExit(base::milliseconds(30'000));
  if (!code) {
    ADD_FAILURE() << "sluice does not stop:\n" << Stderr();
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    return;
  }
  const std::string err = Stderr();
  if (!options_.expect_crash) {
    EXPECT_EQ(*code, 0) << err;
  }
  for (const std::string_view report : {"Sanitizer", "runtime error:", "SLUICE_CHECK", "DCHECK"}) {
    EXPECT_EQ(err.find(report), std::string::npos) << err;
  }
}

bool Proxy::Running() {
  if (pid_ > 0 && !exit_code_) exit_code_ = Reap(pid_);
  return pid_ > 0 && !exit_code_;
}

std::optional<int> Proxy::WaitForExit(base::milliseconds patience) {
  Eventually([this] { return !Running(); }, patience);
  return exit_code_;
}

void Proxy::Signal(int signal) {
  if (Running()) ::kill(pid_, signal);
}

std::uint16_t Proxy::Port(std::string_view listener) {
  const std::string wanted = base::Cat(listener, "::");
  std::uint16_t port = 0;
  Eventually([&] {
    const std::string text = Admin("GET", "/listeners").body;
    for (const std::string_view line : base::Split(text, '\n')) {
      if (line.substr(0, wanted.size()) == wanted) port = PortIn(line);
    }
    return port != 0 || !Running();
  });
  EXPECT_NE(port, 0) << "listener " << listener << " is not up:\n" << Stderr();
  return port;
}

std::optional<std::uint64_t> Proxy::Stat(std::string_view name) {
  const std::string text = Admin("GET", "/stats").body;
  const std::string wanted = base::Cat(name, ": ");
  for (const std::string_view line : base::Split(text, '\n')) {
    if (line.substr(0, wanted.size()) != wanted) continue;
    std::uint64_t value = 0;
    std::from_chars(line.data() + wanted.size(), line.data() + line.size(), value);
    return value;
  }
  return std::nullopt;
}

bool Proxy::WaitForStat(std::string_view name, std::uint64_t at_least) {
  return Eventually([&] { return Stat(name).value_or(0) >= at_least; });
}

Response Proxy::Admin(std::string_view method, std::string_view target) {
  Client client(admin_port_);
  client.Send(base::Cat(method, " ", target, " HTTP/1.1\r\nhost: 127.0.0.1:", admin_port_,
                        "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
  return client.Read(method);
}

std::string Proxy::Stdout() const { return ReadFile(directory_ + "/stdout"); }
std::string Proxy::Stderr() const { return ReadFile(directory_ + "/stderr"); }

bool Proxy::WaitForLog(std::string_view text) {
  return Eventually([&] { return Stderr().find(text) != std::string::npos; });
}

std::uint64_t Proxy::RssBytes() const {
  std::ifstream statm(base::Cat("/proc/", pid_, "/statm"));
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<ProgramResult> RunSluice(const std::vector<std::string>& arguments) {
  const std::string directory = MakeDirectory();
  std::vector<std::string> command = {SLUICE_BIN_DIR "/sluice"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const pid_t pid = Spawn(command, directory);
  std::optional<int> code;
  if (!Eventually([&] { return (code = Reap(pid)).has_value(); })) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return std::nullopt;
  }
  return ProgramResult{*code, ReadFile(directory + "/stdout"), ReadFile(directory + "/stderr")};
}

}  // namespace sluice::harness
