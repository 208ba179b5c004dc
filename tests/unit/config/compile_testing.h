#pragma once
// Protos from their text form, and errors as lines, for the tests of the compilers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/field_errors.h"
#include "google/protobuf/text_format.h"

namespace sluice::config {

// The text form goes past what reading YAML refuses, as bytes from a control plane do. An Any is
// written [type.googleapis.com/TYPE] {...}.
template <typename Proto>
Proto FromText(std::string_view text) {
  Proto proto;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(std::string(text), &proto)) << text;
  return proto;
}

// "path: message" each.
inline std::vector<std::string> Lines(const base::FieldErrors& errors) {
  std::vector<std::string> lines;
  for (const base::FieldError& error : errors.errors()) {
    lines.push_back(error.path + ": " + error.message);
  }
  return lines;
}

// Says what to write instead.
inline bool HasHint(std::string_view message) {
  for (const std::string_view word :
       {"write ", "use ", "leave ", "Consider", "give ", "keep ", "add ", "divide ", "name a ",
        "Set it", "send ", "move ", "set ", "list "}) {
    if (message.find(word) != std::string_view::npos) return true;
  }
  return false;
}

// A mistake and the errors it leads to: exactly these, each "path: beginning of the message".
struct BadCase {
  std::string name;
  std::string input;
  std::vector<std::string> want;
};

inline void ExpectErrors(const BadCase& bad, const base::FieldErrors& errors) {
  SCOPED_TRACE(bad.name);
  std::vector<testing::Matcher<std::string>> matchers;
  for (const std::string& want : bad.want) matchers.push_back(testing::StartsWith(want));
  EXPECT_THAT(Lines(errors), testing::UnorderedElementsAreArray(matchers));
  for (const base::FieldError& error : errors.errors()) {
    EXPECT_TRUE(HasHint(error.message)) << error.path << ": " << error.message;
  }
}

}  // namespace sluice::config
