#pragma once
// String, header and query matchers from their xDS messages, for routes, access-log filters, CORS
// and certificate names alike.
//
// Config thread. Each reports every bad field below the current scope of `errors`; nullopt then.
// REQUIRES: the message was checked against its field classes (proto_values.h, CheckMessage).

#include <optional>
#include <string_view>

#include "config/matchers.h"

namespace envoy::config::route::v3 {
class CookieMatcher;
class HeaderMatcher;
class QueryParameterMatcher;
}  // namespace envoy::config::route::v3
namespace envoy::type::matcher::v3 {
class RegexMatcher;
class RegexMatchAndSubstitute;
class StringMatcher;
}  // namespace envoy::type::matcher::v3
namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct RegexRewrite;

std::optional<Regex> CompileRegex(const envoy::type::matcher::v3::RegexMatcher& proto,
                                  base::FieldErrors& errors);
std::optional<StringMatcher> CompileStringMatcher(
    const envoy::type::matcher::v3::StringMatcher& proto, base::FieldErrors& errors);
std::optional<HeaderMatcher> CompileHeaderMatcher(
    const envoy::config::route::v3::HeaderMatcher& proto, base::FieldErrors& errors);
std::optional<QueryMatcher> CompileQueryMatcher(
    const envoy::config::route::v3::QueryParameterMatcher& proto, base::FieldErrors& errors);
std::optional<CookieMatcher> CompileCookieMatcher(
    const envoy::config::route::v3::CookieMatcher& proto, base::FieldErrors& errors);
std::optional<RegexRewrite> CompileRegexRewrite(
    const envoy::type::matcher::v3::RegexMatchAndSubstitute& proto, base::FieldErrors& errors);

}  // namespace sluice::config
