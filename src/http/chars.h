#pragma once
// Which bytes may stand where in HTTP. RFC 9110 section 5.6.2 (token) and 5.5 (field value).
//
// Pure functions and constant tables; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::http {

namespace internal {

consteval std::array<char, 256> MakeTokenLower() {
  std::array<char, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) {
    table[static_cast<unsigned char>(c)] = c;
  }
  for (char c = 'A'; c <= 'Z'; ++c) {
    table[static_cast<unsigned char>(c)] = static_cast<char>(c + 32);
  }
  return table;
}

consteval std::array<std::int8_t, 256> MakeHexValue() {
  std::array<std::int8_t, 256> table{};
  for (std::int8_t& value : table) value = -1;
  for (int i = 0; i < 10; ++i)
    table[static_cast<std::size_t>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    table[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
    table[static_cast<std::size_t>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return table;
}

inline constexpr std::array<char, 256> kTokenLower = MakeTokenLower();
inline constexpr std::array<std::int8_t, 256> kHexValue = MakeHexValue();

}  // namespace internal

// The lower-case form of a token character, 0 for any other byte.
constexpr char TokenLower(char c) { return internal::kTokenLower[static_cast<unsigned char>(c)]; }

// 0 to 15, or -1.
constexpr int HexValue(char c) { return internal::kHexValue[static_cast<unsigned char>(c)]; }

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 3986 section 2.3.
constexpr bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// How many token characters `text` begins with.
constexpr std::size_t TokenLength(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && TokenLower(text[i]) != 0) ++i;
  return i;
}

constexpr bool IsToken(std::string_view text) {
  return !text.empty() && TokenLength(text) == text.size();
}

// No control byte but HTAB; bytes from 0x80 up (obs-text) are let through. Empty is fine.
bool IsFieldValue(std::string_view text);

}  // namespace sluice::http
