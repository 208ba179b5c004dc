#pragma once
// Compiled string, header and query matchers. Values; any thread may read, but a worker passes its
// own index because one RE2 shared by threads locks inside.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {
class Fields;
struct RequestHead;
}  // namespace sluice::http
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// RE2, full match, bounded (1 MiB, program size <= 10,000). Copies share the compiled programs.
class Regex {
 public:
  // Nullopt after adding an error at the current scope. `workers` copies are compiled lazily, each
  // by the worker that first uses it.
  static std::optional<Regex> Compile(std::string_view pattern, base::FieldErrors& errors);

  // `worker` < 256 is the calling worker's index; kNoWorker off the workers (locks).
  static constexpr unsigned kNoWorker = ~0U;
  bool FullMatch(std::string_view text, unsigned worker) const;
  // Replaces every match in `text` (\0..\9 in `substitution`); false, and `text` as it was, when
  // nothing matched or more than 256 KiB would come out.
  bool ReplaceAll(std::string& text, const std::string& substitution, unsigned worker) const;
  // False after adding an error: a group that the pattern does not have, a stray backslash.
  bool CheckSubstitution(const std::string& substitution, base::FieldErrors& errors) const;
  // What every text that matches begins with, as far as that is known; for indexes.
  const std::string& LiteralPrefix() const;
  const std::string& pattern() const;
  bool operator==(const Regex& other) const { return pattern() == other.pattern(); }

 private:
  struct Programs;
  std::shared_ptr<const Programs> programs_;
};

struct StringMatcher {
  enum class Kind : std::uint8_t { kExact, kPrefix, kSuffix, kContains, kRegex };
  Kind kind = Kind::kExact;
  std::string text;  // Lower case when ignore_case.
  bool ignore_case = false;
  std::optional<Regex> regex;

  bool Matches(std::string_view value, unsigned worker) const;
  bool operator==(const StringMatcher&) const = default;
};

struct HeaderMatcher {
  enum class Kind : std::uint8_t { kPresent, kString, kRange };
  std::string name;  // Lower case; ":method", ":path", ":authority", ":scheme" too.
  Kind kind = Kind::kPresent;
  bool present = true;  // kPresent: must (not) be there.
  StringMatcher string;
  std::int64_t range_start = 0;  // [start, end)
  std::int64_t range_end = 0;
  bool invert = false;
  bool missing_as_empty = false;

  // envoy-behaviour.md 2.4: a missing header never matches, also inverted, but for presence rules.
  bool Matches(const http::RequestHead& head, unsigned worker) const;
  // Nullopt: there is no such header.
  bool MatchesValue(std::optional<std::string_view> value, unsigned worker) const;
  bool operator==(const HeaderMatcher&) const = default;
};

struct QueryMatcher {
  std::string name;
  std::optional<StringMatcher> string;  // Unset: presence.
  bool present = true;

  bool Matches(std::string_view path, unsigned worker) const;
  bool operator==(const QueryMatcher&) const = default;
};

struct CookieMatcher {
  std::string name;
  StringMatcher string;
  bool invert = false;

  bool Matches(const http::RequestHead& head, unsigned worker) const;
  bool operator==(const CookieMatcher&) const = default;
};

// The first cookie of that name, without its quotes.
std::optional<std::string_view> FindCookie(const http::RequestHead& head, std::string_view name);

// The first value of `name` in the query of `path`, not decoded.
std::optional<std::string_view> FindQueryParameter(std::string_view path, std::string_view name);

}  // namespace sluice::config
