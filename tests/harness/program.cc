#include "harness/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::harness {
namespace {

// Child side of fork(): only async-signal-safe calls.
[[noreturn]] void Execute(const std::vector<char*>& arguments, const std::string& out,
                          const std::string& err) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out_fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int err_fd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(out_fd, 1);
  ::dup2(err_fd, 2);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

pid_t Spawn(const std::vector<std::string>& arguments, const std::string& directory) {
  std::vector<char*> pointers;
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  const std::string out = directory + "/stdout";
  const std::string err = directory + "/stderr";
  const pid_t pid = ::fork();
  if (pid == 0) Execute(pointers, out, err);
  return pid;
}

std::optional<int> Reap(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace sluice::harness
