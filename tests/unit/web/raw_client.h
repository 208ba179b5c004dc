#pragma once
// Says exactly these bytes to a port and hears everything until the end. Blocking.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/address.h"
#include "net/socket.h"

namespace sluice::web {

class RawClient {
 public:
  explicit RawClient(const base::Address& address) {
    sockaddr_storage storage = {};
    const socklen_t size = address.ToSockaddr(storage);
    fd_ = net::FileDescriptor(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit = {20, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&storage), size), 0);
  }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // The server may have had enough.
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // What comes until `text` was seen, or until the end.
  std::string Until(std::string_view text) {
    std::string got;
    char space[4096];
    while (text.empty() || got.find(text) == got.npos) {
      const ssize_t bytes = recv(fd_.get(), space, sizeof(space), 0);
      if (bytes <= 0) break;
      got.append(space, static_cast<std::size_t>(bytes));
    }
    return got;
  }
  std::string UntilEnd() { return Until(""); }

 private:
  net::FileDescriptor fd_;
};

}  // namespace sluice::web
