#include "proxy/local_reply.h"

#include <charconv>
#include <string>

#include "base/strings.h"
#include "observe/access_log.h"
#include "observe/format.h"
#include "proxy/header_mutation.h"

namespace sluice::proxy {
namespace {

using http::Name;

constexpr std::uint32_t kDeadlineExceeded = 4;

// grpc-message: printable ASCII but '%' as it is, the rest percent-encoded.
std::string EncodeGrpcMessage(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

bool IsGrpcRequest(const http::RequestHead& request) {
  const auto type = request.fields.Get(Name::kContentType);
  return type.has_value() && http::IsGrpcContentType(*type);
}

// "upstream_reset_before_response_started{connection_termination}": spaces would split log fields.
std::string ResetDetails(std::string_view when, std::string_view reason,
                         std::string_view transport) {
  std::string details = base::Cat("upstream_reset_", when, "_response_started{", reason);
  if (!transport.empty()) details.append(",").append(transport);
  details += '}';
  for (char& c : details) {
    if (c == ' ') c = '_';
  }
  return details;
}

}  // namespace

std::string DetailsBehindHead(FailureKind kind) {
  const FailureReply described = Describe(kind);
  return described.details.empty() ? ResetDetails("after", described.body, "") : std::string();
}

void FailureToReply(FailureKind kind, const FailureContext& context, filters::LocalReply& reply) {
  const FailureReply described = Describe(kind);
  reply.status = described.status;
  reply.flags = described.flags;
  reply.grpc_status.reset();
  if (!described.details.empty() || described.status == 0) {
    reply.body.assign(described.body);
    reply.details.assign(described.details);
  } else {  // A try that failed; `body` is the reason.
    reply.body =
        base::Cat("upstream connect error or disconnect/reset before headers. ",
                  context.replayed ? "retried and the latest reset reason: " : "reset reason: ",
                  described.body);
    if (!context.transport_failure.empty()) {
      base::Append(reply.body, ", transport failure reason: ", context.transport_failure);
    }
    reply.details = ResetDetails("before", described.body, context.transport_failure);
  }
  switch (kind) {
    case FailureKind::kClusterNotFound:
      reply.status = context.cluster_not_found_status;
      break;
    case FailureKind::kStreamIdleTimeout:
    case FailureKind::kMaxStreamDuration:
      if (context.request_complete) reply.status = 504;
      if (kind == FailureKind::kMaxStreamDuration) reply.grpc_status = kDeadlineExceeded;
      break;
    case FailureKind::kUpstreamMaxStreamDuration:
      reply.grpc_status = kDeadlineExceeded;
      break;
    case FailureKind::kUpstreamOverflow:
      reply.fields.Add("x-envoy-overloaded", "true");
      break;
    case FailureKind::kDropOverload:
      reply.fields.Add("x-envoy-drop-overload", "true");
      break;
    default:
      break;
  }
}

void MapReply(const config::LocalReplyConfig& config, base::WallTime now, unsigned worker,
              observe::StreamInfo& info, filters::LocalReply& reply) {
  const std::string body = reply.body;
  const std::string type(reply.fields.Get(Name::kContentType).value_or(""));
  const config::BodyFormat* format = config.format.has_value() ? &*config.format : nullptr;
  for (const config::ReplyMapper& mapper : config.mappers) {
    if (!observe::Passes(mapper.filter, info, worker)) continue;
    if (mapper.body.has_value()) reply.body = *mapper.body;
    info.local_reply_body = reply.body;
    ApplyMutations(mapper.headers, info, now, reply.fields);
    if (mapper.status.has_value()) info.response_code = reply.status = *mapper.status;
    if (mapper.format.has_value()) format = &*mapper.format;
    break;
  }
  info.local_reply_body = reply.body;
  if (format != nullptr) observe::RenderBody(*format, info, now, reply.body);
  info.local_reply_body = reply.body;
  // Another body is of another type, unless a mapper named it.
  if (reply.body == body || type != reply.fields.Get(Name::kContentType).value_or("")) return;
  reply.fields.Remove(Name::kContentType);
  if (format != nullptr && !reply.body.empty()) {
    reply.fields.Add(Name::kContentType, observe::ContentTypeOf(*format));
  }
}

void ReplyToHead(const filters::LocalReply& reply, const http::RequestHead& request,
                 http::ResponseHead& head, std::string_view& body) {
  head.Clear();
  head.status = reply.status;
  body = reply.body;
  if (IsGrpcRequest(request)) {
    char digits[12];
    // A reply of ours is no answer to a call, whatever its status: 200 is UNKNOWN, never OK.
    constexpr std::uint32_t kUnknown = 2;
    const std::uint32_t status = reply.grpc_status.has_value() ? *reply.grpc_status
                                 : reply.status == 200         ? kUnknown
                                                       : observe::GrpcStatusOfHttp(reply.status);
    const auto end = std::to_chars(digits, digits + sizeof(digits), status).ptr;
    head.status = 200;
    head.fields.Add(Name::kContentType, "application/grpc");
    head.fields.Add(Name::kGrpcStatus, {digits, static_cast<std::size_t>(end - digits)});
    if (!body.empty()) head.fields.Add(Name::kGrpcMessage, EncodeGrpcMessage(body));
    body = {};
  } else if (!body.empty() && !reply.fields.Has(Name::kContentType)) {
    head.fields.Add(Name::kContentType, kDefaultContentType);
  }
  for (const http::Field field : reply.fields) {
    if (field.id == Name::kContentType && head.fields.Has(Name::kContentType)) continue;
    head.fields.Add(field.id, field.name, field.value);
  }
  if (head.status == 204 || head.status == 304 || head.status < 200) body = {};
  head.has_content_length = head.status != 304;
  head.content_length = body.size();
  if (request.method == http::Method::kHead) {
    body = {};
  } else if (!body.empty()) {
    head.body = {http::BodyFraming::Kind::kLength, body.size()};
  }
}

}  // namespace sluice::proxy
