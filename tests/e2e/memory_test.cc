// Back-pressure: what a slow reader does not take is not read from the other side, so it costs no
// memory.
// ctest: serial
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

constexpr std::uint64_t kMegabyte = 1024 * 1024;
constexpr std::uint64_t kResponseBytes = (kSanitized ? 64 : 1024) * kMegabyte;
// Of each of many readers.
constexpr std::uint64_t kEach = 16 * kMegabyte;
// A sanitizer keeps what was freed.
constexpr std::uint64_t kRssAboveIdle = (kSanitized ? 64 : 32) * kMegabyte;

class Memory : public testing::Test {
 protected:
  // Reads some, waits for the proxy to fill what it will, and again; then all the rest. The highest
  // memory seen.
  std::uint64_t ReadSlowly(Client& client, const Proxy& proxy, std::uint64_t bytes) {
    std::uint64_t peak = 0;
    std::uint64_t read = 0;
    const auto take = [&](std::uint64_t wanted) {
      const std::string piece = client.ReadRaw(wanted);
      EXPECT_EQ(piece.size(), wanted);
      if (!piece.empty()) {
        EXPECT_EQ(piece.front(), static_cast<char>('a' + read % 26));
      }
      read += piece.size();
      peak = std::max(peak, proxy.RssBytes());
      return piece.size() == wanted;
    };
    for (int pause = 0; pause < 20 && take(kMegabyte / 2); ++pause) {
      // Nobody reads: memory settles when back-pressure has reached the origin.
      std::uint64_t last = 0;
      Eventually([&] {
        const std::uint64_t now = proxy.RssBytes();
        peak = std::max(peak, now);
        return std::exchange(last, now) == now;
      });
    }
    while (read < bytes && take(std::min(bytes - read, kMegabyte))) {
    }
    return peak;
  }

  FakeUpstream origin_;
};

TEST_F(Memory, ASlowReaderOfAHugeResponseCostsLittle) {
  origin_.Forget();
  origin_.On("/big", [](OriginConnection& connection, OriginRequest&) {
    connection.Write(base::Cat("HTTP/1.1 200 OK\r\ncontent-length: ", kResponseBytes, "\r\n\r\n"));
    connection.WriteGenerated(kResponseBytes);
  });
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin_.port()}))));
  Client client(proxy.Port(), 64 * 1024);
  EXPECT_EQ(client.Get("/").body, "ok");
  const std::uint64_t idle = proxy.RssBytes();
  client.Send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n");
  EXPECT_EQ(client.Read("GET", true).Header("content-length"), base::Cat(kResponseBytes));
  const std::uint64_t peak = ReadSlowly(client, proxy, kResponseBytes);
  std::printf("memory: %llu MB read, %lld kB above idle\n",
              static_cast<unsigned long long>(kResponseBytes / kMegabyte),
              (static_cast<long long>(peak) - static_cast<long long>(idle)) / 1024);
  EXPECT_LT(peak, idle + kRssAboveIdle);
  EXPECT_EQ(client.Get("/").body, "ok");
}

TEST_F(Memory, AnOriginThatDoesNotReadAHugeRequestCostsLittle) {
  Gate reads;
  origin_.Forget();
  origin_.OnHead("/big", [&](OriginConnection& connection, OriginRequest&) {
    reads.Wait();
    connection.Reply(200, "enough", "connection: close\r\n");
    connection.Close();
  });
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin_.port()}))));
  Client client(proxy.Port());
  EXPECT_EQ(client.Get("/").body, "ok");
  const std::uint64_t idle = proxy.RssBytes();
  client.Send("POST /big HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000000\r\n\r\n");
  const std::string block(kMegabyte, 'x');
  std::uint64_t sent = 0;
  while (sent < 900 && client.socket().Write(block, base::milliseconds(500))) ++sent;
  EXPECT_LT(sent, 64U) << "the client was never made to wait";
  EXPECT_LT(proxy.RssBytes(), idle + kRssAboveIdle);
  reads.Open();
}

TEST_F(Memory, ManySlowReadersShareTheBound) {
  origin_.Forget();
  origin_.On("/big", [](OriginConnection& connection, OriginRequest&) {
    connection.Write(base::Cat("HTTP/1.1 200 OK\r\ncontent-length: ", kEach, "\r\n\r\n"));
    connection.WriteGenerated(kEach);
  });
  Proxy proxy(StaticBootstrap(Listener("in").Route("/", Cluster("app", {origin_.port()}))));
  EXPECT_EQ(Client(proxy.Port()).Get("/").body, "ok");
  const std::uint64_t idle = proxy.RssBytes();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(proxy.Port(), 16 * 1024));
    clients.back()->Send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n");
    EXPECT_EQ(clients.back()->Read("GET", true).status, 200);
  }
  EXPECT_LT(proxy.RssBytes(), idle + kRssAboveIdle);
}

}  // namespace
}  // namespace sluice::harness
