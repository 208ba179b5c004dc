#include "xds/ads_client.h"

#include <gtest/gtest.h>

#include <deque>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"

namespace sluice::xds {
namespace {

using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

class FakeTransport final : public Transport {
 public:
  void Open(TransportEvents& events) override { events_ = &events; }
  void Send(std::string bytes) override {
    DiscoveryRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    sent.push_back(request);
  }
  void ReadNext() override { ++reads; }
  void Close() override {}

  DiscoveryRequest Next() {
    if (sent.empty()) return {};
    DiscoveryRequest request = sent.front();
    sent.pop_front();
    return request;
  }

  std::deque<DiscoveryRequest> sent;
  int reads = 0;
  TransportEvents* events_ = nullptr;
};

class FakeHandler final : public ResponseHandler {
 public:
  std::string OnResponse(const Response& response) override {
    ++responses;
    resources = response.resources.size();
    names.clear();
    for (const RawResource& resource : response.resources) names.emplace_back(resource.name);
    if (during) during();
    return error;
  }
  void OnBadResponse(ResourceType, std::string_view why) override { bad = why; }

  int responses = 0;
  std::size_t resources = 0;
  std::vector<std::string> names;
  std::string error;
  std::string bad;
  std::function<void()> during;
};

class FixedRandom final : public base::Random {
 public:
  std::uint64_t Next() override { return value; }
  std::uint64_t value = 0;
};

class AdsClientTest : public testing::Test {
 protected:
  AdsClientTest() : client_(Options(), transport_, handler_, random_) {}
  static AdsOptions Options() {
    envoy::config::core::v3::Node node;
    node.set_id("n1");
    return {node.SerializeAsString(), false, 500, 30'000};
  }
  static std::string Bytes(ResourceType type, std::string_view version, std::string_view nonce,
                           int resources = 1) {
    DiscoveryResponse response;
    response.set_type_url(std::string(TypeUrl(type)));
    response.set_version_info(std::string(version));
    response.set_nonce(std::string(nonce));
    for (int i = 0; i < resources; ++i) {
      response.add_resources()->set_type_url(std::string(TypeUrl(type)));
    }
    return response.SerializeAsString();
  }

  FakeTransport transport_;
  FakeHandler handler_;
  FixedRandom random_;
  AdsClient client_;
};

TEST_F(AdsClientTest, TheFirstRequestHasNodeAndNoVersion) {
  client_.Subscribe(ResourceType::kCluster);
  EXPECT_TRUE(transport_.sent.empty());  // Nothing before the stream is open.
  client_.OnOpen();
  const DiscoveryRequest request = transport_.Next();
  EXPECT_EQ(request.type_url(), TypeUrl(ResourceType::kCluster));
  EXPECT_EQ(request.node().id(), "n1");
  EXPECT_EQ(request.version_info(), "");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(request.resource_names_size(), 0);
  EXPECT_EQ(transport_.reads, 1);
}

TEST_F(AdsClientTest, AGoodResponseIsAcknowledgedWithItsVersionAndNonce) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  transport_.sent.clear();
  client_.OnMessage(Bytes(ResourceType::kCluster, "v1", "n-a"));
  const DiscoveryRequest ack = transport_.Next();
  EXPECT_EQ(ack.version_info(), "v1");
  EXPECT_EQ(ack.response_nonce(), "n-a");
  EXPECT_FALSE(ack.has_error_detail());
  EXPECT_EQ(transport_.reads, 2);
}

TEST_F(AdsClientTest, ABadResponseIsRefusedWithTheLastGoodVersion) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  client_.OnMessage(Bytes(ResourceType::kCluster, "v1", "a"));
  transport_.sent.clear();
  handler_.error = "x.y: wrong";
  client_.OnMessage(Bytes(ResourceType::kCluster, "v2", "b"));
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.version_info(), "v1");
  EXPECT_EQ(nack.response_nonce(), "b");
  EXPECT_EQ(nack.error_detail().message(), "x.y: wrong");
  EXPECT_EQ(nack.error_detail().code(), 13);
}

TEST_F(AdsClientTest, NewNamesTravelWithTheAck) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  transport_.sent.clear();
  handler_.during = [&] { client_.SetNames(ResourceType::kEndpoints, {"a", "b"}); };
  client_.OnMessage(Bytes(ResourceType::kCluster, "v1", "a"));
  ASSERT_EQ(transport_.sent.size(), 2U);
  EXPECT_EQ(transport_.sent[0].type_url(), TypeUrl(ResourceType::kCluster));
  EXPECT_EQ(transport_.sent[1].type_url(), TypeUrl(ResourceType::kEndpoints));
  EXPECT_EQ(transport_.sent[1].resource_names_size(), 2);
  EXPECT_EQ(transport_.sent[1].response_nonce(), "");
}

TEST_F(AdsClientTest, EveryRequestCarriesTheWholeListAndEqualListsSendNothing) {
  client_.OnOpen();
  client_.SetNames(ResourceType::kRoutes, {"r1"});
  EXPECT_EQ(transport_.Next().resource_names_size(), 1);
  client_.SetNames(ResourceType::kRoutes, {"r1"});
  EXPECT_TRUE(transport_.sent.empty());
  client_.OnMessage(Bytes(ResourceType::kRoutes, "v1", "a"));
  transport_.sent.clear();
  client_.SetNames(ResourceType::kRoutes, {"r1", "r2"});
  const DiscoveryRequest grown = transport_.Next();
  EXPECT_EQ(grown.resource_names_size(), 2);
  EXPECT_EQ(grown.version_info(), "v1");
  EXPECT_EQ(grown.response_nonce(), "a");
  client_.SetNames(ResourceType::kRoutes, {});
  EXPECT_EQ(transport_.Next().resource_names_size(), 0);  // Unsubscribed from everything.
}

TEST_F(AdsClientTest, ANamedTypeIsNeverAskedForAsAWildcard) {
  client_.OnOpen();
  client_.SetNames(ResourceType::kEndpoints, {});
  EXPECT_TRUE(transport_.sent.empty());
  client_.SetNames(ResourceType::kEndpoints, {"a"});
  client_.SetNames(ResourceType::kEndpoints, {});
  transport_.sent.clear();
  client_.OnClosed("gone");
  client_.OnOpen();  // An empty first request would mean "everything".
  EXPECT_TRUE(transport_.sent.empty());
}

TEST_F(AdsClientTest, AfterAReconnectVersionsStayAndNoncesGo) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  client_.OnMessage(Bytes(ResourceType::kCluster, "v7", "a"));
  client_.OnClosed("gone");
  transport_.sent.clear();
  client_.OnOpen();
  const DiscoveryRequest request = transport_.Next();
  EXPECT_EQ(request.version_info(), "v7");
  EXPECT_EQ(request.response_nonce(), "");
  EXPECT_EQ(request.node().id(), "n1");
}

TEST_F(AdsClientTest, BackoffGrowsToItsCapAndOnlyAMessageResetsIt) {
  random_.value = 29'999;
  EXPECT_LT(client_.NextBackoffMs(), 500U);
  random_.value = 999;
  EXPECT_EQ(client_.NextBackoffMs(), 999U);
  for (int i = 0; i < 10; ++i) client_.NextBackoffMs();
  random_.value = 29'999;
  EXPECT_EQ(client_.NextBackoffMs(), 29'999U);
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  EXPECT_EQ(client_.NextBackoffMs(), 29'999U);
  client_.OnMessage(Bytes(ResourceType::kCluster, "v1", "a"));
  EXPECT_LT(client_.NextBackoffMs(), 500U);
}

TEST_F(AdsClientTest, AResourceOfAnotherTypeRefusesTheResponse) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  transport_.sent.clear();
  DiscoveryResponse response;
  response.set_type_url(std::string(TypeUrl(ResourceType::kCluster)));
  response.set_version_info("v1");
  response.set_nonce("a");
  response.add_resources()->set_type_url(std::string(TypeUrl(ResourceType::kListener)));
  client_.OnMessage(response.SerializeAsString());
  const DiscoveryRequest nack = transport_.Next();
  EXPECT_EQ(nack.version_info(), "");
  EXPECT_NE(nack.error_detail().message().find("does not match the message-wide type URL"),
            std::string::npos);
  EXPECT_EQ(handler_.responses, 0);
  EXPECT_FALSE(handler_.bad.empty());
}

TEST_F(AdsClientTest, WrappedResourcesAreUnwrapped) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  DiscoveryResponse response;
  response.set_type_url(std::string(TypeUrl(ResourceType::kCluster)));
  envoy::service::discovery::v3::Resource wrapper;
  wrapper.set_name("w");
  wrapper.mutable_resource()->set_type_url(std::string(TypeUrl(ResourceType::kCluster)));
  response.add_resources()->PackFrom(wrapper);
  envoy::service::discovery::v3::Resource heartbeat;
  heartbeat.set_name("h");
  response.add_resources()->PackFrom(heartbeat);
  client_.OnMessage(response.SerializeAsString());
  EXPECT_EQ(handler_.names, (std::vector<std::string>{"w"}));
}

TEST_F(AdsClientTest, GarbageAndUnknownTypesAreDroppedAndReadingGoesOn) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  transport_.sent.clear();
  client_.OnMessage("\xff\xff garbage");
  DiscoveryResponse other;
  other.set_type_url("type.googleapis.com/no.such.Type");
  client_.OnMessage(other.SerializeAsString());
  client_.OnMessage(Bytes(ResourceType::kListener, "v1", "a"));  // Not subscribed.
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(handler_.responses, 0);
  EXPECT_EQ(transport_.reads, 4);
}

TEST_F(AdsClientTest, AHugeErrorIsCut) {
  client_.Subscribe(ResourceType::kCluster);
  client_.OnOpen();
  transport_.sent.clear();
  handler_.error = std::string(1 << 20, 'e');
  client_.OnMessage(Bytes(ResourceType::kCluster, "v1", "a"));
  EXPECT_LT(transport_.Next().error_detail().message().size(), 20'000U);
}

TEST(AdsClientNode, IsSentOnceWhereTheBootstrapSaysSo) {
  FakeTransport transport;
  FakeHandler handler;
  FixedRandom random;
  envoy::config::core::v3::Node node;
  node.set_id("n1");
  AdsClient client({node.SerializeAsString(), true, 500, 30'000}, transport, handler, random);
  client.Subscribe(ResourceType::kCluster);
  client.Subscribe(ResourceType::kListener);
  client.OnOpen();
  EXPECT_TRUE(transport.Next().has_node());
  EXPECT_FALSE(transport.Next().has_node());
}

}  // namespace
}  // namespace sluice::xds
