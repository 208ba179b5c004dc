#include "net/socket_stream.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"

namespace sluice::net {
namespace {

constexpr std::size_t kPiecesMax = 64;

void SetOption(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

SocketStream::SocketStream(Loop& loop, FileDescriptor fd, const base::Address& peer, State state)
    : loop_(loop),
      fd_(std::move(fd)),
      state_(state),
      writable_(state == State::kOpen),
      read_waiter_(loop),
      write_waiter_(loop),
      hangup_(loop, &OnHangup, this),
      remote_(peer) {
  if (fd_ && !loop_.Add(fd_.get(), *this)) {
    failure_ = base::Cat("cannot watch the socket: ", ErrnoText(errno));
    Fail();
  }
}

SocketStream::~SocketStream() {
  if (fd_) loop_.Remove(fd_.get(), *this);
}

IoResult SocketStream::Read(std::span<char> space) {
  if (!fd_ || state_ == State::kFailed) return {IoStatus::kError, 0};
  if (!readable_ || space.empty()) return {IoStatus::kWouldBlock, 0};
  ssize_t got;
  do {
    got = recv(fd_.get(), space.data(), space.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    // After a hangup no edge comes any more, so only the kernel knows what is left.
    if (bytes < space.size() && !peer_gone_) readable_ = false;
    if (peer_gone_ && gone_ != nullptr && !hangup_told_) hangup_.Schedule();
    return {IoStatus::kOk, bytes};
  }
  if (got == 0) {
    hangup_told_ = true;  // Whoever reads knows now.
    return {IoStatus::kEof, 0};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    readable_ = false;
    return {IoStatus::kWouldBlock, 0};
  }
  Fail();
  return {IoStatus::kError, 0};
}

IoResult SocketStream::Peek(std::span<char> space) {
  if (!fd_ || state_ == State::kFailed) return {IoStatus::kError, 0};
  if (!readable_) return {IoStatus::kWouldBlock, 0};
  ssize_t got;
  do {
    got = recv(fd_.get(), space.data(), space.size(), MSG_PEEK);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    // Whatever arrives after this call is an edge of its own; after a hangup nothing arrives.
    if (!peer_gone_) readable_ = false;
    if (peer_gone_ && bytes == peeked_) return {IoStatus::kEof, 0};
    peeked_ = static_cast<std::uint32_t>(bytes);
    return {IoStatus::kOk, bytes};
  }
  if (got == 0) return {IoStatus::kEof, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    readable_ = false;
    return {IoStatus::kWouldBlock, 0};
  }
  Fail();
  return {IoStatus::kError, 0};
}

IoResult SocketStream::Write(std::span<const std::string_view> pieces) {
  if (!fd_ || state_ == State::kFailed || write_ended_) return {IoStatus::kError, 0};
  if (!writable_) return {IoStatus::kWouldBlock, 0};
  iovec vectors[kPiecesMax];
  std::size_t count = 0;
  std::size_t total = 0;
  for (const std::string_view piece : pieces) {
    if (piece.empty()) continue;
    if (count == kPiecesMax) break;
    vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
    total += piece.size();
  }
  if (total == 0) return {IoStatus::kOk, 0};
  msghdr message = {};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  ssize_t sent;
  do {
    // One piece, the common case, needs no message header copied into the kernel.
    sent = count == 1 ? send(fd_.get(), vectors[0].iov_base, total, MSG_NOSIGNAL)
                      : sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) {
    const auto bytes = static_cast<std::size_t>(sent);
    // A short write asked the kernel for an edge. After a hangup there are none.
    if (bytes < total && !peer_gone_) writable_ = false;
    return bytes > 0 ? IoResult{IoStatus::kOk, bytes} : IoResult{IoStatus::kWouldBlock, 0};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    writable_ = false;
    return {IoStatus::kWouldBlock, 0};
  }
  // A server that answered early and closed: its answer can still be read.
  write_ended_ = true;
  readable_ = true;
  return {IoStatus::kError, 0};
}

IoResult SocketStream::SpliceInto(int pipe, std::size_t bytes_max) {
  if (!fd_ || state_ == State::kFailed) return {IoStatus::kError, 0};
  if (!readable_) return {IoStatus::kWouldBlock, 0};
  ssize_t moved;
  do {
    moved = splice(fd_.get(), nullptr, pipe, nullptr, bytes_max, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  // How much is left is not known: the pipe may have been the limit.
  if (moved > 0) return {IoStatus::kOk, static_cast<std::size_t>(moved)};
  if (moved == 0) {
    hangup_told_ = true;
    return {IoStatus::kEof, 0};
  }
  if (errno == EAGAIN) {  // The pipe was empty, so it is the socket.
    readable_ = false;
    return {IoStatus::kWouldBlock, 0};
  }
  Fail();
  return {IoStatus::kError, 0};
}

IoResult SocketStream::SpliceFrom(int pipe, std::size_t bytes) {
  if (!fd_ || state_ == State::kFailed || write_ended_) return {IoStatus::kError, 0};
  if (!writable_) return {IoStatus::kWouldBlock, 0};
  ssize_t moved;
  do {
    moved = splice(pipe, nullptr, fd_.get(), nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  if (moved > 0) return {IoStatus::kOk, static_cast<std::size_t>(moved)};
  if (moved < 0 && errno == EAGAIN) {
    writable_ = false;
    return {IoStatus::kWouldBlock, 0};
  }
  write_ended_ = true;
  readable_ = true;
  return {IoStatus::kError, 0};
}

void SocketStream::ShutdownWrite() {
  if (!fd_ || write_ended_) return;
  write_ended_ = true;
  shutdown(fd_.get(), SHUT_WR);
  write_waiter_.Wake();
}

void SocketStream::Close(bool reset) {
  if (!fd_) return;
  loop_.Remove(fd_.get(), *this);
  if (reset) {
    const linger abort_it = {1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
  }
  fd_ = FileDescriptor();
  hangup_.Cancel();
  gone_ = nullptr;
  read_waiter_.Wake();
  write_waiter_.Wake();
}

Waiter::Awaiter SocketStream::WaitReadable() {
  read_waiter_.Clear();
  if (ReadyToRead()) read_waiter_.Wake();
  return read_waiter_.Wait();
}

Waiter::Awaiter SocketStream::WaitWritable() {
  write_waiter_.Clear();
  if (ReadyToWrite() || write_ended_) write_waiter_.Wake();
  return write_waiter_.Wait();
}

void SocketStream::WatchHangup(void (*gone)(void*), void* owner) {
  gone_ = gone;
  gone_owner_ = owner;
  hangup_told_ = false;
  if (gone == nullptr) {
    hangup_.Cancel();
  } else if (peer_gone_ || state_ == State::kFailed) {
    hangup_.Schedule();
  }
}

void SocketStream::OnHangup(void* self) {
  auto& stream = *static_cast<SocketStream*>(self);
  if (stream.gone_ == nullptr || stream.hangup_told_ || stream.read_waiter_.waiting()) return;
  stream.hangup_told_ = true;
  stream.gone_(stream.gone_owner_);
}

const base::Address& SocketStream::local() const {
  if (local_ == nullptr) {
    sockaddr_storage storage = {};
    socklen_t size = sizeof(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    local_ = std::make_unique<base::Address>();
    if (fd_ && getsockname(fd_.get(), address, &size) == 0) {
      *local_ = base::Address::FromSockaddr(address, size);
    }
  }
  return *local_;
}

void SocketStream::OnEvents(std::uint32_t events) {
  constexpr std::uint32_t kGone = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | kGone)) != 0) {
    readable_ = true;
    // A sticky wake would only be cleared again by the next wait.
    if (read_waiter_.waiting()) read_waiter_.Wake();
  }
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    writable_ = true;
    if (write_waiter_.waiting()) write_waiter_.Wake();
  }
  if ((events & kGone) != 0) {
    peer_gone_ = true;
    if (gone_ != nullptr && !hangup_told_) hangup_.Schedule();
  }
  if (listener_ != nullptr) listener_->OnEvents(events);
}

bool SocketStream::FinishConnect(bool& would_block) {
  would_block = false;
  if (!fd_ || state_ == State::kFailed) return false;
  if (state_ == State::kOpen) return true;
  if (!writable_) {
    would_block = true;
    return false;
  }
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    FailConnect(error);
    return false;
  }
  state_ = State::kOpen;
  return true;
}

void SocketStream::FailConnect(int error) {
  failure_ = base::Cat("delayed connect error: ", ErrnoText(error));
  Fail();
}

std::unique_ptr<Stream> NewSocketStream(Loop& loop, FileDescriptor fd, const base::Address& peer) {
  return std::make_unique<SocketStream>(loop, std::move(fd), peer, SocketStream::State::kOpen);
}

std::unique_ptr<Stream> StartConnect(Loop& loop, const base::Address& to,
                                     const ConnectOptions& options) {
  sockaddr_storage storage = {};
  const socklen_t size = to.ToSockaddr(storage);
  FileDescriptor fd(socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int error = fd ? 0 : errno;
  if (error == 0) {
    if (to.is_ip()) {
      SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      if (options.keepalive) {
        SetOption(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
        const auto set = [&fd](int name, std::uint32_t value) {
          if (value != 0) {
            SetOption(fd.get(), IPPROTO_TCP, name, static_cast<int>(std::min(value, 32767u)));
          }
        };
        set(TCP_KEEPCNT, options.keepalive_probes);
        set(TCP_KEEPIDLE, options.keepalive_time_s);
        set(TCP_KEEPINTVL, options.keepalive_interval_s);
      }
    }
    const auto* address = reinterpret_cast<const sockaddr*>(&storage);
    if (connect(fd.get(), address, size) != 0) error = errno;
  }
  using State = SocketStream::State;
  const State state = error == 0             ? State::kOpen
                      : error == EINPROGRESS ? State::kConnecting
                                             : State::kFailed;
  // A stream that failed at once keeps its descriptor out of the loop.
  if (state == State::kFailed) fd = FileDescriptor();
  auto stream = std::make_unique<SocketStream>(loop, std::move(fd), to, state);
  if (state == State::kFailed) stream->FailConnect(error);
  return stream;
}

bool FinishConnect(Stream& stream, bool& would_block) {
  auto* socket = dynamic_cast<SocketStream*>(&stream);
  if (socket != nullptr) return socket->FinishConnect(would_block);
  would_block = false;
  return !stream.closed();
}

std::string ErrnoText(int error) {
  char text[128];
  return strerror_r(error, text, sizeof(text));
}

}  // namespace sluice::net
