// The rules of state of the world, envoy-behaviour.md 1.3, 1.4, 1.11: one test each.
#include "google/rpc/error_details.pb.h"
#include "unit/xds/stream_fixture.h"

namespace sluice::xds {
namespace {

constexpr auto kCluster = ResourceType::kCluster;
constexpr auto kListener = ResourceType::kListener;
constexpr auto kEndpoints = ResourceType::kEndpoints;
constexpr auto kRoutes = ResourceType::kRoutes;
constexpr auto kVirtualHosts = ResourceType::kVirtualHosts;

class SotwClient : public StreamFixture<DiscoveryRequest> {
 protected:
  static DiscoveryResponse Make(ResourceType type, std::string_view version, std::string_view nonce,
                                const Names& names) {
    DiscoveryResponse response;
    response.set_type_url(std::string(TypeUrl(type)));
    response.set_version_info(std::string(version));
    response.set_nonce(std::string(nonce));
    for (const std::string& name : names) *response.add_resources() = Any(type, name);
    return response;
  }
  void Receive(const DiscoveryResponse& response) {
    client_->OnMessage(response.SerializeAsString());
  }
  void Receive(ResourceType type, std::string_view version, std::string_view nonce,
               const Names& names = {"a"}) {
    Receive(Make(type, version, nonce, names));
  }
  void Open() {
    client_->OnOpen();
    transport_.sent.clear();
  }
  static void AddWrapped(DiscoveryResponse& response, const Wrapper& wrapper) {
    response.add_resources()->PackFrom(wrapper);
  }
  static Wrapper Wrap(ResourceType type, std::string_view name, std::int64_t ttl_s) {
    Wrapper wrapper;
    wrapper.set_name(std::string(name));
    wrapper.set_version("w1");
    *wrapper.mutable_resource() = Any(type, name);
    if (ttl_s > 0) wrapper.mutable_ttl()->set_seconds(ttl_s);
    return wrapper;
  }
  static Wrapper Heartbeat(std::string_view name, std::int64_t ttl_s) {
    Wrapper wrapper;
    wrapper.set_name(std::string(name));
    wrapper.mutable_ttl()->set_seconds(ttl_s);
    return wrapper;
  }
};

TEST_F(SotwClient, TheFirstRequestHasNodeAndNoVersion) {
  client_->Subscribe(kCluster);
  EXPECT_TRUE(transport_.sent.empty());  // Nothing before the stream is open.
  client_->OnOpen();
  const DiscoveryRequest request = transport_.Next();
  EXPECT_EQ(request.type_url(), TypeUrl(kCluster));
  EXPECT_EQ(request.node().id(), "n1");
  EXPECT_EQ(request.version_info(), "");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(request.resource_names_size(), 0);
  EXPECT_EQ(transport_.reads, 1);
}

TEST_F(SotwClient, AGoodResponseIsAcknowledgedWithItsVersionAndNonce) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "v1", "n-a");
  const DiscoveryRequest ack = transport_.Next();
  EXPECT_EQ(ack.version_info(), "v1");
  EXPECT_EQ(ack.response_nonce(), "n-a");
  EXPECT_FALSE(ack.has_error_detail());
  EXPECT_EQ(transport_.reads, 2);
  EXPECT_TRUE(handler_.whole);
  EXPECT_EQ(handler_.versions, Names{"v1"});
}

TEST_F(SotwClient, ABadResponseIsRefusedWithTheLastGoodVersion) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "v1", "a");
  transport_.sent.clear();
  handler_.verdict.error = "x.y: wrong";
  Receive(kCluster, "v2", "b");
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.version_info(), "v1");
  EXPECT_EQ(nack.response_nonce(), "b");
  EXPECT_EQ(nack.error_detail().message(), "x.y: wrong");
  EXPECT_EQ(nack.error_detail().code(), 13);
}

TEST_F(SotwClient, ANackNamesEachBadResourceWithPathReasonAndHint) {
  client_->Subscribe(kCluster);
  Open();
  handler_.verdict = {"Error adding/updating cluster(s) a: lb_policy: MAGIC; use ROUND_ROBIN",
                      {{"a", {{"lb_policy", "MAGIC is unknown; use ROUND_ROBIN", ""}}},
                       {"b", {{"", "the bytes are no Cluster", ""}}}}};
  Receive(kCluster, "v1", "a", {"a", "b"});
  const DiscoveryRequest nack = transport_.Next();
  ASSERT_EQ(nack.error_detail().details_size(), 2);
  google::rpc::BadRequest bad;
  ASSERT_TRUE(nack.error_detail().details(0).UnpackTo(&bad));
  ASSERT_EQ(bad.field_violations_size(), 1);
  EXPECT_EQ(bad.field_violations(0).field(), "[\"a\"].lb_policy");
  EXPECT_EQ(bad.field_violations(0).description(), "MAGIC is unknown");
  EXPECT_EQ(bad.field_violations(0).localized_message().message(), "use ROUND_ROBIN");
  ASSERT_TRUE(nack.error_detail().details(1).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "[\"b\"]");
  EXPECT_FALSE(bad.field_violations(0).has_localized_message());
}

TEST_F(SotwClient, AHugeErrorIsCut) {
  client_->Subscribe(kCluster);
  Open();
  handler_.verdict.error = std::string(1 << 20, 'e');
  for (int i = 0; i < 10'000; ++i) {
    handler_.verdict.rejected.push_back({base::Cat("c", i), {{"x", std::string(500, 'y'), ""}}});
  }
  Receive(kCluster, "v1", "a");
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_LT(nack.ByteSizeLong(), 60'000U);
  EXPECT_NE(nack.error_detail().message().find("10000 resources refused"), std::string::npos);
  EXPECT_GT(nack.error_detail().details_size(), 10);
}

TEST_F(SotwClient, ResponsesInFlightAreAnsweredEachInOrder) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "v1", "a");
  Receive(kCluster, "v2", "b");
  EXPECT_EQ(transport_.Next().response_nonce(), "a");
  const DiscoveryRequest second = transport_.Next();
  EXPECT_EQ(second.response_nonce(), "b");
  EXPECT_EQ(second.version_info(), "v2");
}

TEST_F(SotwClient, NewNamesTravelAfterTheAckInOneRequest) {
  client_->Subscribe(kCluster);
  Open();
  handler_.during = [&] {
    client_->SetNames(kEndpoints, {"a"});
    client_->SetNames(kEndpoints, {"a", "b"});
  };
  Receive(kCluster, "v1", "a");
  ASSERT_EQ(transport_.sent.size(), 2U);
  EXPECT_EQ(transport_.sent[0].type_url(), TypeUrl(kCluster));
  EXPECT_EQ(transport_.sent[1].type_url(), TypeUrl(kEndpoints));
  EXPECT_EQ(List(transport_.sent[1].resource_names()), (Names{"a", "b"}));
  EXPECT_EQ(transport_.sent[1].response_nonce(), "");
}

TEST_F(SotwClient, AChangeWhileItsOwnTypeIsHandledRidesOnTheAck) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  handler_.during = [&] { client_->SetNames(kEndpoints, {"a", "b"}); };
  Receive(kEndpoints, "v1", "x");
  ASSERT_EQ(transport_.sent.size(), 1U);
  EXPECT_EQ(List(transport_.sent[0].resource_names()), (Names{"a", "b"}));
  EXPECT_EQ(transport_.sent[0].response_nonce(), "x");
}

TEST_F(SotwClient, EveryRequestCarriesTheWholeListAndEqualListsSendNothing) {
  client_->OnOpen();
  client_->SetNames(kRoutes, {"r1"});
  EXPECT_EQ(transport_.Next().resource_names_size(), 1);
  client_->SetNames(kRoutes, {"r1"});
  EXPECT_TRUE(transport_.sent.empty());
  Receive(kRoutes, "v1", "a", {"r1"});
  transport_.sent.clear();
  client_->SetNames(kRoutes, {"r1", "r2"});
  const DiscoveryRequest grown = transport_.Next();
  EXPECT_EQ(List(grown.resource_names()), (Names{"r1", "r2"}));
  EXPECT_EQ(grown.version_info(), "v1");
  EXPECT_EQ(grown.response_nonce(), "a");
  client_->SetNames(kRoutes, {});
  EXPECT_EQ(transport_.Next().resource_names_size(), 0);  // Unsubscribed from everything.
}

TEST_F(SotwClient, ANamedTypeIsNeverAskedForAsAWildcard) {
  client_->OnOpen();
  client_->SetNames(kEndpoints, {});
  EXPECT_TRUE(transport_.sent.empty());
  client_->SetNames(kEndpoints, {"a"});
  client_->SetNames(kEndpoints, {});
  transport_.sent.clear();
  client_->OnClosed("gone");
  client_->OnOpen();  // An empty first request would mean "everything".
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(SotwClient, WildcardAndNamesMix) {
  client_->Subscribe(kCluster);
  Open();
  client_->SetNames(kCluster, {"extra"});
  EXPECT_EQ(List(transport_.Next().resource_names()), (Names{"*", "extra"}));
  // An empty list would now mean nothing at all.
  client_->SetNames(kCluster, {});
  EXPECT_EQ(List(transport_.Next().resource_names()), Names{"*"});
  client_->SetNames(kCluster, {"extra"});
  transport_.sent.clear();
  client_->Unsubscribe(kCluster);
  EXPECT_EQ(List(transport_.Next().resource_names()), Names{"extra"});
  Receive(kCluster, "v1", "a", {"extra", "other"});
  EXPECT_EQ(handler_.names, Names{"extra"});
}

TEST_F(SotwClient, WhatWasUnsubscribedMeanwhileIsAnsweredButNotTaken) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  client_->SetNames(kEndpoints, {});
  transport_.sent.clear();
  Receive(kEndpoints, "v1", "x");
  EXPECT_EQ(handler_.responses, 0);
  const DiscoveryRequest answer = transport_.Next();
  EXPECT_EQ(answer.response_nonce(), "x");  // Else the next subscription would be stale.
  EXPECT_EQ(answer.version_info(), "");
  EXPECT_EQ(answer.resource_names_size(), 0);
}

TEST_F(SotwClient, ResourcesNobodyAskedForAreIgnored) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  Receive(kEndpoints, "v1", "x", {"a", "b"});
  EXPECT_EQ(handler_.names, Names{"a"});
  EXPECT_FALSE(transport_.Next().has_error_detail());
}

TEST_F(SotwClient, AnEmptyResponseIsHandledAndAcknowledged) {
  client_->Subscribe(kListener);
  client_->SetNames(kRoutes, {"r"});
  Open();
  Receive(kListener, "v1", "a", {});
  EXPECT_TRUE(handler_.whole);  // All listeners are gone.
  Receive(kRoutes, "v1", "b", {});
  EXPECT_EQ(handler_.responses, 2);
  EXPECT_EQ(transport_.Next().version_info(), "v1");
  EXPECT_EQ(transport_.Next().response_nonce(), "b");
}

TEST_F(SotwClient, AfterAReconnectVersionsStayAndNoncesGo) {
  client_->Subscribe(kCluster);
  client_->SetNames(kEndpoints, {"e"});
  Open();
  Receive(kCluster, "v7", "a");
  client_->OnClosed("gone");
  transport_.sent.clear();
  client_->OnOpen();
  const DiscoveryRequest request = transport_.Next();
  EXPECT_EQ(request.version_info(), "v7");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(request.node().id(), "n1");
  EXPECT_EQ(List(transport_.Next().resource_names()), Names{"e"});
}

TEST_F(SotwClient, ARestoredVersionIsWhereTheFirstStreamStarts) {
  client_->Restore(kCluster, "v5", {});
  client_->Subscribe(kCluster);
  client_->OnOpen();
  EXPECT_EQ(transport_.Next().version_info(), "v5");
}

TEST_F(SotwClient, BackoffGrowsToItsCapAndOnlyAMessageResetsIt) {
  random_.value = 29'999;
  EXPECT_LT(client_->NextBackoffMs(), 500U);
  random_.value = 999;
  EXPECT_EQ(client_->NextBackoffMs(), 999U);
  for (int i = 0; i < 10; ++i) client_->NextBackoffMs();
  random_.value = 29'999;
  EXPECT_EQ(client_->NextBackoffMs(), 29'999U);
  client_->Subscribe(kCluster);
  client_->OnOpen();
  EXPECT_EQ(client_->NextBackoffMs(), 29'999U);
  Receive(kCluster, "v1", "a");
  EXPECT_LT(client_->NextBackoffMs(), 500U);
}

TEST_F(SotwClient, AResourceOfAnotherTypeRefusesTheResponse) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {"good"});
  *response.add_resources() = Any(kListener, "bad");
  Receive(response);
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.version_info(), "");
  EXPECT_NE(nack.error_detail().message().find("does not match the message-wide type URL"),
            std::string::npos);
  EXPECT_EQ(handler_.responses, 0);
  EXPECT_FALSE(handler_.bad.empty());
}

TEST_F(SotwClient, NamesWithASchemeAreRefusedAndTheOthersApply) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "v1", "a", {"good", "xdstp://authority/x"});
  EXPECT_EQ(handler_.names, Names{"good"});
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.version_info(), "");
  EXPECT_NE(nack.error_detail().message().find("xdstp:// names are not supported"),
            std::string::npos);
  EXPECT_EQ(nack.error_detail().details_size(), 1);
}

TEST_F(SotwClient, GarbageAndUnknownTypesAreDroppedAndReadingGoesOn) {
  client_->Subscribe(kCluster);
  Open();
  client_->OnMessage("\xff\xff garbage");
  DiscoveryResponse other;
  other.set_type_url("type.googleapis.com/no.such.Type");
  Receive(other);
  Receive(kListener, "v1", "a");  // Not subscribed.
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(handler_.responses, 0);
  EXPECT_EQ(transport_.reads, 4);
}

TEST_F(SotwClient, TheControlPlaneIsKnownWhileItIsThere) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {});
  response.mutable_control_plane()->set_identifier("istiod-1");
  Receive(response);
  EXPECT_EQ(client_->control_plane(), "istiod-1");
  EXPECT_TRUE(client_->connected());
  client_->OnClosed("gone");
  EXPECT_EQ(client_->control_plane(), "");
}

TEST_F(SotwClient, WrappedResourcesAreUnwrapped) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {});
  AddWrapped(response, Wrap(kCluster, "w", 0));
  Receive(response);
  EXPECT_EQ(handler_.names, Names{"w"});
  EXPECT_EQ(handler_.versions, Names{"w1"});
  EXPECT_FALSE(client_->NextWake().has_value());
}

TEST_F(SotwClient, AWrapperMustBearTheNameOfWhatIsInside) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {});
  Wrapper wrapper = Wrap(kCluster, "inner", 0);
  wrapper.set_name("outer");
  AddWrapped(response, wrapper);
  Receive(response);
  EXPECT_TRUE(handler_.names.empty());
  EXPECT_EQ(handler_.kept, Names{"outer"});  // Its last good version goes on.
  EXPECT_TRUE(transport_.Next().has_error_detail());
}

TEST_F(SotwClient, AResourceGoesWhenItsTtlPasses) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {"forever"});
  AddWrapped(response, Wrap(kCluster, "short", 5));
  Receive(response);
  ASSERT_EQ(client_->NextWake(), clock_.now + base::seconds(5));
  transport_.sent.clear();
  clock_.now += base::seconds(5);
  client_->OnWake();
  EXPECT_EQ(handler_.removed, Names{"short"});
  EXPECT_TRUE(handler_.expired);
  EXPECT_FALSE(handler_.whole);
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_FALSE(client_->NextWake().has_value());
}

TEST_F(SotwClient, AHeartbeatRenewsAndRemovesNothingElse) {
  client_->Subscribe(kCluster);
  Open();
  DiscoveryResponse response = Make(kCluster, "v1", "a", {"forever"});
  AddWrapped(response, Wrap(kCluster, "short", 5));
  Receive(response);
  clock_.now += base::seconds(4);
  DiscoveryResponse beat = Make(kCluster, "v1", "b", {});
  AddWrapped(beat, Heartbeat("short", 5));
  Receive(beat);
  EXPECT_EQ(handler_.kept, Names{"short"});
  EXPECT_FALSE(handler_.whole);  // "forever" stays.
  EXPECT_EQ(client_->NextWake(), clock_.now + base::seconds(5));
  // Beside a full list the beat keeps its resource in the list.
  DiscoveryResponse both = Make(kCluster, "v2", "c", {"forever"});
  AddWrapped(both, Heartbeat("short", 9));
  Receive(both);
  EXPECT_TRUE(handler_.whole);
  EXPECT_EQ(handler_.kept, Names{"short"});
  EXPECT_EQ(client_->NextWake(), clock_.now + base::seconds(9));
  // Sent without a TTL it stays for good.
  Receive(kCluster, "v3", "d", {"forever", "short"});
  EXPECT_FALSE(client_->NextWake().has_value());
}

TEST_F(SotwClient, RequestsBeyondTheRateWaitAndCollapse) {
  DiscoveryOptions options;
  options.rate_limit = RateLimit{2, 10};
  MakeClient(options);
  client_->Subscribe(kCluster);
  client_->SetNames(kEndpoints, {"a"});
  client_->OnOpen();
  EXPECT_EQ(transport_.sent.size(), 2U);
  transport_.sent.clear();
  client_->SetNames(kEndpoints, {"a", "b"});
  client_->SetNames(kEndpoints, {"a", "b", "c"});
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(client_->pending_requests(), 1U);
  EXPECT_GE(client_->rate_limited(), 1U);
  // An answer that waits keeps further messages out.
  const int reads = transport_.reads;
  Receive(kCluster, "v1", "n");
  EXPECT_EQ(transport_.reads, reads);
  EXPECT_EQ(client_->pending_requests(), 2U);
  ASSERT_TRUE(client_->NextWake().has_value());
  clock_.now = *client_->NextWake() + base::milliseconds(100);
  client_->OnWake();
  EXPECT_EQ(transport_.sent.size(), 2U);
  EXPECT_EQ(transport_.sent[0].response_nonce(), "n");
  EXPECT_EQ(List(transport_.sent[1].resource_names()), (Names{"a", "b", "c"}));
  EXPECT_EQ(transport_.reads, reads + 1);
  EXPECT_EQ(client_->pending_requests(), 0U);
}

TEST_F(SotwClient, TheNodeIsSentOnceWhereTheBootstrapSaysSo) {
  DiscoveryOptions options;
  options.set_node_on_first_message_only = true;
  MakeClient(options);
  client_->Subscribe(kCluster);
  client_->Subscribe(kListener);
  client_->OnOpen();
  EXPECT_TRUE(transport_.Next().has_node());
  EXPECT_FALSE(transport_.Next().has_node());
  client_->OnClosed("gone");
  client_->OnOpen();
  EXPECT_TRUE(transport_.Next().has_node());
}

TEST_F(SotwClient, TheNodeIsInEveryRequestOtherwise) {
  client_->Subscribe(kCluster);
  client_->Subscribe(kListener);
  client_->OnOpen();
  EXPECT_TRUE(transport_.Next().has_node());
  EXPECT_TRUE(transport_.Next().has_node());
}

TEST_F(SotwClient, VirtualHostsAreWantedByTheTableTheyBelongTo) {
  client_->SetNames(kVirtualHosts, {"table"});
  Open();
  DiscoveryResponse response = Make(kVirtualHosts, "v1", "a", {});
  Wrapper mine = Wrap(kVirtualHosts, "host", 0);
  mine.set_name("table/host");
  Wrapper other = Wrap(kVirtualHosts, "host", 0);
  other.set_name("tables/host");
  AddWrapped(response, mine);
  AddWrapped(response, other);
  Receive(response);
  EXPECT_EQ(handler_.names, Names{"table/host"});
}

}  // namespace
}  // namespace sluice::xds
