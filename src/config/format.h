#pragma once
// Compiled command operators: "%REQ(:METHOD)%" as a list of items, for access logs, header values
// and local replies. Envoy's substitution formatter.
//
// Values, built at compile time of a resource, immutable; observe/format.h renders them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

// One per supported operator; the table in format.cc maps texts to these.
enum class Operator : std::uint8_t {
  kLiteral,
  kReq,
  kResp,
  kTrailer,
  kStartTime,
  kStartTimeLocal,
  kEmitTime,
  kRequestHeadersBytes,
  kResponseHeadersBytes,
  kResponseTrailersBytes,
  kBytesReceived,
  kBytesSent,
  kProtocol,
  kUpstreamProtocol,
  kResponseCode,
  kResponseCodeDetails,
  kConnectionTerminationDetails,
  kResponseFlags,
  kResponseFlagsLong,
  kDuration,
  kRequestDuration,
  kRequestTxDuration,
  kResponseDuration,
  kResponseTxDuration,
  kGrpcStatus,
  kGrpcStatusNumber,
  kUpstreamHost,
  kUpstreamHostName,
  kUpstreamHostNameWithoutPort,
  kUpstreamCluster,
  kUpstreamClusterRaw,
  kUpstreamLocalAddress,
  kUpstreamLocalAddressWithoutPort,
  kUpstreamLocalPort,
  kUpstreamRemoteAddress,
  kUpstreamRemoteAddressWithoutPort,
  kUpstreamRemotePort,
  kUpstreamRequestAttemptCount,
  kUpstreamTransportFailureReason,
  kUpstreamConnectionPoolReadyDuration,
  kDownstreamRemoteAddress,
  kDownstreamRemoteAddressWithoutPort,
  kDownstreamRemotePort,
  kDownstreamDirectRemoteAddress,
  kDownstreamDirectRemoteAddressWithoutPort,
  kDownstreamDirectRemotePort,
  kDownstreamLocalAddress,
  kDownstreamLocalAddressWithoutPort,
  kDownstreamLocalPort,
  kConnectionId,
  kStreamId,
  kUniqueId,
  kRequestedServerName,
  kRouteName,
  kFilterChainName,
  kAccessLogType,
  kDownstreamTls,  // `text` is the operator's whole name.
  kHostname,
  kEnvironment,
  kLocalReplyBody,
  kPath,
  kQueryParam,
  kQueryParams,
  kReqWithoutQuery,
};

struct FormatItem {
  Operator op = Operator::kLiteral;
  // kLiteral: itself. Else the first argument, lower case for field names. kGrpcStatus:
  // CAMEL_STRING (default), SNAKE_STRING or NUMBER. kPath: WQ (default) or NQ.
  // kResponseCodeDetails: "" or ALLOW_WHITESPACES. Times: strftime, "" for ISO 8601.
  std::string text;
  // %REQ(A?B)%: B. kPath: ORIG_OR_PATH (default), ORIG or PATH.
  std::string alternative;
  std::optional<std::uint32_t> length_max;  // ":N", in bytes.

  bool operator==(const FormatItem&) const = default;
};

struct Format {
  std::vector<FormatItem> items;

  // The text when there are only literals: nothing to render per request.
  std::optional<std::string_view> Constant() const {
    if (items.empty()) return "";
    if (items.size() == 1 && items[0].op == Operator::kLiteral) return items[0].text;
    return std::nullopt;
  }
  bool operator==(const Format&) const = default;
};

// Adds an error at the current scope for unknown, unsupported or malformed operators.
Format CompileFormat(std::string_view text, base::FieldErrors& errors);

// Envoy's default access log line, with its newline.
std::string_view DefaultAccessLogFormat();

// A JSON access log: a tree in key order; a leaf with one operator keeps its type.
struct JsonFormat {
  enum class Kind : std::uint8_t { kFormat, kObject, kArray, kNumber, kBool, kNull };
  Kind kind = Kind::kNull;
  Format format;                                            // kFormat.
  std::vector<std::pair<std::string, JsonFormat>> members;  // kObject; kArray (keys empty).
  double number = 0;
  bool boolean = false;

  bool operator==(const JsonFormat&) const = default;
};

// SubstitutionFormatString for the body of a response made here.
struct BodyFormat {
  Format text;
  std::optional<JsonFormat> json;  // Set: instead of `text`.
  bool omit_empty_values = false;
  std::string content_type;  // "": text/plain, or application/json.

  bool operator==(const BodyFormat&) const = default;
};

}  // namespace sluice::config
