// Our tokenizer beside Boost.Beast's, on every message of the tables and on mutations of them.
// Where both accept, they must read the same; where only ours accepts, the reason must be one of
// those named here.

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <map>

#include "base/random.h"
#include "tests/unit/http/h1_cases.h"
#include "tests/unit/http/h1_drive.h"

namespace sluice::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;
using beast::http::error;

struct Message {
  bool accepted = false;  // Head and body complete.
  std::string method;
  std::string target;
  int status = 0;
  std::string fields;  // "name: value\n", names in lower case; framing and Host left out.
  std::string body;
  error_code why;
};

// Fields that our heads hold elsewhere or drop.
bool IsApart(std::string_view name, bool request) {
  const Name id = FindName(name);
  if (id == Name::kContentLength || id == Name::kTransferEncoding) return true;
  return request && (id == Name::kHost || id == Name::kHttp2Settings || id == Name::kUpgrade);
}

template <bool kRequest>
class BeastReader final : public beast::http::basic_parser<kRequest> {
 public:
  Message message;

 private:
  using View = beast::string_view;
  static std::string_view Of(View view) { return {view.data(), view.size()}; }

  void on_request_impl(beast::http::verb, View method, View target, int, error_code&) override {
    message.method = Of(method);
    message.target = Of(target);
  }
  void on_response_impl(int status, View, int, error_code&) override { message.status = status; }
  void on_field_impl(beast::http::field, View name, View value, error_code&) override {
    if (in_trailers_ || IsApart(Of(name), kRequest)) return;
    base::Append(message.fields, base::Lowercase(Of(name)), ": ", Of(value), "\n");
  }
  void on_header_impl(error_code&) override { in_trailers_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(View body, error_code&) override {
    message.body += Of(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View body, error_code&) override {
    message.body += Of(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  bool in_trailers_ = false;
};

template <bool kRequest>
Message ReadWithBeast(std::string_view input, Method method) {
  BeastReader<kRequest> reader;
  reader.eager(true);
  reader.header_limit(1U << 20);
  reader.body_limit(boost::none);
  if (method == Method::kHead) reader.skip(true);
  error_code error_seen;
  while (!reader.is_done() && !error_seen) {
    const std::size_t used =
        reader.put(boost::asio::buffer(input.data(), input.size()), error_seen);
    input.remove_prefix(used);
    if (used == 0 && !error_seen) break;
  }
  if (!error_seen || error_seen == error::need_more) {
    error_seen = {};
    if (!reader.is_done() && reader.got_some()) reader.put_eof(error_seen);
  }
  reader.message.accepted = !error_seen && reader.is_done();
  reader.message.why = error_seen;
  return std::move(reader.message);
}

template <typename Head>
void TakeFields(const Head& head, bool request, Message& message) {
  for (const Field field : head.fields) {
    if (IsApart(field.name, request)) continue;
    base::Append(message.fields, field.name, ": ", field.value, "\n");
  }
}

// The first message that is no interim response: Beast's parser reads one, too.
Message ReadWithOurs(std::string_view input, bool request, Method method) {
  Message message;
  H1Parser parser{H1Limits{}};
  RequestHead request_head;
  ResponseHead response_head;
  H1Parser::Result result = request ? parser.ParseRequestHead(input, request_head)
                                    : parser.ParseResponseHead(input, method, response_head);
  if (result.step != H1Step::kHead) return message;
  if (request) {
    message.method = request_head.method_text;
    message.target =
        request_head.method == Method::kConnect ? request_head.authority : request_head.path;
    TakeFields(request_head, request, message);
  } else {
    message.status = response_head.status;
    TakeFields(response_head, request, message);
    if (message.status < 200) {
      message.accepted = true;
      return message;
    }
  }
  input.remove_prefix(result.consumed);
  do {
    result = parser.ParseBody(input);
    message.body += result.body;
    input.remove_prefix(result.consumed);
  } while (result.step == H1Step::kBody);
  message.accepted =
      result.step == H1Step::kEnd || (result.step == H1Step::kNeedMore && parser.OnEof());
  return message;
}

bool SameTarget(const Message& ours, const Message& theirs) {
  if (ours.target == theirs.target) return true;
  // Absolute form: ours is split into authority and path.
  const std::size_t scheme = theirs.target.find("://");
  if (scheme == std::string::npos) return false;
  const std::size_t path = theirs.target.find_first_of("/?", scheme + 3);
  if (path == std::string::npos) return ours.target == "/" || ours.target == "*";
  const std::string_view rest = std::string_view(theirs.target).substr(path);
  return ours.target == rest || ours.target == base::Cat("/", rest);
}

// Fields whose values Beast parses as lists of tokens, in its "bad value" sense.
bool HasListField(std::string_view input) {
  const std::string lower = base::Lowercase(input);
  return lower.find("\nconnection:") != std::string::npos ||
         lower.find("\nproxy-connection:") != std::string::npos ||
         lower.find("\nupgrade:") != std::string::npos;
}

// Why ours may accept what Beast refuses; "" when there is no such reason.
std::string_view NamedReason(std::string_view input, bool request, const Message& theirs) {
  if (request && input.starts_with("\r\n")) return "a CRLF ahead of a request is skipped";
  const std::string_view line = input.substr(0, input.find("\r\n"));
  if (!request && line.size() == 12) return "a status line may end behind the code";
  if (theirs.why == error::bad_value && HasListField(input)) {
    return "Connection and Upgrade may hold more than tokens";
  }
  if (theirs.why == error::bad_content_length || theirs.why == error::bad_transfer_encoding) {
    return "framing fields among trailers are dropped";
  }
  return "";
}

struct Tally {
  int both = 0;
  int only_ours = 0;
  int only_theirs = 0;
  std::map<std::string_view, int> reasons;
};

void Compare(std::string_view input, bool request, Method method, Tally& tally) {
  const Message ours = ReadWithOurs(input, request, method);
  if (!request && ours.status / 100 == 1) return;  // Beast reads an interim head as the response.
  if (method == Method::kConnect && !request) return;  // Beast knows no tunnel.
  const Message theirs =
      request ? ReadWithBeast<true>(input, method) : ReadWithBeast<false>(input, method);
  const auto context = [&] { return base::Printable(input, 2000); };
  if (ours.accepted && theirs.accepted) {
    ++tally.both;
    EXPECT_EQ(ours.method, theirs.method) << context();
    if (request) {
      EXPECT_TRUE(SameTarget(ours, theirs)) << ours.target << " " << context();
    }
    EXPECT_EQ(ours.status, theirs.status) << context();
    EXPECT_EQ(ours.fields, theirs.fields) << context();
    EXPECT_EQ(ours.body, theirs.body) << context();
  } else if (ours.accepted) {
    ++tally.only_ours;
    const std::string_view reason = NamedReason(input, request, theirs);
    ++tally.reasons[reason];
    EXPECT_NE(reason, "") << context() << "\nBeast: " << theirs.why.message();
  } else if (theirs.accepted) {
    ++tally.only_theirs;
  }
}

TEST(BeastDifferential, TablesAreReadAlike) {
  Tally tally;
  for (const H1Good& good : GoodRequests()) Compare(good.input, true, good.method, tally);
  for (const H1Good& good : GoodResponses()) Compare(good.input, false, good.method, tally);
  const int good_both = tally.both;
  EXPECT_GE(good_both, 60);
  for (const H1Attack& attack : RequestAttacks()) Compare(attack.input, true, attack.method, tally);
  for (const H1Attack& attack : ResponseAttacks()) {
    Compare(attack.input, false, attack.method, tally);
  }
  // The attacks Beast lets through are why the policy is ours.
  EXPECT_GE(tally.only_theirs, 20);
}

// One to three small changes of the kind that parsers disagree about.
std::string Mutate(std::string_view input, base::Random& random) {
  static constexpr std::string_view kPieces[] = {
      "\r\n",
      "\n",
      "\r",
      " ",
      "\t",
      ":",
      ";",
      ",",
      "0",
      "5",
      "a",
      "%",
      "#",
      "\"",
      "\\",
      "\x7f",
      "\x80",
      "Content-Length: 5\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Connection: close\r\n",
      "chunked",
      "HTTP/1.1",
      "0\r\n\r\n",
      "X: y\r\n",
      "keep-alive",
  };
  std::string out(input);
  for (std::uint64_t changes = 1 + random.Next() % 3; changes > 0 && !out.empty(); --changes) {
    const std::size_t at = random.Next() % out.size();
    switch (random.Next() % 5) {
      case 0:
        out[at] = static_cast<char>(random.Next());
        break;
      case 1:
        out.erase(at, 1 + random.Next() % 4);
        break;
      case 2:
        out.insert(at, kPieces[random.Next() % std::size(kPieces)]);
        break;
      case 3:
        out[at] = static_cast<char>(out[at] ^ 0x20);
        break;
      default:
        out.insert(at, out.substr(at, 1 + random.Next() % 16));
        break;
    }
  }
  return out;
}

TEST(BeastDifferential, MutationsAreReadAlike) {
  const std::uint64_t seed = base::RandomSeed();
  SCOPED_TRACE(base::Cat("seed ", seed));
  base::FastRandom random(seed);
  Tally tally;
  for (int i = 0; i < 10000; ++i) {
    const H1Good& request = GoodRequests()[random.Next() % GoodRequests().size()];
    Compare(Mutate(request.input, random), true, request.method, tally);
    const H1Good& response = GoodResponses()[random.Next() % GoodResponses().size()];
    Compare(Mutate(response.input, random), false, response.method, tally);
    if (HasFailure()) break;
  }
  EXPECT_GE(tally.both, 2000);
  std::printf("seed %llu: both %d, only ours %d, only Beast %d\n",
              static_cast<unsigned long long>(seed), tally.both, tally.only_ours,
              tally.only_theirs);
  for (const auto& [reason, count] : tally.reasons) {
    std::printf("  %6d %.*s\n", count, static_cast<int>(reason.size()), reason.data());
  }
}

}  // namespace
}  // namespace sluice::http
