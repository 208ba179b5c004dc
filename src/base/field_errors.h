#pragma once
// Every bad field of one resource, collected while compiling it, each with its path.
//
// One thread; lives on the stack of a compile. The text goes unchanged into NACKs, /config_dump
// and `sluice --mode validate`.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sluice::base {

struct FieldError {
  std::string path;     // "virtual_hosts[3].routes[0].match.safe_regex"; empty: the whole resource.
  std::string message;  // What is wrong and what to write instead, without a final period.
  std::string location;  // "file:line" where known, else empty.

  bool operator==(const FieldError&) const = default;
};

class FieldErrors {
 public:
  // Collects at most this many; the rest is counted only, so that hostile input stays bounded.
  static constexpr std::size_t kErrorsMax = 100;

  // A name pushed for as long as the Scope lives: FieldErrors::Scope scope(errors, "match");
  class Scope {
   public:
    Scope(FieldErrors& errors, std::string_view field);
    Scope(FieldErrors& errors, std::string_view field, std::size_t index);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    FieldErrors& errors_;
    std::size_t previous_size_;
  };

  // Appended to the path as it is, for as long as it lives: "[3]", "[\"key\"]".
  class Suffix {
   public:
    Suffix(FieldErrors& errors, std::string_view text)
        : errors_(errors), previous_size_(errors.path_.size()) {
      errors_.path_ += text;
    }
    ~Suffix() { errors_.path_.resize(previous_size_); }
    Suffix(const Suffix&) = delete;
    Suffix& operator=(const Suffix&) = delete;

   private:
    FieldErrors& errors_;
    std::size_t previous_size_;
  };

  // At the current scope, or at `field` below it.
  void Add(std::string_view message);
  void AddAt(std::string_view field, std::string_view message);
  void AddLocated(std::string_view location, std::string_view message);

  bool empty() const { return errors_.empty(); }
  std::size_t size() const { return errors_.size() + dropped_; }
  const std::vector<FieldError>& errors() const { return errors_; }
  const std::string& path() const { return path_; }

  // "path: message; path: message", or with newlines. `location: ` goes first where known.
  std::string Text(std::string_view separator = "; ") const;
  // OK when empty, else InvalidArgument with Text().
  absl::Status ToStatus() const;

 private:
  std::string path_;
  std::vector<FieldError> errors_;
  std::size_t dropped_ = 0;
};

}  // namespace sluice::base
