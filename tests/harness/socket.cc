#include "harness/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/strings.h"

namespace sluice::harness {
namespace {

int PatienceLeft(base::Monotonic deadline) {
  const auto left =
      std::chrono::duration_cast<base::milliseconds>(deadline - base::SystemClock().Now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// Waits for `events`; false when patience is over.
bool WaitFor(int fd, short events, base::Monotonic deadline) {
  while (true) {
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, PatienceLeft(deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// `buffer` gets at least `size` bytes.
bool Fill(Socket& socket, std::string& buffer, std::size_t size) {
  while (buffer.size() < size) {
    if (socket.ReadSome(buffer) != Socket::Read::kBytes) return false;
  }
  return true;
}

// Moves a line without its CRLF.
bool TakeLine(Socket& socket, std::string& buffer, std::string& line) {
  std::size_t end = buffer.find("\r\n");
  while (end == std::string::npos) {
    if (socket.ReadSome(buffer) != Socket::Read::kBytes) return false;
    end = buffer.find("\r\n");
  }
  line.assign(buffer, 0, end);
  buffer.erase(0, end + 2);
  return true;
}

}  // namespace

bool Eventually(const std::function<bool()>& condition, base::milliseconds patience) {
  const base::Monotonic deadline = base::SystemClock().Now() + patience;
  while (true) {
    if (condition()) return true;
    if (base::SystemClock().Now() >= deadline) return false;
    ::poll(nullptr, 0, 5);
  }
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Socket Socket::Connect(std::uint16_t port, int receive_buffer) {
  Socket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer > 0) {
    ::setsockopt(made.fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  const int one = 1;
  ::setsockopt(made.fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  const sockaddr_in address = Loopback(port);
  if (::connect(made.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    made.Close();
    return made;
  }
  ::fcntl(made.fd_, F_SETFL, ::fcntl(made.fd_, F_GETFL) | O_NONBLOCK);
  return made;
}

Socket Socket::Listen(std::uint16_t port) {
  Socket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  ::setsockopt(made.fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  const sockaddr_in address = Loopback(port);
  if (::bind(made.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(made.fd_, 1024) != 0) {
    made.Close();
  }
  return made;
}

std::uint16_t Socket::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin_port);
}

bool Socket::Write(std::string_view bytes, base::milliseconds patience) {
  const base::Monotonic deadline = base::SystemClock().Now() + patience;
  while (!bytes.empty()) {
    const ssize_t wrote = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (wrote > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (wrote < 0 && errno == EAGAIN) {
      if (!WaitFor(fd_, POLLOUT, deadline)) return false;
    } else if (wrote < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

Socket::Read Socket::ReadSome(std::string& out, base::milliseconds patience) {
  const base::Monotonic deadline = base::SystemClock().Now() + patience;
  char bytes[16 * 1024];
  while (true) {
    const ssize_t got = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (got > 0) {
      out.append(bytes, static_cast<std::size_t>(got));
      return Read::kBytes;
    }
    if (got == 0) return Read::kEof;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Read::kReset;
    if (!WaitFor(fd_, POLLIN, deadline)) return Read::kTimeout;
  }
}

bool Socket::Readable(base::milliseconds patience) const {
  return WaitFor(fd_, POLLIN, base::SystemClock().Now() + patience);
}

void Socket::ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }

void Socket::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Socket::Reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  Close();
}

void Socket::Interrupt() { ::shutdown(fd_, SHUT_RDWR); }

HeaderLines ParseHeaderLines(std::string_view head) {
  HeaderLines lines;
  std::size_t at = head.find("\r\n");
  while (at != std::string_view::npos) {
    head.remove_prefix(at + 2);
    at = head.find("\r\n");
    const std::string_view line = head.substr(0, at);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) break;
    lines.emplace_back(line.substr(0, colon), base::TrimOws(line.substr(colon + 1)));
  }
  return lines;
}

std::optional<std::string> FindHeader(const HeaderLines& lines, std::string_view name) {
  for (const auto& [each, value] : lines) {
    if (base::EqualsIgnoreCase(each, name)) return value;
  }
  return std::nullopt;
}

std::size_t CountHeader(const HeaderLines& lines, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
    return base::EqualsIgnoreCase(line.first, name);
  }));
}

bool ReadLengthBody(Socket& socket, std::string& buffer, std::uint64_t length, BodyParts& body) {
  const bool whole = Fill(socket, buffer, length);
  body.data.assign(buffer, 0, length);
  buffer.erase(0, length);
  return whole;
}

bool ReadChunkedBody(Socket& socket, std::string& buffer, BodyParts& body) {
  std::string line;
  while (true) {
    if (!TakeLine(socket, buffer, line)) return false;
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    if (error != std::errc() || end != line.data() + line.size()) return false;
    if (size == 0) break;
    if (!Fill(socket, buffer, size + 2)) return false;
    body.data.append(buffer, 0, size);
    if (buffer.compare(size, 2, "\r\n") != 0) return false;
    buffer.erase(0, size + 2);
  }
  while (true) {
    if (!TakeLine(socket, buffer, line)) return false;
    if (line.empty()) return true;
    body.trailers += line + "\r\n";
  }
}

bool ReadUntilEof(Socket& socket, std::string& buffer, BodyParts& body) {
  Socket::Read read = Socket::Read::kBytes;
  while (read == Socket::Read::kBytes) read = socket.ReadSome(buffer);
  body.data = std::exchange(buffer, {});
  return read == Socket::Read::kEof;
}

bool ReadHead(Socket& socket, std::string& buffer, std::string& head, base::milliseconds patience) {
  std::size_t end = buffer.find("\r\n\r\n");
  while (end == std::string::npos) {
    const std::size_t before = buffer.size();
    if (socket.ReadSome(buffer, patience) != Socket::Read::kBytes) return false;
    end = buffer.find("\r\n\r\n", before < 3 ? 0 : before - 3);
  }
  head.assign(buffer, 0, end + 4);
  buffer.erase(0, end + 4);
  return true;
}

}  // namespace sluice::harness
