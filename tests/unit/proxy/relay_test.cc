// Bodies of any size: back-pressure, bounded memory, many small chunks.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

using Relay = Serve;

TEST_F(Relay, ASlowClientHoldsTheUpstreamBack) {
  fixture_.Publish();
  fixture_.client_bytes_per_turn = 0;
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  constexpr std::size_t kBytes = 4 * 1024 * 1024;
  upstream().Send(base::Cat("HTTP/1.1 200 OK\r\nContent-Length: ", kBytes, "\r\n\r\n"));
  upstream().Send(std::string(kBytes, 'x'));
  std::size_t in_use = 0;
  for (int i = 0; i < 20; ++i) {
    fixture_.Settle();
    in_use = std::max(in_use, fixture_.buffers().bytes_in_use());
  }
  EXPECT_TRUE(upstream().unsent());
  EXPECT_LE(in_use, 2 * net::BufferPool::kBlockBytes);
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_paused_reading_total.Get(), 1U);
  fixture_.client_bytes_per_turn = ~std::size_t{0};
  for (int i = 0; i < 100 && fixture_.logged().empty(); ++i) fixture_.Settle();
  ASSERT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.logged()[0].sent, kBytes);
  EXPECT_GE(client->received().size(), kBytes);
  EXPECT_GE(fixture_.cluster_stats().upstream_flow_control_resumed_reading_total.Get(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Relay, ALargeUploadArrivesWhole) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  constexpr std::size_t kBytes = 1024 * 1024;
  client->Send(
      base::Cat("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ", kBytes, "\r\n\r\n"));
  std::string body(kBytes, 'x');
  for (std::size_t i = 0; i < kBytes; ++i) body[i] = static_cast<char>('a' + i % 23);
  client->Send(body);
  for (int i = 0; i < 100; ++i) {
    fixture_.Settle();
    if (upstream().received().size() > kBytes) break;
  }
  EXPECT_TRUE(upstream().received().ends_with(body));
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("ok"));
  EXPECT_EQ(fixture_.logged().at(0).received, kBytes);
  EXPECT_LE(fixture_.buffers().bytes_in_use(), 2 * net::BufferPool::kBlockBytes);
  fixture_.ExpectAllGone();
}

TEST_F(Relay, ManyOneByteChunksPass) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  client->Send(kGet);
  fixture_.Settle();
  upstream().Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string all;
  for (int i = 0; i < 5000; ++i) all += "1\r\nx\r\n";
  upstream().Send(all);
  upstream().Send("0\r\n\r\n");
  for (int i = 0; i < 20; ++i) fixture_.Settle();
  EXPECT_TRUE(client->received().ends_with("1\r\nx\r\n0\r\n\r\n"));
  EXPECT_EQ(fixture_.logged().at(0).sent, 5000U);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
