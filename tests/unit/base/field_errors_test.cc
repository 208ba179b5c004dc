#include "base/field_errors.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "base/strings.h"

namespace sluice::base {
namespace {

TEST(FieldErrors, NameThePathOfEach) {
  FieldErrors errors;
  EXPECT_TRUE(errors.ToStatus().ok());
  errors.Add("whole");
  {
    const FieldErrors::Scope host(errors, "virtual_hosts", 3);
    {
      const FieldErrors::Scope match(errors, "match");
      errors.AddAt("prefix", "must start with '/'");
    }
    errors.AddLocated("a.yaml:7", "no routes");
  }
  errors.AddAt("name", "is empty");
  EXPECT_EQ(errors.path(), "");
  EXPECT_EQ(errors.Text(),
            "whole; virtual_hosts[3].match.prefix: must start with '/'; "
            "a.yaml:7: virtual_hosts[3]: no routes; name: is empty");
  EXPECT_EQ(errors.size(), 4U);
  EXPECT_EQ(errors.ToStatus().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(errors.ToStatus()), errors.Text());
}

TEST(FieldErrors, AreBounded) {
  FieldErrors errors;
  for (std::size_t i = 0; i < FieldErrors::kErrorsMax + 5; ++i) errors.Add("x");
  EXPECT_EQ(errors.size(), FieldErrors::kErrorsMax + 5);
  EXPECT_EQ(errors.errors().size(), FieldErrors::kErrorsMax);
  EXPECT_TRUE(errors.Text("\n").ends_with("x\nand 5 more"));
}

TEST(FieldErrors, LocateOnlyTheirOwn) {
  FieldErrors errors;
  for (std::size_t i = 0; i < FieldErrors::kErrorsMax; ++i) errors.Add("x");
  errors.AddLocated("a.yaml:1", "dropped");
  EXPECT_EQ(errors.errors().back().location, "");
}

}  // namespace
}  // namespace sluice::base
