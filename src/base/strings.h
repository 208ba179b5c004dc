#pragma once
// The string words every room uses, over std::string_view. Pure functions, any thread.

#include <charconv>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace sluice::base {

// ---- joining -------------------------------------------------------------------------------

// One piece of a Cat(): text, or a number printed in decimal.
class Piece {
 public:
  Piece(std::string_view text) : text_(text) {}    // NOLINT(google-explicit-constructor)
  Piece(const std::string& text) : text_(text) {}  // NOLINT(google-explicit-constructor)
  Piece(const char* text) : text_(text) {}         // NOLINT(google-explicit-constructor)
  template <typename Int>
    requires std::is_integral_v<Int>
  Piece(Int value) {  // NOLINT(google-explicit-constructor)
    const auto result = std::to_chars(digits_, digits_ + sizeof(digits_), value);
    text_ = {digits_, static_cast<std::size_t>(result.ptr - digits_)};
  }
  Piece(const Piece&) = delete;  // text_ may point into digits_.
  Piece& operator=(const Piece&) = delete;

  std::string_view text() const { return text_; }

 private:
  char digits_[24];
  std::string_view text_;
};

inline void AppendPieces(std::string& out, std::initializer_list<std::string_view> pieces) {
  std::size_t size = out.size();
  for (const std::string_view piece : pieces) size += piece.size();
  if (size > out.capacity()) out.reserve(size > 2 * out.capacity() ? size : 2 * out.capacity());
  for (const std::string_view piece : pieces) out.append(piece);
}

// Appends all pieces to `out`, growing it at most once.
template <typename... Args>
void Append(std::string& out, const Args&... args) {
  AppendPieces(out, {Piece(args).text()...});
}

template <typename... Args>
std::string Cat(const Args&... args) {
  std::string out;
  AppendPieces(out, {Piece(args).text()...});
  return out;
}

// ---- looking at ----------------------------------------------------------------------------

constexpr char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ToLower(a[i]) != ToLower(b[i])) return false;
  }
  return true;
}

std::string Lowercase(std::string_view text);

// Without leading and trailing SP and HTAB (RFC 9110 OWS).
constexpr std::string_view TrimOws(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator);

// Digits only, no sign, no space, no overflow; nothing else is a number.
std::optional<std::uint64_t> ParseUint(std::string_view text);

// Escapes everything outside printable ASCII, and the backslash, for logs and error texts;
// at most `bytes_max` input bytes, then "...".
std::string Printable(std::string_view text, std::size_t bytes_max = 256);

// Appends `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

std::string Base64Encode(std::string_view bytes);
std::optional<std::string> Base64Decode(std::string_view text);

// ---- maps keyed by string, looked up by string_view --------------------------------------------

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

template <typename V>
using StringMap = absl::flat_hash_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = absl::flat_hash_set<std::string, StringHash, std::equal_to<>>;

}  // namespace sluice::base
