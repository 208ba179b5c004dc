#include "http/hop_by_hop.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"

namespace sluice::http {
namespace {

// Fields of these families carry trust: the proxy or an app decides by them.
constexpr std::string_view kTrustedPrefixes[] = {
    "x-forwarded-", "x-envoy-", "x-b3-", "access-control-", "sec-", "grpc-", "content-", ":",
};

// Beside the families above; sorted for binary search.
constexpr auto kTrustedNames = std::to_array<std::string_view>({
    "accept",     "authorization", "baggage",     "cache-control",
    "cookie",     "date",          "expect",      "forwarded",
    "host",       "location",      "origin",      "proxy-authorization",
    "server",     "set-cookie",    "traceparent", "tracestate",
    "user-agent", "vary",          "via",         "x-client-trace-id",
    "x-real-ip",  "x-request-id",
});
static_assert(std::is_sorted(kTrustedNames.begin(), kTrustedNames.end()));

// What controls framing, routing, authentication, or how a body is read: RFC 9110 section 6.5.1.
constexpr std::string_view kHeadOnlyPrefixes[] = {
    "x-forwarded-", "x-envoy-", "access-control-", "proxy-", "sec-", "if-", ":",
};
constexpr auto kHeadOnlyNames = std::to_array<std::string_view>({
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
    "x-request-id",
});
static_assert(std::is_sorted(kHeadOnlyNames.begin(), kHeadOnlyNames.end()));

bool LessIgnoreCase(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return base::ToLower(x) < base::ToLower(y);
  });
}

template <typename Prefixes, typename Names>
bool InEither(std::string_view name, const Prefixes& prefixes, const Names& names) {
  for (const std::string_view prefix : prefixes) {
    if (base::EqualsIgnoreCase(name.substr(0, prefix.size()), prefix)) return true;
  }
  return std::binary_search(names.begin(), names.end(), name, LessIgnoreCase);
}

// The fields one Connection value names, but for those somebody trusts and those handled apart.
void RemoveNominated(Fields& fields, std::string_view connection) {
  while (!connection.empty()) {
    const std::size_t comma = std::min(connection.find(','), connection.size());
    const std::string_view token = base::TrimOws(connection.substr(0, comma));
    connection.remove_prefix(std::min(comma + 1, connection.size()));
    // What nearly every Connection field says names no field that is left at the end.
    if (base::EqualsIgnoreCase(token, "keep-alive") || base::EqualsIgnoreCase(token, "close")) {
      continue;
    }
    if (token.empty() || InEither(token, kTrustedPrefixes, kTrustedNames)) continue;
    const Name id = FindName(token);
    if (id == Name::kConnection || id == Name::kUpgrade || id == Name::kTe) continue;
    fields.Remove(token);
  }
}

}  // namespace

void RemoveHopByHop(Fields& fields, bool keep_upgrade) {
  if (fields.Has(Name::kConnection)) {
    // Each round works on a copy of the value: the removals it asks for change `fields`.
    std::string connection;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields.At(i).id != Name::kConnection) continue;
      if (!connection.empty()) connection += ',';
      connection += fields.At(i).value;
    }
    RemoveNominated(fields, connection);
    fields.Remove(Name::kConnection);
  }
  fields.Remove(Name::kKeepAlive);
  fields.Remove(Name::kProxyConnection);
  fields.Remove(Name::kTransferEncoding);
  fields.Remove(Name::kHttp2Settings);
  if (!keep_upgrade) fields.Remove(Name::kUpgrade);
  if (fields.Has(Name::kTe) && (fields.CountOf(Name::kTe) > 1 ||
                                !base::EqualsIgnoreCase(*fields.Get(Name::kTe), "trailers"))) {
    fields.Remove(Name::kTe);
  }
}

bool AllowedInTrailers(std::string_view name) {
  return !name.empty() && !InEither(name, kHeadOnlyPrefixes, kHeadOnlyNames);
}

}  // namespace sluice::http
