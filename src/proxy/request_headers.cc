#include "proxy/request_headers.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/strings.h"
#include "http/hop_by_hop.h"
#include "http/path.h"
#include "observe/format.h"
#include "observe/tls_info.h"

namespace sluice::proxy {
namespace {

using http::Name;
using Http = config::HttpConnectionManager;

// Sorted. What an edge request may not say for itself.
constexpr std::string_view kInternalOnly[] = {
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
};
static_assert(std::is_sorted(std::begin(kInternalOnly), std::end(kInternalOnly)));

// False: a name that must be refused was found.
bool HandleUnderscores(Http::Underscores action, http::Fields& fields) {
  if (action == Http::Underscores::kAllow) return true;
  for (std::size_t i = fields.size(); i-- > 0;) {
    if (fields.At(i).name.find('_') == std::string_view::npos) continue;
    if (action == Http::Underscores::kReject) return false;
    fields.RemoveAt(i);
  }
  return true;
}

// The `nth` address from the right (0: the last) of all x-forwarded-for fields, or none.
std::optional<base::Address> AddressFromRight(const http::Fields& fields, std::size_t nth) {
  std::string scratch;
  std::optional<std::string_view> all = fields.GetJoined("x-forwarded-for", scratch);
  if (!all.has_value()) return std::nullopt;
  std::string_view rest = *all;
  for (std::size_t i = 0;; ++i) {
    const std::size_t comma = rest.rfind(',');
    const std::string_view element =
        base::TrimOws(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
    if (i == nth) return base::Address::ParseIp(element, 0);
    if (comma == std::string_view::npos) return std::nullopt;
    rest = rest.substr(0, comma);
  }
}

base::Address ClientAddress(const Http& http, const RequestOrigin& origin,
                            const http::Fields& fields) {
  if (http.use_remote_address && http.xff_trusted_hops == 0) return origin.remote;
  if (!fields.Has(Name::kXForwardedFor)) return origin.remote;
  const std::size_t nth =
      http.use_remote_address ? http.xff_trusted_hops - 1 : http.xff_trusted_hops;
  std::optional<base::Address> found = AddressFromRight(fields, nth);
  return found.has_value() ? *std::move(found) : origin.remote;
}

void AppendForwardedFor(const RequestOrigin& origin, http::Fields& fields) {
  const base::Address& address =
      origin.remote.IsLoopback() && origin.local.is_ip() ? origin.local : origin.remote;
  if (!address.is_ip()) return;
  std::string value;
  if (!fields.Has(Name::kXForwardedFor)) {
    observe::AppendIp(address, value);
    fields.Add(Name::kXForwardedFor, value);
    return;
  }
  std::string scratch;
  value.assign(*fields.GetJoined("x-forwarded-for", scratch));
  if (!value.empty()) value.append(", ");
  observe::AppendIp(address, value);
  fields.Set(Name::kXForwardedFor, value);
}

void PrepareForwardedProto(const Http& http, const RequestOrigin& origin, http::RequestHead& head) {
  const std::string_view own = origin.tls ? "https" : "http";
  const auto theirs = head.fields.Get(Name::kXForwardedProto);
  const bool edge = http.use_remote_address && http.xff_trusted_hops == 0;
  const bool valid =
      theirs.has_value() && head.fields.CountOf(Name::kXForwardedProto) == 1 &&
      (base::EqualsIgnoreCase(*theirs, "http") || base::EqualsIgnoreCase(*theirs, "https"));
  if (edge || !valid) {
    if (theirs.has_value()) {
      head.fields.Set(Name::kXForwardedProto, own);
    } else {
      head.fields.Add(Name::kXForwardedProto, own);
    }
    head.scheme.assign(own);
  } else {
    head.scheme.assign(base::EqualsIgnoreCase(*theirs, "https") ? "https" : "http");
  }
}

// As with x-forwarded-proto, the edge believes no client.
void PrepareForwardedPort(const Http& http, const RequestOrigin& origin, http::Fields& fields) {
  if (!http.append_x_forwarded_port) return;
  if (http.use_remote_address && http.xff_trusted_hops == 0) {
    fields.Remove(Name::kXForwardedPort);
  } else if (fields.Has(Name::kXForwardedPort)) {
    return;
  }
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof(digits), origin.local.port()).ptr;
  fields.Add(Name::kXForwardedPort, {digits, static_cast<std::size_t>(end - digits)});
}

void PrepareRequestId(const Http& http, base::Random& random, http::Fields& fields) {
  if (!http.generate_request_id) return;
  const auto theirs = fields.Get(Name::kXRequestId);
  const bool present = theirs.has_value();
  const bool replace = http.use_remote_address && !http.preserve_external_request_id;
  if (present && !theirs->empty() && !replace) return;
  char uuid[36];
  base::WriteUuid(random, uuid);
  if (present) {
    fields.Set(Name::kXRequestId, {uuid, sizeof(uuid)});
  } else {
    fields.Add(Name::kXRequestId, {uuid, sizeof(uuid)});
  }
}

bool IsInternalOnly(std::string_view name) {
  return std::binary_search(std::begin(kInternalOnly), std::end(kInternalOnly), name);
}

}  // namespace

std::optional<FailureKind> CheckRequestHead(const Http& http, const RequestOrigin& origin,
                                            http::RequestHead& head, PathStep& path) {
  path = PathStep::kOk;
  if (head.authority.empty()) return FailureKind::kMissingHost;
  if (!HandleUnderscores(http.underscores, head.fields)) return FailureKind::kUnderscores;
  http::RemoveHopByHop(head.fields, head.upgrade);
  http::NormalizeAuthority(head.authority, http.host, origin.local.port());
  if (head.method == http::Method::kConnect) return FailureKind::kUpgradeRefused;
  if (head.path == "*" && head.method == http::Method::kOptions) return std::nullopt;
  if (!head.path.starts_with('/')) return FailureKind::kAbsolutePathRejected;
  switch (http::NormalizePath(head.path, http.path)) {
    case http::PathVerdict::kOk:
      return std::nullopt;
    case http::PathVerdict::kRedirect: {
      // A gRPC client follows no redirect.
      const auto type = head.fields.Get(Name::kContentType);
      if (type.has_value() && http::IsGrpcContentType(*type)) return FailureKind::kPathRejected;
      path = PathStep::kRedirect;
      return std::nullopt;
    }
    case http::PathVerdict::kReject:
      break;
  }
  return FailureKind::kPathRejected;
}

namespace {

// One element of x-forwarded-client-cert: this connection's.
std::string ClientCertElement(const config::ClientCertHeader& rules, const observe::TlsInfo& tls) {
  std::string out;
  const auto add = [&out](std::string_view text) {
    base::Append(out, out.empty() ? "" : ";", text);
  };
  const auto encoded = [](const std::string& pem) {
    std::string text;
    observe::AppendUrlEncodedPem(pem, text);
    return text;
  };
  if (!tls.local_uri_sans.empty()) add(base::Cat("By=", tls.local_uri_sans.front()));
  if (!tls.fingerprint_sha256.empty()) add(base::Cat("Hash=", tls.fingerprint_sha256));
  if (rules.cert) add(base::Cat("Cert=\"", encoded(tls.certificate_pem), "\""));
  if (rules.chain) add(base::Cat("Chain=\"", encoded(tls.chain_pem), "\""));
  if (rules.subject) add(base::Cat("Subject=\"", tls.subject, "\""));
  if (rules.uri) add(base::Cat("URI=", tls.uri_sans.empty() ? "" : tls.uri_sans.front()));
  if (rules.dns) {
    for (const std::string& name : tls.dns_sans) add(base::Cat("DNS=", name));
  }
  // Names are the client's own words: nothing that would end the field.
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

void ForwardClientCert(const config::ClientCertHeader& rules, const observe::StreamInfo& info,
                       http::Fields& fields) {
  using Mode = config::ClientCertHeader::Mode;
  if (rules.mode == Mode::kAlwaysForwardOnly) return;
  const observe::TlsInfo* tls = rules.mode == Mode::kSanitize ? nullptr : info.DownstreamTls();
  if (tls == nullptr || !tls->presented) {
    if (fields.Has(Name::kXForwardedClientCert)) fields.Remove(Name::kXForwardedClientCert);
    return;
  }
  if (rules.mode == Mode::kForwardOnly) return;
  std::string element = ClientCertElement(rules, *tls);
  if (rules.mode == Mode::kAppendForward) {
    std::string scratch;
    const auto known = fields.GetJoined("x-forwarded-client-cert", scratch);
    if (known.has_value() && !known->empty()) element = base::Cat(*known, ",", element);
  }
  fields.Set(Name::kXForwardedClientCert, element);
}

}  // namespace

void PrepareRequestFields(const Http& http, const RequestOrigin& origin, base::Random& random,
                          http::RequestHead& head, observe::StreamInfo& info) {
  http::Fields& fields = head.fields;
  // The list is of names that begin so: one walk instead of twenty.
  for (std::size_t i = fields.size(); i-- > 0;) {
    const std::string_view name = fields.At(i).name;
    if (name.starts_with("x-envoy-") && IsInternalOnly(name)) fields.RemoveAt(i);
  }
  info.remote = ClientAddress(http, origin, fields);
  if (http.use_remote_address) {
    if (!http.skip_xff_append) AppendForwardedFor(origin, fields);
    if (info.remote.is_ip()) {
      std::string text;
      observe::AppendIp(info.remote, text);
      fields.Add(Name::kXEnvoyExternalAddress, text);
    }
  }
  PrepareForwardedProto(http, origin, head);
  if (!http.scheme.empty()) head.scheme = http.scheme;
  PrepareForwardedPort(http, origin, fields);
  PrepareRequestId(http, random, fields);
  ForwardClientCert(http.client_cert, info, fields);
  if (head.expect_continue && !http.proxy_100_continue) fields.Remove(Name::kExpect);
  if (!http.via.empty()) {
    std::string scratch;
    const auto via = fields.GetJoined("via", scratch);
    const std::string value = via.has_value() ? base::Cat(*via, ", ", http.via) : http.via;
    fields.Set(Name::kVia, value);
  }
}

void RemoveInternalFields(const config::RouteTable& table, http::Fields& fields) {
  for (const std::string& name : table.internal_only_headers) fields.Remove(name);
}

}  // namespace sluice::proxy
