// Heads and trailers as HPACK blocks: h2_head.h.
#include <charconv>

#include "http/h2_head.h"
#include "http/h2_hpack.h"

namespace sluice::http {
namespace {

using Kind = BodyFraming::Kind;

std::string_view Number(std::uint64_t value, char* out, std::size_t size) {
  const auto result = std::to_chars(out, out + size, value);
  return {out, static_cast<std::size_t>(result.ptr - out)};
}

// Values that hardly ever come again would only push others out of the table.
bool IsUnique(Name id) {
  return id == Name::kXRequestId || id == Name::kXEnvoyUpstreamServiceTime ||
         id == Name::kXEnvoyExpectedRqTimeoutMs;
}

// `tunnel`: fields that mean something to the handshake of HTTP/1 only are left out.
void AddFields(const Fields& fields, bool tunnel, HpackEncoder& encoder) {
  for (const Field field : fields) {
    switch (field.id) {
      case Name::kConnection:
      case Name::kKeepAlive:
      case Name::kProxyConnection:
      case Name::kTransferEncoding:
      case Name::kUpgrade:
        continue;
      case Name::kOther:
        if (tunnel && (field.name == "sec-websocket-key" || field.name == "sec-websocket-accept")) {
          continue;
        }
        break;
      default:
        break;
    }
    encoder.Add(field.name, field.value, IsUnique(field.id));
  }
}

}  // namespace

void EncodeH2Request(const RequestHead& head, HpackEncoder& encoder, H2Scratch& scratch) {
  const bool connect = head.method == Method::kConnect && !head.upgrade;
  encoder.Add(":method", head.upgrade ? std::string_view("CONNECT") : head.method_text);
  if (!connect) {
    encoder.Add(":scheme", head.scheme.empty() ? std::string_view("http") : head.scheme);
    encoder.Add(":path", head.path);
  }
  encoder.Add(":authority", head.authority);
  if (head.upgrade) {
    encoder.Add(":protocol", head.fields.Get(Name::kUpgrade).value_or(""));
  } else if (head.body.kind == Kind::kLength || head.has_content_length) {
    encoder.Add("content-length", Number(head.body.length, scratch.length, sizeof(scratch.length)));
  }
  AddFields(head.fields, head.upgrade, encoder);
}

void EncodeH2Response(const ResponseHead& head, bool tunnel, HpackEncoder& encoder,
                      H2Scratch& scratch) {
  const int status = head.status == 101 ? 200 : head.status;
  encoder.Add(":status",
              Number(static_cast<unsigned>(status), scratch.status, sizeof(scratch.status)));
  if (head.body.kind == Kind::kLength) {
    encoder.Add("content-length", Number(head.body.length, scratch.length, sizeof(scratch.length)));
  } else if (head.body.kind == Kind::kNone && head.has_content_length && status >= 200 &&
             (head.content_length > 0 || head.version != Version::kHttp2)) {
    // END_STREAM says 0 well enough, and gRPC wants no more than that.
    encoder.Add("content-length",
                Number(head.content_length, scratch.length, sizeof(scratch.length)));
  }
  AddFields(head.fields, tunnel, encoder);
}

void EncodeH2Trailers(const Fields& trailers, HpackEncoder& encoder) {
  AddFields(trailers, false, encoder);
}

}  // namespace sluice::http
