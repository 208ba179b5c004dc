#pragma once
// Blocking loopback sockets with deadlines, and the little HTTP/1 reading that both ends share.
//
// One thread per socket, except Interrupt(). Deliberately not Sluice's own parser: what tests
// believe about the wire must not come from the code under test.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/eventually.h"

namespace sluice::harness {

class Socket {
 public:
  enum class Read : std::uint8_t { kBytes, kEof, kReset, kTimeout };

  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { Close(); }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;

  // To 127.0.0.1; not open when refused. `receive_buffer` of 0: the system's choice.
  static Socket Connect(std::uint16_t port, int receive_buffer = 0);
  // On 127.0.0.1; port 0 takes a free one. Not open when the port is taken.
  static Socket Listen(std::uint16_t port = 0);

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  std::uint16_t local_port() const;
  // False when the peer closed or patience is over.
  bool Write(std::string_view bytes, base::milliseconds patience = kPatience);
  // Appends what is there to `out`.
  Read ReadSome(std::string& out, base::milliseconds patience = kPatience);
  bool Readable(base::milliseconds patience) const;
  void ShutdownWrite();
  void Close();
  // The peer sees a RST.
  void Reset();
  // From another thread: blocked calls return.
  void Interrupt();

 private:
  int fd_ = -1;
};

// Name and value of each field line of a head.
using HeaderLines = std::vector<std::pair<std::string, std::string>>;
HeaderLines ParseHeaderLines(std::string_view head);
// The first value of a name in any case; nullopt when absent.
std::optional<std::string> FindHeader(const HeaderLines& lines, std::string_view name);
std::size_t CountHeader(const HeaderLines& lines, std::string_view name);

// A message's body from `buffer` and then `socket`. False when cut short or nonsense.
struct BodyParts {
  std::string data;      // Decoded.
  std::string trailers;  // Lines with their CRLF, without the empty one.
};
bool ReadLengthBody(Socket& socket, std::string& buffer, std::uint64_t length, BodyParts& body);
bool ReadChunkedBody(Socket& socket, std::string& buffer, BodyParts& body);
bool ReadUntilEof(Socket& socket, std::string& buffer, BodyParts& body);

// Moves a head, through its empty line, from buffer and socket to `head`. False at EOF.
bool ReadHead(Socket& socket, std::string& buffer, std::string& head,
              base::milliseconds patience = kPatience);

}  // namespace sluice::harness
