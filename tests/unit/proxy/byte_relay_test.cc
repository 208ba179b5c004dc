// The relay over real sockets: what is spliced and what is copied, back-pressure, ends, resets.

#include "proxy/byte_relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "net/socket.h"

namespace sluice::proxy {
namespace {

// Two connected, non-blocking TCP sockets.
std::pair<net::FileDescriptor, net::FileDescriptor> TcpPair() {
  const net::FileDescriptor listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listening.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listening.get(), 1), 0);
  EXPECT_EQ(getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  net::FileDescriptor a(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(a.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  net::FileDescriptor b(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  fcntl(a.get(), F_SETFL, O_NONBLOCK);
  return {std::move(a), std::move(b)};
}

class SocketRelay : public testing::Test {
 protected:
  SocketRelay() : loop_(base::SystemClock()), buffers_(1 << 20) {
    auto [client, near_client] = TcpPair();
    auto [upstream, near_upstream] = TcpPair();
    client_ = std::move(client);
    upstream_ = std::move(upstream);
    const base::Address nobody;
    down_ = net::NewSocketStream(loop_, std::move(near_client), nobody);
    up_ = net::NewSocketStream(loop_, std::move(near_upstream), nobody);
  }
  ~SocketRelay() override {
    down_->Close(true);
    up_->Close(true);
    EXPECT_TRUE(RunUntil([this] { return done_; }));
    relay_.reset();
    EXPECT_EQ(pipes_.in_use(), 0U);
    EXPECT_EQ(stats_.tunnel_pipes_in_use.Get(), 0);
    EXPECT_EQ(buffers_.bytes_in_use(), 0U);
  }
  void Start(std::string_view first = {}) {
    relay_.emplace(RelayParts{loop_, buffers_, pipes_, stats_},
                   RelayWay{.from = down_.get(), .to = up_.get(), .first = first},
                   RelayWay{.from = up_.get(), .to = down_.get()});
    done_ = false;
    net::Start(
        relay_->Run(), [](void* self) { static_cast<SocketRelay*>(self)->done_ = true; }, this);
  }
  bool RunUntil(const std::function<bool()>& done) {
    for (int turn = 0; turn < 20'000 && !done(); ++turn) loop_.RunOnce(1);
    return done();
  }
  // Writes all of `data` to `to` while reading `from`; what `from` got.
  std::string Transfer(int to, int from, std::string_view data, std::size_t reads_max = 1 << 16) {
    std::string got;
    std::string space(reads_max, '\0');
    std::size_t sent = 0;
    RunUntil([&] {
      while (sent < data.size()) {
        const ssize_t wrote = send(to, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
        if (wrote <= 0) break;
        sent += static_cast<std::size_t>(wrote);
      }
      const ssize_t read = recv(from, space.data(), space.size(), 0);
      if (read > 0) got.append(space.data(), static_cast<std::size_t>(read));
      return got.size() >= data.size();
    });
    return got;
  }
  static std::string Data(std::size_t bytes) {
    std::string data(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<char>(i * 31 + (i >> 8));
    return data;
  }
  // What a read of `fd` comes to: bytes, 0 for the end, -errno.
  ssize_t Read(int fd) {
    ssize_t result = -EAGAIN;
    RunUntil([&] {
      char byte;
      const ssize_t got = recv(fd, &byte, 1, 0);
      result = got < 0 ? -errno : got;
      return result != -EAGAIN;
    });
    return result;
  }

  net::Loop loop_;
  net::BufferPool buffers_;
  net::PipePool pipes_;
  observe::WorkerStats stats_;
  net::FileDescriptor client_;
  net::FileDescriptor upstream_;
  std::unique_ptr<net::Stream> down_;
  std::unique_ptr<net::Stream> up_;
  std::optional<ByteRelay> relay_;
  bool done_ = true;
};

TEST_F(SocketRelay, LargeTransfersAreSplicedAndArriveWhole) {
  Start();
  const std::string data = Data(8 << 20);
  EXPECT_TRUE(Transfer(client_.get(), upstream_.get(), data) == data);
  EXPECT_TRUE(Transfer(upstream_.get(), client_.get(), data) == data);
  const std::uint64_t spliced = stats_.tunnel_spliced_bytes.Get();
  const std::uint64_t copied = stats_.tunnel_copied_bytes.Get();
  EXPECT_EQ(spliced + copied, 2 * data.size());
  EXPECT_GT(spliced, data.size());
  EXPECT_EQ(relay_->up_bytes(), data.size());
  EXPECT_EQ(relay_->down_bytes(), data.size());
}

TEST_F(SocketRelay, PingPongIsCopiedAndHoldsNothing) {
  Start();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(Transfer(client_.get(), upstream_.get(), "ping"), "ping");
    EXPECT_EQ(Transfer(upstream_.get(), client_.get(), "pong"), "pong");
  }
  EXPECT_EQ(stats_.tunnel_spliced_bytes.Get(), 0U);
  EXPECT_EQ(stats_.tunnel_copied_bytes.Get(), 1600U);
  EXPECT_EQ(buffers_.bytes_in_use(), 0U);
  EXPECT_EQ(pipes_.in_use(), 0U);
}

TEST_F(SocketRelay, AfterALargeTransferSmallOnesAreCopiedAgain) {
  Start();
  const std::string data = Data(4 << 20);
  EXPECT_TRUE(Transfer(client_.get(), upstream_.get(), data) == data);
  EXPECT_TRUE(RunUntil([this] { return pipes_.in_use() == 0; }));
  for (int i = 0; i < 20; ++i) Transfer(client_.get(), upstream_.get(), "small");
  const std::uint64_t spliced = stats_.tunnel_spliced_bytes.Get();
  for (int i = 0; i < 20; ++i) Transfer(client_.get(), upstream_.get(), "small");
  EXPECT_EQ(stats_.tunnel_spliced_bytes.Get(), spliced);
}

TEST_F(SocketRelay, ASlowReaderHoldsTheWriterBackWithOnePipe) {
  Start();
  const std::string data = Data(16 << 20);
  std::size_t sent = 0;
  // Nobody reads: what goes out is what sockets and one pipe hold.
  for (int turn = 0; turn < 300; ++turn) {
    const ssize_t wrote = send(client_.get(), data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (wrote > 0) sent += static_cast<std::size_t>(wrote);
    loop_.RunOnce(1);
  }
  EXPECT_LT(sent, data.size());
  EXPECT_LE(pipes_.in_use(), 1U);
  const std::string_view rest = std::string_view(data).substr(sent);
  std::string got;
  std::string space(1 << 16, '\0');
  std::size_t more = 0;
  EXPECT_TRUE(RunUntil([&] {
    if (more < rest.size()) {
      const ssize_t wrote =
          send(client_.get(), rest.data() + more, rest.size() - more, MSG_NOSIGNAL);
      if (wrote > 0) more += static_cast<std::size_t>(wrote);
    }
    ssize_t read = 0;
    while ((read = recv(upstream_.get(), space.data(), space.size(), 0)) > 0) {
      got.append(space.data(), static_cast<std::size_t>(read));
    }
    return got.size() == data.size();
  }));
  EXPECT_TRUE(got == data);
}

TEST_F(SocketRelay, HalfCloseFollowsTheLastSplicedByte) {
  Start();
  const std::string data = Data(4 << 20);
  std::size_t sent = 0;
  bool shut = false;
  std::string got;
  std::string space(1 << 16, '\0');
  EXPECT_TRUE(RunUntil([&] {
    if (sent < data.size()) {
      const ssize_t wrote =
          send(client_.get(), data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
      if (wrote > 0) sent += static_cast<std::size_t>(wrote);
    } else if (!shut) {
      shut = shutdown(client_.get(), SHUT_WR) == 0;
    }
    const ssize_t read = recv(upstream_.get(), space.data(), space.size(), 0);
    if (read > 0) got.append(space.data(), static_cast<std::size_t>(read));
    return read == 0;
  }));
  EXPECT_TRUE(got == data);
  EXPECT_EQ(Transfer(upstream_.get(), client_.get(), "answer"), "answer");
  EXPECT_FALSE(done_);
  shutdown(upstream_.get(), SHUT_WR);
  EXPECT_EQ(Read(client_.get()), 0);
  EXPECT_TRUE(RunUntil([this] { return done_; }));
  EXPECT_EQ(relay_->broke(), ByteRelay::Broke::kNone);
}

TEST_F(SocketRelay, AResetInTheMiddleOfASpliceIsPassedOn) {
  Start();
  const std::string data = Data(4 << 20);
  EXPECT_TRUE(Transfer(upstream_.get(), client_.get(), data) == data);
  send(upstream_.get(), data.data(), data.size(), MSG_NOSIGNAL);
  const linger abort_it = {1, 0};
  setsockopt(upstream_.get(), SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
  upstream_ = net::FileDescriptor();
  std::string space(1 << 16, '\0');
  int error = 0;
  EXPECT_TRUE(RunUntil([&] {
    const ssize_t read = recv(client_.get(), space.data(), space.size(), 0);
    if (read < 0 && errno != EAGAIN) error = errno;
    return read == 0 || error != 0;
  }));
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_TRUE(RunUntil([this] { return done_; }));
  EXPECT_EQ(relay_->broke(), ByteRelay::Broke::kUpstream);
}

TEST_F(SocketRelay, BytesThatWereReadBeforeGoFirst) {
  const std::string first = Data(40'000);
  Start(first);
  EXPECT_TRUE(Transfer(client_.get(), upstream_.get(), first).substr(0, first.size()) == first);
}

TEST_F(SocketRelay, WithoutPipesItCopies) {
  ASSERT_GE(net::RaiseFileLimit(), 2 * net::PipePool::kInUseMax + 64);
  std::vector<net::Pipe> all(net::PipePool::kInUseMax);
  for (net::Pipe& pipe : all) ASSERT_TRUE(pipes_.Take(pipe));
  net::Pipe none;
  EXPECT_FALSE(pipes_.Take(none));
  Start();
  const std::string data = Data(4 << 20);
  EXPECT_TRUE(Transfer(client_.get(), upstream_.get(), data) == data);
  EXPECT_EQ(stats_.tunnel_spliced_bytes.Get(), 0U);
  for (net::Pipe& pipe : all) pipes_.Give(std::move(pipe), true);
}

}  // namespace
}  // namespace sluice::proxy
