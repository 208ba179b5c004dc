#include "net/socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/strings.h"
#include "stream_fixture.h"

namespace sluice::net {
namespace {

using ::testing::HasSubstr;

const base::Address kAny = *base::Address::ParseIp("127.0.0.1", 0);

ListenOptions Sockets(unsigned count) {
  ListenOptions options;
  options.sockets = count;
  return options;
}

FileDescriptor BlockingConnect(const base::Address& to) {
  sockaddr_storage storage = {};
  const socklen_t size = to.ToSockaddr(storage);
  FileDescriptor fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return FileDescriptor();
  return fd;
}

std::string TemporaryPath(const char* name) {
  return base::Cat(::testing::TempDir(), name, ".", getpid());
}

struct Accepted {
  static void Take(void* self, FileDescriptor fd, const base::Address& peer) {
    auto& accepted = *static_cast<Accepted*>(self);
    accepted.fds.push_back(std::move(fd));
    accepted.peers.push_back(peer);
  }
  std::vector<FileDescriptor> fds;
  std::vector<base::Address> peers;
};

TEST(Listen, PortZeroIsOnePortForAllSocketsAndClientsSpread) {
  auto listening = Listen(kAny, Sockets(3));
  ASSERT_TRUE(listening.ok()) << listening.status();
  ASSERT_EQ(listening->fds.size(), 3u);
  EXPECT_NE(listening->address.port(), 0);
  Loop loop(base::SystemClock());
  Accepted accepted[3];
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  for (std::size_t i = 0; i < 3; ++i) {
    acceptors.push_back(
        std::make_unique<Acceptor>(loop, listening->fds[i].get(), &Accepted::Take, &accepted[i]));
  }
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(BlockingConnect(listening->address));
  ASSERT_TRUE(RunUntil(loop, [&] {
    return accepted[0].fds.size() + accepted[1].fds.size() + accepted[2].fds.size() == 100;
  }));
  for (const Accepted& a : accepted) EXPECT_GT(a.fds.size(), 0u);  // 1e-17 by chance.
  EXPECT_TRUE(accepted[0].peers[0].IsLoopback());
  EXPECT_NE(accepted[0].peers[0].port(), 0);
}

TEST(Listen, AcceptedSocketsHaveNoDelay) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  Loop loop(base::SystemClock());
  Accepted accepted;
  Acceptor acceptor(loop, listening->fds[0].get(), &Accepted::Take, &accepted);
  const FileDescriptor client = BlockingConnect(listening->address);
  ASSERT_TRUE(RunUntil(loop, [&] { return accepted.fds.size() == 1; }));
  int value = 0;
  socklen_t size = sizeof(value);
  getsockopt(accepted.fds[0].get(), IPPROTO_TCP, TCP_NODELAY, &value, &size);
  EXPECT_EQ(value, 1);
  EXPECT_NE(fcntl(accepted.fds[0].get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(accepted.fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(Listen, TakenPortIsAnErrorThatNamesAddressAndHolder) {
  auto first = Listen(kAny, Sockets(2));
  ASSERT_TRUE(first.ok());
  const auto second = Listen(first->address, Sockets(2));
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().ToString(), HasSubstr(first->address.ToString()));
  EXPECT_THAT(second.status().ToString(), HasSubstr("Address already in use"));
  EXPECT_THAT(second.status().ToString(), HasSubstr(base::Cat("pid ", getpid(), ", unit_net")));
  first->fds.clear();
  EXPECT_TRUE(Listen(first->address, Sockets(2)).ok());
}

TEST(Listen, V6WildcardTakesV4WhenAskedTo) {
  const auto any = base::Address::ParseIp("::", 0);
  ListenOptions options = Sockets(2);
  options.ipv4_compat = true;
  auto both = Listen(*any, options);
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_TRUE(BlockingConnect(*base::Address::ParseIp("127.0.0.1", both->address.port())));
  EXPECT_TRUE(BlockingConnect(*base::Address::ParseIp("::1", both->address.port())));
  auto only = Listen(*any, Sockets(1));
  ASSERT_TRUE(only.ok());
  EXPECT_FALSE(BlockingConnect(*base::Address::ParseIp("127.0.0.1", only->address.port())));
  EXPECT_TRUE(BlockingConnect(*base::Address::ParseIp("::1", only->address.port())));
}

TEST(Listen, StaleUnixSocketIsReplacedALiveOneAndAFileAreNot) {
  const std::string path = TemporaryPath("socket");
  const auto address = base::Address::Unix(path);
  ASSERT_TRUE(address.has_value());
  auto first = Listen(*address, Sockets(2));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->fds.size(), 2u);
  EXPECT_TRUE(BlockingConnect(*address));
  const auto second = Listen(*address, Sockets(1));
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().ToString(), HasSubstr(base::Cat("pid ", getpid())));
  first->fds.clear();  // The file stays, as after a crash.
  struct stat about = {};
  ASSERT_EQ(lstat(path.c_str(), &about), 0);
  auto third = Listen(*address, Sockets(1));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_TRUE(BlockingConnect(*address));
  unlink(path.c_str());
  close(open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_FALSE(Listen(*address, Sockets(1)).ok());
  ASSERT_EQ(lstat(path.c_str(), &about), 0);
  EXPECT_TRUE(S_ISREG(about.st_mode));
  unlink(path.c_str());
}

TEST(Acceptor, TakesMoreThanABatch) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(BlockingConnect(listening->address));
  Loop loop(base::SystemClock());
  Accepted accepted;
  Acceptor acceptor(loop, listening->fds[0].get(), &Accepted::Take, &accepted);
  loop.RunOnce(0);
  EXPECT_TRUE(RunUntil(loop, [&] { return accepted.fds.size() == 200; }));
}

TEST(Acceptor, DrainQueueTakesWhatIsQueued) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  Loop loop(base::SystemClock());
  Accepted accepted;
  Acceptor acceptor(loop, listening->fds[0].get(), &Accepted::Take, &accepted);
  std::vector<FileDescriptor> clients;
  for (int i = 0; i < 150; ++i) clients.push_back(BlockingConnect(listening->address));
  acceptor.DrainQueue();
  EXPECT_EQ(accepted.fds.size(), 150u);
}

TEST(Acceptor, MayBeDestroyedByWhatItCalls) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  Loop loop(base::SystemClock());
  struct Owner {
    std::unique_ptr<Acceptor> acceptor;
    int accepted = 0;
  } owner;
  const FileDescriptor one = BlockingConnect(listening->address);
  const FileDescriptor two = BlockingConnect(listening->address);
  owner.acceptor = std::make_unique<Acceptor>(
      loop, listening->fds[0].get(),
      [](void* o, FileDescriptor, const base::Address&) {
        ++static_cast<Owner*>(o)->accepted;
        static_cast<Owner*>(o)->acceptor.reset();
      },
      &owner);
  Settle(loop);
  EXPECT_EQ(owner.accepted, 1);
}

TEST(Acceptor, OutOfDescriptorsRestsCountsAndGoesOn) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  FakeClock clock;
  Loop loop(clock);
  Accepted accepted;
  Acceptor acceptor(loop, listening->fds[0].get(), &Accepted::Take, &accepted);
  loop.RunOnce(0);
  const FileDescriptor client = BlockingConnect(listening->address);
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = 3;  // Fewer than are open: every new one fails.
  setrlimit(RLIMIT_NOFILE, &none);
  for (int turn = 0; turn < 10; ++turn) loop.RunOnce(0);
  EXPECT_EQ(acceptor.paused_count(), 1u);  // Does not spin.
  clock.Pass(base::milliseconds(120));
  loop.RunOnce(0);
  EXPECT_EQ(acceptor.paused_count(), 2u);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(accepted.fds.size(), 0u);
  clock.Pass(base::milliseconds(120));
  loop.RunOnce(0);
  EXPECT_EQ(accepted.fds.size(), 1u);
}

Task<void> ConnectTo(Stream& stream, int* outcome) {
  bool would_block = false;
  while (!FinishConnect(stream, would_block)) {
    if (!would_block) {
      *outcome = 0;
      co_return;
    }
    co_await stream.WaitWritable();
  }
  *outcome = 1;
}

TEST(StartConnect, ConnectsAndKnowsBothAddresses) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  Loop loop(base::SystemClock());
  ConnectOptions options;
  options.keepalive = true;
  options.keepalive_time_s = 10;
  auto stream = StartConnect(loop, listening->address, options);
  int outcome = -1;
  Start(ConnectTo(*stream, &outcome));
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome >= 0; }));
  EXPECT_EQ(outcome, 1);
  EXPECT_EQ(stream->failure(), "");
  EXPECT_EQ(stream->remote(), listening->address);
  EXPECT_TRUE(stream->local().IsLoopback());
  EXPECT_NE(stream->local().port(), 0);
}

TEST(StartConnect, RefusedSaysSoInEnvoysWords) {
  auto listening = Listen(kAny, Sockets(1));
  ASSERT_TRUE(listening.ok());
  listening->fds.clear();
  Loop loop(base::SystemClock());
  auto stream = StartConnect(loop, listening->address, {});
  int outcome = -1;
  Start(ConnectTo(*stream, &outcome));
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome >= 0; }));
  EXPECT_EQ(outcome, 0);
  EXPECT_EQ(stream->failure(), "delayed connect error: Connection refused");
  char space[8];
  EXPECT_EQ(stream->Read(space).status, IoStatus::kError);
}

TEST(StartConnect, MissingUnixSocketFailsWithItsReason) {
  Loop loop(base::SystemClock());
  auto stream = StartConnect(loop, *base::Address::Unix(TemporaryPath("nobody")), {});
  int outcome = -1;
  Start(ConnectTo(*stream, &outcome));
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome >= 0; }));
  EXPECT_EQ(outcome, 0);
  EXPECT_EQ(stream->failure(), "delayed connect error: No such file or directory");
}

TEST(StartConnect, ClosedWhileConnectingEnds) {
  // A full queue: the handshake never ends.
  const FileDescriptor full(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage = {};
  socklen_t size = kAny.ToSockaddr(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  ASSERT_EQ(bind(full.get(), address, size), 0);
  ASSERT_EQ(listen(full.get(), 0), 0);
  ASSERT_EQ(getsockname(full.get(), address, &size), 0);
  const base::Address to = base::Address::FromSockaddr(address, size);
  Loop loop(base::SystemClock());
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(StartConnect(loop, to, {}));
  Settle(loop);
  int outcome = -1;
  Start(ConnectTo(*streams.back(), &outcome));
  Settle(loop);
  ASSERT_EQ(outcome, -1);
  streams.back()->Close();
  ASSERT_TRUE(RunUntil(loop, [&] { return outcome >= 0; }));
  EXPECT_EQ(outcome, 0);
}

TEST(RaiseFileLimit, ReachesTheHardLimit) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(RaiseFileLimit(), limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace
}  // namespace sluice::net
