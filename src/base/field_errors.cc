#include "base/field_errors.h"

#include "base/status.h"
#include "base/strings.h"

namespace sluice::base {

FieldErrors::Scope::Scope(FieldErrors& errors, std::string_view field)
    : errors_(errors), previous_size_(errors.path_.size()) {
  if (!errors_.path_.empty()) errors_.path_ += '.';
  errors_.path_ += field;
}

FieldErrors::Scope::Scope(FieldErrors& errors, std::string_view field, std::size_t index)
    : Scope(errors, field) {
  Append(errors_.path_, "[", index, "]");
}

FieldErrors::Scope::~Scope() { errors_.path_.resize(previous_size_); }

void FieldErrors::Add(std::string_view message) {
  if (errors_.size() >= kErrorsMax) {
    ++dropped_;
    return;
  }
  errors_.push_back({path_, std::string(message), ""});
}

void FieldErrors::AddAt(std::string_view field, std::string_view message) {
  const Scope scope(*this, field);
  Add(message);
}

void FieldErrors::AddLocated(std::string_view location, std::string_view message) {
  const std::size_t before = errors_.size();
  Add(message);
  if (errors_.size() > before) errors_.back().location = location;
}

std::string FieldErrors::Text(std::string_view separator) const {
  std::string out;
  for (const FieldError& error : errors_) {
    if (!out.empty()) out += separator;
    if (!error.location.empty()) Append(out, error.location, ": ");
    if (!error.path.empty()) Append(out, error.path, ": ");
    out += error.message;
  }
  if (dropped_ > 0) Append(out, separator, "and ", dropped_, " more");
  return out;
}

absl::Status FieldErrors::ToStatus() const {
  return empty() ? absl::OkStatus() : InvalidArgument(Text());
}

}  // namespace sluice::base
