// Draining and closing all connections.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

using Draining = Serve;

TEST_F(Draining, DrainingClosesIdleConnectionsAndMarksResponses) {
  fixture_.Publish();
  auto idle = fixture_.Connect();
  fixture_.Ask(*idle, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  auto busy = fixture_.Connect();
  busy->Send(kGet);
  auto fresh = fixture_.Connect();
  fixture_.Settle();
  fixture_.context().BeginDrain();
  fixture_.Settle();
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(busy->ended());
  EXPECT_FALSE(fresh->ended());
  upstream().Send(kOk);
  fixture_.Settle();
  EXPECT_NE(busy->received().find("connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(busy->ended());
  const std::string got = fixture_.Ask(*fresh, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(got.find("connection: close\r\n"), std::string::npos);
  auto late = fixture_.Connect();
  const std::string last = fixture_.Ask(*late, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_NE(last.find("connection: close\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.stats().downstream_cx_drain_close.Get(), 4U);
  EXPECT_EQ(fixture_.context().active(), 0U);
  fixture_.ExpectAllGone();
}

TEST_F(Draining, DrainingAnotherListenerChangesNothing) {
  fixture_.Publish();
  auto client = fixture_.Connect();
  fixture_.context().BeginDrain("other");
  const std::string got = fixture_.Ask(*client, "GET /direct HTTP/1.1\r\nHost: a.test\r\n\r\n");
  EXPECT_EQ(got.find("connection: close"), std::string::npos);
  EXPECT_FALSE(client->ended());
  fixture_.ExpectAllGone();
}

TEST_F(Draining, CloseAllEndsEverythingAndTells) {
  fixture_.Publish();
  auto idle = fixture_.Connect();
  auto busy = fixture_.Connect();
  busy->Send(kGet);
  fixture_.Settle();
  int told = 0;
  fixture_.context().set_on_idle([](void* count) { ++*static_cast<int*>(count); }, &told);
  fixture_.context().CloseAll();
  fixture_.Settle();
  EXPECT_TRUE(idle->ended());
  EXPECT_TRUE(busy->ended());
  EXPECT_TRUE(upstream().ended());
  EXPECT_EQ(fixture_.context().active(), 0U);
  EXPECT_EQ(told, 1);
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
