#pragma once
// An HTTP/1 client that sends exactly the bytes a test wants: kept alive, pipelined, slow, broken.
//
// One thread. A failed wait shows as an incomplete response, never as a hang.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/socket.h"

namespace sluice::harness {

struct Response {
  int status = 0;    // 0: the connection ended, or patience, before a head.
  std::string head;  // Exact bytes, through the empty line.
  HeaderLines headers;
  std::string body;                  // Decoded.
  std::string trailers;              // Exact lines.
  bool complete = false;             // The framing says that all of it is here.
  std::vector<std::string> interim;  // Heads of the 1xx before it.

  // "" when absent.
  std::string Header(std::string_view name) const { return FindHeader(headers, name).value_or(""); }
  std::size_t Count(std::string_view name) const { return CountHeader(headers, name); }
};

class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0)
      : socket_(Socket::Connect(port, receive_buffer)) {}

  bool is_open() const { return socket_.is_open(); }
  // False when the peer no longer takes bytes.
  bool Send(std::string_view bytes) { return socket_.Write(bytes); }
  // One write per byte; stops early when an answer arrives or the peer closes.
  bool SendSlowly(std::string_view bytes);
  // The next final response. `method` of the request it answers: HEAD has no body. The head
  // alone leaves the body to ReadRaw().
  Response Read(std::string_view method = "GET", bool head_only = false);
  // "GET target HTTP/1.1", Host and `extra` lines ("a: b\r\n"), answered.
  Response Get(std::string_view target, std::string_view extra = "");
  Response Request(std::string_view method, std::string_view target, std::string_view extra = "",
                   std::string_view body = "");
  // `size` bytes that no parser saw; fewer at EOF or when patience is over.
  std::string ReadRaw(std::size_t size);
  // Everything up to EOF; nullopt after a reset or when patience is over.
  std::optional<std::string> ReadToEof();
  // The peer closed, in order or by reset; what still came is dropped.
  bool SeesClose(base::milliseconds patience = kPatience);
  // Nothing to read now.
  bool Quiet() const { return buffer_.empty() && !socket_.Readable(base::milliseconds(0)); }
  Socket& socket() { return socket_; }

 private:
  Socket socket_;
  std::string buffer_;
};

}  // namespace sluice::harness
