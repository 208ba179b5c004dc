#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/status.h"
#include "base/strings.h"
#include "net/port_holder.h"
#include "net/socket.h"
#include "net/socket_stream.h"

namespace sluice::net {
namespace {

int Set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value));
}

absl::Status Failed(const base::Address& address, std::string_view what, int error) {
  std::string text = base::Cat("cannot listen on ", address.ToString(), ": ", what,
                               what.empty() ? "" : ": ", ErrnoText(error));
  if (error == EADDRINUSE) {
    const std::string holder = PortHolder(address);
    if (!holder.empty()) base::Append(text, " (held by ", holder, ")");
  }
  return base::Unavailable(text);
}

struct Sockaddr {
  explicit Sockaddr(const base::Address& address) : size(address.ToSockaddr(storage)) {}
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  sockaddr_storage storage = {};
  socklen_t size;
};

FileDescriptor NewSocket(const Sockaddr& address) {
  return FileDescriptor(
      socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// A socket with our options, bound; an invalid one with errno set when that failed.
FileDescriptor BindTcp(const base::Address& address, bool ipv4_compat, bool reuse_port) {
  const Sockaddr to(address);
  FileDescriptor fd = NewSocket(to);
  if (!fd) return fd;
  Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  Set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // Accepted sockets inherit it.
  if (reuse_port) Set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.family() == base::Address::Family::kIpv6) {
    Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, ipv4_compat ? 0 : 1);
  }
  if (bind(fd.get(), to.get(), to.size) != 0) return FileDescriptor();
  return fd;
}

absl::StatusOr<ListenSockets> ListenTcp(const base::Address& wanted, const ListenOptions& options) {
  ListenSockets result;
  result.address = wanted;
  // Without SO_REUSEPORT, or a second instance would take half of the first one's clients.
  FileDescriptor first = BindTcp(wanted, options.ipv4_compat, false);
  if (!first) return Failed(wanted, "", errno);
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  if (getsockname(first.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return Failed(wanted, "getsockname", errno);
  }
  result.address.set_port(
      base::Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), size).port());
  // It holds the port while the others join, so nobody can slip in between.
  Set(first.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  result.fds.push_back(std::move(first));
  while (result.fds.size() < options.sockets) {
    FileDescriptor fd = BindTcp(result.address, options.ipv4_compat, true);
    if (!fd) return Failed(result.address, "SO_REUSEPORT", errno);
    result.fds.push_back(std::move(fd));
  }
  for (const FileDescriptor& fd : result.fds) {
    if (listen(fd.get(), options.backlog) != 0) return Failed(result.address, "", errno);
  }
  return result;
}

// True when `address` is a socket file that nobody listens on any more.
bool IsStale(const base::Address& address, const Sockaddr& to) {
  struct stat about = {};
  const std::string path = address.IpText();
  if (path.starts_with('@') || lstat(path.c_str(), &about) != 0 || !S_ISSOCK(about.st_mode)) {
    return false;
  }
  const FileDescriptor probe = NewSocket(to);
  return probe && connect(probe.get(), to.get(), to.size) != 0 && errno == ECONNREFUSED;
}

absl::StatusOr<ListenSockets> ListenUnix(const base::Address& address,
                                         const ListenOptions& options) {
  const Sockaddr to(address);
  FileDescriptor first = NewSocket(to);
  if (!first) return Failed(address, "", errno);
  if (bind(first.get(), to.get(), to.size) != 0) {
    if (errno != EADDRINUSE) return Failed(address, "", errno);
    if (!IsStale(address, to)) return Failed(address, "", EADDRINUSE);
    unlink(address.IpText().c_str());
    if (bind(first.get(), to.get(), to.size) != 0) return Failed(address, "", errno);
  }
  if (listen(first.get(), options.backlog) != 0) return Failed(address, "", errno);
  ListenSockets result;
  result.address = address;
  result.fds.push_back(std::move(first));
  while (result.fds.size() < options.sockets) {
    FileDescriptor copy(fcntl(result.fds.front().get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return Failed(address, "dup", errno);
    result.fds.push_back(std::move(copy));
  }
  return result;
}

}  // namespace

absl::StatusOr<ListenSockets> Listen(const base::Address& address, const ListenOptions& options) {
  if (address.family() == base::Address::Family::kNone) {
    return base::InvalidArgument("cannot listen without an address");
  }
  return address.is_ip() ? ListenTcp(address, options) : ListenUnix(address, options);
}

}  // namespace sluice::net
