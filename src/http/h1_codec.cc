#include "http/h1_codec.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "http/authority.h"
#include "http/chars.h"
#include "http/h1_framing.h"
#include "http/h1_head.h"
#include "http/hop_by_hop.h"

namespace sluice::http {
namespace {

using Kind = BodyFraming::Kind;

constexpr std::size_t kChunkDigitsMax = 16;
// A chunk line this long per byte of data is free; what goes beyond may add up to kOverheadMax
// over the message, else a sender makes us read 256 bytes for each byte it delivers.
constexpr std::uint64_t kChunkLineFree = 16;
constexpr std::uint64_t kOverheadMax = 16 * 1024;

// Where the start line begins: a client may send one CRLF more than its last body had.
std::size_t HeadStart(std::string_view input) { return input.front() == '\r' ? 2 : 0; }

// The next line of a head that ScanHead() has passed, without its CRLF.
std::string_view NextLine(std::string_view& rest) {
  const auto* lf = static_cast<const char*>(std::memchr(rest.data(), '\n', rest.size()));
  const auto size = static_cast<std::size_t>(lf - rest.data());
  const std::string_view line = rest.substr(0, size - 1);
  rest.remove_prefix(size + 1);
  return line;
}

H1Rule TakeRequestField(const FieldLine& field, FramingFacts& facts, RequestHead& head) {
  switch (field.id) {
    case Name::kContentLength:
      return SeeContentLength(field.raw, facts);
    case Name::kTransferEncoding:
      return SeeTransferEncoding(field.raw, facts);
    case Name::kHost:
      ++facts.hosts;
      if (!ParseAuthority(field.value)) return H1Rule::kHostMalformed;
      if (head.authority.empty()) head.authority.assign(field.value);  // A full target wins.
      return H1Rule::kOk;
    case Name::kHttp2Settings:
      return H1Rule::kOk;  // Only for h2c, which is not offered.
    case Name::kConnection:
      SeeConnection(field.value, facts);
      break;
    case Name::kUpgrade:
      SeeUpgrade(field.value, facts);
      break;
    case Name::kExpect:
      ++facts.expects;
      if (!base::EqualsIgnoreCase(field.value, "100-continue")) return H1Rule::kExpectUnknown;
      break;
    default:
      break;
  }
  head.fields.Add(field.id, field.name, field.value);
  return H1Rule::kOk;
}

H1Rule TakeResponseField(const FieldLine& field, FramingFacts& facts, ResponseHead& head) {
  switch (field.id) {
    case Name::kContentLength:
      return SeeContentLength(field.raw, facts);
    case Name::kTransferEncoding:
      return SeeTransferEncoding(field.raw, facts);
    case Name::kConnection:
      SeeConnection(field.value, facts);
      break;
    default:
      break;
  }
  head.fields.Add(field.id, field.name, field.value);
  return H1Rule::kOk;
}

template <typename Head, typename Take>
H1Rule ReadFields(std::string_view lines, FramingFacts& facts, Head& head, Take take) {
  while (lines.size() > 2) {  // The empty line remains.
    FieldLine field;
    H1Rule rule = ReadFieldLine(NextLine(lines), field);
    if (rule == H1Rule::kOk) rule = take(field, facts, head);
    if (rule != H1Rule::kOk) return rule;
  }
  return H1Rule::kOk;
}

H1Rule ReadRequest(std::string_view text, const H1Limits& limits, RequestHead& head) {
  head.Clear();
  FramingFacts facts;
  const H1Rule line = ReadRequestLine(NextLine(text), limits, head);
  if (line != H1Rule::kOk) return line;
  const H1Rule fields = ReadFields(text, facts, head, TakeRequestField);
  if (fields != H1Rule::kOk) return fields;
  if (facts.upgrade_h2c) head.fields.Remove(Name::kUpgrade);  // No way round the HTTP/1 rules.
  return FrameRequest(facts, limits, head);
}

H1Rule ReadResponse(std::string_view text, Method request_method, ResponseHead& head) {
  head.Clear();
  FramingFacts facts;
  const H1Rule line = ReadStatusLine(NextLine(text), head);
  if (line != H1Rule::kOk) return line;
  const H1Rule fields = ReadFields(text, facts, head, TakeResponseField);
  if (fields != H1Rule::kOk) return fields;
  return FrameResponse(facts, request_method, head);
}

// `text` is what stands between the quotes and behind them: how much of it belongs to the string,
// closing quote included; 0 when it is malformed.
std::size_t QuotedLength(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\' && ++i == text.size()) return 0;
  }
  return 0;
}

// *( ";" token [ "=" ( token / quoted-string ) ] ), without the optional white space that only
// attackers send.
bool IsChunkExtensions(std::string_view text) {
  if (!IsFieldValue(text)) return false;
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    const std::size_t name = TokenLength(text);
    if (name == 0) return false;
    text.remove_prefix(name);
    if (text.empty() || text.front() != '=') continue;
    text.remove_prefix(1);
    const bool quoted = !text.empty() && text.front() == '"';
    if (quoted) text.remove_prefix(1);
    const std::size_t value = quoted ? QuotedLength(text) : TokenLength(text);
    if (value == 0) return false;
    text.remove_prefix(value);
  }
  return true;
}

}  // namespace

void H1Parser::Reset() {
  trailers_.Clear();
  framing_ = {};
  remaining_ = 0;
  overhead_ = 0;
  scanned_ = 0;
  line_start_ = 0;
  lines_ = 0;
  trailer_bytes_ = 0;
  phase_ = Phase::kHead;
  chunk_state_ = ChunkState::kSize;
}

H1Parser::Result H1Parser::Broken(H1Rule rule) {
  const H1RuleRow& row = RuleRow(rule);
  error_ = {side_ == Side::kRequest ? row.status : 502, row.details, row.text};
  phase_ = Phase::kBroken;
  return {H1Step::kBroken, 0, {}};
}

// Looks at the first byte of a head: what no head can begin with need not be waited for.
H1Parser::Result H1Parser::StartHead(std::string_view input) {
  constexpr Result kNeedMore{H1Step::kNeedMore, 0, {}};
  if (input.empty()) return kNeedMore;
  std::size_t start = 0;
  if (side_ == Side::kRequest && input.front() == '\r') {
    if (input.size() < 2) return kNeedMore;
    if (input[1] != '\n') return Broken(H1Rule::kBareCr);
    if (input.size() == 2) return kNeedMore;
    start = 2;
  }
  if (side_ == Side::kRequest) {
    if (TokenLower(input[start]) == 0) return Broken(H1Rule::kMethodMalformed);
  } else if (input[start] != 'H') {
    return Broken(H1Rule::kStatusLineMalformed);
  }
  line_start_ = start;
  scanned_ = start;
  return {H1Step::kHead, 0, {}};
}

// Line by line, in the order of the bytes, so that it does not matter how they arrive. kHead with
// the size of the head when it is complete.
H1Parser::Result H1Parser::ScanHead(std::string_view input) {
  if (phase_ == Phase::kBroken) return {H1Step::kBroken, 0, {}};
  if (phase_ == Phase::kDone) Reset();
  SLUICE_DCHECK(phase_ == Phase::kHead);
  SLUICE_DCHECK(scanned_ <= input.size());
  if (scanned_ == 0) {
    const Result start = StartHead(input);
    if (start.step != H1Step::kHead) return start;
  }
  const std::size_t head_start = HeadStart(input);
  while (true) {
    const auto* lf = static_cast<const char*>(
        std::memchr(input.data() + scanned_, '\n', input.size() - scanned_));
    const std::size_t end =
        lf == nullptr ? input.size() : static_cast<std::size_t>(lf - input.data()) + 1;
    if (end - head_start > limits_.head_bytes_max) return Broken(H1Rule::kHeadTooLarge);
    scanned_ = end;
    if (lf == nullptr) return {H1Step::kNeedMore, 0, {}};
    if (end < line_start_ + 2 || input[end - 2] != '\r') return Broken(H1Rule::kBareLf);
    if (end == line_start_ + 2) return {H1Step::kHead, end, {}};
    if (++lines_ > limits_.fields_max + 1) return Broken(H1Rule::kTooManyFields);
    line_start_ = end;
  }
}

H1Parser::Result H1Parser::ParseRequestHead(std::string_view input, RequestHead& head) {
  side_ = Side::kRequest;
  const Result scan = ScanHead(input);
  if (scan.step != H1Step::kHead) return scan;
  const std::size_t start = HeadStart(input);
  const H1Rule rule = ReadRequest(input.substr(start, scan.consumed - start), limits_, head);
  if (rule != H1Rule::kOk) return Broken(rule);
  Reset();
  framing_ = head.body;
  remaining_ = framing_.length;
  phase_ = Phase::kBody;
  return scan;
}

H1Parser::Result H1Parser::ParseResponseHead(std::string_view input, Method request_method,
                                             ResponseHead& head) {
  side_ = Side::kResponse;
  const Result scan = ScanHead(input);
  if (scan.step != H1Step::kHead) return scan;
  const H1Rule rule = ReadResponse(input.substr(0, scan.consumed), request_method, head);
  if (rule != H1Rule::kOk) return Broken(rule);
  Reset();
  const bool interim = head.status < 200 && head.status != 101;
  if (interim) return scan;  // The real head follows.
  framing_ = head.body;
  remaining_ = framing_.length;
  phase_ = Phase::kBody;
  return scan;
}

H1Parser::Result H1Parser::ParseBody(std::string_view input) {
  if (phase_ == Phase::kBroken) return {H1Step::kBroken, 0, {}};
  if (phase_ == Phase::kDone) return {H1Step::kEnd, 0, {}};
  SLUICE_DCHECK(phase_ == Phase::kBody);
  switch (framing_.kind) {
    case Kind::kNone:
      break;
    case Kind::kChunked:
      return ParseChunked(input);
    case Kind::kUntilClose:
    case Kind::kTunnel:
      if (input.empty()) return {H1Step::kNeedMore, 0, {}};
      return {H1Step::kBody, input.size(), input};
    case Kind::kLength: {
      if (remaining_ == 0) break;
      if (input.empty()) return {H1Step::kNeedMore, 0, {}};
      const std::size_t size = std::min<std::uint64_t>(remaining_, input.size());
      remaining_ -= size;
      return {H1Step::kBody, size, input.substr(0, size)};
    }
  }
  phase_ = Phase::kDone;
  return {H1Step::kEnd, 0, {}};
}

bool H1Parser::OnEof() {
  if (phase_ == Phase::kDone) return true;
  if (phase_ != Phase::kBody) return false;
  const bool ended = framing_.kind == Kind::kUntilClose || framing_.kind == Kind::kTunnel ||
                     framing_.kind == Kind::kNone ||
                     (framing_.kind == Kind::kLength && remaining_ == 0);
  if (ended) phase_ = Phase::kDone;
  return ended;
}

H1Parser::Result H1Parser::TakeLine(std::string_view input, std::size_t bytes_max, H1Rule too_long,
                                    std::string_view& line) {
  SLUICE_DCHECK(scanned_ <= input.size());
  const auto* lf = input.size() == scanned_
                       ? nullptr
                       : static_cast<const char*>(
                             std::memchr(input.data() + scanned_, '\n', input.size() - scanned_));
  const std::size_t end =
      lf == nullptr ? input.size() : static_cast<std::size_t>(lf - input.data()) + 1;
  if (end > bytes_max) return Broken(too_long);
  scanned_ = end;
  if (lf == nullptr) return {H1Step::kNeedMore, 0, {}};
  if (end < 2 || input[end - 2] != '\r') return Broken(H1Rule::kBareLf);
  line = input.substr(0, end - 2);
  scanned_ = 0;
  return {H1Step::kHead, end, {}};
}

H1Parser::Result H1Parser::ParseChunked(std::string_view input) {
  std::size_t at = 0;
  while (true) {
    const std::string_view rest = input.substr(at);
    switch (chunk_state_) {
      case ChunkState::kSize: {
        std::string_view line;
        const Result taken =
            TakeLine(rest, limits_.chunk_line_bytes_max, H1Rule::kChunkLineTooLong, line);
        if (taken.step == H1Step::kNeedMore) return {H1Step::kNeedMore, at, {}};
        if (taken.step == H1Step::kBroken) return taken;
        const H1Rule rule = ReadChunkLine(line);
        if (rule != H1Rule::kOk) return Broken(rule);
        at += taken.consumed;
        break;
      }
      case ChunkState::kData: {
        if (rest.empty()) return {H1Step::kNeedMore, at, {}};
        const std::size_t size = std::min<std::uint64_t>(remaining_, rest.size());
        remaining_ -= size;
        if (remaining_ == 0) chunk_state_ = ChunkState::kDataEnd;
        return {H1Step::kBody, at + size, rest.substr(0, size)};
      }
      case ChunkState::kDataEnd:
        if (!rest.empty() && rest[0] != '\r') return Broken(H1Rule::kChunkNoLineEnd);
        if (rest.size() < 2) return {H1Step::kNeedMore, at, {}};
        if (rest[1] != '\n') return Broken(H1Rule::kChunkNoLineEnd);
        at += 2;
        chunk_state_ = ChunkState::kSize;
        break;
      case ChunkState::kTrailers: {
        std::string_view line;
        const std::size_t used = std::min(trailer_bytes_, limits_.trailer_bytes_max);
        const Result taken =
            TakeLine(rest, limits_.trailer_bytes_max - used, H1Rule::kTrailersTooLarge, line);
        if (taken.step == H1Step::kNeedMore) return {H1Step::kNeedMore, at, {}};
        if (taken.step == H1Step::kBroken) return taken;
        at += taken.consumed;
        if (line.empty()) {
          phase_ = Phase::kDone;
          return {H1Step::kEnd, at, {}};
        }
        trailer_bytes_ += taken.consumed;
        const H1Rule rule = ReadTrailer(line);
        if (rule != H1Rule::kOk) return Broken(rule);
        break;
      }
    }
  }
}

H1Rule H1Parser::ReadChunkLine(std::string_view line) {
  std::size_t digits = 0;
  std::uint64_t size = 0;
  while (digits < line.size() && HexValue(line[digits]) >= 0) {
    if (digits == kChunkDigitsMax) return H1Rule::kChunkSizeMalformed;
    size = size << 4 | static_cast<std::uint64_t>(HexValue(line[digits]));
    ++digits;
  }
  if (digits == 0) return H1Rule::kChunkSizeMalformed;
  const std::string_view rest = line.substr(digits);
  if (!rest.empty() && rest.front() != ';') return H1Rule::kChunkSizeMalformed;
  if (!IsChunkExtensions(rest)) return H1Rule::kChunkExtensionMalformed;
  if (size > static_cast<std::uint64_t>(INT64_MAX)) return H1Rule::kChunkSizeTooLarge;
  const std::uint64_t paid = kChunkLineFree + size;
  overhead_ += line.size();
  overhead_ = overhead_ > paid ? overhead_ - paid : 0;
  if (overhead_ > kOverheadMax) return H1Rule::kChunkOverhead;
  remaining_ = size;
  chunk_state_ = size == 0 ? ChunkState::kTrailers : ChunkState::kData;
  return H1Rule::kOk;
}

H1Rule H1Parser::ReadTrailer(std::string_view line) {
  if (++lines_ > limits_.fields_max) return H1Rule::kTooManyTrailers;
  FieldLine field;
  const H1Rule rule = ReadFieldLine(line, field);
  if (rule != H1Rule::kOk) return rule;
  if (!AllowedInTrailers(field.name)) {
    // From an upstream it is only dropped: its head has been forwarded and cannot be taken back.
    return side_ == Side::kRequest ? H1Rule::kTrailerForbidden : H1Rule::kOk;
  }
  if (limits_.keep_trailers) trailers_.Add(field.id, field.name, field.value);
  return H1Rule::kOk;
}

}  // namespace sluice::http
