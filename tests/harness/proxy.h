#pragma once
// The real sluice program, started with a bootstrap in a directory of its own and asked through
// its real ports.
//
// One thread. The destructor stops it with SIGTERM and fails the test when its exit code is not 0
// or a sanitizer had something to say. Nothing outlives the test, even one that is killed.

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/client.h"

namespace sluice::harness {

struct ProxyOptions {
  std::vector<std::string> arguments;  // Instead of, or besides, the usual ones.
  unsigned concurrency = 2;
  bool wait_ready = true;     // Else only for admin's address.
  bool expect_crash = false;  // The test kills it.
};

class Proxy {
 public:
  // `bootstrap` is YAML or JSON whose admin and listeners take port 0.
  explicit Proxy(std::string_view bootstrap, ProxyOptions options = {});
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Of a listener's first address; waits until it is up. 0 when patience is over.
  std::uint16_t Port(std::string_view listener = "in");
  std::uint16_t admin_port() const { return admin_port_; }
  // The value of a counter or gauge; nullopt when the proxy knows no such name.
  std::optional<std::uint64_t> Stat(std::string_view name);
  // False when patience is over.
  bool WaitForStat(std::string_view name, std::uint64_t at_least);
  Response Admin(std::string_view method, std::string_view target);

  std::string directory() const { return directory_; }
  std::string Stdout() const;
  std::string Stderr() const;
  bool WaitForLog(std::string_view text);
  // User memory that is resident, now.
  std::uint64_t RssBytes() const;
  void Signal(int signal);
  // The exit code, once it has ended; -signal when one killed it. nullopt when patience is over.
  std::optional<int> WaitForExit(base::milliseconds patience = kPatience);

 private:
  bool Running();

  ProxyOptions options_;
  std::string directory_;
  std::uint16_t admin_port_ = 0;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

// Runs sluice to its end with these arguments; nullopt when it does not end.
struct ProgramResult {
  int exit_code = 0;
  std::string out;
  std::string err;
};
std::optional<ProgramResult> RunSluice(const std::vector<std::string>& arguments);

// A new directory that is removed at the end of the process.
std::string MakeDirectory();
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view text);

}  // namespace sluice::harness
