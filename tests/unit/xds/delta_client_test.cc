// The rules of the incremental form, envoy-behaviour.md 1.4, 1.5, 1.11: one test each.
#include "unit/xds/stream_fixture.h"

namespace sluice::xds {
namespace {

constexpr auto kCluster = ResourceType::kCluster;
constexpr auto kListener = ResourceType::kListener;
constexpr auto kEndpoints = ResourceType::kEndpoints;
constexpr auto kVirtualHosts = ResourceType::kVirtualHosts;

class DeltaClient : public StreamFixture<DeltaDiscoveryRequest> {
 protected:
  struct Item {
    std::string name, version;
    std::int64_t ttl_s = 0;
    bool heartbeat = false;
    std::string inner = {};  // Of another name.
  };
  static DeltaDiscoveryResponse Make(ResourceType type, std::string_view nonce,
                                     const std::vector<Item>& items, const Names& removed = {}) {
    DeltaDiscoveryResponse response;
    response.set_type_url(std::string(TypeUrl(type)));
    response.set_nonce(std::string(nonce));
    response.set_system_version_info("s1");
    for (const Item& item : items) {
      Wrapper& wrapper = *response.add_resources();
      wrapper.set_name(item.name);
      wrapper.set_version(item.version);
      if (item.ttl_s > 0) wrapper.mutable_ttl()->set_seconds(item.ttl_s);
      if (item.heartbeat) continue;
      *wrapper.mutable_resource() = Any(type, item.inner.empty() ? item.name : item.inner);
    }
    for (const std::string& name : removed) response.add_removed_resources(name);
    return response;
  }
  void Receive(const DeltaDiscoveryResponse& response) {
    client_->OnMessage(response.SerializeAsString());
  }
  void Receive(ResourceType type, std::string_view nonce, const std::vector<Item>& items,
               const Names& removed = {}) {
    Receive(Make(type, nonce, items, removed));
  }
  void Open() {
    client_->OnOpen();
    transport_.sent.clear();
  }
  std::map<std::string, std::string> ReopenedVersions() {
    client_->OnClosed("gone");
    transport_.sent.clear();
    client_->OnOpen();
    const DeltaDiscoveryRequest request = transport_.Next();
    return {request.initial_resource_versions().begin(), request.initial_resource_versions().end()};
  }
};

using Versions = std::map<std::string, std::string>;

TEST_F(DeltaClient, TheFirstRequestHasNodeAndNothingHeld) {
  client_->Subscribe(kCluster);
  client_->SetNames(kEndpoints, {"a", "b"});
  client_->OnOpen();
  const DeltaDiscoveryRequest wildcard = transport_.Next();
  EXPECT_EQ(wildcard.type_url(), TypeUrl(kCluster));
  EXPECT_EQ(wildcard.node().id(), "n1");
  EXPECT_EQ(wildcard.resource_names_subscribe_size(), 0);
  EXPECT_EQ(wildcard.initial_resource_versions_size(), 0);
  EXPECT_EQ(wildcard.response_nonce(), "");
  EXPECT_EQ(List(transport_.Next().resource_names_subscribe()), (Names{"a", "b"}));
}

TEST_F(DeltaClient, AGoodResponseIsAcknowledgedByItsNonceAlone) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "n-a", {{"a", "1"}, {"b", "7"}});
  EXPECT_EQ(handler_.names, (Names{"a", "b"}));
  EXPECT_EQ(handler_.versions, (Names{"1", "7"}));
  EXPECT_FALSE(handler_.whole);
  const DeltaDiscoveryRequest ack = transport_.Next();
  EXPECT_EQ(ack.response_nonce(), "n-a");
  EXPECT_FALSE(ack.has_error_detail());
  EXPECT_EQ(ack.initial_resource_versions_size(), 0);
  EXPECT_EQ(ack.resource_names_subscribe_size(), 0);
  EXPECT_EQ(transport_.reads, 2);
}

TEST_F(DeltaClient, OnlyTheRejectedKeepTheirOldVersion) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "a", {{"x", "1"}, {"y", "1"}});
  transport_.sent.clear();
  handler_.verdict = {"y: bad", {{"y", {{"", "bad", ""}}}}};
  Receive(kCluster, "b", {{"x", "2"}, {"y", "2"}});
  const DeltaDiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.response_nonce(), "b");
  EXPECT_EQ(nack.error_detail().message(), "y: bad");
  EXPECT_EQ(nack.error_detail().details_size(), 1);
  EXPECT_EQ(ReopenedVersions(), (Versions{{"x", "2"}, {"y", "1"}}));
}

TEST_F(DeltaClient, AWhollyRefusedResponseChangesNoVersion) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "a", {{"x", "1"}});
  handler_.verdict.error = "no";
  Receive(kCluster, "b", {{"x", "2"}});
  EXPECT_EQ(ReopenedVersions(), (Versions{{"x", "1"}}));
}

TEST_F(DeltaClient, SubscriptionsTravelAsDifferences) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  client_->SetNames(kEndpoints, {"b", "c"});
  const DeltaDiscoveryRequest change = transport_.Next();
  EXPECT_EQ(List(change.resource_names_subscribe()), (Names{"b", "c"}));
  EXPECT_EQ(List(change.resource_names_unsubscribe()), Names{"a"});
  EXPECT_EQ(change.response_nonce(), "");  // Spontaneous.
  client_->SetNames(kEndpoints, {"b", "c"});
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(DeltaClient, ChangesWhileAResponseIsHandledRideOnTheAck) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  handler_.during = [&] { client_->SetNames(kEndpoints, {"a", "b"}); };
  Receive(kEndpoints, "x", {{"a", "1"}});
  ASSERT_EQ(transport_.sent.size(), 1U);
  EXPECT_EQ(transport_.sent[0].response_nonce(), "x");
  EXPECT_EQ(List(transport_.sent[0].resource_names_subscribe()), Names{"b"});
}

TEST_F(DeltaClient, LeftAndWantedAgainIsAskedForAgain) {
  client_->SetNames(kEndpoints, {"a", "b"});
  Open();
  Receive(kEndpoints, "x", {{"a", "1"}, {"b", "1"}});
  transport_.sent.clear();
  handler_.during = [&] {
    client_->SetNames(kEndpoints, {"b"});
    client_->SetNames(kEndpoints, {"a", "b"});
    client_->SetNames(kEndpoints, {"a", "b", "new"});
    client_->SetNames(kEndpoints, {"a", "b"});  // And one that came and went: nothing.
  };
  Receive(kEndpoints, "y", {{"b", "2"}});
  const DeltaDiscoveryRequest request = transport_.Next();
  EXPECT_EQ(List(request.resource_names_subscribe()), Names{"a"});
  EXPECT_EQ(request.resource_names_unsubscribe_size(), 0);
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(DeltaClient, AfterAReconnectItSaysWhatItHoldsAndWantsAllAgain) {
  client_->SetNames(kEndpoints, {"a", "b", "never"});
  Open();
  Receive(kEndpoints, "x", {{"a", "1"}, {"b", "2"}});
  Receive(kEndpoints, "y", {}, {"b"});
  client_->OnClosed("gone");
  transport_.sent.clear();
  client_->OnOpen();
  const DeltaDiscoveryRequest request = transport_.Next();
  EXPECT_EQ(List(request.resource_names_subscribe()), (Names{"a", "b", "never"}));
  EXPECT_EQ(request.initial_resource_versions().size(), 1U);
  EXPECT_EQ(request.initial_resource_versions().at("a"), "1");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_TRUE(request.has_node());
}

TEST_F(DeltaClient, WhatAnEarlierProcessHeldIsSaidToo) {
  client_->Restore(kCluster, "s", {{"a", "9"}});
  client_->Subscribe(kCluster);
  client_->OnOpen();
  EXPECT_EQ(transport_.Next().initial_resource_versions().at("a"), "9");
}

TEST_F(DeltaClient, WhatIsUnsubscribedIsNotHeld) {
  client_->SetNames(kEndpoints, {"a", "b"});
  Open();
  Receive(kEndpoints, "x", {{"a", "1"}, {"b", "2"}});
  client_->SetNames(kEndpoints, {"b"});
  EXPECT_EQ(ReopenedVersions(), (Versions{{"b", "2"}}));
}

TEST_F(DeltaClient, RemovedNamesAreHandedOn) {
  client_->Subscribe(kCluster);
  client_->SetNames(kEndpoints, {"a"});
  Open();
  DeltaDiscoveryResponse response = Make(kCluster, "x", {}, {"gone"});
  response.add_removed_resource_names()->set_name("too");
  Receive(response);
  EXPECT_EQ(handler_.removed, (Names{"gone", "too"}));
  Receive(kEndpoints, "y", {}, {"a", "other"});
  EXPECT_EQ(handler_.removed, Names{"a"});
}

TEST_F(DeltaClient, WildcardAndNamesMix) {
  client_->Subscribe(kCluster);
  Open();
  client_->SetNames(kCluster, {"extra"});
  EXPECT_EQ(List(transport_.Next().resource_names_subscribe()), Names{"extra"});
  Receive(kCluster, "x", {{"extra", "1"}, {"other", "1"}});
  transport_.sent.clear();
  client_->Unsubscribe(kCluster);
  EXPECT_EQ(List(transport_.Next().resource_names_unsubscribe()), Names{"*"});
  EXPECT_EQ(client_->versions(kCluster).size(), 1U);
  client_->Subscribe(kCluster);
  EXPECT_EQ(List(transport_.Next().resource_names_subscribe()), Names{"*"});
  client_->OnClosed("gone");
  client_->OnOpen();  // Both from the start: the star must be said.
  EXPECT_EQ(List(transport_.Next().resource_names_subscribe()), (Names{"extra", "*"}));
}

TEST_F(DeltaClient, ANamedTypeWithoutNamesIsNotStarted) {
  client_->OnOpen();
  client_->SetNames(kEndpoints, {"a"});
  client_->SetNames(kEndpoints, {});
  transport_.sent.clear();
  client_->OnClosed("gone");
  client_->OnOpen();
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(DeltaClient, ContradictionsAreRefusedAndTheRestApplies) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "x", {{"good", "1"}, {"twice", "1"}, {"twice", "2"}, {"both", "1"}},
          {"both", "gone"});
  EXPECT_EQ(handler_.names, Names{"good"});
  EXPECT_EQ(handler_.removed, Names{"gone"});
  const DeltaDiscoveryRequest nack = transport_.Next();
  EXPECT_NE(nack.error_detail().message().find(
                "duplicate name twice found among added/updated resources"),
            std::string::npos);
  EXPECT_NE(nack.error_detail().message().find(
                "duplicate name both found in the union of added+removed resources"),
            std::string::npos);
  EXPECT_EQ(nack.error_detail().details_size(), 2);
  EXPECT_EQ(ReopenedVersions(), (Versions{{"good", "1"}}));
}

TEST_F(DeltaClient, AResourceMustBearItsWrappersName) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "x", {{"outer", "1", 0, false, "inner"}, {"good", "1"}});
  EXPECT_EQ(handler_.names, Names{"good"});
  EXPECT_TRUE(transport_.Next().has_error_detail());
}

TEST_F(DeltaClient, AResourceOfAnotherTypeRefusesTheResponse) {
  client_->Subscribe(kCluster);
  Open();
  DeltaDiscoveryResponse response = Make(kCluster, "x", {{"good", "1"}});
  response.add_resources()->mutable_resource()->set_type_url(std::string(TypeUrl(kListener)));
  Receive(response);
  EXPECT_EQ(handler_.responses, 0);
  EXPECT_NE(transport_.Next().error_detail().message().find("DeltaDiscoveryResponse"),
            std::string::npos);
}

TEST_F(DeltaClient, AResourceGoesWhenItsTtlPassesUnlessAHeartbeatRenewsIt) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "x", {{"a", "1", 5}, {"b", "1"}});
  clock_.now += base::seconds(4);
  Receive(kCluster, "y", {{"a", "1", 5, true}});
  EXPECT_EQ(handler_.kept, Names{"a"});
  EXPECT_TRUE(handler_.names.empty());
  EXPECT_EQ(client_->NextWake(), clock_.now + base::seconds(5));
  clock_.now += base::seconds(5);
  client_->OnWake();
  EXPECT_EQ(handler_.removed, Names{"a"});
  EXPECT_EQ(ReopenedVersions(), (Versions{{"b", "1"}}));
}

TEST_F(DeltaClient, AHeartbeatOfAVersionThatIsNotHeldIsRefused) {
  client_->Subscribe(kCluster);
  Open();
  Receive(kCluster, "x", {{"a", "1", 5}});
  transport_.sent.clear();
  Receive(kCluster, "y", {{"a", "2", 5, true}});
  EXPECT_NE(transport_.Next().error_detail().message().find("which is not held"),
            std::string::npos);
}

TEST_F(DeltaClient, AnEmptyResponseIsAcknowledged) {
  client_->SetNames(kEndpoints, {"a"});
  Open();
  Receive(kEndpoints, "x", {});
  EXPECT_EQ(handler_.responses, 1);
  EXPECT_EQ(transport_.Next().response_nonce(), "x");
}

TEST_F(DeltaClient, VirtualHostsAreWantedByTheTableTheyBelongTo) {
  client_->SetNames(kVirtualHosts, {"table", "second"});
  Open();
  Receive(kVirtualHosts, "x",
          {{"table/h", "1", 0, false, "h"}, {"second/h", "1", 0, false, "h"}, {"no/h", "1"}});
  EXPECT_EQ(handler_.names, (Names{"table/h", "second/h"}));
  client_->SetNames(kVirtualHosts, {"table"});
  EXPECT_EQ(ReopenedVersions(), (Versions{{"table/h", "1"}}));
}

}  // namespace
}  // namespace sluice::xds
