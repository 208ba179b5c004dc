#include "harness/control_program.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <utility>

#include "base/strings.h"
#include "harness/program.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

// Of "xds=127.0.0.1:1 api=127.0.0.1:2".
std::uint16_t PortAfter(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at);
  text = text.substr(0, text.find_first_of(" \n"));
  return static_cast<std::uint16_t>(base::ParseUint(text.substr(text.rfind(':') + 1)).value_or(0));
}

}  // namespace

ControlProgram::ControlProgram(std::string_view apps_yaml, std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), directory_(MakeDirectory()) {
  WriteFile(file(), apps_yaml);
  Start();
}

ControlProgram::~ControlProgram() {
  if (!Running()) return;
  Signal(SIGTERM);
  const std::optional<int> code = WaitForExit();
  const std::string err = Stderr();
  if (!code) {
    ADD_FAILURE() << "sluice-control does not stop:\n" << err;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    return;
  }
  EXPECT_EQ(*code, 0) << err;
  for (const std::string_view report : {"Sanitizer", "runtime error:", "check failed"}) {
    EXPECT_EQ(err.find(report), std::string::npos) << err;
  }
}

void ControlProgram::Start() {
  const std::string addresses = directory_ + "/addresses";
  std::remove(addresses.c_str());
  std::vector<std::string> command = {SLUICE_BIN_DIR "/sluice-control",
                                      "--config",
                                      file(),
                                      "--data",
                                      directory_ + "/data",
                                      "--xds",
                                      base::Cat("127.0.0.1:", xds_port_),
                                      "--api",
                                      base::Cat("127.0.0.1:", api_port_),
                                      "--address-path",
                                      addresses};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  exit_code_.reset();
  pid_ = Spawn(command, directory_);
  Eventually([&] { return !ReadFile(addresses).empty() || !Running(); });
  const std::string text = ReadFile(addresses);
  EXPECT_FALSE(text.empty()) << "sluice-control did not start:\n" << Stderr();
  xds_port_ = PortAfter(text, "xds=");
  api_port_ = PortAfter(text, "api=");
}

bool ControlProgram::Running() {
  if (pid_ > 0 && !exit_code_) exit_code_ = Reap(pid_);
  return pid_ > 0 && !exit_code_;
}

void ControlProgram::Signal(int signal) {
  if (Running()) ::kill(pid_, signal);
}

void ControlProgram::Kill() {
  Signal(SIGKILL);
  EXPECT_EQ(WaitForExit(), -SIGKILL);
}

std::optional<int> ControlProgram::WaitForExit() {
  Eventually([this] { return !Running(); });
  return exit_code_;
}

Response ControlProgram::Api(std::string_view method, std::string_view target,
                             std::string_view json) {
  Client client(api_port_);
  client.Send(base::Cat(method, " ", target, " HTTP/1.1\r\nhost: 127.0.0.1:", api_port_,
                        "\r\ncontent-type: application/json\r\ncontent-length: ", json.size(),
                        "\r\nconnection: close\r\n\r\n", json));
  return client.Read(method);
}

bool ControlProgram::WaitForApi(std::string_view target, std::string_view text) {
  return Eventually([&] { return Api("GET", target).body.find(text) != std::string::npos; });
}

void ControlProgram::WriteApps(std::string_view yaml) {
  WriteFile(file() + ".new", yaml);
  EXPECT_EQ(std::rename((file() + ".new").c_str(), file().c_str()), 0);
}

std::string ControlProgram::Stderr() const { return ReadFile(directory_ + "/stderr"); }

}  // namespace sluice::harness
