#include "web/server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <exception>
#include <list>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "net/socket.h"
#include "web/access_rules.h"
#include "web/wire.h"

namespace sluice::web {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

using boost::system::error_code;

// Errors as values.
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

constexpr std::chrono::milliseconds kAcceptRest{100};
// Answers under way at Stop() get this long; the client may be on the same machine and dead.
constexpr std::chrono::seconds kStopPatience{1};
constexpr std::size_t kLingerBytesMax = 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kHeadersMax = 100;

base::Address AddressOf(const asio::generic::stream_protocol::endpoint& endpoint) {
  return base::Address::FromSockaddr(endpoint.data(), static_cast<unsigned>(endpoint.size()));
}

std::string_view ViewOf(boost::beast::string_view text) { return {text.data(), text.size()}; }

using WebStream =
    boost::beast::basic_stream<asio::generic::stream_protocol, asio::io_context::executor_type>;

// What all sessions of a server share; outlives them.
struct WebShared {
  WebServerOptions options;
  AccessRules rules;
  WebServer::Handler handler;
  bool stopping = false;
};

// One connection.
class Session {
 public:
  Session(WebShared& shared, WebStream stream);

  // Serves requests until the connection ends. The session must outlive it.
  asio::awaitable<void> Serve();
  // One answer, whatever was asked, then the end.
  asio::awaitable<void> TurnAway();
  // Ends it now unless it is answering, else after the answer.
  void Close();
  void Abort() { stream_.close(); }

 private:
  using Parser = http::request_parser<http::string_body>;
  enum class Next { kGoOn, kEnd };

  asio::awaitable<bool> ReadHead(Parser& parser);
  asio::awaitable<Next> ServeOne();
  asio::awaitable<bool> ReadBody(Parser& parser);
  asio::awaitable<bool> Write(std::string_view bytes);
  asio::awaitable<Next> Answer(WebResponse& response);
  asio::awaitable<bool> SendChunks(WebResponse& response);
  asio::awaitable<void> Refuse(unsigned status, std::string_view why);
  asio::awaitable<void> Linger();
  bool TakeRequest(const Parser& parser);
  std::size_t BodyLimit() const;

  WebShared& shared_;
  WebStream stream_;
  boost::beast::flat_buffer buffer_;
  base::Address local_;
  base::Address remote_;
  WebRequest request_;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
  bool answering_ = false;
};

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
  if (error) co_return false;  // Beast has closed the socket of one that took too long.
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
    request_.headers.push_back(
        {std::string(ViewOf(field.name_string())), std::string(ViewOf(field.value()))});
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
  } else if (error.category() == http::make_error_code(http::error::bad_value).category() &&
             error != http::error::partial_message && error != http::error::end_of_stream) {
    co_await Refuse(400, "not a valid body");
  }
  co_return false;
}

asio::awaitable<Session::Next> Session::ServeOne() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(shared_.options.head_bytes_max));
  parser.body_limit(boost::none);
  request_ = WebRequest();  // A refusal must not look like an answer to the one before.
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

asio::awaitable<bool> Session::Write(std::string_view bytes) {
  stream_.expires_after(shared_.options.io_timeout);
  const auto [error, written] =
      co_await asio::async_write(stream_, asio::buffer(bytes.data(), bytes.size()), kTuple);
  co_return !error;
}

asio::awaitable<Session::Next> Session::Answer(WebResponse& response) {
  const bool chunked = static_cast<bool>(response.chunks);
  if (shared_.stopping || (chunked && http_1_0_)) keep_alive_ = false;
  std::string bytes = ResponseHead(response, {keep_alive_, http_1_0_});
  if (!chunked && !request_.is_head) bytes += response.body;
  bool good = co_await Write(bytes);
  if (good && chunked && !request_.is_head) good = co_await SendChunks(response);
  if (good && !keep_alive_) co_await Linger();
  co_return good&& keep_alive_ ? Next::kGoOn : Next::kEnd;
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
    FrameChunk(chunk, framed);
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

}  // namespace

// ---- the server ------------------------------------------------------------------------------

class WebServer::Service {
 public:
  using Acceptor =
      asio::basic_socket_acceptor<asio::generic::stream_protocol, asio::io_context::executor_type>;
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                           asio::wait_traits<std::chrono::steady_clock>,
                                           asio::io_context::executor_type>;

  Service(WebServerOptions options, Handler handler) {
    shared_.rules = {options.host_names, options.token, options.open_paths};
    shared_.options = std::move(options);
    shared_.handler = std::move(handler);
  }
  ~Service() { Stop(); }

  absl::StatusOr<base::Address> Start();
  void Stop();

 private:
  void Run();
  asio::awaitable<void> Accept();
  void Admit(WebStream::socket_type socket);
  void BeginStop();
  void EndIfDone();

  WebShared shared_;
  asio::io_context io_{1};
  std::optional<Acceptor> acceptor_;
  std::optional<Timer> patience_;
  std::list<Session> sessions_;
  std::size_t turned_away_ = 0;
  std::thread thread_;
};

absl::StatusOr<base::Address> WebServer::Service::Start() {
  const WebServerOptions& options = shared_.options;
  if (!options.address.IsLoopback() && options.token.empty() && !options.insecure) {
    return base::FailedPrecondition(
        base::Cat("listening on ", options.address.ToString(),
                  ", which others can reach, needs a token (or insecure listening, said so)"));
  }
  net::ListenOptions listen;
  listen.backlog = 128;
  auto sockets = net::Listen(options.address, listen);
  if (!sockets.ok()) return sockets.status();
  const int family = options.address.family() == base::Address::Family::kUnix   ? AF_UNIX
                     : options.address.family() == base::Address::Family::kIpv4 ? AF_INET
                                                                                : AF_INET6;
  error_code error;
  acceptor_.emplace(io_);
  acceptor_->assign({family, 0}, sockets->fds.front().get(), error);
  if (error) return base::Internal(base::Cat("cannot listen: ", error.message()));
  sockets->fds.front().release();
  asio::co_spawn(io_, Accept(), [](std::exception_ptr) {});
  thread_ = std::thread([this] { Run(); });
  return sockets->address;
}

void WebServer::Service::Stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { BeginStop(); });
  thread_.join();
  acceptor_.reset();
}

void WebServer::Service::Run() {
  sigset_t all;  // Signals are for whoever waits for them.
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    try {
      io_.run();
      return;
    } catch (const std::exception& error) {  // Asio's own, such as no memory for an operation.
      SLUICE_LOG(kError, kAdmin, "web server: ", error.what());
    }
  }
}

asio::awaitable<void> WebServer::Service::Accept() {
  Timer rest(io_);
  while (!shared_.stopping) {
    auto [error, socket] = co_await acceptor_->async_accept(kTuple);
    if (!error) {
      Admit(std::move(socket));
    } else if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      co_return;
    } else if (error != asio::error::connection_aborted) {
      rest.expires_after(kAcceptRest);  // Out of descriptors: trying again at once would spin.
      co_await rest.async_wait(kTuple);
    }
  }
}

void WebServer::Service::Admit(WebStream::socket_type socket) {
  // Those turned away cost a connection too, for as long as they take to go.
  const bool full = sessions_.size() - turned_away_ >= shared_.options.connections_max;
  if (full && turned_away_ >= shared_.options.connections_max) return;  // Closes it.
  sessions_.emplace_front(shared_, WebStream(std::move(socket)));
  const auto self = sessions_.begin();
  if (full) ++turned_away_;
  asio::co_spawn(io_, full ? self->TurnAway() : self->Serve(),
                 [this, self, full](std::exception_ptr) {
                   if (full) --turned_away_;
                   sessions_.erase(self);
                   EndIfDone();
                 });
}

void WebServer::Service::BeginStop() {
  shared_.stopping = true;
  acceptor_->close();
  for (Session& session : sessions_) session.Close();
  patience_.emplace(io_, kStopPatience);
  patience_->async_wait([this](error_code error) {
    if (error) return;
    for (Session& session : sessions_) session.Abort();
  });
  EndIfDone();
}

// The thread ends when nothing is left to wait for, so every coroutine reaches its own end.
void WebServer::Service::EndIfDone() {
  if (shared_.stopping && patience_ && sessions_.empty()) patience_->cancel();
}

WebServer::WebServer(WebServerOptions options, Handler handler)
    : service_(std::make_unique<Service>(std::move(options), std::move(handler))) {}
WebServer::~WebServer() = default;
absl::StatusOr<base::Address> WebServer::Start() { return service_->Start(); }
void WebServer::Stop() { service_->Stop(); }

}  // namespace sluice::web
