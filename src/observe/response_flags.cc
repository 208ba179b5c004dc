#include <array>

#include "observe/stream_info.h"

namespace sluice::observe {
namespace {

struct FlagNames {
  std::string_view short_name;
  std::string_view long_name;
};

constexpr std::array<FlagNames, static_cast<std::size_t>(ResponseFlag::kCount)> kFlagNames = {{
    {"LH", "FailedLocalHealthCheck"},
    {"UH", "NoHealthyUpstream"},
    {"UT", "UpstreamRequestTimeout"},
    {"LR", "LocalReset"},
    {"UR", "UpstreamRemoteReset"},
    {"UF", "UpstreamConnectionFailure"},
    {"UC", "UpstreamConnectionTermination"},
    {"UO", "UpstreamOverflow"},
    {"NR", "NoRouteFound"},
    {"DI", "DelayInjected"},
    {"FI", "FaultInjected"},
    {"RL", "RateLimited"},
    {"UAEX", "UnauthorizedExternalService"},
    {"RLSE", "RateLimitServiceError"},
    {"DC", "DownstreamConnectionTermination"},
    {"URX", "UpstreamRetryLimitExceeded"},
    {"SI", "StreamIdleTimeout"},
    {"IH", "InvalidEnvoyRequestHeaders"},
    {"DPE", "DownstreamProtocolError"},
    {"UMSDR", "UpstreamMaxStreamDurationReached"},
    {"RFCF", "ResponseFromCacheFilter"},
    {"NFCF", "NoFilterConfigFound"},
    {"DT", "DurationTimeout"},
    {"UPE", "UpstreamProtocolError"},
    {"NC", "NoClusterFound"},
    {"OM", "OverloadManagerTerminated"},
    {"DF", "DnsResolutionFailed"},
    {"DO", "DropOverload"},
    {"DR", "DownstreamRemoteReset"},
    {"UDO", "UnconditionalDropOverload"},
}};

}  // namespace

void AppendFlags(ResponseFlags flags, bool long_names, std::string& out) {
  if (flags == 0) {
    out += '-';
    return;
  }
  bool first = true;
  for (std::size_t i = 0; i < kFlagNames.size(); ++i) {
    if ((flags >> i & 1U) == 0) continue;
    if (!first) out += ',';
    first = false;
    out += long_names ? kFlagNames[i].long_name : kFlagNames[i].short_name;
  }
}

ResponseFlags ParseFlag(std::string_view short_name) {
  for (std::size_t i = 0; i < kFlagNames.size(); ++i) {
    if (kFlagNames[i].short_name == short_name) return FlagBit(static_cast<ResponseFlag>(i));
  }
  return 0;
}

}  // namespace sluice::observe
