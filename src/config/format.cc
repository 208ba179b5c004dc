#include "config/format.h"

#include <algorithm>
#include <array>

#include "base/field_errors.h"
#include "base/strings.h"

namespace sluice::config {
namespace {

constexpr std::size_t kFormatBytesMax = 64 * 1024;
constexpr std::uint64_t kLengthMax = 1 << 20;

enum class Argument : std::uint8_t {
  kNone,
  kField,       // "NAME" or "NAME?OTHER": header or trailer names.
  kName,        // Required, taken as it is.
  kTime,        // Optional, strftime.
  kGrpc,        // Optional: CAMEL_STRING, SNAKE_STRING, NUMBER.
  kPath,        // Optional: WQ|NQ, then ORIG|PATH|ORIG_OR_PATH.
  kWhitespace,  // Optional: ALLOW_WHITESPACES.
};

struct Row {
  std::string_view name;
  Operator op;
  Argument argument = Argument::kNone;
  bool takes_length = false;
};

constexpr Row kRows[] = {
    {"REQ", Operator::kReq, Argument::kField, true},
    {"RESP", Operator::kResp, Argument::kField, true},
    {"TRAILER", Operator::kTrailer, Argument::kField, true},
    {"REQ_WITHOUT_QUERY", Operator::kReqWithoutQuery, Argument::kField, true},
    {"PATH", Operator::kPath, Argument::kPath, true},
    {"QUERY_PARAM", Operator::kQueryParam, Argument::kName, true},
    {"QUERY_PARAMS", Operator::kQueryParams, Argument::kNone, true},
    {"START_TIME", Operator::kStartTime, Argument::kTime},
    {"START_TIME_LOCAL", Operator::kStartTimeLocal, Argument::kTime},
    {"EMIT_TIME", Operator::kEmitTime, Argument::kTime},
    {"REQUEST_HEADERS_BYTES", Operator::kRequestHeadersBytes},
    {"RESPONSE_HEADERS_BYTES", Operator::kResponseHeadersBytes},
    {"RESPONSE_TRAILERS_BYTES", Operator::kResponseTrailersBytes},
    {"BYTES_RECEIVED", Operator::kBytesReceived},
    {"BYTES_SENT", Operator::kBytesSent},
    {"PROTOCOL", Operator::kProtocol},
    {"UPSTREAM_PROTOCOL", Operator::kUpstreamProtocol},
    {"RESPONSE_CODE", Operator::kResponseCode},
    {"RESPONSE_CODE_DETAILS", Operator::kResponseCodeDetails, Argument::kWhitespace},
    {"CONNECTION_TERMINATION_DETAILS", Operator::kConnectionTerminationDetails},
    {"RESPONSE_FLAGS", Operator::kResponseFlags},
    {"RESPONSE_FLAGS_LONG", Operator::kResponseFlagsLong},
    {"DURATION", Operator::kDuration},
    {"REQUEST_DURATION", Operator::kRequestDuration},
    {"REQUEST_TX_DURATION", Operator::kRequestTxDuration},
    {"RESPONSE_DURATION", Operator::kResponseDuration},
    {"RESPONSE_TX_DURATION", Operator::kResponseTxDuration},
    {"GRPC_STATUS", Operator::kGrpcStatus, Argument::kGrpc},
    {"GRPC_STATUS_NUMBER", Operator::kGrpcStatusNumber},
    {"UPSTREAM_HOST", Operator::kUpstreamHost},
    {"UPSTREAM_HOST_NAME", Operator::kUpstreamHostName},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", Operator::kUpstreamHostNameWithoutPort},
    {"UPSTREAM_CLUSTER", Operator::kUpstreamCluster},
    {"UPSTREAM_CLUSTER_RAW", Operator::kUpstreamClusterRaw},
    {"UPSTREAM_LOCAL_ADDRESS", Operator::kUpstreamLocalAddress},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Operator::kUpstreamLocalAddressWithoutPort},
    {"UPSTREAM_LOCAL_PORT", Operator::kUpstreamLocalPort},
    {"UPSTREAM_REMOTE_ADDRESS", Operator::kUpstreamRemoteAddress},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Operator::kUpstreamRemoteAddressWithoutPort},
    {"UPSTREAM_REMOTE_PORT", Operator::kUpstreamRemotePort},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Operator::kUpstreamRequestAttemptCount},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Operator::kUpstreamTransportFailureReason},
    {"UPSTREAM_CONNECTION_POOL_READY_DURATION", Operator::kUpstreamConnectionPoolReadyDuration},
    {"DOWNSTREAM_REMOTE_ADDRESS", Operator::kDownstreamRemoteAddress},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Operator::kDownstreamRemoteAddressWithoutPort},
    {"DOWNSTREAM_REMOTE_PORT", Operator::kDownstreamRemotePort},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Operator::kDownstreamDirectRemoteAddress},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
     Operator::kDownstreamDirectRemoteAddressWithoutPort},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Operator::kDownstreamDirectRemotePort},
    {"DOWNSTREAM_LOCAL_ADDRESS", Operator::kDownstreamLocalAddress},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Operator::kDownstreamLocalAddressWithoutPort},
    {"DOWNSTREAM_LOCAL_PORT", Operator::kDownstreamLocalPort},
    {"CONNECTION_ID", Operator::kConnectionId},
    {"STREAM_ID", Operator::kStreamId},
    {"UNIQUE_ID", Operator::kUniqueId},
    {"REQUESTED_SERVER_NAME", Operator::kRequestedServerName},
    {"ROUTE_NAME", Operator::kRouteName},
    {"FILTER_CHAIN_NAME", Operator::kFilterChainName},
    {"ACCESS_LOG_TYPE", Operator::kAccessLogType},
    {"DOWNSTREAM_TLS_VERSION", Operator::kDownstreamTls},
    {"DOWNSTREAM_TLS_CIPHER", Operator::kDownstreamTls},
    {"DOWNSTREAM_TLS_SESSION_ID", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_SUBJECT", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_ISSUER", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_SERIAL", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_FINGERPRINT_1", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_CERT", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_CERT_V_START", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_CERT_V_END", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_URI_SAN", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_DNS_SAN", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_IP_SAN", Operator::kDownstreamTls},
    {"DOWNSTREAM_PEER_EMAIL_SAN", Operator::kDownstreamTls},
    {"DOWNSTREAM_LOCAL_SUBJECT", Operator::kDownstreamTls},
    {"DOWNSTREAM_LOCAL_URI_SAN", Operator::kDownstreamTls},
    {"DOWNSTREAM_LOCAL_DNS_SAN", Operator::kDownstreamTls},
    {"HOSTNAME", Operator::kHostname},
    {"ENVIRONMENT", Operator::kEnvironment, Argument::kName, true},
    {"LOCAL_REPLY_BODY", Operator::kLocalReplyBody},
};

// Envoy's operators about things that are not here, by the beginning of their names, and why.
struct Absent {
  std::string_view prefix;
  std::string_view reason;
};
constexpr Absent kAbsent[] = {
    {"BYTES_RETRANSMITTED", "leave it out: transport statistics are not kept"},
    {"PACKETS_RETRANSMITTED", "leave it out: transport statistics are not kept"},
    {"CEL", "use operators that name what you want"},
    {"CLUSTER_METADATA", "leave it out: metadata is not kept"},
    {"COALESCE", "use %REQ(A?B)%"},
    {"COMMON_DURATION",
     "use DURATION, REQUEST_DURATION, REQUEST_TX_DURATION, RESPONSE_DURATION or "
     "RESPONSE_TX_DURATION"},
    {"CUSTOM_FLAGS", "use RESPONSE_FLAGS"},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", "use RESPONSE_FLAGS"},
    {"DOWNSTREAM_HANDSHAKE_DURATION", "use DURATION"},
    {"DOWNSTREAM_HEADER_BYTES_", "use REQUEST_HEADERS_BYTES or RESPONSE_HEADERS_BYTES"},
    {"DOWNSTREAM_LOCAL_", "leave it out: that part of TLS is not kept"},
    {"DOWNSTREAM_PEER_", "leave it out: that part of TLS is not kept"},
    {"DOWNSTREAM_TLS_", "leave it out: that part of TLS is not kept"},
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", "leave it out: a failed handshake has no request"},
    {"DOWNSTREAM_WIRE_BYTES_", "use BYTES_RECEIVED or BYTES_SENT"},
    {"DYNAMIC_METADATA", "leave it out: metadata is not kept"},
    {"FILE_CONTENT", "write the text itself"},
    {"FILTER_STATE", "leave it out: there is no filter state"},
    {"METADATA", "leave it out: metadata is not kept"},
    {"PER_REQUEST_STATE", "leave it out: there is no filter state"},
    {"ROUNDTRIP_DURATION", "use DURATION"},
    {"SPAN_ID", "leave it out: there is no tracing"},
    {"TLS_JA", "leave it out: fingerprints are not computed"},
    {"TRACE_ID", "leave it out: there is no tracing"},
    {"TYPED_CEL", "use operators that name what you want"},
    {"UPSTREAM_CONNECTION_ID", "use UPSTREAM_LOCAL_ADDRESS"},
    {"UPSTREAM_FILTER_STATE", "leave it out: there is no filter state"},
    {"UPSTREAM_HEADER_BYTES_", "use REQUEST_HEADERS_BYTES or RESPONSE_HEADERS_BYTES"},
    {"UPSTREAM_HOSTS_ATTEMPTED", "use UPSTREAM_HOST"},
    {"UPSTREAM_METADATA", "leave it out: metadata is not kept"},
    {"UPSTREAM_PEER_", "leave it out: upstream certificates are not kept"},
    {"UPSTREAM_TLS_", "leave it out: upstream certificates are not kept"},
    {"UPSTREAM_WIRE_BYTES_", "use BYTES_RECEIVED or BYTES_SENT"},
    {"VIRTUAL_CLUSTER_NAME", "use ROUTE_NAME"},
};

const Row* FindRow(std::string_view name) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row& r) { return r.name == name; });
  return row == std::end(kRows) ? nullptr : row;
}

// One operator as it is written: "%NAME(argument):length%".
struct Written {
  std::string_view name;
  std::optional<std::string_view> argument;
  std::optional<std::string_view> length;
  std::size_t size = 0;  // With both percent signs.
};

// Nullopt when `text`, which begins with '%', does not begin with an operator. An argument may
// hold '%' and ')': it ends at the first ')' after which an operator can end.
std::optional<Written> ReadOperator(std::string_view text) {
  constexpr std::string_view kNameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  constexpr std::string_view kDigits = "0123456789";
  Written written;
  std::size_t at = std::min(text.find_first_not_of(kNameBytes, 1), text.size());
  written.name = text.substr(1, at - 1);
  if (written.name.empty()) return std::nullopt;
  const auto read_end = [&](std::size_t from) {  // ":N%" or "%"; where it ends, or npos.
    std::size_t end = from;
    if (end < text.size() && text[end] == ':') {
      end = std::min(text.find_first_not_of(kDigits, end + 1), text.size());
      if (end == from + 1) return std::string_view::npos;
    }
    return end < text.size() && text[end] == '%' ? end : std::string_view::npos;
  };
  std::size_t end = std::string_view::npos;
  if (at < text.size() && text[at] == '(') {
    const std::size_t open = at;
    do {
      at = text.find(')', at + 1);
      if (at == std::string_view::npos) return std::nullopt;
      end = read_end(at + 1);
    } while (end == std::string_view::npos);
    written.argument = text.substr(open + 1, at - open - 1);
    ++at;
  } else {
    end = read_end(at);
    if (end == std::string_view::npos) return std::nullopt;
  }
  if (end > at) written.length = text.substr(at + 1, end - at - 1);
  written.size = end + 1;
  return written;
}

class Compiler {
 public:
  Compiler(std::string_view text, base::FieldErrors& errors) : text_(text), errors_(errors) {}

  Format Run() {
    while (!text_.empty()) {
      const std::size_t percent = text_.find('%');
      literal_ += text_.substr(0, percent);
      if (percent == std::string_view::npos) break;
      text_.remove_prefix(percent);
      if (text_.starts_with("%%")) {
        literal_ += '%';
        text_.remove_prefix(2);
        continue;
      }
      const std::optional<Written> written = ReadOperator(text_);
      if (!written.has_value()) {
        errors_.Add(base::Cat("no operator at '", base::Printable(text_, 40),
                              "'; write %NAME% or %NAME(argument):length%, and %% for a percent "
                              "sign"));
        break;
      }
      AddOperator(*written);
      text_.remove_prefix(written->size);
    }
    FlushLiteral();
    return std::move(format_);
  }

 private:
  void FlushLiteral() {
    if (literal_.empty()) return;
    format_.items.push_back({Operator::kLiteral, std::move(literal_), "", std::nullopt});
    literal_.clear();
  }

  void AddUnknown(std::string_view name) {
    for (const Absent& absent : kAbsent) {
      const bool whole = !absent.prefix.ends_with('_') && absent.prefix != "TLS_JA" &&
                         absent.prefix != "UPSTREAM_HOSTS_ATTEMPTED";
      if (whole ? name == absent.prefix : name.starts_with(absent.prefix)) {
        errors_.Add(base::Cat("%", name, "% is not supported; ", absent.reason));
        return;
      }
    }
    errors_.Add(base::Cat("Not supported field in StreamInfo: ", base::Printable(name)));
  }

  void AddOperator(const Written& written) {
    const Row* row = FindRow(written.name);
    if (row == nullptr) {
      AddUnknown(written.name);
      return;
    }
    FormatItem item;
    item.op = row->op;
    if (row->op == Operator::kDownstreamTls) item.text = row->name;
    if (written.length.has_value() && !row->takes_length) {
      errors_.Add(base::Cat("%", row->name, "% does not take a length"));
    } else if (written.length.has_value()) {
      const auto length = base::ParseUint(*written.length);
      if (!length.has_value() || *length > kLengthMax) {
        errors_.Add(base::Cat("%", row->name, "%: a length may be at most ", kLengthMax));
      } else {
        item.length_max = static_cast<std::uint32_t>(*length);
      }
    }
    ReadArgument(*row, written.argument, item);
    FlushLiteral();
    format_.items.push_back(std::move(item));
  }

  void ReadArgument(const Row& row, std::optional<std::string_view> argument, FormatItem& item) {
    const std::string_view text = argument.value_or("");
    if (text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos) {
      errors_.Add(base::Cat("%", row.name, "%: its argument holds NUL, CR or LF"));
      return;
    }
    switch (row.argument) {
      case Argument::kNone:
        if (argument.has_value()) {
          errors_.Add(base::Cat("%", row.name, "% does not take an argument"));
        }
        break;
      case Argument::kField:
        ReadFieldNames(row, text, item);
        break;
      case Argument::kName:
        if (text.empty())
          errors_.Add(base::Cat("%", row.name, "% needs a name: ", row.name, "(x)"));
        item.text = text;
        break;
      case Argument::kTime:
        item.text = text;
        break;
      case Argument::kGrpc:
        item.text = OneOf(row, text, {"CAMEL_STRING", "SNAKE_STRING", "NUMBER"});
        break;
      case Argument::kPath: {
        const std::size_t colon = text.find(':');
        item.text = OneOf(row, text.substr(0, colon), {"WQ", "NQ"});
        item.alternative = OneOf(row, colon == std::string_view::npos ? "" : text.substr(colon + 1),
                                 {"ORIG_OR_PATH", "ORIG", "PATH"});
        break;
      }
      case Argument::kWhitespace:
        if (!text.empty()) item.text = OneOf(row, text, {"ALLOW_WHITESPACES"});
        break;
    }
  }

  void ReadFieldNames(const Row& row, std::string_view text, FormatItem& item) {
    const std::size_t question = text.find('?');
    const std::string_view first = text.substr(0, question);
    const std::string_view second =
        question == std::string_view::npos ? "" : text.substr(question + 1);
    if (first.empty() && second.empty()) {
      errors_.Add(base::Cat("%", row.name, "% needs a header name: ", row.name, "(x-user)"));
    }
    if (second.find('?') != std::string_view::npos) {
      errors_.Add(base::Cat("More than 1 alternative header specified in token: ", row.name, "(",
                            base::Printable(text), ")"));
    }
    item.text = base::Lowercase(first);
    item.alternative = base::Lowercase(second);
  }

  // `text`, or the first choice when it is empty.
  std::string OneOf(const Row& row, std::string_view text,
                    std::initializer_list<std::string_view> choices) {
    if (text.empty()) return std::string(*choices.begin());
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::string all;
      for (const std::string_view choice : choices) {
        base::Append(all, all.empty() ? "" : ", ", choice);
      }
      errors_.Add(base::Cat("%", row.name, "% does not take '", base::Printable(text),
                            "'; use one of ", all));
    }
    return std::string(text);
  }

  std::string_view text_;
  base::FieldErrors& errors_;
  Format format_;
  std::string literal_;
};

}  // namespace

Format CompileFormat(std::string_view text, base::FieldErrors& errors) {
  if (text.size() > kFormatBytesMax) {
    errors.Add(base::Cat("a format of ", text.size(), " bytes; at most ", kFormatBytesMax,
                         " are allowed"));
    return {};
  }
  return Compiler(text, errors).Run();
}

std::string_view DefaultAccessLogFormat() {
  return "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
         "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
         "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
         "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";
}

}  // namespace sluice::config
