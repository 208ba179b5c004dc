#pragma once
// The real sluice-control program with an apps.yaml in a directory of its own, asked through its
// API. It keeps its ports when it is started again.
//
// One thread. The destructor stops it with SIGTERM and fails the test when its exit code is not 0
// or a sanitizer had something to say.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/client.h"

namespace sluice::harness {

class ControlProgram {
 public:
  // Both ports are free ones; `arguments` go behind what every test uses (--data is among that).
  explicit ControlProgram(std::string_view apps_yaml, std::vector<std::string> arguments = {});
  ~ControlProgram();
  ControlProgram(const ControlProgram&) = delete;
  ControlProgram& operator=(const ControlProgram&) = delete;

  std::uint16_t xds_port() const { return xds_port_; }
  std::uint16_t api_port() const { return api_port_; }
  std::string directory() const { return directory_; }
  std::string file() const { return directory_ + "/apps.yaml"; }

  Response Api(std::string_view method, std::string_view target, std::string_view json = "");
  // True once the API's answer to GET `target` holds `text`.
  bool WaitForApi(std::string_view target, std::string_view text);
  // Replaces apps.yaml by a rename.
  void WriteApps(std::string_view yaml);
  void Signal(int signal);
  void Kill();   // kill -9.
  void Start();  // Again.
  std::optional<int> WaitForExit();
  std::string Stderr() const;

 private:
  bool Running();

  std::vector<std::string> arguments_;
  std::string directory_;
  std::uint16_t xds_port_ = 0;
  std::uint16_t api_port_ = 0;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace sluice::harness
