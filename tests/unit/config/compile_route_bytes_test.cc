#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "envoy/config/route/v3/route_components.pb.h"
#include "tests/unit/config/compile_testing.h"
#include "tests/unit/config/route_samples.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ProtoTable = envoy::config::route::v3::RouteConfiguration;

ProtoTable ManyHosts(int count) {
  ProtoTable proto;
  proto.set_name("t");
  proto.set_most_specific_header_mutations_wins(true);
  for (int i = 0; i < count; ++i) {
    auto* host = proto.add_virtual_hosts();
    host->set_name(base::Cat("host", i));
    host->add_domains(base::Cat("host", i, ".example.com"));
    auto* route = host->add_routes();
    route->mutable_match()->set_prefix("/");
    route->mutable_route()->set_cluster(base::Cat("cluster", i));
  }
  return proto;
}

std::shared_ptr<const RouteTable> FromBytes(const ProtoTable& proto, const RouteTable* previous) {
  base::FieldErrors errors;
  auto table = CompileRouteTableBytes(proto.SerializeAsString(), previous, {}, errors);
  EXPECT_TRUE(errors.empty()) << errors.Text();
  return table;
}

int SharedHosts(const RouteTable& a, const RouteTable& b) {
  int shared = 0;
  for (const auto& host : a.virtual_hosts) {
    shared +=
        std::find(b.virtual_hosts.begin(), b.virtual_hosts.end(), host) != b.virtual_hosts.end()
            ? 1
            : 0;
  }
  return shared;
}

TEST(CompileRouteTableBytes, IsTheSameAsCompilingTheWholeMessage) {
  const ProtoTable proto = ManyHosts(10);
  base::FieldErrors errors;
  EXPECT_EQ(*FromBytes(proto, nullptr), *CompileRouteTable(proto, {}, errors));
}

TEST(CompileRouteTableBytes, OneHostOfAThousandChanges) {
  ProtoTable proto = ManyHosts(1000);
  const auto first = FromBytes(proto, nullptr);
  const auto same = FromBytes(proto, first.get());
  EXPECT_EQ(SharedHosts(*same, *first), 1000);
  EXPECT_EQ(*same, *first);

  proto.mutable_virtual_hosts(500)->mutable_routes(0)->mutable_route()->set_cluster("new");
  const auto second = FromBytes(proto, same.get());
  EXPECT_EQ(SharedHosts(*second, *first), 999);
  EXPECT_FALSE(*second == *first);
  const auto found = FindRoute(*second, Request("host500.example.com", "/x"), 0);
  EXPECT_EQ(std::get<ForwardAction>(found.route->action).cluster, "new");
}

TEST(CompileRouteTableBytes, HostsMayMoveComeAndGo) {
  ProtoTable proto = ManyHosts(10);
  const auto first = FromBytes(proto, nullptr);
  proto.mutable_virtual_hosts()->SwapElements(0, 9);
  proto.mutable_virtual_hosts()->DeleteSubrange(3, 2);
  const auto second = FromBytes(proto, first.get());
  ASSERT_EQ(second->virtual_hosts.size(), 8U);
  EXPECT_EQ(SharedHosts(*second, *first), 8);
  EXPECT_EQ(FindRoute(*second, Request("host9.example.com", "/"), 0).virtual_host->name, "host9");
  EXPECT_EQ(FindRoute(*second, Request("host3.example.com", "/"), 0).virtual_host, nullptr);
}

TEST(CompileRouteTableBytes, EqualValuesInOtherBytesAreShared) {
  const ProtoTable proto = ManyHosts(3);
  const auto first = FromBytes(proto, nullptr);
  std::string bytes;
  for (const auto& host : proto.virtual_hosts()) {
    // Fields may come in any order and more than once; the last scalar wins.
    const std::string inner =
        FromText<envoy::config::route::v3::VirtualHost>("name: 'x'").SerializeAsString() +
        host.SerializeAsString();
    bytes += '\x12';
    bytes += static_cast<char>(inner.size());
    ASSERT_LT(inner.size(), 128U);
    bytes += inner;
  }
  ProtoTable rest = proto;
  rest.clear_virtual_hosts();
  bytes += rest.SerializeAsString();
  base::FieldErrors errors;
  const auto second = CompileRouteTableBytes(bytes, first.get(), {}, errors);
  ASSERT_TRUE(errors.empty()) << errors.Text();
  EXPECT_EQ(SharedHosts(*second, *first), 3);
  EXPECT_EQ(*second, *first);
}

TEST(CompileRouteTableBytes, AnotherBodyLimitCompilesAnew) {
  ProtoTable proto = ManyHosts(1);
  auto* response = proto.mutable_virtual_hosts(0)->mutable_routes(0)->mutable_direct_response();
  response->set_status(200);
  response->mutable_body()->set_inline_string("12345");
  const auto first = FromBytes(proto, nullptr);
  proto.mutable_max_direct_response_body_size_bytes()->set_value(4);
  base::FieldErrors errors;
  EXPECT_EQ(CompileRouteTableBytes(proto.SerializeAsString(), first.get(), {}, errors), nullptr);
  EXPECT_THAT(Lines(errors),
              ElementsAre("virtual_hosts[0].routes[0].direct_response.body: has 5 bytes; at most 4 "
                          "are allowed"));
}

TEST(CompileRouteTableBytes, GarbageIsAnErrorAtEveryCut) {
  const ProtoTable proto = ManyHosts(2);
  const std::string bytes = proto.SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    base::FieldErrors errors;
    const auto table = CompileRouteTableBytes(bytes.substr(0, size), nullptr, {}, errors);
    ProtoTable whole;
    EXPECT_EQ(table != nullptr, whole.ParseFromString(bytes.substr(0, size))) << size;
  }
  base::FieldErrors errors;
  EXPECT_EQ(CompileRouteTableBytes("\x12\x02\xff\xff", nullptr, {}, errors), nullptr);
  EXPECT_EQ(CompileRouteTableBytes("\x13", nullptr, {}, errors), nullptr);
  EXPECT_EQ(CompileRouteTableBytes("\x12\xff\xff\xff\xff\x0f", nullptr, {}, errors), nullptr);
  EXPECT_THAT(Lines(errors),
              ElementsAre("virtual_hosts[0]: the bytes are no envoy.config.route.v3.VirtualHost",
                          ": the bytes are no envoy.config.route.v3.RouteConfiguration",
                          ": the bytes are no envoy.config.route.v3.RouteConfiguration"));
}

TEST(CompileRouteTableBytes, UnknownFieldsAreSeenInTheRestAndInHosts) {
  base::FieldErrors errors;
  std::vector<std::string> unknown;
  CompileOptions options;
  options.on_unknown_field = [&](std::string_view field) { unknown.emplace_back(field); };
  // The host: name, domains, field 100.
  const std::string host("\x0a\x01h\x12\x01*\xa0\x06\x01", 9);
  const std::string whole = FromText<ProtoTable>("name: 't'").SerializeAsString() +
                            std::string("\xa0\x06\x01", 3) + std::string("\x12\x09", 2) + host;
  EXPECT_NE(CompileRouteTableBytes(whole, nullptr, options, errors), nullptr) << errors.Text();
  EXPECT_EQ(unknown.size(), 2U);
  options.reject_unknown_fields = true;
  EXPECT_EQ(CompileRouteTableBytes(whole, nullptr, options, errors), nullptr);
  EXPECT_EQ(errors.size(), 2U) << errors.Text();
}

}  // namespace
}  // namespace sluice::config
