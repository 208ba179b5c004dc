#include "http/chars.h"

#include <cstring>

namespace sluice::http {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101U;
constexpr std::uint64_t kHighBits = kOnes * 0x80;

// True when one of eight bytes may be a control byte; never false when one is.
bool Suspicious(const char* eight) {
  std::uint64_t word;
  std::memcpy(&word, eight, sizeof(word));
  const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
  const std::uint64_t unlike_del = word ^ kOnes * 0x7f;
  const std::uint64_t is_del = (unlike_del - kOnes) & ~unlike_del;
  return ((below_space | is_del) & kHighBits) != 0;
}

bool IsFieldValueByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 || byte == '\t') && byte != 0x7f;
}

}  // namespace

bool IsFieldValue(std::string_view text) {
  bool clean = text.size() >= 8;
  if (clean) {
    for (std::size_t i = 0; i + 8 <= text.size(); i += 8) clean &= !Suspicious(text.data() + i);
    clean &= !Suspicious(text.data() + text.size() - 8);  // The rest, and some bytes again.
  }
  if (clean) return true;
  for (const char c : text) {
    if (!IsFieldValueByte(c)) return false;
  }
  return true;
}

}  // namespace sluice::http
