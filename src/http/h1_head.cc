#include "http/h1_head.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"
#include "http/authority.h"
#include "http/chars.h"

namespace sluice::http {
namespace {

constexpr std::size_t kMethodBytesMax = 32;
constexpr std::size_t kVersionBytes = 8;  // "HTTP/1.1"

// Neither control nor space, which would split the line for others; no '#', behind which some
// parsers see nothing. RFC 3986 wants more bytes encoded, but browsers send them.
consteval std::array<bool, 256> MakeTargetBytes() {
  std::array<bool, 256> table{};
  for (std::size_t i = 0; i < 256; ++i) table[i] = i > 0x20 && i != 0x7f && i != '#';
  return table;
}
constexpr std::array<bool, 256> kTargetBytes = MakeTargetBytes();

bool IsTarget(std::string_view text) {
  for (const char c : text) {
    if (!kTargetBytes[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

H1Rule ReadVersion(std::string_view text, Version& version) {
  if (text == "HTTP/1.1") {
    version = Version::kHttp11;
    return H1Rule::kOk;
  }
  if (text == "HTTP/1.0") {
    version = Version::kHttp10;
    return H1Rule::kOk;
  }
  const bool well_formed = text.size() == kVersionBytes && text.substr(0, 5) == "HTTP/" &&
                           IsDigit(text[5]) && text[6] == '.' && IsDigit(text[7]);
  return well_formed ? H1Rule::kVersionUnsupported : H1Rule::kVersionMalformed;
}

// "http://a.ex/x" and "https://a.ex": the rest behind "//", or nothing.
std::string_view BehindScheme(std::string_view target) {
  for (const std::string_view scheme :
       {std::string_view("http://"), std::string_view("https://")}) {
    if (base::EqualsIgnoreCase(target.substr(0, scheme.size()), scheme)) {
      return target.substr(scheme.size());
    }
  }
  return {};
}

H1Rule ReadAbsoluteTarget(std::string_view target, const H1Limits& limits, RequestHead& head) {
  const std::string_view rest = BehindScheme(target);
  if (rest.data() == nullptr) return H1Rule::kTargetForm;
  if (!limits.allow_absolute_url) return H1Rule::kTargetAbsoluteRefused;
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  if (!ParseAuthority(authority)) return H1Rule::kTargetAuthority;
  head.authority.assign(authority);
  const std::string_view path = rest.substr(end);
  if (path.empty()) {
    head.path.assign(head.method == Method::kOptions ? "*" : "/");  // RFC 9112 3.2.4
  } else if (path.front() == '?') {
    head.path.assign("/").append(path);
  } else {
    head.path.assign(path);
  }
  return H1Rule::kOk;
}

H1Rule ReadTarget(std::string_view target, const H1Limits& limits, RequestHead& head) {
  if (!IsTarget(target)) return H1Rule::kTargetBadByte;
  if (head.method == Method::kConnect) {
    const std::optional<Authority> authority = ParseAuthority(target);
    if (!authority || !authority->port) return H1Rule::kTargetAuthority;
    head.authority.assign(target);
    head.path.clear();
    return H1Rule::kOk;
  }
  if (target.front() == '/') {
    head.path.assign(target);
    return H1Rule::kOk;
  }
  if (target == "*") {
    if (head.method != Method::kOptions) return H1Rule::kTargetForm;
    head.path.assign(target);
    return H1Rule::kOk;
  }
  return ReadAbsoluteTarget(target, limits, head);
}

}  // namespace

H1Rule ReadRequestLine(std::string_view line, const H1Limits& limits, RequestHead& head) {
  const std::size_t method_size = TokenLength(line);
  if (method_size == 0 || method_size > kMethodBytesMax) return H1Rule::kMethodMalformed;
  if (method_size == line.size()) return H1Rule::kRequestLineMalformed;
  if (line[method_size] != ' ') return H1Rule::kMethodMalformed;
  // The version stands behind the last space, so that a space in the target is told as such.
  const std::size_t last_space = line.rfind(' ');
  if (last_space == method_size) return H1Rule::kRequestLineMalformed;
  const std::string_view target = line.substr(method_size + 1, last_space - method_size - 1);
  if (target.empty() || target.front() == ' ' || target.back() == ' ') {
    return H1Rule::kRequestLineMalformed;
  }
  const H1Rule rule = ReadVersion(line.substr(last_space + 1), head.version);
  if (rule != H1Rule::kOk) return rule;
  if (head.version == Version::kHttp10 && !limits.accept_http_10) return H1Rule::kHttp10Refused;
  const std::string_view method = line.substr(0, method_size);
  head.method = FindMethod(method);
  head.method_text.assign(method);
  return ReadTarget(target, limits, head);
}

H1Rule ReadStatusLine(std::string_view line, ResponseHead& head) {
  // HTTP/1.1 SP 3DIGIT [ SP reason ]
  if (line.size() < kVersionBytes + 4 || line[kVersionBytes] != ' ') {
    return H1Rule::kStatusLineMalformed;
  }
  const H1Rule rule = ReadVersion(line.substr(0, kVersionBytes), head.version);
  if (rule != H1Rule::kOk) return rule;
  int status = 0;
  for (const char c : line.substr(kVersionBytes + 1, 3)) {
    if (!IsDigit(c)) return H1Rule::kStatusLineMalformed;
    status = status * 10 + (c - '0');
  }
  const std::string_view rest = line.substr(kVersionBytes + 4);
  if (!rest.empty() && rest.front() != ' ') return H1Rule::kStatusLineMalformed;
  if (!IsFieldValue(rest)) return H1Rule::kStatusLineMalformed;
  if (status < 100 || status > 599) return H1Rule::kStatusOutOfRange;
  head.status = status;
  return H1Rule::kOk;
}

H1Rule ReadFieldLine(std::string_view line, FieldLine& field) {
  const std::size_t name_size = TokenLength(line);
  if (name_size == line.size()) return H1Rule::kFieldNoColon;
  const char next = line[name_size];
  if (next != ':' || name_size == 0) {
    if (name_size == 0 && (next == ' ' || next == '\t')) return H1Rule::kFieldFolded;
    if (name_size == 0 && next == ':') return H1Rule::kFieldNameEmpty;
    if (next == ' ' || next == '\t') return H1Rule::kFieldSpaceBeforeColon;
    return H1Rule::kFieldNameMalformed;
  }
  field.name = line.substr(0, name_size);
  field.raw = line.substr(name_size + 1);
  if (!IsFieldValue(field.raw)) {
    return field.raw.find('\r') == std::string_view::npos ? H1Rule::kFieldValueBadByte
                                                          : H1Rule::kBareCr;
  }
  field.value = base::TrimOws(field.raw);
  field.id = FindName(field.name);
  return H1Rule::kOk;
}

}  // namespace sluice::http
