#pragma once
// Requests and responses as values: what routing, filters and codecs talk about.
//
// One thread each; reused from exchange to exchange (Clear keeps capacity).

#include <cstdint>
#include <string>
#include <string_view>

#include "http/fields.h"

namespace sluice::http {

enum class Version : std::uint8_t { kHttp10, kHttp11, kHttp2 };
std::string_view VersionText(Version version);  // "HTTP/1.1"; "HTTP/2" as Envoy's %PROTOCOL%.

enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kConnect,
  kOptions,
  kTrace,
  kPatch,
  kOther
};
Method FindMethod(std::string_view text);  // Case-sensitive (RFC 9110 section 9.1).

// How a body is delimited on the wire.
struct BodyFraming {
  enum class Kind : std::uint8_t { kNone, kLength, kChunked, kUntilClose, kTunnel };
  Kind kind = Kind::kNone;
  std::uint64_t length = 0;  // kLength only; > 0 there (a length of 0 is kNone).

  bool operator==(const BodyFraming&) const = default;
};

struct RequestHead {
  Version version = Version::kHttp11;
  Method method = Method::kGet;
  std::string method_text = "GET";
  std::string path;       // Origin-form path with its query; "*" for OPTIONS *; "" for CONNECT.
  std::string authority;  // Host or the authority of an absolute-form target, as received.
  std::string scheme;     // "http" or "https" once the connection manager has decided; else "".
  Fields fields;          // Without Host, Content-Length and Transfer-Encoding: those live above
                          // and in `body`, and are written anew by the encoder.
  BodyFraming body;
  bool keep_alive = true;           // What the client asked for, by version and Connection.
  bool expect_continue = false;     // Expect: 100-continue.
  bool upgrade = false;             // Connection: upgrade with an Upgrade field.
  bool has_content_length = false;  // "Content-Length: 0" differs from none when re-encoded.

  std::string_view PathWithoutQuery() const {
    return std::string_view(path).substr(0, path.find_first_of("?#"));
  }
  void Clear();
};

struct ResponseHead {
  Version version = Version::kHttp11;
  int status = 0;  // 100..599
  Fields fields;   // Without Content-Length and Transfer-Encoding.
  BodyFraming body;
  bool keep_alive = true;
  bool has_content_length = false;   // Also for HEAD and 304, where it is forwarded as metadata:
  std::uint64_t content_length = 0;  // then `body` is kNone.

  void Clear();
};

std::string_view ReasonPhrase(int status);  // "" for codes without a registered phrase.

// application/grpc, application/grpc+proto, ... (not application/grpc-web).
bool IsGrpcContentType(std::string_view content_type);

}  // namespace sluice::http
