#pragma once
// Reading text in tests: one call that expects success, one that returns the errors.

#include <string>
#include <string_view>

#include "base/field_errors.h"
#include "config/yaml_to_proto.h"
#include "gtest/gtest.h"

namespace sluice::config {

template <typename M>
M Read(std::string_view text) {
  M message;
  base::FieldErrors errors;
  EXPECT_TRUE(YamlToProto(text, "f.yaml", {}, &message, errors)) << errors.Text("\n");
  EXPECT_EQ(errors.Text(), "");
  return message;
}

template <typename M>
std::string ErrorsOf(std::string_view text, YamlOptions options = {}) {
  M message;
  base::FieldErrors errors;
  const bool ok = YamlToProto(text, "f.yaml", options, &message, errors);
  EXPECT_EQ(ok, errors.empty());
  return errors.Text("\n");
}

}  // namespace sluice::config
