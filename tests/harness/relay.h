#pragma once
// Between a proxy and its control plane: passes bytes on, until what is open is frozen, as by a
// machine that lost its power. What connects later passes again.
//
// A thread of its own; Freeze() from any.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <thread>
#include <vector>

namespace sluice::harness {

class Relay {
 public:
  explicit Relay(std::uint16_t to) : to_(to), listening_(Listen()) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Relay() {
    stop_ = true;
    thread_.join();
    for (const Pair& each : pairs_) {
      ::close(each.a);
      ::close(each.b);
    }
    ::close(listening_);
  }
  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  void Freeze() { frozen_ = accepted_.load(); }

 private:
  struct Pair {
    int a, b;
    int number;
  };
  static sockaddr_in Loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static int Listen() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(0);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd, 16), 0);
    return fd;
  }
  // False when the connection is over.
  static bool Pass(int from, int to) {
    char bytes[16384];
    const ssize_t got = ::recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN;
    return got > 0 && ::send(to, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
  }
  void Run() {
    while (!stop_) {
      std::vector<pollfd> fds = {{listening_, POLLIN, 0}};
      for (const Pair& each : pairs_) {
        if (each.number <= frozen_) continue;
        fds.push_back({each.a, POLLIN, 0});
        fds.push_back({each.b, POLLIN, 0});
      }
      ::poll(fds.data(), fds.size(), 20);
      if ((fds[0].revents & POLLIN) != 0) Accept();
      std::erase_if(pairs_, [&](const Pair& each) {
        if (each.number <= frozen_ || (Pass(each.a, each.b) && Pass(each.b, each.a))) return false;
        ::close(each.a);
        ::close(each.b);
        return true;
      });
    }
  }
  void Accept() {
    const int a = ::accept(listening_, nullptr, nullptr);
    const int b = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = Loopback(to_);
    if (::connect(b, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(a);
      ::close(b);
      return;
    }
    pairs_.push_back({a, b, ++accepted_});
  }

  const std::uint16_t to_;
  const int listening_;
  std::vector<Pair> pairs_;  // The thread's, until it is joined.
  std::atomic<int> accepted_{0};
  std::atomic<int> frozen_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace sluice::harness
