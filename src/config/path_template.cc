#include "config/path_template.h"

#include <algorithm>

#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::config {
namespace {

constexpr std::size_t kTemplateBytesMax = 256;
constexpr std::size_t kNameBytesMax = 16;
constexpr std::size_t kVariablesMax = 5;
// What one segment of a path is made of, as a class of RE2.
constexpr std::string_view kSegmentBytes = "a-zA-Z0-9-._~%!$&'()*+,;:@=";

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsLiteralByte(char c) {
  return IsAlphanumeric(c) ||
         std::string_view("-._~%!$&'()+,;:@=").find(c) != std::string_view::npos;
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && !(text[0] >= '0' && text[0] <= '9') &&
         text[0] != '_' && std::all_of(text.begin(), text.end(), [](char c) {
           return IsAlphanumeric(c) || c == '_';
         });
}

void AppendQuoted(std::string_view literal, std::string& regex) {
  for (const char c : literal) {
    if (!IsAlphanumeric(c)) regex += '\\';
    regex += c;
  }
}

class Reader {
 public:
  Reader(std::string_view text, base::FieldErrors& errors) : text_(text), errors_(errors) {}

  std::optional<PathTemplate> Run() {
    if (text_.size() > kTemplateBytesMax) {
      Error(base::Cat("is longer than ", kTemplateBytesMax, " bytes"));
    } else if (!text_.starts_with('/')) {
      Error("does not begin with /");
    } else {
      ReadAll();
    }
    if (!ok_) return std::nullopt;
    auto regex = Regex::Compile(base::Cat("^", regex_, "$"), errors_);
    if (!regex.has_value()) return std::nullopt;
    return PathTemplate{*std::move(regex), std::move(variables_)};
  }

 private:
  void Error(std::string_view what) {
    if (ok_) errors_.Add(base::Cat("the template '", base::Printable(text_), "' ", what));
    ok_ = false;
  }

  void ReadAll() {
    while (ok_ && at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '/') {
        if (text_.substr(at_).starts_with("//")) return Error("has an empty segment");
        regex_ += '/';
        ++at_;
      } else if (c == '{') {
        ReadVariable();
      } else if (c == '*') {
        at_ += ReadStar(text_.substr(at_));
      } else {
        std::size_t end = at_;
        while (end < text_.size() && IsLiteralByte(text_[end])) ++end;
        if (end == at_)
          return Error(base::Cat("may not hold '", base::Printable(text_.substr(at_, 1)), "'"));
        AppendQuoted(text_.substr(at_, end - at_), regex_);
        at_ = end;
      }
    }
  }

  // How many bytes were read.
  std::size_t ReadStar(std::string_view rest) {
    if (after_rest_) Error("has an operator behind **");
    if (rest.starts_with("**")) {
      after_rest_ = true;
      base::Append(regex_, "[", kSegmentBytes, "/]*");
      return 2;
    }
    base::Append(regex_, "[", kSegmentBytes, "]+");
    return 1;
  }

  void ReadVariable() {
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return Error("lacks a }");
    const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
    const std::size_t equals = inside.find('=');
    const std::string_view name = inside.substr(0, equals);
    if (!IsName(name)) {
      return Error(base::Cat("has a variable '", base::Printable(name),
                             "'; write a letter and at most ", kNameBytesMax - 1,
                             " letters, digits or _"));
    }
    if (std::find(variables_.begin(), variables_.end(), name) != variables_.end()) {
      return Error(base::Cat("has the variable '", name, "' twice"));
    }
    if (variables_.size() == kVariablesMax) {
      return Error(base::Cat("has more than ", kVariablesMax, " variables"));
    }
    variables_.emplace_back(name);
    regex_ += '(';
    ReadPattern(equals == std::string_view::npos ? "*" : inside.substr(equals + 1));
    regex_ += ')';
    at_ = end + 1;
  }

  // What a variable stands for: segments of text, * and **.
  void ReadPattern(std::string_view pattern) {
    if (pattern.empty()) Error("has a variable that stands for nothing");
    for (std::size_t at = 0; ok_ && at < pattern.size();) {
      if (pattern[at] == '*') {
        at += ReadStar(pattern.substr(at));
      } else if (pattern[at] == '/') {
        regex_ += '/';
        ++at;
      } else if (IsLiteralByte(pattern[at])) {
        AppendQuoted(pattern.substr(at, 1), regex_);
        ++at;
      } else {
        Error(
            base::Cat("may not hold '", base::Printable(pattern.substr(at, 1)), "' in a variable"));
      }
    }
  }

  std::string_view text_;
  base::FieldErrors& errors_;
  std::size_t at_ = 0;
  std::string regex_;
  std::vector<std::string> variables_;
  bool after_rest_ = false;
  bool ok_ = true;
};

}  // namespace

std::optional<PathTemplate> CompilePathTemplate(std::string_view text, base::FieldErrors& errors) {
  return Reader(text, errors).Run();
}

std::optional<std::string> CompileTemplateRewrite(std::string_view text,
                                                  const std::vector<std::string>& variables,
                                                  base::FieldErrors& errors) {
  const auto error = [&](std::string_view what) {
    errors.Add(base::Cat("the template '", base::Printable(text), "' ", what));
    return std::nullopt;
  };
  if (text.size() > kTemplateBytesMax) {
    return error(base::Cat("is longer than ", kTemplateBytesMax, " bytes"));
  }
  if (!text.starts_with('/')) return error("does not begin with /");
  if (text.find("//") != std::string_view::npos) return error("has an empty segment");
  std::string substitution;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '{') {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) return error("lacks a }");
      const std::string_view name = text.substr(at + 1, end - at - 1);
      const auto variable = std::find(variables.begin(), variables.end(), name);
      if (variable == variables.end()) {
        return error(base::Cat("uses '", base::Printable(name),
                               "', which the path_match_policy does not have"));
      }
      base::Append(substitution, "\\", static_cast<int>(variable - variables.begin()) + 1);
      at = end + 1;
      continue;
    }
    if (text[at] != '/' && !IsLiteralByte(text[at])) {
      return error(base::Cat("may not hold '", base::Printable(text.substr(at, 1)), "'"));
    }
    substitution += text[at++];
  }
  return substitution;
}

}  // namespace sluice::config
