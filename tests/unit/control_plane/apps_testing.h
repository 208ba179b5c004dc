#pragma once
// The sample of the documentation, and what tests of the control plane do over and over.

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "base/field_errors.h"
#include "control-plane/apps.h"
#include "control-plane/snapshot.h"
#include "gtest/gtest.h"

namespace sluice::control {

inline std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

inline std::string SampleText() {
  return ReadText(std::string(SLUICE_SOURCE_DIR) + "/tests/golden/apps/sample.yaml");
}

// Fails the test when there are errors.
inline AppsConfig Parsed(std::string_view text) {
  base::FieldErrors errors;
  AppsConfig config = ParseApps(text, "apps.yaml", errors);
  EXPECT_EQ(errors.Text("\n"), "");
  return config;
}

inline std::string ErrorsOf(std::string_view text) {
  base::FieldErrors errors;
  ParseApps(text, "f", errors);
  return errors.Text("\n");
}

inline std::shared_ptr<const Snapshot> Built(const AppsConfig& config,
                                             const Snapshot* previous = nullptr) {
  base::FieldErrors errors;
  auto snapshot = BuildSnapshot(config, previous, errors);
  EXPECT_EQ(errors.Text("\n"), "");
  return snapshot;
}

}  // namespace sluice::control
