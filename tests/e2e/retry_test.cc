// Retries, hedging, mirrors and internal redirects through the real program, with workers that
// share circuit breakers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/eventually.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

constexpr char kHosts[] = R"yaml(- name: all
  domains: ["*"]
  include_request_attempt_count: true
  routes:
  - match: { prefix: /flaky }
    route: { cluster: app, retry_policy: { retry_on: 5xx, num_retries: 3 } }
  - match: { prefix: /small }
    per_request_buffer_limit_bytes: 1024
    route: { cluster: app, retry_policy: { retry_on: 5xx, num_retries: 3 } }
  - match: { prefix: /refused }
    route: { cluster: refusing, retry_policy: { retry_on: connect-failure, num_retries: 2 } }
  - match: { prefix: /slow }
    route:
      cluster: app
      retry_policy: { retry_on: 5xx, num_retries: 1, per_try_timeout: 0.2s }
      hedge_policy: { hedge_on_per_try_timeout: true }
  - match: { prefix: /mirrored }
    route: { cluster: app, request_mirror_policies: [ { cluster: shadow } ] }
  - match: { prefix: /moved }
    route: { cluster: app, internal_redirect_policy: { redirect_response_codes: [302, 307] } }
  - match: { prefix: / }
    route: { cluster: app }
)yaml";

std::uint16_t RefusedPort() { return Socket::Listen().local_port(); }

class RetryE2e : public testing::Test {
 protected:
  void Start() {
    YamlParts parts;
    parts.virtual_hosts = kHosts;
    parts.clusters = {
        {"app", app_.port()}, {"shadow", shadow_.port()}, {"refusing", RefusedPort()}};
    proxy_ = std::make_unique<Proxy>(YamlBootstrap(parts));
  }

  FakeUpstream app_;
  FakeUpstream shadow_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(RetryE2e, TheBodyOfEveryTryIsTheSame) {
  std::atomic<int> tries{0};
  app_.On("/flaky", [&tries](OriginConnection& connection, OriginRequest&) {
    connection.Reply(++tries % 3 == 0 ? 200 : 503, "done");
  });
  Start();
  Client client(proxy_->Port());
  const std::string body(20'000, 'q');
  for (int i = 1; i <= 10; ++i) {
    const Response got = client.Request("PUT", "/flaky", "", body);
    ASSERT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "done");
    EXPECT_EQ(tries.load(), 3 * i);
  }
  int number = 0;
  for (const OriginRequest& request : app_.Requests()) {
    EXPECT_EQ(request.body, body);
    EXPECT_EQ(request.Header("x-envoy-attempt-count"), base::Cat(1 + number++ % 3));
  }
  EXPECT_EQ(proxy_->Stat("cluster.app.upstream_rq_retry"), 20U);
  EXPECT_EQ(proxy_->Stat("cluster.app.upstream_rq_retry_success"), 10U);
}

TEST_F(RetryE2e, WhatIsTooLongToKeepIsSentOnce) {
  app_.On("/small", 503, "no");
  Start();
  Client client(proxy_->Port());
  EXPECT_EQ(client.Request("PUT", "/small", "", std::string(5000, 'q')).status, 503);
  EXPECT_EQ(app_.requests(), 1);
  EXPECT_EQ(proxy_->Stat("cluster.app.retry_or_shadow_abandoned"), 1U);
  EXPECT_EQ(client.Request("PUT", "/small", "", "short").status, 503);
  EXPECT_EQ(app_.requests(), 5);
  EXPECT_EQ(proxy_->Stat("cluster.app.upstream_rq_retry_limit_exceeded"), 1U);
}

TEST_F(RetryE2e, RefusedConnectionsAreTriedAsOftenAsTold) {
  Start();
  Client client(proxy_->Port());
  const Response got = client.Get("/refused");
  EXPECT_EQ(got.status, 503);
  EXPECT_THAT(got.body, HasSubstr("retried and the latest reset reason: "));
  EXPECT_EQ(proxy_->Stat("cluster.refusing.upstream_cx_connect_fail"), 3U);
  EXPECT_EQ(proxy_->Stat("cluster.refusing.upstream_rq_retry"), 2U);
}

TEST_F(RetryE2e, ASlowTryDoesNotHoldAnAnswerUp) {
  std::atomic<int> tries{0};
  app_.On("/slow", [&tries](OriginConnection& connection, OriginRequest&) {
    if (++tries == 1) {
      EXPECT_TRUE(connection.SeesClose());  // The other one has won.
    } else {
      connection.Reply(200, "quick");
    }
  });
  Start();
  Client client(proxy_->Port());
  EXPECT_EQ(client.Get("/slow").body, "quick");
  EXPECT_EQ(tries.load(), 2);
  EXPECT_EQ(proxy_->Stat("cluster.app.upstream_rq_per_try_timeout"), 1U);
}

TEST_F(RetryE2e, AMirrorGetsTheSameRequest) {
  Start();
  Client client(proxy_->Port());
  EXPECT_EQ(client.Request("POST", "/mirrored?a=1", "", "payload").status, 200);
  ASSERT_TRUE(Eventually([this] { return shadow_.requests() == 1; }));
  const OriginRequest copy = shadow_.LastRequest();
  EXPECT_EQ(copy.method, "POST");
  EXPECT_EQ(copy.target, "/mirrored?a=1");
  EXPECT_EQ(copy.body, "payload");
  EXPECT_THAT(copy.Header("host"), HasSubstr("-shadow"));
  EXPECT_TRUE(proxy_->WaitForStat("cluster.shadow.upstream_rq_200", 1));
}

TEST_F(RetryE2e, ARedirectIsFollowedWithItsBody) {
  app_.On("/moved", [](OriginConnection& connection, OriginRequest&) {
    connection.Reply(307, "", "location: /new?b=2\r\n");
  });
  Start();
  Client client(proxy_->Port());
  const Response got = client.Request("POST", "/moved", "", "payload");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(app_.LastRequest().target, "/new?b=2");
  EXPECT_EQ(app_.LastRequest().body, "payload");
  EXPECT_EQ(proxy_->Stat("cluster.app.upstream_internal_redirect_succeeded_total"), 1U);
}

}  // namespace
}  // namespace sluice::harness
