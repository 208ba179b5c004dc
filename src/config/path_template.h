#pragma once
// URI templates: "/api/{version}/**" as a regular expression, and what it is rewritten to.
//
// Config thread. Each adds an error at the current scope for a malformed template.
// envoy-behaviour.md 2.4.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/matchers.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct PathTemplate {
  Regex regex;
  std::vector<std::string> variables;  // Group i + 1 of `regex`.
};

std::optional<PathTemplate> CompilePathTemplate(std::string_view text, base::FieldErrors& errors);

// The substitution for Regex::ReplaceAll().
std::optional<std::string> CompileTemplateRewrite(std::string_view text,
                                                  const std::vector<std::string>& variables,
                                                  base::FieldErrors& errors);

}  // namespace sluice::config
