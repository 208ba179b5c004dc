#include "observe/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/strings.h"
#include "http/chars.h"

namespace sluice::observe {
namespace {

consteval std::array<bool, 256> MakePlain() {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlain();
constexpr char kHex[] = "0123456789ABCDEF";

// Eight bytes at once: true only when all of them are plain.
bool AllPlain(const char* text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x80 * kOnes;
  std::uint64_t bytes;
  std::memcpy(&bytes, text, sizeof(bytes));
  // A borrow may mark a neighbour too: the slow way then decides.
  const auto below = [&](std::uint64_t word, std::uint64_t limit) {
    return (word - limit * kOnes) & ~word;
  };
  const std::uint64_t odd = bytes | below(bytes, 0x20) | below(bytes ^ ('"' * kOnes), 1) |
                            below(bytes ^ ('\\' * kOnes), 1) | below(bytes ^ (0x7f * kOnes), 1);
  return (odd & kHighs) == 0;
}

void AppendEscaped(std::string_view text, std::string& out) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    while (i + sizeof(std::uint64_t) <= text.size() && AllPlain(text.data() + i)) {
      i += sizeof(std::uint64_t);
    }
    if (i == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[i]);
    if (kPlain[byte]) continue;
    out.append(text, start, i - start);
    const char escaped[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    out.append(escaped, sizeof(escaped));
    start = i + 1;
  }
  out.append(text, start);
}

void AppendNumber(std::uint64_t number, std::string& out) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, static_cast<std::size_t>(result.ptr - digits));
}

void AppendValue(const config::FormatItem& item, const OperatorValue& value, bool escape,
                 std::string& out) {
  if (value.kind == OperatorValue::Kind::kNumber) {
    AppendNumber(value.number, out);
    return;
  }
  std::string_view text = value.text;
  if (item.length_max.has_value()) text = text.substr(0, *item.length_max);
  if (escape) {
    AppendEscaped(text, out);
  } else {
    out.append(text);
  }
}

// A leaf; false when it is one operator without a value.
bool RenderLeaf(const config::Format& format, const StreamInfo& info, const RenderOptions& options,
                std::string& out) {
  std::string scratch;
  if (format.items.size() == 1 && format.items[0].op != config::Operator::kLiteral) {
    const OperatorValue value = ValueOf(format.items[0], info, options, scratch);
    if (value.kind == OperatorValue::Kind::kMissing) return false;
    if (value.kind == OperatorValue::Kind::kNumber) {
      AppendNumber(value.number, out);
    } else {
      std::string_view text = value.text;
      if (format.items[0].length_max.has_value())
        text = text.substr(0, *format.items[0].length_max);
      base::AppendJsonString(out, text);
    }
    return true;
  }
  std::string text;
  RenderOptions plain = options;
  plain.escape = false;
  Render(format, info, plain, text);
  base::AppendJsonString(out, text);
  return true;
}

void AppendJsonNumber(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char digits[32];
  const bool whole = number == std::floor(number) && std::abs(number) < 1e15;
  const auto result =
      whole ? std::to_chars(digits, digits + sizeof(digits), static_cast<std::int64_t>(number))
            : std::to_chars(digits, digits + sizeof(digits), number);
  out.append(digits, static_cast<std::size_t>(result.ptr - digits));
}

// False, with nothing appended, for a missing value. Depth is bounded by who compiled `format`.
bool RenderNode(const config::JsonFormat& node, const StreamInfo& info,
                const RenderOptions& options, std::string& out) {
  using Kind = config::JsonFormat::Kind;
  switch (node.kind) {
    case Kind::kFormat:
      return RenderLeaf(node.format, info, options, out);
    case Kind::kNumber:
      AppendJsonNumber(node.number, out);
      return true;
    case Kind::kBool:
      out += node.boolean ? "true" : "false";
      return true;
    case Kind::kNull:
      out += "null";
      return true;
    case Kind::kObject:
    case Kind::kArray:
      break;
  }
  const bool object = node.kind == Kind::kObject;
  out += object ? '{' : '[';
  bool first = true;
  for (const auto& [key, member] : node.members) {
    const std::size_t before = out.size();
    if (!first) out += ',';
    if (object) {
      base::AppendJsonString(out, key);
      out += ':';
    }
    if (!RenderNode(member, info, options, out)) {
      if (object && options.omit_empty_values) {
        out.resize(before);
        continue;
      }
      out += "null";
    }
    first = false;
  }
  out += object ? '}' : ']';
  return true;
}

}  // namespace

void Render(const config::Format& format, const StreamInfo& info, const RenderOptions& options,
            std::string& out) {
  std::string scratch;
  for (const config::FormatItem& item : format.items) {
    if (item.op == config::Operator::kLiteral) {
      out += item.text;
      continue;
    }
    const OperatorValue value = ValueOf(item, info, options, scratch);
    if (value.kind != OperatorValue::Kind::kMissing) {
      AppendValue(item, value, options.escape, out);
    } else if (!options.omit_empty_values) {
      out += '-';
    }
  }
}

void RenderJson(const config::JsonFormat& format, const StreamInfo& info,
                const RenderOptions& options, std::string& out) {
  if (!RenderNode(format, info, options, out)) out += "null";
}

void RenderBody(const config::BodyFormat& format, const StreamInfo& info, base::WallTime now,
                std::string& out) {
  RenderOptions options;
  options.now = now;
  options.omit_empty_values = format.omit_empty_values;
  std::string body;  // `out` may be what is rendered.
  if (format.json.has_value()) {
    RenderJson(*format.json, info, options, body);
    body += '\n';
  } else {
    Render(format.text, info, options, body);
  }
  out = std::move(body);
}

std::string_view ContentTypeOf(const config::BodyFormat& format) {
  if (!format.content_type.empty()) return format.content_type;
  return format.json.has_value() ? "application/json" : "text/plain";
}

bool RenderHeaderValue(const config::Format& format, const StreamInfo& info, base::WallTime now,
                       std::string& out) {
  out.clear();
  RenderOptions options;
  options.now = now;
  options.omit_empty_values = true;
  Render(format, info, options, out);
  if (http::IsFieldValue(out)) return true;
  out.clear();
  return false;
}

}  // namespace sluice::observe
