#include "proxy/failure.h"

#include "base/check.h"

namespace sluice::proxy {
namespace {

using Flag = observe::ResponseFlag;

constexpr FailureReply Reply(int status, std::string_view body, std::string_view details,
                             observe::ResponseFlags flags = 0, bool close = false) {
  return {status, body, details, flags, close};
}

// Of failures of a try, `body` is the REASON that local_reply.cc wraps in Envoy's sentence.
constexpr FailureReply Try(int status, std::string_view reason, Flag flag) {
  return {status, reason, "", observe::FlagBit(flag), false};
}

}  // namespace

FailureReply Describe(FailureKind kind) {
  using enum FailureKind;
  switch (kind) {
    case kRouteNotFound:
      return Reply(404, "", "route_not_found", FlagBit(Flag::kNoRouteFound));
    case kClusterNotFound:
      return Reply(503, "", "cluster_not_found", FlagBit(Flag::kNoClusterFound));
    case kNoHealthyUpstream:
      return Reply(503, "no healthy upstream", "no_healthy_upstream",
                   FlagBit(Flag::kNoHealthyUpstream));
    case kUpstreamOverflow:
      return Try(503, "overflow", Flag::kUpstreamOverflow);
    case kConnectFailed:
      return Try(503, "remote connection failure", Flag::kUpstreamConnectionFailure);
    case kConnectTimeout:
      return Try(503, "connection timeout", Flag::kUpstreamConnectionFailure);
    case kUpstreamClosed:
      return Try(503, "connection termination", Flag::kUpstreamConnectionTermination);
    case kUpstreamReset:
      return Try(503, "remote reset", Flag::kUpstreamRemoteReset);
    case kUpstreamRefused:
      return Try(503, "remote refused stream reset", Flag::kUpstreamRemoteReset);
    case kUpstreamProtocolError:
      return Try(502, "protocol error", Flag::kUpstreamProtocolError);
    case kLocalReset:
      return Try(503, "local reset", Flag::kLocalReset);
    case kResponseTimeout:
      return Reply(504, "upstream request timeout", "response_timeout",
                   FlagBit(Flag::kUpstreamRequestTimeout));
    case kPerTryTimeout:
      return Reply(504, "upstream request timeout", "upstream_per_try_timeout",
                   FlagBit(Flag::kUpstreamRequestTimeout));
    case kPerTryIdleTimeout:
      return Reply(504, "upstream request timeout", "upstream_per_try_idle_timeout",
                   FlagBit(Flag::kUpstreamRequestTimeout));
    case kStreamIdleTimeout:
      return Reply(408, "stream timeout", "stream_idle_timeout", FlagBit(Flag::kStreamIdleTimeout),
                   true);
    case kRequestTimeout:
      return Reply(408, "request timeout", "request_overall_timeout", 0, true);
    case kRequestHeaderTimeout:
      return Reply(408, "request header timeout", "request_header_timeout", 0, true);
    case kMaxStreamDuration:
      return Reply(408, "downstream duration timeout", "max_duration_timeout",
                   FlagBit(Flag::kDurationTimeout), true);
    case kUpstreamMaxStreamDuration:
      return Reply(504, "upstream max stream duration reached",
                   "upstream_max_stream_duration_reached",
                   FlagBit(Flag::kUpstreamMaxStreamDurationReached));
    case kDownstreamGone:
      return Reply(0, "", "downstream_remote_disconnect",
                   FlagBit(Flag::kDownstreamConnectionTermination), true);
    case kDownstreamProtocolError:
      return Reply(400, "Bad Request", "http1.codec_error", FlagBit(Flag::kDownstreamProtocolError),
                   true);
    case kUpgradeRefused:
      return Reply(403, "", "upgrade_failed");
    case kPathRejected:
      return Reply(400, "", "path_normalization_failed");
    case kAbsolutePathRejected:
      return Reply(404, "", "absolute_path_rejected");
    case kMissingHost:
      return Reply(400, "", "missing_host_header");
    case kUnderscores:
      // What the client meant with it may have been framing.
      return Reply(400, "", "http1.unexpected_underscore", 0, true);
    case kTlsRequired:
      return Reply(301, "", "direct_response");
    case kDropOverload:
      return Reply(503, "drop overload", "drop_overload", FlagBit(Flag::kDropOverload));
    case kOverload:
      return Reply(503, "envoy overloaded", "overload", FlagBit(Flag::kOverloadManager));
    case kBodyTooLarge:
      return Reply(413, "Payload Too Large", "request_payload_too_large");
    case kExpectationFailed:
      return Reply(417, "Expectation Failed", "http1.codec_error",
                   FlagBit(Flag::kDownstreamProtocolError), true);
  }
  SLUICE_CHECK(false);
}

}  // namespace sluice::proxy
