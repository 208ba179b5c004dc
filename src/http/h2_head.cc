#include "http/h2_head.h"

#include "base/strings.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/hop_by_hop.h"

namespace sluice::http {
namespace {

constexpr std::size_t kMethodBytesMax = 32;
constexpr std::size_t kFieldOverheadBytes = 32;  // RFC 9113 section 6.5.2.

// Neither control nor space, which would split an HTTP/1 request line; no '#' (h1_head.cc).
bool IsPath(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || byte == '#') return false;
  }
  return true;
}

// A token without upper case.
bool IsLowerName(std::string_view name) {
  for (const char c : name) {
    if (TokenLower(c) != c || c == 0) return false;
  }
  return !name.empty();
}

bool IsTrimmed(std::string_view value) { return base::TrimOws(value).size() == value.size(); }

}  // namespace

void H2HeadReader::Begin(Kind kind, const H2HeadLimits& limits) {
  kind_ = kind;
  limits_ = limits;
  request_ = nullptr;
  response_ = nullptr;
  fields_out_ = nullptr;
  broken_ = {};
  cookie_.clear();
  host_.clear();
  protocol_.clear();
  bytes_ = fields_ = 0;
  length_ = 0;
  seen_ = 0;
  allow_connect_ = tunnel_ = regular_ = false;
}

void H2HeadReader::BeginRequest(RequestHead& head, const H2HeadLimits& limits, bool allow_connect) {
  Begin(Kind::kRequest, limits);
  head.Clear();
  head.version = Version::kHttp2;
  request_ = &head;
  fields_out_ = &head.fields;
  allow_connect_ = allow_connect;
}

void H2HeadReader::BeginResponse(ResponseHead& head, const H2HeadLimits& limits,
                                 Method request_method, bool tunnel) {
  Begin(Kind::kResponse, limits);
  head.Clear();
  head.version = Version::kHttp2;
  response_ = &head;
  fields_out_ = &head.fields;
  request_method_ = request_method;
  tunnel_ = tunnel;
}

void H2HeadReader::BeginTrailers(Fields& trailers, const H2HeadLimits& limits) {
  Begin(Kind::kTrailers, limits);
  trailers.Clear();
  fields_out_ = &trailers;
}

void H2HeadReader::BeginIgnored(const H2HeadLimits& limits) { Begin(Kind::kIgnored, limits); }

std::optional<std::uint64_t> H2HeadReader::content_length() const {
  if ((seen_ & kLength) == 0) return std::nullopt;
  return length_;
}

bool H2HeadReader::Once(Seen what, std::string_view rule) {
  if ((seen_ & what) != 0) {
    Break(rule);
    return false;
  }
  seen_ |= what;
  return true;
}

void H2HeadReader::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (kind_ == Kind::kIgnored || !broken_.empty() || too_large()) return;
  if (name.empty()) return Break("an empty field name");
  if (!IsFieldValue(value)) return Break("a control byte in a field value");
  if (name.front() == ':') return AddPseudo(name, value);
  regular_ = true;
  if (!IsLowerName(name)) return Break("a field name that is no lower-case token");
  if (!IsTrimmed(value)) return Break("white space around a field value");
  const Name id = FindName(name);
  // A browser's one cookie comes in as many crumbs as it likes; their bytes are bounded.
  if (id != Name::kCookie || cookie_.empty()) ++fields_;
  if (too_large()) return;
  AddField(id, name, value);
}

// ---- pseudo-headers (RFC 9113 section 8.3)

void H2HeadReader::AddPseudo(std::string_view name, std::string_view value) {
  if (regular_) return Break("a pseudo-header behind a field");
  switch (kind_) {
    case Kind::kRequest:
      return AddRequestPseudo(name, value);
    case Kind::kResponse:
      if (name != ":status") return Break("an unknown pseudo-header");
      return AddStatus(value);
    case Kind::kTrailers:
      return Break("a pseudo-header in trailers");
    case Kind::kIgnored:
      return;
  }
}

void H2HeadReader::AddRequestPseudo(std::string_view name, std::string_view value) {
  RequestHead& head = *request_;
  if (name == ":method") {
    if (!Once(kMethod, "two :method")) return;
    if (!IsToken(value) || value.size() > kMethodBytesMax) return Break("a malformed :method");
    head.method = FindMethod(value);
    head.method_text.assign(value);
  } else if (name == ":scheme") {
    if (!Once(kScheme, "two :scheme")) return;
    const bool http = base::EqualsIgnoreCase(value, "http");
    if (!http && !base::EqualsIgnoreCase(value, "https")) Break("a :scheme that is not served");
  } else if (name == ":authority") {
    if (!Once(kAuthority, "two :authority")) return;
    if (!value.empty() && !ParseAuthority(value)) return Break("a malformed :authority");
    head.authority.assign(value);
  } else if (name == ":path") {
    if (!Once(kPath, "two :path")) return;
    if (value.empty() || !IsPath(value)) return Break("a malformed :path");
    head.path.assign(value);
  } else if (name == ":protocol" && allow_connect_) {
    if (!Once(kProtocol, "two :protocol")) return;
    if (!IsToken(value)) return Break("a malformed :protocol");
    protocol_.assign(value);
  } else {
    Break("an unknown pseudo-header");
  }
}

void H2HeadReader::AddStatus(std::string_view value) {
  if (!Once(kStatus, "two :status")) return;
  const bool digits =
      value.size() == 3 && IsDigit(value[0]) && IsDigit(value[1]) && IsDigit(value[2]);
  if (!digits) return Break("a malformed :status");
  const int status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
  // HTTP/2 has no 101: RFC 9113 section 8.6.
  if (status < 100 || status > 599 || status == 101) return Break("a :status out of range");
  response_->status = status;
}

// ---- fields

void H2HeadReader::AddLength(std::string_view value) {
  if (!Once(kLength, "two content-length")) return;
  if (value.empty() || value.size() > 18) return Break("a malformed content-length");
  for (const char c : value) {
    if (!IsDigit(c)) return Break("a malformed content-length");
    length_ = length_ * 10 + static_cast<unsigned>(c - '0');
  }
}

void H2HeadReader::AddField(Name id, std::string_view name, std::string_view value) {
  switch (id) {
    case Name::kConnection:
    case Name::kKeepAlive:
    case Name::kProxyConnection:
    case Name::kTransferEncoding:
    case Name::kUpgrade:
      return Break("a connection-specific field");
    case Name::kTe:
      if (!base::EqualsIgnoreCase(value, "trailers")) return Break("TE other than trailers");
      if (kind_ == Kind::kTrailers) return;
      if ((seen_ & kTe) != 0) return;
      seen_ |= kTe;
      break;
    case Name::kContentLength:
      if (kind_ == Kind::kTrailers) return Break("content-length in trailers");
      return AddLength(value);
    default:
      break;
  }
  if (kind_ == Kind::kTrailers) {
    if (AllowedInTrailers(name)) fields_out_->Add(id, name, value);
    return;
  }
  if (kind_ == Kind::kRequest) return AddRequestField(id, name, value);
  fields_out_->Add(id, name, value);
}

void H2HeadReader::AddRequestField(Name id, std::string_view name, std::string_view value) {
  switch (id) {
    case Name::kHost:
      if (!Once(kHostField, "two host")) return;
      if (!ParseAuthority(value)) return Break("a malformed host");
      host_.assign(value);
      return;
    case Name::kCookie:  // RFC 9113 section 8.2.3.
      if (!cookie_.empty()) cookie_.append("; ");
      cookie_.append(value);
      return;
    case Name::kHttp2Settings:
      return;  // Means something in an upgrade to h2c only.
    case Name::kExpect:
      if (!Once(kExpect, "two expect")) return;
      if (!base::EqualsIgnoreCase(value, "100-continue")) return Break("an unknown expect");
      request_->expect_continue = true;
      break;
    default:
      break;
  }
  fields_out_->Add(id, name, value);
}

// ---- the whole

void H2HeadReader::Finish(bool end_stream) {
  if (!broken_.empty() || too_large()) return;
  switch (kind_) {
    case Kind::kRequest:
      return FinishRequest(end_stream);
    case Kind::kResponse:
      return FinishResponse(end_stream);
    case Kind::kTrailers:
      if (!end_stream) Break("trailers that do not end the stream");
      return;
    case Kind::kIgnored:
      return;
  }
}

void H2HeadReader::FinishRequest(bool end_stream) {
  RequestHead& head = *request_;
  if ((seen_ & kMethod) == 0) return Break("no :method");
  if (head.method == Method::kConnect) {
    FinishConnect();
  } else {
    FinishPath();
  }
  if (!host_.empty()) {
    // Two names for one host let a request be routed by one and answered by the other.
    if (!head.authority.empty() && !base::EqualsIgnoreCase(head.authority, host_)) {
      return Break("host differs from :authority");
    }
    if (head.authority.empty()) head.authority.assign(host_);
  }
  if (!cookie_.empty()) head.fields.Add(Name::kCookie, cookie_);
  head.has_content_length = (seen_ & kLength) != 0;
  if (end_stream) {
    if (length_ > 0) return Break("content-length without a body");
    return;
  }
  if (head.method == Method::kConnect || head.upgrade) {
    if (head.has_content_length) return Break("CONNECT with content-length");
    return;
  }
  if (!head.has_content_length) {
    head.body = {BodyFraming::Kind::kChunked, 0};
  } else if (length_ > 0) {
    head.body = {BodyFraming::Kind::kLength, length_};
  }
}

void H2HeadReader::FinishConnect() {
  RequestHead& head = *request_;
  if ((seen_ & kProtocol) == 0) {  // RFC 9113 section 8.5.
    if ((seen_ & (kScheme | kPath)) != 0) return Break("CONNECT with :scheme or :path");
    const std::optional<Authority> authority = ParseAuthority(head.authority);
    if (!authority || !authority->port) return Break("CONNECT without host and port");
    return;
  }
  FinishPath();  // RFC 8441 section 4.
  head.method = Method::kGet;
  head.method_text.assign("GET");
  head.upgrade = true;
  head.fields.Add(Name::kUpgrade, protocol_);
}

void H2HeadReader::FinishPath() {
  const RequestHead& head = *request_;
  if ((seen_ & kScheme) == 0) return Break("no :scheme");
  if ((seen_ & kPath) == 0) return Break("no :path");
  if ((seen_ & kProtocol) != 0 && head.method != Method::kConnect) {
    return Break(":protocol without CONNECT");
  }
  const bool asterisk = head.path == "*" && head.method == Method::kOptions;
  if (head.path.front() != '/' && !asterisk) Break("a malformed :path");
}

void H2HeadReader::FinishResponse(bool end_stream) {
  ResponseHead& head = *response_;
  if ((seen_ & kStatus) == 0) return Break("no :status");
  if (head.status < 200) {
    if (end_stream) return Break("an informational response that ends the stream");
    if (length_ > 0) return Break("content-length in an informational response");
    return;
  }
  if ((tunnel_ || request_method_ == Method::kConnect) && head.status < 300) {
    head.body = {BodyFraming::Kind::kTunnel, 0};
    if (tunnel_) head.status = 101;
    seen_ &= ~static_cast<unsigned>(kLength);
    return;
  }
  head.has_content_length = (seen_ & kLength) != 0;
  head.content_length = length_;
  const bool bodiless =
      request_method_ == Method::kHead || head.status == 304 || head.status == 204;
  if (head.status == 204) head.has_content_length = false;
  if (bodiless) return;
  if (end_stream) {
    if (length_ > 0) return Break("content-length without a body");
    head.has_content_length = true;  // So that HTTP/1 knows, too.
  } else if (!head.has_content_length) {
    head.body = {BodyFraming::Kind::kChunked, 0};
  } else if (length_ > 0) {
    head.body = {BodyFraming::Kind::kLength, length_};
  }
}

}  // namespace sluice::http
