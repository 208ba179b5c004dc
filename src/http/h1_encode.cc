#include <charconv>

#include "base/check.h"
#include "http/chars.h"
#include "http/h1_codec.h"

namespace sluice::http {
namespace {

using Kind = BodyFraming::Kind;

void AppendNumber(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value);
  out.append(digits, static_cast<std::size_t>(result.ptr - digits));
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  SLUICE_DCHECK(IsToken(name) && IsFieldValue(value));
  out.append(name).append(": ").append(value).append("\r\n");
}

void AppendFields(std::string& out, const Fields& fields) {
  for (const Field field : fields) AppendField(out, field.name, field.value);
}

void AppendContentLength(std::string& out, std::uint64_t length) {
  out.append("content-length: ");
  AppendNumber(out, length);
  out.append("\r\n");
}

void AppendEnd(std::string& out, std::string_view connection) {
  if (!connection.empty()) AppendField(out, "connection", connection);
  out.append("\r\n");
}

// Room for the whole head, so that it grows once; at least doubled, so that many heads in one
// buffer do not copy it each time.
void Reserve(std::string& out, const Fields& fields, std::size_t more) {
  const std::size_t needed = out.size() + fields.bytes() + 4 * fields.size() + more;
  if (needed > out.capacity())
    out.reserve(needed > 2 * out.capacity() ? needed : 2 * out.capacity());
}

}  // namespace

void EncodeRequestHead(const RequestHead& head, std::string_view connection, std::string& out) {
  const std::string& target = head.method == Method::kConnect ? head.authority : head.path;
  SLUICE_DCHECK(IsToken(head.method_text) && !target.empty() && IsFieldValue(head.authority));
  Reserve(out, head.fields, head.method_text.size() + target.size() + head.authority.size() + 128);
  out.append(head.method_text).append(" ").append(target).append(" HTTP/1.1\r\n");
  AppendField(out, "host", head.authority);
  switch (head.body.kind) {
    case Kind::kLength:
      AppendContentLength(out, head.body.length);
      break;
    case Kind::kChunked:
      out.append("transfer-encoding: chunked\r\n");
      break;
    case Kind::kNone:
      if (head.has_content_length) AppendContentLength(out, 0);
      break;
    case Kind::kUntilClose:
    case Kind::kTunnel:
      break;
  }
  AppendFields(out, head.fields);
  AppendEnd(out, connection);
}

void EncodeResponseHead(const ResponseHead& head, std::string_view connection, std::string& out) {
  SLUICE_DCHECK(head.status >= 100 && head.status <= 599);
  Reserve(out, head.fields, 160);
  out.append("HTTP/1.1 ");
  AppendNumber(out, static_cast<std::uint64_t>(head.status));
  out.append(" ").append(ReasonPhrase(head.status)).append("\r\n");
  switch (head.body.kind) {
    case Kind::kLength:
      AppendContentLength(out, head.body.length);
      break;
    case Kind::kChunked:
      out.append("transfer-encoding: chunked\r\n");
      break;
    case Kind::kNone:
      // RFC 9110 8.6: never in 1xx and 204.
      if (head.has_content_length && head.status >= 200 && head.status != 204) {
        AppendContentLength(out, head.content_length);
      }
      break;
    case Kind::kUntilClose:
    case Kind::kTunnel:
      break;
  }
  AppendFields(out, head.fields);
  AppendEnd(out, connection);
}

void ProperCaseNames(std::span<char> head) {
  bool in_name = false;  // Behind the line of the status.
  bool capital = true;
  for (std::size_t i = 0; i < head.size(); ++i) {
    char& c = head[i];
    if (c == '\n') {
      in_name = capital = true;
    } else if (in_name && c == ':') {
      in_name = false;
    } else if (in_name) {
      const bool letter = c >= 'a' && c <= 'z';
      if (capital && letter) c = static_cast<char>(c - 'a' + 'A');
      capital = !letter && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9');
    }
  }
}

std::size_t EncodeChunkHeader(std::uint64_t bytes, char* out) {
  const auto result = std::to_chars(out, out + 16, bytes, 16);
  char* end = result.ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - out);
}

void EncodeLastChunk(const Fields& trailers, std::string& out) {
  Reserve(out, trailers, 8);
  out.append("0\r\n");
  AppendFields(out, trailers);
  out.append("\r\n");
}

}  // namespace sluice::http
