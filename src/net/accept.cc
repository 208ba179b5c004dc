#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "net/socket.h"

namespace sluice::net {
namespace {

constexpr int kBatch = 64;
constexpr std::uint64_t kRestMs = 100;

}  // namespace

Acceptor::Acceptor(Loop& loop, int listen_fd, Accepted accepted, void* owner)
    : loop_(loop),
      listen_fd_(listen_fd),
      accepted_(accepted),
      owner_(owner),
      rest_(&OnRested, this),
      more_(loop, &OnRested, this) {
  if (!loop_.Add(listen_fd_, *this)) {
    SLUICE_LOG(kError, kConnection, "cannot watch a listening socket: errno ", errno);
  }
}

Acceptor::~Acceptor() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  loop_.Remove(listen_fd_, *this);
}

void Acceptor::OnEvents(std::uint32_t) { AcceptSome(kBatch); }

void Acceptor::DrainQueue() {
  // Bounded all the same: whoever floods us must not keep us from stopping.
  AcceptSome(1 << 16);
  rest_.Cancel();
  more_.Cancel();
}

void Acceptor::AcceptSome(int batch) {
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  for (; batch > 0; --batch) {
    sockaddr_storage storage = {};
    socklen_t size = sizeof(storage);
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    FileDescriptor fd(accept4(listen_fd_, address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      accepted_(owner_, std::move(fd), base::Address::FromSockaddr(address, size));
      if (destroyed) {
        if (outer != nullptr) *outer = true;
        return;
      }
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The queue stays full, so trying again at once would spin.
      ++paused_;
      rest_.Arm(loop_.timers(), kRestMs);
      break;
    }
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) break;
    // Else the client's own failure (ECONNABORTED, EPROTO, ...): the next one may be fine.
  }
  destroyed_ = outer;
  if (batch == 0) more_.Schedule();  // No edge comes for what is queued already.
}

void Acceptor::OnRested(void* self) { static_cast<Acceptor*>(self)->AcceptSome(kBatch); }

}  // namespace sluice::net
