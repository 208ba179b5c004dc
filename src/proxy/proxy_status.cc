#include "proxy/proxy_status.h"

#include "base/strings.h"

namespace sluice::proxy {
namespace {

using observe::ResponseFlag;

struct Row {
  ResponseFlag flag;
  ProxyError error;
};

// The first that is set wins.
constexpr Row kRows[] = {
    {ResponseFlag::kFailedLocalHealthCheck, {"destination_unavailable", 503}},
    {ResponseFlag::kNoHealthyUpstream, {"destination_unavailable", 503}},
    {ResponseFlag::kUpstreamRequestTimeout, {"http_response_timeout", 504}},
    {ResponseFlag::kLocalReset, {"connection_timeout", 504}},
    {ResponseFlag::kUpstreamRemoteReset, {"connection_terminated", 502}},
    {ResponseFlag::kUpstreamConnectionFailure, {"connection_refused", 502}},
    {ResponseFlag::kUpstreamConnectionTermination, {"connection_terminated", 502}},
    {ResponseFlag::kUpstreamOverflow, {"connection_limit_reached", 503}},
    {ResponseFlag::kNoRouteFound, {"destination_not_found", 500}},
    {ResponseFlag::kRateLimited, {"connection_limit_reached", 503}},
    {ResponseFlag::kRateLimitServiceError, {"connection_limit_reached", 503}},
    {ResponseFlag::kUpstreamRetryLimitExceeded, {"destination_unavailable", 503}},
    {ResponseFlag::kStreamIdleTimeout, {"http_response_timeout", 504}},
    {ResponseFlag::kInvalidEnvoyRequestHeaders, {"http_request_error", 400}},
    {ResponseFlag::kDownstreamProtocolError, {"http_request_error", 400}},
    {ResponseFlag::kUpstreamMaxStreamDurationReached, {"http_response_timeout", 504}},
    {ResponseFlag::kNoFilterConfigFound, {"proxy_configuration_error", 500}},
    {ResponseFlag::kUpstreamProtocolError, {"http_protocol_error", 502}},
    {ResponseFlag::kNoClusterFound, {"destination_unavailable", 503}},
    {ResponseFlag::kDnsResolutionFailed, {"dns_error", 502}},
};

// As a string of RFC 8941: printable ASCII.
void AppendQuotable(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c < '\x7f' ? c : '?';
  }
}

}  // namespace

std::optional<ProxyError> ProxyErrorOf(observe::ResponseFlags flags) {
  for (const Row& row : kRows) {
    if ((flags & observe::FlagBit(row.flag)) != 0) return row.error;
  }
  return std::nullopt;
}

std::string ProxyStatusText(const config::ProxyStatusConfig& config, const ProxyError& error,
                            const observe::StreamInfo& info) {
  std::string out = base::Cat(config.name, "; error=", error.type);
  if (!config.details || info.response_code_details.empty()) return out;
  out += "; details=\"";
  AppendQuotable(info.response_code_details, out);
  if (config.termination_details && !info.connection_termination_details.empty()) {
    out += "; ";
    AppendQuotable(info.connection_termination_details, out);
  }
  if (config.flags && info.flags != 0) {
    out += "; ";
    observe::AppendFlags(info.flags, false, out);
  }
  out += '"';
  return out;
}

}  // namespace sluice::proxy
