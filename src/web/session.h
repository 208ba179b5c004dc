#pragma once
// One connection of a WebServer. Only src/web/*.cc include this: it brings in Beast.
//
// Server's thread only.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <string>

#include "web/access_rules.h"
#include "web/server.h"

namespace sluice::web {

using WebStream = boost::beast::basic_stream<boost::asio::generic::stream_protocol,
                                             boost::asio::io_context::executor_type>;

// What all sessions of a server share; outlives them.
struct WebShared {
  WebServerOptions options;
  AccessRules rules;
  WebServer::Handler handler;
  bool stopping = false;
};

class Session {
 public:
  Session(WebShared& shared, WebStream stream);

  // Serves requests until the connection ends. The session must outlive it.
  boost::asio::awaitable<void> Serve();
  // One answer, whatever was asked, then the end.
  boost::asio::awaitable<void> TurnAway();
  // Ends it now unless it is answering, else after the answer.
  void Close();
  void Abort() { stream_.close(); }

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class Next { kGoOn, kEnd };

  boost::asio::awaitable<bool> ReadHead(Parser& parser);
  boost::asio::awaitable<Next> ServeOne();
  boost::asio::awaitable<bool> ReadBody(Parser& parser);
  boost::asio::awaitable<bool> Write(std::string_view bytes);
  boost::asio::awaitable<Next> Answer(WebResponse& response);
  boost::asio::awaitable<bool> SendChunks(WebResponse& response);
  boost::asio::awaitable<void> Refuse(unsigned status, std::string_view why);
  boost::asio::awaitable<void> Linger();
  bool TakeRequest(const Parser& parser);
  std::size_t BodyLimit() const;
  std::string HeadOf(const WebResponse& response, bool chunked) const;

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

}  // namespace sluice::web
