#pragma once
// JSON as the admin port prints it: one space of indent per level, written piece by piece.
//
// A plain value writer: it does not check that keys and values alternate. One thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/strings.h"

namespace sluice::server {

class JsonWriter {
 public:
  // Values go to *out, which the caller may take and clear, or replace, between any two calls.
  explicit JsonWriter(std::string* out) : out_(out) {}
  void set_out(std::string* out) { out_ = out; }

  // An object or list as the next value (after Key, or as an element of a list).
  void OpenObject() { Open('{'); }
  void OpenList() { Open('['); }
  void OpenObject(std::string_view key) {
    Key(key);
    Open('{');
  }
  void OpenList(std::string_view key) {
    Key(key);
    Open('[');
  }
  void Close();
  void Key(std::string_view key);

  void Text(std::string_view value);
  // Finished JSON, made with indent level().
  void Raw(std::string_view json);
  int level() const { return static_cast<int>(open_.size()); }
  // What Raw would write may be appended to out() after this.
  void BeginValue();
  std::string& out() { return *out_; }

  // Members of an object.
  void Member(std::string_view key, std::string_view value) {
    Key(key);
    Text(value);
  }
  void Member(std::string_view key, const char* value) { Member(key, std::string_view(value)); }
  void Member(std::string_view key, bool value) {
    Key(key);
    Raw(value ? "true" : "false");
  }
  template <typename Int>
    requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>)
  void Member(std::string_view key, Int value) {
    Key(key);
    Raw(base::Cat(value));
  }

 private:
  void Open(char bracket);
  void NewLine();

  std::string* out_;
  std::string open_;  // The brackets that will close, innermost last.
  bool first_ = true;
  bool after_key_ = false;
};

}  // namespace sluice::server
