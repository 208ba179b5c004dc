#include "web/session.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>

#include "base/strings.h"

namespace sluice::web {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

using boost::system::error_code;

// Errors as values.
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

constexpr std::size_t kLingerBytesMax = 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kHeadersMax = 100;

base::Address AddressOf(const asio::generic::stream_protocol::endpoint& endpoint) {
  return base::Address::FromSockaddr(endpoint.data(), static_cast<unsigned>(endpoint.size()));
}

std::string_view ViewOf(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool ParseTarget(std::string_view target, WebRequest& request) {
  if (!target.starts_with('/')) return false;
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request.raw_path = target.substr(0, question);
  auto path = PercentDecode(request.raw_path, false);
  if (!path) return false;
  request.path = std::move(*path);
  if (question == target.npos) return true;
  for (const std::string_view pair : base::Split(target.substr(question + 1), '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto key = PercentDecode(pair.substr(0, equals), true);
    auto value = PercentDecode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!key || !value) return false;
    request.query.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

// No text of ours, however it came about, splits a response.
std::string OneLine(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return out;
}

}  // namespace

Session::Session(WebShared& shared, WebStream stream)
    : shared_(shared), stream_(std::move(stream)), buffer_(shared.options.head_bytes_max) {
  error_code ignored;
  local_ = AddressOf(stream_.socket().local_endpoint(ignored));
  remote_ = AddressOf(stream_.socket().remote_endpoint(ignored));
}

void Session::Close() {
  if (!answering_) stream_.close();
}

asio::awaitable<void> Session::Serve() {
  while (co_await ServeOne() == Next::kGoOn && !shared_.stopping) answering_ = false;
  stream_.close();
}

asio::awaitable<void> Session::TurnAway() {
  answering_ = true;
  co_await Refuse(503, "too many connections");
  stream_.close();
}

// The whole head first, in one buffer of bounded size: Beast's own limit counts per call.
asio::awaitable<bool> Session::ReadHead(Parser& parser) {
  if (buffer_.size() == 0) {
    stream_.expires_after(shared_.options.idle_timeout);
    const auto [error, bytes] =
        co_await stream_.async_read_some(buffer_.prepare(std::size_t{1024}), kTuple);
    if (error) co_return false;
    buffer_.commit(bytes);
  }
  stream_.expires_after(shared_.options.io_timeout);
  const auto [error, head_bytes] =
      co_await asio::async_read_until(stream_, buffer_, "\r\n\r\n", kTuple);
  answering_ = true;
  if (error == asio::error::not_found) {
    co_await Refuse(431, "the request's head is too large");
    co_return false;
  }
  if (error == boost::beast::error::timeout) co_await Refuse(408, "the request took too long");
  if (error) co_return false;
  error_code parse_error;
  const std::size_t parsed = parser.put(
      asio::buffer(static_cast<const char*>(buffer_.data().data()), head_bytes), parse_error);
  buffer_.consume(parsed);
  if (parse_error == http::error::need_more) parse_error = {};
  if (parse_error || !parser.is_header_done()) {
    co_await Refuse(400, "not a valid HTTP/1 request");
    co_return false;
  }
  co_return true;
}

bool Session::TakeRequest(const Parser& parser) {
  const auto& message = parser.get();
  request_ = WebRequest();
  request_.method = ViewOf(message.method_string());
  request_.is_head = request_.method == "HEAD";
  if (request_.is_head) request_.method = "GET";
  request_.remote = remote_;
  std::size_t hosts = 0;
  for (const auto& field : message) {
    if (request_.headers.size() == kHeadersMax) return false;
    if (field.name() == http::field::host) ++hosts;
    request_.headers.push_back({std::string(ViewOf(field.name_string())),
                                std::string(ViewOf(field.value()))});
  }
  http_1_0_ = message.version() < 11;
  keep_alive_ = message.keep_alive() && !http_1_0_;
  if (hosts > 1 || (hosts == 0 && !http_1_0_)) return false;
  return ParseTarget(ViewOf(message.target()), request_);
}

std::size_t Session::BodyLimit() const {
  for (const WebBodyLimit& limit : shared_.options.body_limits) {
    if (limit.method == request_.method && request_.path.starts_with(limit.path_prefix)) {
      return limit.bytes_max;
    }
  }
  return shared_.options.body_bytes_max;
}

asio::awaitable<bool> Session::ReadBody(Parser& parser) {
  const std::size_t limit = BodyLimit();
  parser.body_limit(limit);
  if (parser.content_length().value_or(0) > limit) {
    co_await Refuse(413, base::Cat("the body may have ", limit, " bytes"));
    co_return false;
  }
  if (base::EqualsIgnoreCase(request_.Header("expect").value_or(""), "100-continue")) {
    if (!co_await Write("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  stream_.expires_after(shared_.options.io_timeout);
  const auto [error, bytes] = co_await http::async_read(stream_, buffer_, parser, kTuple);
  if (!error) {
    request_.body = std::move(parser.get().body());
    co_return true;
  }
  if (error == http::error::body_limit) {
    co_await Refuse(413, base::Cat("the body may have ", limit, " bytes"));
  } else if (error == boost::beast::error::timeout) {
    co_await Refuse(408, "the request took too long");
  } else if (error != http::error::partial_message && error != http::error::end_of_stream) {
    co_await Refuse(400, "not a valid body");
  }
  co_return false;
}

asio::awaitable<Session::Next> Session::ServeOne() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(shared_.options.head_bytes_max));
  parser.body_limit(boost::none);
  if (!co_await ReadHead(parser)) co_return Next::kEnd;
  if (!TakeRequest(parser)) {
    co_await Refuse(400, "not a request this server takes");
    co_return Next::kEnd;
  }
  const bool has_body = parser.chunked() || parser.content_length().value_or(0) > 0;
  if (const Denial denial = Judge(shared_.rules, request_, local_, has_body)) {
    co_await Refuse(denial.status, denial.why);
    co_return Next::kEnd;
  }
  // Also without a body: it tells the parser so.
  if (!parser.is_done() && !co_await ReadBody(parser)) co_return Next::kEnd;
  WebResponse response = shared_.handler(request_);
  co_return co_await Answer(response);
}

std::string Session::HeadOf(const WebResponse& response, bool chunked) const {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string head = base::Cat("HTTP/1.1 ", response.status, " ", ViewOf(reason), "\r\n");
  const auto add = [&head](std::string_view name, std::string_view value) {
    base::Append(head, OneLine(name), ": ", OneLine(value), "\r\n");
  };
  if (!response.content_type.empty()) add("content-type", response.content_type);
  for (const WebHeader& header : response.headers) add(header.name, header.value);
  if (!FindHeader(response.headers, "cache-control")) {
    add("cache-control", "no-cache, max-age=0");
  }
  add("x-content-type-options", "nosniff");
  if (chunked) {
    if (!http_1_0_) add("transfer-encoding", "chunked");
  } else if (response.status >= 200 && response.status != 204 && response.status != 304) {
    base::Append(head, "content-length: ", response.body.size(), "\r\n");
  }
  if (!keep_alive_) add("connection", "close");
  return head + "\r\n";
}

asio::awaitable<bool> Session::Write(std::string_view bytes) {
  stream_.expires_after(shared_.options.io_timeout);
  const auto [error, written] =
      co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), kTuple);
  co_return !error;
}

asio::awaitable<Session::Next> Session::Answer(WebResponse& response) {
  const bool chunked = static_cast<bool>(response.chunks);
  if (shared_.stopping || (chunked && http_1_0_)) keep_alive_ = false;
  std::string bytes = HeadOf(response, chunked);
  if (!chunked && !request_.is_head) bytes += response.body;
  bool good = co_await Write(bytes);
  if (good && chunked && !request_.is_head) good = co_await SendChunks(response);
  if (good && !keep_alive_) co_await Linger();
  co_return good && keep_alive_ ? Next::kGoOn : Next::kEnd;
}

asio::awaitable<bool> Session::SendChunks(WebResponse& response) {
  std::string chunk;
  std::string framed;
  for (bool more = true; more;) {
    chunk.clear();
    more = response.chunks(chunk);
    if (chunk.empty()) {
      if (more) co_await asio::post(stream_.get_executor(), asio::use_awaitable);
      if (more && !stream_.socket().is_open()) co_return false;  // The server stops.
      continue;
    }
    if (http_1_0_) {
      if (!co_await Write(chunk)) co_return false;
      continue;
    }
    char size[16];
    const auto digits = std::to_chars(size, size + sizeof(size), chunk.size(), 16);
    framed.assign(size, digits.ptr);
    base::Append(framed, "\r\n", chunk, "\r\n");
    if (!co_await Write(framed)) co_return false;
  }
  co_return http_1_0_ || co_await Write("0\r\n\r\n");
}

asio::awaitable<void> Session::Refuse(unsigned status, std::string_view why) {
  WebResponse response;
  response.status = status;
  response.body = base::Cat(why, "\n");
  if (status == 401) response.headers.push_back({"www-authenticate", "Bearer"});
  keep_alive_ = false;
  co_await Answer(response);
}

// A close on bytes that were not read resets, and the reset may overtake the answer.
asio::awaitable<void> Session::Linger() {
  error_code ignored;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream_.expires_after(kLingerTime);
  buffer_.clear();
  for (std::size_t total = 0; total < kLingerBytesMax;) {
    const auto [error, bytes] =
        co_await stream_.async_read_some(buffer_.prepare(std::size_t{4096}), kTuple);
    if (error) co_return;
    total += bytes;
  }
}

}  // namespace sluice::web
