#pragma once
// Programs started by tests, in directories of their own. One thread each.

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::harness {

// Starts it with stdout and stderr appended to files of these names in `directory`. It dies with
// the test.
pid_t Spawn(const std::vector<std::string>& arguments, const std::string& directory);

// Its exit code, -signal when one killed it, nullopt while it runs.
std::optional<int> Reap(pid_t pid);

}  // namespace sluice::harness
