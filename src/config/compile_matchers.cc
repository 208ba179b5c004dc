#include "config/compile_matchers.h"

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/compile_headers.h"
#include "config/route.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/type/matcher/v3/regex.pb.h"
#include "envoy/type/matcher/v3/string.pb.h"

namespace sluice::config {
namespace {

using Scope = base::FieldErrors::Scope;
using ProtoString = envoy::type::matcher::v3::StringMatcher;
using ProtoHeader = envoy::config::route::v3::HeaderMatcher;
using ProtoQuery = envoy::config::route::v3::QueryParameterMatcher;

constexpr std::size_t kQueryNameBytesMax = 1024;

// A matcher by text; an empty one is only sensible as an exact one.
std::optional<StringMatcher> TextMatcher(StringMatcher::Kind kind, const std::string& text,
                                         std::string_view field, base::FieldErrors& errors) {
  if (text.empty() && kind != StringMatcher::Kind::kExact) {
    errors.AddAt(field, "is empty and would match everything; write at least one character");
    return std::nullopt;
  }
  StringMatcher matcher;
  matcher.kind = kind;
  matcher.text = text;
  return matcher;
}

std::optional<StringMatcher> RegexMatcherAt(const envoy::type::matcher::v3::RegexMatcher& proto,
                                            std::string_view field, base::FieldErrors& errors) {
  const Scope scope(errors, field);
  std::optional<Regex> regex = CompileRegex(proto, errors);
  if (!regex.has_value()) return std::nullopt;
  StringMatcher matcher;
  matcher.kind = StringMatcher::Kind::kRegex;
  matcher.regex = std::move(regex);
  return matcher;
}

// The string that a header must match by one of the older fields or string_match.
std::optional<StringMatcher> HeaderText(const ProtoHeader& proto, base::FieldErrors& errors) {
  using Kind = StringMatcher::Kind;
  switch (proto.header_match_specifier_case()) {
    case ProtoHeader::kExactMatch:
      return TextMatcher(Kind::kExact, proto.exact_match(), "exact_match", errors);
    case ProtoHeader::kPrefixMatch:
      return TextMatcher(Kind::kPrefix, proto.prefix_match(), "prefix_match", errors);
    case ProtoHeader::kSuffixMatch:
      return TextMatcher(Kind::kSuffix, proto.suffix_match(), "suffix_match", errors);
    case ProtoHeader::kContainsMatch:
      return TextMatcher(Kind::kContains, proto.contains_match(), "contains_match", errors);
    case ProtoHeader::kSafeRegexMatch:
      return RegexMatcherAt(proto.safe_regex_match(), "safe_regex_match", errors);
    case ProtoHeader::kStringMatch: {
      const Scope scope(errors, "string_match");
      return CompileStringMatcher(proto.string_match(), errors);
    }
    case ProtoHeader::kRangeMatch:
    case ProtoHeader::kPresentMatch:
    case ProtoHeader::HEADER_MATCH_SPECIFIER_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Regex> CompileRegex(const envoy::type::matcher::v3::RegexMatcher& proto,
                                  base::FieldErrors& errors) {
  const Scope scope(errors, "regex");
  return Regex::Compile(proto.regex(), errors);
}

std::optional<StringMatcher> CompileStringMatcher(const ProtoString& proto,
                                                  base::FieldErrors& errors) {
  using Kind = StringMatcher::Kind;
  std::optional<StringMatcher> matcher;
  switch (proto.match_pattern_case()) {
    case ProtoString::kExact:
      matcher = TextMatcher(Kind::kExact, proto.exact(), "exact", errors);
      break;
    case ProtoString::kPrefix:
      matcher = TextMatcher(Kind::kPrefix, proto.prefix(), "prefix", errors);
      break;
    case ProtoString::kSuffix:
      matcher = TextMatcher(Kind::kSuffix, proto.suffix(), "suffix", errors);
      break;
    case ProtoString::kContains:
      matcher = TextMatcher(Kind::kContains, proto.contains(), "contains", errors);
      break;
    case ProtoString::kSafeRegex:
      return RegexMatcherAt(proto.safe_regex(), "safe_regex", errors);
    case ProtoString::kCustom:
      return std::nullopt;  // Refused by its class.
    case ProtoString::MATCH_PATTERN_NOT_SET:
      errors.Add("no pattern; write exact, prefix, suffix, contains or safe_regex");
      return std::nullopt;
  }
  if (matcher.has_value() && proto.ignore_case()) {
    matcher->ignore_case = true;
    matcher->text = base::Lowercase(matcher->text);
  }
  return matcher;
}

std::optional<HeaderMatcher> CompileHeaderMatcher(const ProtoHeader& proto,
                                                  base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  HeaderMatcher matcher;
  matcher.name = base::Lowercase(proto.name());
  if (!IsHeaderName(proto.name())) {
    errors.AddAt("name", base::Cat("'", base::Printable(proto.name()),
                                   "' is no header name; write one such as x-user or :method"));
  }
  matcher.invert = proto.invert_match();
  matcher.missing_as_empty = proto.treat_missing_header_as_empty();
  switch (proto.header_match_specifier_case()) {
    case ProtoHeader::HEADER_MATCH_SPECIFIER_NOT_SET:
      break;  // Presence.
    case ProtoHeader::kPresentMatch:
      matcher.present = proto.present_match();
      break;
    case ProtoHeader::kRangeMatch:
      matcher.kind = HeaderMatcher::Kind::kRange;
      matcher.range_start = proto.range_match().start();
      matcher.range_end = proto.range_match().end();
      break;
    default:
      matcher.kind = HeaderMatcher::Kind::kString;
      if (auto text = HeaderText(proto, errors)) matcher.string = *std::move(text);
      break;
  }
  if (errors.size() != before) return std::nullopt;
  return matcher;
}

std::optional<QueryMatcher> CompileQueryMatcher(const ProtoQuery& proto,
                                                base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  QueryMatcher matcher;
  matcher.name = proto.name();
  if (proto.name().empty() || proto.name().size() > kQueryNameBytesMax) {
    errors.AddAt("name",
                 base::Cat("has ", proto.name().size(), " bytes; write 1 to ", kQueryNameBytesMax));
  }
  switch (proto.query_parameter_match_specifier_case()) {
    case ProtoQuery::QUERY_PARAMETER_MATCH_SPECIFIER_NOT_SET:
      break;  // Presence.
    case ProtoQuery::kPresentMatch:
      matcher.present = proto.present_match();
      break;
    case ProtoQuery::kStringMatch: {
      const Scope scope(errors, "string_match");
      matcher.string = CompileStringMatcher(proto.string_match(), errors);
      break;
    }
  }
  if (errors.size() != before) return std::nullopt;
  return matcher;
}

std::optional<CookieMatcher> CompileCookieMatcher(
    const envoy::config::route::v3::CookieMatcher& proto, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  CookieMatcher matcher;
  matcher.name = proto.name();
  matcher.invert = proto.invert_match();
  if (proto.name().empty() || proto.name().size() > kQueryNameBytesMax) {
    errors.AddAt("name",
                 base::Cat("has ", proto.name().size(), " bytes; write 1 to ", kQueryNameBytesMax));
  }
  const Scope scope(errors, "string_match");
  if (!proto.has_string_match()) {
    errors.Add("is required");
  } else if (auto text = CompileStringMatcher(proto.string_match(), errors)) {
    matcher.string = *std::move(text);
  }
  if (errors.size() != before) return std::nullopt;
  return matcher;
}

std::optional<RegexRewrite> CompileRegexRewrite(
    const envoy::type::matcher::v3::RegexMatchAndSubstitute& proto, base::FieldErrors& errors) {
  const std::size_t before = errors.size();
  std::optional<Regex> regex;
  if (!proto.has_pattern()) {
    errors.AddAt("pattern", "is required");
  } else {
    const Scope scope(errors, "pattern");
    regex = CompileRegex(proto.pattern(), errors);
  }
  CheckHeaderValue(proto.substitution(), "substitution", errors);
  if (regex.has_value()) {
    const Scope scope(errors, "substitution");
    regex->CheckSubstitution(proto.substitution(), errors);
  }
  if (errors.size() != before || !regex.has_value()) return std::nullopt;
  return RegexRewrite{*std::move(regex), proto.substitution()};
}

}  // namespace sluice::config
