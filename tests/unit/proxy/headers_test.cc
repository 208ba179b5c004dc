// The pure parts: request and response fields, mutations, replay decisions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "proxy/header_mutation.h"
#include "proxy/request_headers.h"
#include "proxy/response_headers.h"
#include "proxy/retry.h"

namespace sluice::proxy {
namespace {

using config::HeaderAddition;
using config::HttpConnectionManager;

base::Address Ip(std::string_view text) { return *base::Address::ParseIp(text, 1234); }

std::string Text(const http::Fields& fields) {
  std::string text;
  for (const http::Field field : fields) {
    text.append(field.name).append("=").append(field.value).append(";");
  }
  return text;
}

struct Prepared {
  http::RequestHead head;
  observe::StreamInfo info;
};

Prepared Prepare(const HttpConnectionManager& http,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                 std::string_view peer = "203.0.113.9", bool tls = false) {
  Prepared out;
  for (const auto& [name, value] : fields) out.head.fields.Add(name, value);
  const base::Address remote = Ip(peer);
  const base::Address local = *base::Address::ParseIp("192.0.2.1", 8000);
  base::FastRandom random(7);
  PrepareRequestFields(http, {remote, local, tls}, random, out.head, out.info);
  return out;
}

HttpConnectionManager Plain() {
  HttpConnectionManager http;
  http.generate_request_id = false;
  return http;
}

TEST(RequestFields, ForwardedForIsTheClientsOwnUnlessAskedTo) {
  const Prepared kept = Prepare(Plain(), {{"x-forwarded-for", "198.51.100.7, 10.0.0.1"}});
  EXPECT_EQ(kept.head.fields.Get("x-forwarded-for"), "198.51.100.7, 10.0.0.1");
  EXPECT_EQ(kept.info.remote.IpText(), "10.0.0.1");
  EXPECT_FALSE(kept.head.fields.Get("x-envoy-external-address").has_value());
}

TEST(RequestFields, TheEdgeAppendsThePeerAndTrustsNobody) {
  HttpConnectionManager http = Plain();
  http.use_remote_address = true;
  const Prepared edge = Prepare(http, {{"x-forwarded-for", "198.51.100.7"},
                                       {"x-forwarded-proto", "https"},
                                       {"x-envoy-external-address", "1.1.1.1"}});
  EXPECT_EQ(edge.head.fields.Get("x-forwarded-for"), "198.51.100.7, 203.0.113.9");
  EXPECT_EQ(edge.info.remote.IpText(), "203.0.113.9");
  EXPECT_EQ(edge.head.fields.Get("x-forwarded-proto"), "http");
  EXPECT_EQ(edge.head.fields.Get("x-envoy-external-address"), "203.0.113.9");
  EXPECT_EQ(edge.head.fields.CountOf(http::Name::kXEnvoyExternalAddress), 1U);
}

TEST(RequestFields, TrustedHopsCountFromTheRight) {
  struct Case {
    bool use_remote;
    std::uint32_t hops;
    std::string_view forwarded;
    std::string_view want;
  };
  const Case cases[] = {
      {false, 0, "1.1.1.1, 2.2.2.2, 3.3.3.3", "3.3.3.3"},
      {false, 1, "1.1.1.1, 2.2.2.2, 3.3.3.3", "2.2.2.2"},
      {true, 1, "1.1.1.1, 2.2.2.2, 3.3.3.3", "3.3.3.3"},
      {true, 2, "1.1.1.1, 2.2.2.2, 3.3.3.3", "2.2.2.2"},
      {true, 4, "1.1.1.1, 2.2.2.2, 3.3.3.3", "203.0.113.9"},
      {false, 0, "nonsense", "203.0.113.9"},
      {false, 0, "", "203.0.113.9"},
  };
  for (const Case& c : cases) {
    HttpConnectionManager http = Plain();
    http.use_remote_address = c.use_remote;
    http.xff_trusted_hops = c.hops;
    const Prepared got = Prepare(http, {{"x-forwarded-for", c.forwarded}});
    EXPECT_EQ(got.info.remote.IpText(), c.want) << c.use_remote << c.hops << c.forwarded;
  }
}

TEST(RequestFields, AnEmptyForwardedForIsNoHop) {
  HttpConnectionManager http = Plain();
  http.use_remote_address = true;
  EXPECT_EQ(Prepare(http, {{"x-forwarded-for", ""}}).head.fields.Get("x-forwarded-for"),
            "203.0.113.9");
}

TEST(RequestFields, TheEdgeBelievesNoForwardedPort) {
  HttpConnectionManager http = Plain();
  http.append_x_forwarded_port = true;
  const auto port = [&http] {
    const Prepared got = Prepare(http, {{"x-forwarded-port", "1"}, {"x-forwarded-port", "2"}});
    std::string scratch;
    return std::string(got.head.fields.GetJoined("x-forwarded-port", scratch).value_or(""));
  };
  EXPECT_EQ(port(), "1,2");
  http.use_remote_address = true;
  EXPECT_EQ(port(), "8000");
  http.xff_trusted_hops = 1;
  EXPECT_EQ(port(), "1,2");
}

TEST(RequestFields, XffAppendCanBeSkipped) {
  HttpConnectionManager http = Plain();
  http.use_remote_address = true;
  http.skip_xff_append = true;
  EXPECT_FALSE(Prepare(http, {}).head.fields.Get("x-forwarded-for").has_value());
}

TEST(RequestFields, ForwardedProtoIsKeptOnlyWhenValid) {
  EXPECT_EQ(Prepare(Plain(), {{"x-forwarded-proto", "https"}}).head.scheme, "https");
  EXPECT_EQ(
      Prepare(Plain(), {{"x-forwarded-proto", "gopher"}}).head.fields.Get("x-forwarded-proto"),
      "http");
  EXPECT_EQ(Prepare(Plain(), {}, "203.0.113.9", true).head.fields.Get("x-forwarded-proto"),
            "https");
}

TEST(RequestFields, RequestIdsAreMadeKeptOrReplaced) {
  HttpConnectionManager http;
  const Prepared fresh = Prepare(http, {});
  const std::string made(fresh.head.fields.Get("x-request-id").value_or(""));
  EXPECT_EQ(made.size(), 36U);
  EXPECT_EQ(made[14], '4');
  EXPECT_EQ(Prepare(http, {{"x-request-id", "mine"}}).head.fields.Get("x-request-id"), "mine");
  EXPECT_EQ(Prepare(http, {{"x-request-id", ""}}).head.fields.Get("x-request-id")->size(), 36U);
  http.use_remote_address = true;
  EXPECT_NE(Prepare(http, {{"x-request-id", "mine"}}).head.fields.Get("x-request-id"), "mine");
  http.preserve_external_request_id = true;
  EXPECT_EQ(Prepare(http, {{"x-request-id", "mine"}}).head.fields.Get("x-request-id"), "mine");
}

TEST(RequestFields, WhatOnlyInternalClientsMaySayIsRemoved) {
  const Prepared got = Prepare(Plain(), {{"x-envoy-retry-on", "5xx"},
                                         {"x-envoy-internal", "true"},
                                         {"x-envoy-upstream-rq-timeout-ms", "1"},
                                         {"x-envoy-original-path", "/forged"},
                                         {"x-envoy-original-host", "forged.test"},
                                         {"x-forwarded-client-cert", "By=me"},
                                         {"x-envoy-other", "stays"}});
  EXPECT_EQ(Text(got.head.fields), "x-envoy-other=stays;x-forwarded-proto=http;");
  config::RouteTable table;
  table.internal_only_headers = {"x-secret"};
  http::Fields fields;
  fields.Add("X-Secret", "1");
  fields.Add("x-open", "2");
  RemoveInternalFields(table, fields);
  EXPECT_EQ(Text(fields), "x-open=2;");
}

TEST(RequestFields, ViaAndPortAreAppended) {
  HttpConnectionManager http = Plain();
  http.via = "1.1 sluice";
  http.append_x_forwarded_port = true;
  const Prepared got = Prepare(http, {{"via", "1.0 fred"}});
  EXPECT_EQ(got.head.fields.Get("via"), "1.0 fred, 1.1 sluice");
  EXPECT_EQ(got.head.fields.Get("x-forwarded-port"), "8000");
}

std::optional<FailureKind> Check(const HttpConnectionManager& http, http::RequestHead& head,
                                 PathStep& step) {
  const base::Address remote = Ip("203.0.113.9");
  const base::Address local = *base::Address::ParseIp("192.0.2.1", 8000);
  return CheckRequestHead(http, {remote, local, false}, head, step);
}

TEST(RequestHead, IsNormalisedOrRefused) {
  HttpConnectionManager http = Plain();
  PathStep step = PathStep::kOk;
  http::RequestHead head;
  head.authority = "a.test";
  head.path = "/a/../b";
  EXPECT_EQ(Check(http, head, step), std::nullopt);
  EXPECT_EQ(head.path, "/b");
  head.path = "/a%00";
  EXPECT_EQ(Check(http, head, step), FailureKind::kPathRejected);
  head.path = "no-slash";
  EXPECT_EQ(Check(http, head, step), FailureKind::kAbsolutePathRejected);
  head.path = "*";
  head.method = http::Method::kOptions;
  EXPECT_EQ(Check(http, head, step), std::nullopt);
  head.path = "/";
  head.authority.clear();
  EXPECT_EQ(Check(http, head, step), FailureKind::kMissingHost);
}

TEST(RequestHead, UnderscoresAreRefusedDroppedOrLet) {
  using Underscores = HttpConnectionManager::Underscores;
  for (const Underscores action : {Underscores::kAllow, Underscores::kReject, Underscores::kDrop}) {
    HttpConnectionManager http = Plain();
    http.underscores = action;
    PathStep step = PathStep::kOk;
    http::RequestHead head;
    head.authority = "a.test";
    head.path = "/";
    head.fields.Add("x_y", "1");
    const auto failure = Check(http, head, step);
    EXPECT_EQ(failure.has_value(), action == Underscores::kReject);
    EXPECT_EQ(head.fields.Get("x_y").has_value(), action != Underscores::kDrop);
  }
}

TEST(RequestHead, EscapedSlashesCanRedirectButNotGrpc) {
  HttpConnectionManager http = Plain();
  http.path.escaped_slashes = http::EscapedSlashes::kRedirect;
  PathStep step = PathStep::kOk;
  http::RequestHead head;
  head.authority = "a.test";
  head.path = "/a%2Fb";
  EXPECT_EQ(Check(http, head, step), std::nullopt);
  EXPECT_EQ(step, PathStep::kRedirect);
  EXPECT_EQ(head.path, "/a/b");
  head.path = "/a%2Fb";
  head.fields.Add("content-type", "application/grpc");
  EXPECT_EQ(Check(http, head, step), FailureKind::kPathRejected);
}

// ---- responses

TEST(ResponseFields, ServerDateAndServiceTime) {
  HttpConnectionManager http;
  http::Fields fields;
  fields.Add("server", "nginx");
  ResponseFacts facts;
  facts.date = "now";
  facts.upstream_ms = 12;
  facts.request_id = "id";
  PrepareResponseFields(http, facts, fields);
  EXPECT_EQ(Text(fields), "server=envoy;x-envoy-upstream-service-time=12;date=now;");

  http.server_header = HttpConnectionManager::ServerHeader::kAppendIfAbsent;
  http.request_id_in_response = true;
  http.via = "x";
  http::Fields own;
  own.Add("server", "nginx");
  own.Add("date", "then");
  facts.upstream_ms.reset();
  PrepareResponseFields(http, facts, own);
  EXPECT_EQ(Text(own), "server=nginx;date=then;via=x;x-request-id=id;");

  http = {};
  http.server_header = HttpConnectionManager::ServerHeader::kPassThrough;
  http::Fields bare;
  PrepareResponseFields(http, facts, bare);
  EXPECT_EQ(Text(bare), "date=now;");
}

// ---- mutations

HeaderAddition Addition(std::string_view name, std::string_view value,
                        HeaderAddition::Action action = HeaderAddition::Action::kAppend) {
  HeaderAddition addition;
  addition.name = name;
  addition.value.items.push_back({config::Operator::kLiteral, std::string(value), "", {}});
  addition.action = action;
  return addition;
}

TEST(Mutations, ActionsAndRemovalsFirst) {
  using Action = HeaderAddition::Action;
  config::HeaderMutations mutations;
  mutations.remove = {"gone", "again"};
  mutations.add = {Addition("again", "new"),
                   Addition("appended", "2"),
                   Addition("absent", "1", Action::kAddIfAbsent),
                   Addition("present", "2", Action::kAddIfAbsent),
                   Addition("over", "2", Action::kOverwrite),
                   Addition("fresh", "1", Action::kOverwrite),
                   Addition("nobody", "1", Action::kOverwriteIfExists),
                   Addition("somebody", "2", Action::kOverwriteIfExists),
                   Addition("empty", "")};
  http::Fields fields;
  for (const std::string_view name : {"gone", "again", "appended", "present", "over", "somebody"}) {
    fields.Add(name, "1");
  }
  ApplyMutations(mutations, {}, {}, fields);
  EXPECT_EQ(Text(fields),
            "appended=1;present=1;over=2;somebody=2;again=new;appended=2;absent=1;fresh=1;");
}

TEST(Mutations, TheTableWinsUnlessTheMostSpecificDoes) {
  const auto overwrite = [](std::string_view value) {
    config::MutationsBothWays both;
    both.request.add = {Addition("level", value, HeaderAddition::Action::kOverwrite)};
    return both;
  };
  config::WeightedCluster weighted;
  config::Route route;
  config::VirtualHost host;
  config::RouteTable table;
  weighted.mutations = overwrite("weighted");
  route.mutations = overwrite("route");
  host.mutations = overwrite("host");
  table.mutations = overwrite("table");
  const MutationLevels levels = {&weighted, &route, &host, &table};
  http::Fields fields;
  MutateFields(levels, Direction::kRequest, {}, {}, fields);
  EXPECT_EQ(fields.Get("level"), "table");
  table.most_specific_mutations_win = true;
  MutateFields(levels, Direction::kRequest, {}, {}, fields);
  EXPECT_EQ(fields.Get("level"), "weighted");
  http::Fields other;
  MutateFields(levels, Direction::kResponse, {}, {}, other);
  EXPECT_TRUE(other.empty());
}

TEST(Mutations, ValuesAreRenderedFromTheExchange) {
  config::HeaderMutations mutations;
  HeaderAddition addition = Addition("x-code", "code ");
  addition.value.items.push_back({config::Operator::kResponseCode, "", "", {}});
  mutations.add = {addition};
  observe::StreamInfo info;
  info.response_code = 503;
  http::Fields fields;
  ApplyMutations(mutations, info, {}, fields);
  EXPECT_EQ(Text(fields), "x-code=code 503;");
}

TEST(Replay, OnlyWhenNothingCanHappenTwice) {
  const TryFacts good = {
      FailureKind::kUpstreamClosed, http::Method::kGet, true, false, true, true, false};
  EXPECT_TRUE(ShouldReplay(good));
  TryFacts facts = good;
  facts.failure = FailureKind::kResponseTimeout;
  EXPECT_FALSE(ShouldReplay(facts));
  facts = good;
  facts.reused_connection = false;
  EXPECT_FALSE(ShouldReplay(facts));
  facts = good;
  facts.response_begun = true;
  EXPECT_FALSE(ShouldReplay(facts));
  facts = good;
  facts.body_replayable = false;
  EXPECT_FALSE(ShouldReplay(facts));
  facts = good;
  facts.replayed_already = true;
  EXPECT_FALSE(ShouldReplay(facts));
  facts = good;
  facts.method = http::Method::kPost;
  EXPECT_FALSE(ShouldReplay(facts));
  facts.anything_sent = false;
  EXPECT_TRUE(ShouldReplay(facts)) << "an upstream cannot have acted on what it never got";
}

}  // namespace
}  // namespace sluice::proxy
