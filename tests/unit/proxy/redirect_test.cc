// Redirects of an upstream that are followed here.
#include "serve_fixture.h"

namespace sluice::proxy {
namespace {

class Redirects : public Serve {
 protected:
  Redirects() {
    // In front of "/", which follows.
    config::Route there;
    there.name = "there";
    there.match.path = "/there";
    there.action = config::ForwardAction{.cluster = "c"};
    fixture_.host().routes.insert(fixture_.host().routes.begin(), there);
    policy_.redirects.emplace();
  }
  config::InternalRedirectPolicy& redirects() { return *policy_.redirects; }
  void Publish() {
    for (config::Route& route : fixture_.host().routes) {
      auto* forward = std::get_if<config::ForwardAction>(&route.action);
      if (forward != nullptr) forward->tries = config::SharedTryPolicy(policy_);
    }
    fixture_.Publish();
  }
  // Requests for "/" are sent to `location`, all others are answered.
  void RedirectTo(std::string location, std::string status = "302 Found", std::string extra = "") {
    fixture_.on_turn = [this, location, status, extra] {
      for (const auto& peer : fixture_.upstreams()) {
        if (peer->received().find("\r\n\r\n") == std::string::npos) continue;
        seen_.push_back(peer->TakeReceived());
        const bool first = seen_.back().find(" / HTTP/1.1\r\n") != std::string::npos;
        peer->Send(first ? base::Cat("HTTP/1.1 ", status, "\r\nLocation: ", location, "\r\n", extra,
                                     "Content-Length: 5\r\n\r\nmoved")
                         : std::string(kOk));
      }
    };
  }

  config::TryPolicy policy_;
  std::vector<std::string> seen_;
};

TEST_F(Redirects, AreFollowedWithTheirHeaders) {
  redirects().copied_headers = {"x-token"};
  Publish();
  RedirectTo("http://b.test/there?q=1", "302 Found", "X-Token: t\r\n");
  auto client = fixture_.Connect();
  const std::string got = fixture_.Ask(*client, kGet);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK\r\n")) << got;
  EXPECT_EQ(got.find("moved"), std::string::npos);
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(seen_[1].starts_with("GET /there?q=1 HTTP/1.1\r\nhost: b.test\r\n")) << seen_[1];
  EXPECT_NE(seen_[1].find("x-envoy-original-url: http://a.test/\r\n"), std::string::npos);
  EXPECT_NE(seen_[1].find("x-token: t\r\n"), std::string::npos);
  EXPECT_EQ(fixture_.logged().at(0).route, "there");
  EXPECT_EQ(fixture_.logged().size(), 1U);
  EXPECT_EQ(fixture_.cluster_stats().upstream_internal_redirect_succeeded_total.Get(), 1U);
  EXPECT_EQ(fixture_.upstreams().size(), 1U);
  fixture_.ExpectAllGone();
}

TEST_F(Redirects, OfASeeOtherBecomeAGet) {
  redirects().statuses = {303};
  Publish();
  RedirectTo("/there", "303 See Other");
  auto client = fixture_.Connect();
  const std::string got =
      fixture_.Ask(*client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(got.ends_with("ok")) << got;
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(seen_[1].starts_with("GET /there HTTP/1.1\r\nhost: a.test\r\n"));
  EXPECT_TRUE(seen_[1].ends_with("\r\n\r\n"));
  EXPECT_EQ(seen_[1].find("content-length"), std::string::npos) << seen_[1];
  fixture_.ExpectAllGone();
}

TEST_F(Redirects, CarryTheBodyAlong) {
  redirects().statuses = {307};
  Publish();
  RedirectTo("/there", "307 Temporary Redirect");
  auto client = fixture_.Connect();
  fixture_.Ask(*client, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(seen_[1].starts_with("POST /there HTTP/1.1\r\n"));
  EXPECT_TRUE(seen_[1].ends_with("\r\n\r\nabc"));
  fixture_.ExpectAllGone();
}

TEST_F(Redirects, ThatCannotBeFollowedGoToTheClient) {
  Publish();
  auto client = fixture_.Connect();
  auto& stats = fixture_.stats();
  struct Row {
    std::string_view location;
    const observe::Counter& counter;
  };
  const Row rows[] = {
      {"ftp://b.test/there", stats.passthrough_internal_redirect_bad_location},
      {"there", stats.passthrough_internal_redirect_bad_location},
      {"//b.test/there", stats.passthrough_internal_redirect_bad_location},
      {"http://user@b.test/there", stats.passthrough_internal_redirect_bad_location},
      {"/there/%00", stats.passthrough_internal_redirect_bad_location},
      {"http://", stats.passthrough_internal_redirect_bad_location},
      {"https://b.test/there", stats.passthrough_internal_redirect_unsafe_scheme},
      {"/direct", stats.passthrough_internal_redirect_no_route},
      {"/", stats.passthrough_internal_redirect_too_many_redirects},
  };
  for (const Row& row : rows) {
    RedirectTo(std::string(row.location));
    const std::uint64_t before = row.counter.Get();
    const std::string got = fixture_.Ask(*client, kGet);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 302 Found\r\n")) << row.location << "\n" << got;
    EXPECT_TRUE(got.ends_with("moved")) << row.location;
    EXPECT_EQ(row.counter.Get(), before + 1) << row.location;
  }
  EXPECT_EQ(fixture_.cluster_stats().upstream_internal_redirect_failed_total.Get(), 9U);
  fixture_.ExpectAllGone();
}

TEST_F(Redirects, LeadWhereThePredicatesAllow) {
  redirects().allowed = {"elsewhere"};
  Publish();
  RedirectTo("/there");
  auto client = fixture_.Connect();
  EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("moved"));
  EXPECT_EQ(fixture_.stats().passthrough_internal_redirect_predicate.Get(), 1U);
  EXPECT_EQ(fixture_.logged().at(0).route, "route /");
  redirects().allowed = {"there"};
  Publish();
  EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("ok"));
  // The second time round the same route is none that is new.
  redirects().allowed.reset();
  redirects().only_new_routes = true;
  redirects().redirects_max = 5;
  Publish();
  RedirectTo("/");
  EXPECT_TRUE(fixture_.Ask(*client, kGet).ends_with("moved"));
  EXPECT_EQ(fixture_.stats().passthrough_internal_redirect_predicate.Get(), 2U);
  fixture_.ExpectAllGone();
}

TEST_F(Redirects, NormaliseTheirPath) {
  Publish();
  RedirectTo("/x/../there/./a");
  auto client = fixture_.Connect();
  fixture_.Ask(*client, kGet);
  ASSERT_EQ(seen_.size(), 2U);
  EXPECT_TRUE(seen_[1].starts_with("GET /there/a HTTP/1.1\r\n")) << seen_[1];
  fixture_.ExpectAllGone();
}

}  // namespace
}  // namespace sluice::proxy
