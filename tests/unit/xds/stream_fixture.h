#pragma once
// A discovery client between a transport that a test looks into and a handler it directs.

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "google/rpc/status.pb.h"
#include "xds/discovery_client.h"

namespace sluice::xds {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using Wrapper = envoy::service::discovery::v3::Resource;

template <typename Request>
class FakeTransport final : public Transport {
 public:
  void Open(TransportEvents&) override {}
  void Send(std::string bytes) override {
    Request request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    sent.push_back(request);
  }
  void ReadNext() override { ++reads; }
  void Close() override {}

  Request Next() {
    if (sent.empty()) {
      ADD_FAILURE() << "nothing was sent";
      return {};
    }
    Request request = sent.front();
    sent.pop_front();
    return request;
  }

  std::deque<Request> sent;
  int reads = 0;
};

class FakeHandler final : public ResponseHandler {
 public:
  Verdict OnResponse(const Response& response) override {
    ++responses;
    type = response.type;
    whole = response.whole;
    expired = response.expired;
    names.clear();
    versions.clear();
    for (const RawResource& resource : response.resources) {
      names.emplace_back(resource.name);
      versions.emplace_back(resource.version);
    }
    removed.assign(response.removed.begin(), response.removed.end());
    kept.assign(response.kept.begin(), response.kept.end());
    if (during) std::exchange(during, nullptr)();
    return verdict;
  }
  void OnBadResponse(ResourceType, std::string_view why) override { bad = why; }

  int responses = 0;
  ResourceType type = ResourceType::kCluster;
  bool whole = false, expired = false;
  std::vector<std::string> names, versions, removed, kept;
  Verdict verdict;
  std::string bad;
  std::function<void()> during;
};

class FixedRandom final : public base::Random {
 public:
  std::uint64_t Next() override { return value; }
  std::uint64_t value = 0;
};

class FakeClock final : public base::Clock {
 public:
  base::Monotonic Now() const override { return now; }
  base::WallTime WallNow() const override { return {}; }
  base::Monotonic now{base::seconds(1000)};
};

template <typename Request>
class StreamFixture : public testing::Test {
 protected:
  explicit StreamFixture(DiscoveryOptions options = {}) { MakeClient(std::move(options)); }
  void MakeClient(DiscoveryOptions options) {
    envoy::config::core::v3::Node node;
    node.set_id("n1");
    options.node_bytes = node.SerializeAsString();
    options.delta = std::is_same_v<Request, DeltaDiscoveryRequest>;
    client_ = std::make_unique<DiscoveryClient>(
        std::move(options), DiscoveryClient::Outside{transport_, handler_, clock_, random_});
  }
  // A resource of the type with its name in field 1, as all have it.
  static google::protobuf::Any Any(ResourceType type, std::string_view name) {
    google::protobuf::Any any;
    any.set_type_url(std::string(TypeUrl(type)));
    if (!name.empty()) {
      any.set_value(base::Cat("\x0a", std::string(1, static_cast<char>(name.size())), name));
    }
    return any;
  }

  FakeTransport<Request> transport_;
  FakeHandler handler_;
  FixedRandom random_;
  FakeClock clock_;
  std::unique_ptr<DiscoveryClient> client_;
};

inline std::vector<std::string> List(const auto& repeated) {
  return {repeated.begin(), repeated.end()};
}

using Names = std::vector<std::string>;

}  // namespace sluice::xds
