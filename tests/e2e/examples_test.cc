// Every file under examples/ is accepted by the program it is written for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace sluice {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int status = -1;
  std::string output;
};

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

// `arguments` are ours, so the shell sees nothing that needs quoting but paths.
Outcome Execute(const std::string& program, const std::string& arguments) {
  const std::string command = "'" + Environment("SLUICE_BIN_DIR", SLUICE_BIN_DIR) + "/" + program +
                              "' " + arguments + " 2>&1 </dev/null";
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return outcome;
  char piece[4096];
  while (const std::size_t got = fread(piece, 1, sizeof(piece), pipe)) {
    outcome.output.append(piece, got);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  return outcome;
}

// Files of examples/ whose name says that they are for `sluice` (or for `sluice-control`).
std::vector<std::string> Examples(bool for_control) {
  const std::string root = Environment("SLUICE_SOURCE_DIR", SLUICE_SOURCE_DIR) + "/examples";
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".yaml") continue;
    // Needs certificates, which its own check makes: tls_test.cc runs that.
    if (entry.path().parent_path().filename() == "tls") continue;
    const bool apps = entry.path().stem().string().starts_with("apps");
    if (apps == for_control) found.push_back(entry.path().string());
  }
  return found;
}

TEST(Examples, BootstrapsAreAcceptedByTheProxy) {
  const std::vector<std::string> files = Examples(false);
  EXPECT_GE(files.size(), 3U);
  for (const std::string& file : files) {
    const Outcome outcome =
        Execute("sluice", "--mode validate --service-node test -c '" + file + "'");
    EXPECT_EQ(outcome.status, 0) << file << "\n" << outcome.output;
  }
}

TEST(Examples, AppsAreAcceptedByTheControlPlane) {
  const std::vector<std::string> files = Examples(true);
  EXPECT_GE(files.size(), 2U);
  for (const std::string& file : files) {
    const Outcome outcome = Execute("sluicectl", "validate -f '" + file + "'");
    EXPECT_EQ(outcome.status, 0) << file << "\n" << outcome.output;
  }
}

// Directories whose check.py starts the example and looks at what it does. The zoo has its own run.
TEST(Examples, ChecksPass) {
  const std::string root = Environment("SLUICE_SOURCE_DIR", SLUICE_SOURCE_DIR) + "/examples";
  const std::string bin = Environment("SLUICE_BIN_DIR", SLUICE_BIN_DIR);
  int checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    const std::filesystem::path check = entry.path() / "check.py";
    if (entry.path().filename() == "zoo" || !std::filesystem::exists(check)) continue;
    ++checked;
    const std::string command = "SLUICE_BIN_DIR='" + bin +
                                "' PYTHONDONTWRITEBYTECODE=1 timeout 120 python3 '" +
                                check.string() + "' 2>&1 </dev/null";
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string output;
    char piece[4096];
    while (const std::size_t got = fread(piece, 1, sizeof(piece), pipe)) output.append(piece, got);
    EXPECT_EQ(pclose(pipe), 0) << check << "\n" << output;
  }
  EXPECT_GE(checked, 2);
}

// What the tests above rest on: a mistake is told from an example that is right.
TEST(Examples, AMistakeIsFound) {
  const Outcome outcome =
      Execute("sluice", "--mode validate --config-yaml 'static_resources: { listener: [] }'");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("listener"));
}

}  // namespace
}  // namespace sluice
