// The client status: every resource with its state, secrets without their keys, and what is
// refused.
#include "server/csds.h"

#include <gmock/gmock.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "tests/unit/server/admin_fixture.h"

namespace sluice::server {
namespace {

using envoy::service::status::v3::ClientStatusRequest;
using envoy::service::status::v3::ClientStatusResponse;
using ::testing::HasSubstr;
using ::testing::Not;
using xds::ResourceType;

class CsdsTest : public AdminFixture {
 protected:
  void Add(ResourceType type, xds::ResourceRecord record) {
    const std::string name = record.name;
    xds->store.records[xds::IndexOf(type)].Set(
        name, std::make_shared<const xds::ResourceRecord>(std::move(record)));
  }
  xds::ResourceRecord Record(const std::string& name, const std::string& bytes) {
    xds::ResourceRecord record;
    record.name = name;
    record.version = "v1";
    record.bytes = std::make_shared<const std::string>(bytes);
    record.updated = clock.WallNow();
    return record;
  }
  ClientStatusResponse Answer(const ClientStatusRequest& request) {
    const auto bytes =
        AnswerClientStatus(request.SerializeAsString(), *xds, bootstrap, clock.WallNow());
    EXPECT_TRUE(bytes.ok());
    ClientStatusResponse response;
    EXPECT_TRUE(response.ParseFromString(*bytes));
    EXPECT_EQ(response.config_size(), 1);
    return response;
  }
};

TEST_F(CsdsTest, SaysOfEveryResourceWhatBecameOfIt) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name("good");
  Add(ResourceType::kCluster, Record("good", cluster.SerializeAsString()));
  xds::ResourceRecord bad = Record("quarantined", cluster.SerializeAsString());
  bad.error = {"connect_timeout: must be above 0", "v2", clock.WallNow(),
               std::make_shared<const std::string>(cluster.SerializeAsString())};
  Add(ResourceType::kCluster, bad);
  xds->wanted[xds::IndexOf(ResourceType::kRoutes)] =
      std::make_shared<const std::set<std::string>>(std::set<std::string>{"table"});
  const ClientStatusResponse response = Answer({});
  const auto& resources = response.config(0).generic_xds_configs();
  ASSERT_EQ(resources.size(), 3);
  EXPECT_EQ(resources[0].name(), "good");
  EXPECT_EQ(resources[0].version_info(), "v1");
  EXPECT_EQ(resources[0].client_status(), envoy::admin::v3::ACKED);
  EXPECT_EQ(resources[0].xds_config().value(), cluster.SerializeAsString());
  EXPECT_EQ(resources[1].client_status(), envoy::admin::v3::NACKED);
  EXPECT_EQ(resources[1].error_state().details(), "connect_timeout: must be above 0");
  EXPECT_EQ(resources[1].error_state().version_info(), "v2");
  EXPECT_TRUE(resources[1].error_state().has_failed_configuration());
  EXPECT_EQ(resources[2].name(), "table");
  EXPECT_EQ(resources[2].client_status(), envoy::admin::v3::REQUESTED);

  ClientStatusRequest brief;
  brief.set_exclude_resource_contents(true);
  const ClientStatusResponse short_response = Answer(brief);
  for (const auto& each : short_response.config(0).generic_xds_configs()) {
    EXPECT_FALSE(each.has_xds_config());
    EXPECT_FALSE(each.error_state().has_failed_configuration());
  }
}

TEST_F(CsdsTest, KeysAreRedacted) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.set_name("cert");
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("PRIVATE KEY");
  secret.mutable_tls_certificate()->mutable_certificate_chain()->set_inline_string("CHAIN");
  Add(ResourceType::kSecret, Record("cert", secret.SerializeAsString()));
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_name("tls");
  cluster.mutable_transport_socket()->mutable_typed_config()->PackFrom(secret);
  Add(ResourceType::kCluster, Record("tls", cluster.SerializeAsString()));
  const std::string all = Answer({}).SerializeAsString();
  EXPECT_THAT(all, Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(all, HasSubstr("[redacted]"));
  EXPECT_THAT(all, HasSubstr("CHAIN"));
}

TEST_F(CsdsTest, OtherNodesAreNotKnownHere) {
  ClientStatusRequest request;
  request.add_node_matchers();
  const auto refused =
      AnswerClientStatus(request.SerializeAsString(), *xds, bootstrap, clock.WallNow());
  EXPECT_THAT(refused.status().ToString(), HasSubstr("node_matchers is not supported"));
  EXPECT_FALSE(AnswerClientStatus("\xff\xff", *xds, bootstrap, clock.WallNow()).ok());
}

TEST_F(CsdsTest, ListensOnLoopbackOnlyUnlessToldOtherwise) {
  const auto answer = [](std::string_view) -> absl::StatusOr<std::string> { return ""; };
  Csds open({*base::Address::ParseIp("0.0.0.0", 0), false, answer});
  EXPECT_THAT(open.Start().status().ToString(), HasSubstr("is not loopback"));
  Csds local({*base::Address::ParseIp("127.0.0.1", 0), false, answer});
  const auto bound = local.Start();
  ASSERT_TRUE(bound.ok());
  EXPECT_NE(bound->port(), 0);
}

}  // namespace
}  // namespace sluice::server
