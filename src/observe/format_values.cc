#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include "base/random.h"
#include "base/strings.h"
#include "config/matchers.h"
#include "http/path.h"
#include "observe/format.h"
#include "observe/time_format.h"
#include "observe/tls_info.h"

namespace sluice::observe {
namespace {

using config::FormatItem;
using config::Operator;

// What a row may look at.
struct Context {
  const FormatItem& item;
  const StreamInfo& info;
  const RenderOptions& options;
  std::string& scratch;  // Empty.
};

OperatorValue Missing() { return {}; }
OperatorValue Text(std::string_view text) { return {OperatorValue::Kind::kText, text, 0}; }
OperatorValue Number(std::uint64_t number) { return {OperatorValue::Kind::kNumber, {}, number}; }
OperatorValue TextOrMissing(std::string_view text) { return text.empty() ? Missing() : Text(text); }

// ---- fields ----------------------------------------------------------------------------------

std::optional<std::string_view> Framing(std::string_view name, const http::BodyFraming& body,
                                        std::optional<std::uint64_t> length, std::string& scratch) {
  if (name == "transfer-encoding" && body.kind == http::BodyFraming::Kind::kChunked)
    return "chunked";
  if (name != "content-length" || !length.has_value()) return std::nullopt;
  scratch = base::Cat(*length);
  return scratch;
}

std::optional<std::string_view> FindRequest(std::string_view name, const Context& c) {
  const http::RequestHead* request = c.info.request;
  if (request == nullptr || name.empty()) return std::nullopt;
  const auto present = [](std::string_view text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  if (name.front() == ':') {
    if (name == ":method") return present(request->method_text);
    if (name == ":path") return present(request->path);
    if (name == ":authority") return present(request->authority);
    if (name == ":scheme") return present(request->scheme);
    return std::nullopt;
  }
  if (name == "host") return present(request->authority);
  if (const auto value = request->fields.Get(name)) return value;
  if (name == "x-envoy-original-path") return present(c.info.original_path);
  std::optional<std::uint64_t> length;
  if (request->body.kind == http::BodyFraming::Kind::kLength) {
    length = request->body.length;
  } else if (request->has_content_length) {
    length = 0;
  }
  return Framing(name, request->body, length, c.scratch);
}

std::optional<std::string_view> FindResponse(std::string_view name, const Context& c) {
  const http::ResponseHead* response = c.info.response;
  if (response == nullptr || name.empty()) return std::nullopt;
  if (name == ":status") {
    c.scratch = base::Cat(response->status);
    return c.scratch;
  }
  if (const auto value = response->fields.Get(name)) return value;
  std::optional<std::uint64_t> length;
  if (response->body.kind == http::BodyFraming::Kind::kLength) {
    length = response->body.length;
  } else if (response->has_content_length) {
    length = response->content_length;
  }
  return Framing(name, response->body, length, c.scratch);
}

std::optional<std::string_view> FindTrailer(std::string_view name, const Context& c) {
  if (c.info.response_trailers == nullptr) return std::nullopt;
  return c.info.response_trailers->Get(name);
}

template <auto Find>
OperatorValue Header(const Context& c) {
  auto value = Find(c.item.text, c);
  if (!value.has_value()) value = Find(c.item.alternative, c);
  return value.has_value() ? Text(*value) : Missing();
}

std::string_view WithoutQuery(std::string_view path) { return path.substr(0, path.find('?')); }

OperatorValue ReqWithoutQuery(const Context& c) {
  const OperatorValue value = Header<FindRequest>(c);
  return value.kind == OperatorValue::Kind::kText ? Text(WithoutQuery(value.text)) : value;
}

std::string_view OriginalPath(const Context& c) {
  if (c.info.request == nullptr) return c.info.original_path;
  return c.info.request->fields.Get(http::Name::kXEnvoyOriginalPath).value_or(c.info.original_path);
}

// %PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)%
OperatorValue Path(const Context& c) {
  const std::string_view which = c.item.alternative;
  const std::string_view now =
      c.info.request == nullptr ? "" : std::string_view(c.info.request->path);
  std::string_view path = OriginalPath(c);
  if (base::EqualsIgnoreCase(which, "PATH")) {
    path = now;
  } else if (path.empty() && !base::EqualsIgnoreCase(which, "ORIG")) {
    path = now;
  }
  if (base::EqualsIgnoreCase(c.item.text, "NQ")) path = WithoutQuery(path);
  return TextOrMissing(path);
}

// Percent-decoded: a log is read by people. What is decoded to control bytes is escaped later.
OperatorValue QueryParam(const Context& c) {
  if (c.info.request == nullptr) return Missing();
  const auto found = config::FindQueryParameter(c.info.request->path, c.item.text);
  if (!found.has_value()) return Missing();
  if (found->find('%') == std::string_view::npos) return Text(*found);
  http::AppendPercentDecoded(*found, c.scratch);
  return Text(c.scratch);
}

OperatorValue QueryParams(const Context& c) {
  if (c.info.request == nullptr) return Missing();
  const std::string_view path = c.info.request->path;
  const std::size_t mark = path.find('?');
  return mark == std::string_view::npos ? Missing() : TextOrMissing(path.substr(mark + 1));
}

// ---- gRPC ------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 17> kGrpcCamel = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};
constexpr std::array<std::string_view, 17> kGrpcSnake = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::optional<std::uint64_t> GrpcStatus(const StreamInfo& info) {
  if (info.request == nullptr ||
      !http::IsGrpcContentType(
          info.request->fields.Get(http::Name::kContentType).value_or(std::string_view()))) {
    return std::nullopt;
  }
  if (info.response_trailers != nullptr) {
    if (const auto text = info.response_trailers->Get(http::Name::kGrpcStatus)) {
      return base::ParseUint(*text);
    }
  }
  if (info.response != nullptr) {
    if (const auto text = info.response->fields.Get(http::Name::kGrpcStatus)) {
      return base::ParseUint(*text);
    }
  }
  if (info.response_code == 0) return std::nullopt;
  return GrpcStatusOfHttp(info.response_code);
}

OperatorValue GrpcStatusNumber(const Context& c) {
  const auto status = GrpcStatus(c.info);
  return status.has_value() ? Number(*status) : Missing();
}

OperatorValue GrpcStatusText(const Context& c) {
  const auto status = GrpcStatus(c.info);
  if (!status.has_value()) return Missing();
  if (base::EqualsIgnoreCase(c.item.text, "NUMBER") || *status >= kGrpcCamel.size()) {
    return Number(*status);
  }
  const auto index = static_cast<std::size_t>(*status);
  return Text(base::EqualsIgnoreCase(c.item.text, "SNAKE_STRING") ? kGrpcSnake[index]
                                                                  : kGrpcCamel[index]);
}

// ---- times -----------------------------------------------------------------------------------

// Milliseconds between two moments that both happened.
template <auto From, auto To>
OperatorValue Millis(const Context& c) {
  const base::Monotonic from = c.info.*From;
  const base::Monotonic to = c.info.*To;
  if (from == base::Monotonic{} || to == base::Monotonic{} || to < from) return Missing();
  return Number(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count()));
}

OperatorValue StartTime(const Context& c) {
  AppendTime(c.info.start_wall, c.item.text, false, c.scratch);
  return Text(c.scratch);
}
OperatorValue StartTimeLocal(const Context& c) {
  AppendTime(c.info.start_wall, c.item.text, true, c.scratch);
  return Text(c.scratch);
}
OperatorValue EmitTime(const Context& c) {
  AppendTime(c.options.now, c.item.text, false, c.scratch);
  return Text(c.scratch);
}

// ---- addresses -------------------------------------------------------------------------------

const base::Address* Upstream(const StreamInfo& info) { return &info.upstream_remote; }
const base::Address* UpstreamLocal(const StreamInfo& info) { return &info.upstream_local; }
const base::Address* Direct(const StreamInfo& info) { return info.direct_remote; }
const base::Address* Local(const StreamInfo& info) { return info.local; }
const base::Address* Remote(const StreamInfo& info) {
  return info.remote.family() != base::Address::Family::kNone ? &info.remote : info.direct_remote;
}

bool Known(const base::Address* address) {
  return address != nullptr && address->family() != base::Address::Family::kNone;
}

template <auto Which>
OperatorValue Address(const Context& c) {
  const base::Address* address = Which(c.info);
  if (!Known(address)) return Missing();
  AppendAddress(*address, c.scratch);
  return Text(c.scratch);
}
template <auto Which>
OperatorValue Ip(const Context& c) {
  const base::Address* address = Which(c.info);
  if (!Known(address)) return Missing();
  AppendIp(*address, c.scratch);
  return Text(c.scratch);
}
template <auto Which>
OperatorValue Port(const Context& c) {
  const base::Address* address = Which(c.info);
  return Known(address) && address->is_ip() ? Number(address->port()) : Missing();
}

OperatorValue UpstreamHostName(const Context& c) {
  return c.info.upstream_hostname.empty() ? Address<Upstream>(c) : Text(c.info.upstream_hostname);
}
OperatorValue UpstreamHostNameWithoutPort(const Context& c) {
  const std::string_view name = c.info.upstream_hostname;
  if (name.empty()) return Ip<Upstream>(c);
  const std::size_t colon = name.rfind(':');
  const bool ipv6 = colon != std::string_view::npos && name.find(':') != colon &&
                    !name.ends_with(']') && name.front() != '[';
  if (colon == std::string_view::npos || ipv6 || name.ends_with(']')) return Text(name);
  return Text(name.substr(0, colon));
}

// ---- the rest --------------------------------------------------------------------------------

template <auto Member>
OperatorValue TextOf(const Context& c) {
  return TextOrMissing(c.info.*Member);
}
template <auto Member>
OperatorValue NumberOf(const Context& c) {
  return Number(c.info.*Member);
}

// Blanks would split the log's columns.
OperatorValue Details(const Context& c) {
  const std::string_view details = c.info.response_code_details;
  if (details.find(' ') == std::string_view::npos || c.item.text == "ALLOW_WHITESPACES") {
    return TextOrMissing(details);
  }
  for (const char ch : details) c.scratch += ch == ' ' ? '_' : ch;
  return Text(c.scratch);
}

OperatorValue ResponseCode(const Context& c) {
  return Number(static_cast<std::uint64_t>(c.info.response_code));
}
OperatorValue Protocol(const Context& c) {
  return c.info.is_tcp ? Missing() : Text(http::VersionText(c.info.protocol));
}
OperatorValue UpstreamProtocol(const Context& c) {
  return c.info.upstream_connected && !c.info.is_tcp
             ? Text(http::VersionText(c.info.upstream_protocol))
             : Missing();
}

// "-" for none, and that is a value: Envoy prints it where missing values are omitted, too.
template <bool kLong>
OperatorValue Flags(const Context& c) {
  AppendFlags(c.info.flags, kLong, c.scratch);
  return Text(c.scratch);
}

OperatorValue TransportFailure(const Context& c) {
  if (c.info.upstream_transport_failure.empty()) return Missing();
  for (const char ch : c.info.upstream_transport_failure) c.scratch += ch == ' ' ? '_' : ch;
  return Text(c.scratch);
}

OperatorValue StreamId(const Context& c) {
  c.scratch = base::Cat(c.info.stream_id);
  return Text(c.scratch);
}

// The same wherever one exchange asks: a header and the log line can be matched.
OperatorValue UniqueId(const Context& c) {
  static const std::uint64_t process_seed = base::RandomSeed();
  base::FastRandom outer(process_seed ^ c.info.connection_id);
  base::FastRandom random(outer.Next() ^ c.info.stream_id);
  c.scratch.resize(36);
  base::WriteUuid(random, c.scratch.data());
  return Text(c.scratch);
}

OperatorValue AccessLogType(const Context& c) { return Text(c.options.access_log_type); }
OperatorValue DownstreamTls(const Context& c) {
  if (const TlsInfo* tls = c.info.DownstreamTls()) AppendTlsValue(*tls, c.item.text, c.scratch);
  return TextOrMissing(c.scratch);
}

OperatorValue Hostname(const Context&) {
  static const std::string name = [] {
    std::array<char, 256> buffer{};
    return gethostname(buffer.data(), buffer.size() - 1) == 0 ? std::string(buffer.data()) : "";
  }();
  return TextOrMissing(name);
}

OperatorValue Environment(const Context& c) {
  const char* value = std::getenv(c.item.text.c_str());
  return value == nullptr ? Missing() : TextOrMissing(value);
}

OperatorValue Literal(const Context& c) { return Text(c.item.text); }
using Row = OperatorValue (*)(const Context&);
constexpr std::size_t kRowCount = static_cast<std::size_t>(Operator::kReqWithoutQuery) + 1;

struct TableRow {
  Operator op;
  Row row;
};

constexpr TableRow kRows[] = {
    {Operator::kLiteral, Literal},
    {Operator::kReq, Header<FindRequest>},
    {Operator::kResp, Header<FindResponse>},
    {Operator::kTrailer, Header<FindTrailer>},
    {Operator::kStartTime, StartTime},
    {Operator::kStartTimeLocal, StartTimeLocal},
    {Operator::kEmitTime, EmitTime},
    {Operator::kRequestHeadersBytes, NumberOf<&StreamInfo::request_head_bytes>},
    {Operator::kResponseHeadersBytes, NumberOf<&StreamInfo::response_head_bytes>},
    {Operator::kResponseTrailersBytes, NumberOf<&StreamInfo::response_trailer_bytes>},
    {Operator::kBytesReceived, NumberOf<&StreamInfo::bytes_received>},
    {Operator::kBytesSent, NumberOf<&StreamInfo::bytes_sent>},
    {Operator::kProtocol, Protocol},
    {Operator::kUpstreamProtocol, UpstreamProtocol},
    {Operator::kResponseCode, ResponseCode},
    {Operator::kResponseCodeDetails, Details},
    {Operator::kConnectionTerminationDetails, TextOf<&StreamInfo::connection_termination_details>},
    {Operator::kResponseFlags, Flags<false>},
    {Operator::kResponseFlagsLong, Flags<true>},
    {Operator::kDuration, Millis<&StreamInfo::start, &StreamInfo::end>},
    {Operator::kRequestDuration, Millis<&StreamInfo::start, &StreamInfo::request_end>},
    {Operator::kRequestTxDuration, Millis<&StreamInfo::start, &StreamInfo::upstream_request_end>},
    {Operator::kResponseDuration, Millis<&StreamInfo::start, &StreamInfo::response_begin>},
    {Operator::kResponseTxDuration, Millis<&StreamInfo::response_begin, &StreamInfo::end>},
    {Operator::kUpstreamConnectionPoolReadyDuration,
     Millis<&StreamInfo::start, &StreamInfo::upstream_ready>},
    {Operator::kGrpcStatus, GrpcStatusText},
    {Operator::kGrpcStatusNumber, GrpcStatusNumber},
    {Operator::kUpstreamHost, Address<Upstream>},
    {Operator::kUpstreamHostName, UpstreamHostName},
    {Operator::kUpstreamHostNameWithoutPort, UpstreamHostNameWithoutPort},
    {Operator::kUpstreamCluster, TextOf<&StreamInfo::cluster>},
    {Operator::kUpstreamClusterRaw, TextOf<&StreamInfo::cluster>},
    {Operator::kUpstreamLocalAddress, Address<UpstreamLocal>},
    {Operator::kUpstreamLocalAddressWithoutPort, Ip<UpstreamLocal>},
    {Operator::kUpstreamLocalPort, Port<UpstreamLocal>},
    {Operator::kUpstreamRemoteAddress, Address<Upstream>},
    {Operator::kUpstreamRemoteAddressWithoutPort, Ip<Upstream>},
    {Operator::kUpstreamRemotePort, Port<Upstream>},
    {Operator::kUpstreamRequestAttemptCount, NumberOf<&StreamInfo::attempts>},
    {Operator::kUpstreamTransportFailureReason, TransportFailure},
    {Operator::kDownstreamRemoteAddress, Address<Remote>},
    {Operator::kDownstreamRemoteAddressWithoutPort, Ip<Remote>},
    {Operator::kDownstreamRemotePort, Port<Remote>},
    {Operator::kDownstreamDirectRemoteAddress, Address<Direct>},
    {Operator::kDownstreamDirectRemoteAddressWithoutPort, Ip<Direct>},
    {Operator::kDownstreamDirectRemotePort, Port<Direct>},
    {Operator::kDownstreamLocalAddress, Address<Local>},
    {Operator::kDownstreamLocalAddressWithoutPort, Ip<Local>},
    {Operator::kDownstreamLocalPort, Port<Local>},
    {Operator::kConnectionId, NumberOf<&StreamInfo::connection_id>},
    {Operator::kStreamId, StreamId},
    {Operator::kUniqueId, UniqueId},
    {Operator::kRequestedServerName, TextOf<&StreamInfo::requested_server_name>},
    {Operator::kRouteName, TextOf<&StreamInfo::route_name>},
    {Operator::kFilterChainName, TextOf<&StreamInfo::filter_chain_name>},
    {Operator::kAccessLogType, AccessLogType},
    {Operator::kDownstreamTls, DownstreamTls},
    {Operator::kHostname, Hostname},
    {Operator::kEnvironment, Environment},
    {Operator::kLocalReplyBody, TextOf<&StreamInfo::local_reply_body>},
    {Operator::kPath, Path},
    {Operator::kQueryParam, QueryParam},
    {Operator::kQueryParams, QueryParams},
    {Operator::kReqWithoutQuery, ReqWithoutQuery},
};

consteval std::array<Row, kRowCount> MakeTable() {
  std::array<Row, kRowCount> table{};
  for (const TableRow& row : kRows) table[static_cast<std::size_t>(row.op)] = row.row;
  return table;
}

constexpr std::array<Row, kRowCount> kTable = MakeTable();
static_assert(
    [] {
      for (const Row row : kTable) {
        if (row == nullptr) return false;
      }
      return true;
    }(),
    "every operator has a row");

}  // namespace

OperatorValue ValueOf(const config::FormatItem& item, const StreamInfo& info,
                      const RenderOptions& options, std::string& scratch) {
  scratch.clear();
  return kTable[static_cast<std::size_t>(item.op)]({item, info, options, scratch});
}

std::uint32_t GrpcStatusOfHttp(int status) {
  switch (status) {
    case 200:
      return 0;
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

}  // namespace sluice::observe
