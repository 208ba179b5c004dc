#include "config/matchers.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "http/head.h"

namespace sluice::config {
namespace {

// `lower` is lower case already.
bool EqualsFolded(std::string_view value, std::string_view lower) {
  return value.size() == lower.size() &&
         std::equal(value.begin(), value.end(), lower.begin(),
                    [](char a, char b) { return base::ToLower(a) == b; });
}

bool ContainsFolded(std::string_view value, std::string_view lower) {
  return std::search(value.begin(), value.end(), lower.begin(), lower.end(),
                     [](char a, char b) { return base::ToLower(a) == b; }) != value.end();
}

bool EqualsAs(std::string_view value, std::string_view text, bool ignore_case) {
  return ignore_case ? EqualsFolded(value, text) : value == text;
}

// Room for a number that is to be looked at as text.
struct Digits {
  char text[24];
};

// What stands in for fields that a RequestHead keeps elsewhere; nullopt for what it has not got.
// False: `name` is a field like others.
bool KeptElsewhere(const http::RequestHead& head, std::string_view name, Digits& digits,
                   std::optional<std::string_view>& value) {
  const auto unless_empty = [](const std::string& text) -> std::optional<std::string_view> {
    if (text.empty()) return std::nullopt;
    return text;
  };
  value = std::nullopt;
  if (name.starts_with(':')) {
    if (name == ":path") value = unless_empty(head.path);
    if (name == ":method") value = head.method_text;
    if (name == ":authority") value = unless_empty(head.authority);
    if (name == ":scheme") value = unless_empty(head.scheme);
    return true;
  }
  if (name == "host") {
    value = unless_empty(head.authority);
    return true;
  }
  if (name == "content-length") {
    if (!head.has_content_length) return true;
    const std::uint64_t length =
        head.body.kind == http::BodyFraming::Kind::kLength ? head.body.length : 0;
    const auto result = std::to_chars(digits.text, digits.text + sizeof(digits.text), length);
    value = std::string_view(digits.text, static_cast<std::size_t>(result.ptr - digits.text));
    return true;
  }
  if (name == "transfer-encoding") {
    if (head.body.kind == http::BodyFraming::Kind::kChunked) value = "chunked";
    return true;
  }
  return false;
}

bool InRange(std::string_view value, std::int64_t start, std::int64_t end) {
  std::string_view text = base::TrimOws(value);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size() || text.empty()) return false;
  return number >= start && number < end;
}

bool ValueMatches(const HeaderMatcher& matcher, std::string_view value, unsigned worker) {
  using Kind = HeaderMatcher::Kind;
  switch (matcher.kind) {
    case Kind::kPresent:
      return matcher.present;
    case Kind::kString:
      return matcher.string.Matches(value, worker);
    case Kind::kRange:
      return InRange(value, matcher.range_start, matcher.range_end);
  }
  return false;
}

}  // namespace

bool StringMatcher::Matches(std::string_view value, unsigned worker) const {
  switch (kind) {
    case Kind::kExact:
      return EqualsAs(value, text, ignore_case);
    case Kind::kPrefix:
      return value.size() >= text.size() &&
             EqualsAs(value.substr(0, text.size()), text, ignore_case);
    case Kind::kSuffix:
      return value.size() >= text.size() &&
             EqualsAs(value.substr(value.size() - text.size()), text, ignore_case);
    case Kind::kContains:
      return ignore_case ? ContainsFolded(value, text) : value.find(text) != std::string_view::npos;
    case Kind::kRegex:
      return regex.has_value() && regex->FullMatch(value, worker);
  }
  return false;
}

bool HeaderMatcher::Matches(const http::RequestHead& head, unsigned worker) const {
  Digits digits;
  std::optional<std::string_view> value;
  bool missing = true;
  bool matches = false;
  if (KeptElsewhere(head, name, digits, value)) {
    missing = !value.has_value();
    matches = !missing && ValueMatches(*this, *value, worker);
  } else {
    // Each on its own: a client must not hide a value behind a comma.
    for (const http::Field field : head.fields) {
      if (field.name != name) continue;
      missing = false;
      matches = ValueMatches(*this, field.value, worker);
      if (matches) break;
    }
  }
  if (missing) {
    if (!missing_as_empty) return kind == Kind::kPresent && present == invert;
    matches = ValueMatches(*this, "", worker);
  }
  return matches != invert;
}

bool HeaderMatcher::MatchesValue(std::optional<std::string_view> value, unsigned worker) const {
  if (!value.has_value() && !missing_as_empty) return kind == Kind::kPresent && present == invert;
  return ValueMatches(*this, value.value_or(""), worker) != invert;
}

bool QueryMatcher::Matches(std::string_view path, unsigned worker) const {
  const std::optional<std::string_view> value = FindQueryParameter(path, name);
  if (!string.has_value()) return value.has_value() == present;
  return value.has_value() && string->Matches(*value, worker);
}

bool CookieMatcher::Matches(const http::RequestHead& head, unsigned worker) const {
  const std::optional<std::string_view> value = FindCookie(head, name);
  return (value.has_value() && string.Matches(*value, worker)) != invert;
}

std::optional<std::string_view> FindCookie(const http::RequestHead& head, std::string_view name) {
  for (const http::Field field : head.fields) {
    if (field.id != http::Name::kCookie) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t end = rest.find(';');
      const std::string_view pair = base::TrimOws(rest.substr(0, end));
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
        std::string_view value = pair.substr(equals + 1);
        if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
          value = value.substr(1, value.size() - 2);
        }
        return value;
      }
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> FindQueryParameter(std::string_view path, std::string_view name) {
  const std::size_t question = path.find_first_of("?#");
  if (question == std::string_view::npos || path[question] == '#') return std::nullopt;
  std::string_view query = path.substr(question + 1);
  query = query.substr(0, query.find('#'));
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name && !pair.empty()) {
      return equals == std::string_view::npos ? std::string_view("") : pair.substr(equals + 1);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

}  // namespace sluice::config
