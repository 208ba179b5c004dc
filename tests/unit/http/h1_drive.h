#pragma once
// Feeds bytes to an H1Parser in given pieces and writes down what came out, as one line of text:
// the same line whatever the pieces is the property every test of the codec rests on.

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "http/h1_codec.h"
#include "http/h1_framing.h"
#include "http/head.h"

namespace sluice::http {

inline void DescribeFields(const Fields& fields, std::string& out) {
  for (const Field field : fields) base::Append(out, " [", field.name, ": ", field.value, "]");
}

inline void DescribeBodyKind(const BodyFraming& body, std::string& out) {
  switch (body.kind) {
    case BodyFraming::Kind::kNone:
      break;
    case BodyFraming::Kind::kLength:
      base::Append(out, " len=", body.length);
      break;
    case BodyFraming::Kind::kChunked:
      out += " chunked";
      break;
    case BodyFraming::Kind::kUntilClose:
      out += " until-close";
      break;
    case BodyFraming::Kind::kTunnel:
      out += " tunnel";
      break;
  }
}

// "POST /x HTTP/1.1 host=a.ex len=5 close [name: value]"
inline std::string Describe(const RequestHead& head) {
  std::string out = base::Cat(head.method_text, " ", head.path, " ", VersionText(head.version),
                              " host=", head.authority);
  DescribeBodyKind(head.body, out);
  if (head.has_content_length && head.body.kind == BodyFraming::Kind::kNone) out += " cl0";
  if (!head.keep_alive) out += " close";
  if (head.expect_continue) out += " expect";
  if (head.upgrade) out += " upgrade";
  DescribeFields(head.fields, out);
  return out;
}

// "HTTP/1.1 200 len=5 close [name: value]"
inline std::string Describe(const ResponseHead& head) {
  std::string out = base::Cat(VersionText(head.version), " ", head.status);
  DescribeBodyKind(head.body, out);
  if (head.has_content_length && head.body.kind == BodyFraming::Kind::kNone) {
    base::Append(out, " cl=", head.content_length);
  }
  if (!head.keep_alive) out += " close";
  DescribeFields(head.fields, out);
  return out;
}

// A connection as its owner sees it: a buffer that grows by what arrives.
class H1Drive {
 public:
  H1Drive(const H1Limits& limits, bool request, Method method = Method::kGet)
      : parser_(limits), request_(request), method_(method) {}

  void Feed(std::string_view piece) {
    if (broken_) return;
    buffer_.append(piece);
    while (Step()) {
    }
  }

  // The peer closed: adds how that leaves the message that is under way.
  void FeedEof() {
    if (broken_ || (!in_body_ && parser_.idle())) return;
    if (in_body_ && parser_.OnEof()) {
      FinishMessage();
    } else {
      out_ += in_body_ ? base::Cat(" body=", body_, " CUT") : std::string("CUT");
    }
  }

  const std::string& text() const { return out_; }
  bool broken() const { return broken_; }
  const H1Error& error() const { return parser_.error(); }
  std::size_t messages() const { return messages_; }

 private:
  bool Step() {
    if (in_body_) return BodyStep();
    const H1Parser::Result result =
        request_ ? parser_.ParseRequestHead(buffer_, request_head_)
                 : parser_.ParseResponseHead(buffer_, method_, response_head_);
    if (result.step == H1Step::kNeedMore) return Consume(result, false);
    if (result.step == H1Step::kBroken) return Break();
    out_ += request_ ? Describe(request_head_) : Describe(response_head_);
    const bool interim = !request_ && response_head_.status < 200 && response_head_.status != 101;
    if (interim) {
      out_ += " ;; ";
    } else {
      in_body_ = true;
    }
    return Consume(result, true);
  }

  bool BodyStep() {
    const H1Parser::Result result = parser_.ParseBody(buffer_);
    if (result.step == H1Step::kBroken) return Break();
    body_.append(result.body);
    if (result.step == H1Step::kEnd) FinishMessage();
    return Consume(result, result.step != H1Step::kNeedMore);
  }

  bool Consume(const H1Parser::Result& result, bool go_on) {
    buffer_.erase(0, result.consumed);
    return go_on;
  }

  bool Break() {
    broken_ = true;
    if (in_body_) base::Append(out_, " body=", body_);
    base::Append(out_, " BROKEN: ", parser_.error().text);
    return false;
  }

  void FinishMessage() {
    ++messages_;
    in_body_ = false;
    if (!body_.empty()) base::Append(out_, " body=", body_);
    if (!parser_.trailers().empty()) {
      out_ += " trailers:";
      DescribeFields(parser_.trailers(), out_);
    }
    out_ += " ;; ";
    body_.clear();
  }

  H1Parser parser_;
  bool request_;
  Method method_;
  bool in_body_ = false;
  bool broken_ = false;
  std::size_t messages_ = 0;
  std::string buffer_;
  std::string body_;
  std::string out_;
  RequestHead request_head_;
  ResponseHead response_head_;
};

struct H1Outcome {
  std::string text;
  bool broken = false;
  H1Error error;
  std::size_t messages = 0;
};

// `sizes` of the pieces; what is left comes as the last piece.
inline H1Outcome DriveInPieces(H1Drive drive, std::string_view input,
                               const std::vector<std::size_t>& sizes, bool eof) {
  for (const std::size_t size : sizes) {
    drive.Feed(input.substr(0, size));
    input.remove_prefix(std::min(size, input.size()));
  }
  if (!input.empty()) drive.Feed(input);
  if (eof) drive.FeedEof();
  return {drive.text(), drive.broken(), drive.error(), drive.messages()};
}

}  // namespace sluice::http
