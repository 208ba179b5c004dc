// /config_dump: golden JSON, what a query selects, secrets, and what never was good.
#include <gmock/gmock.h>

#include "base/strings.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/scoped_route.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "harness/certificates.h"
#include "tests/unit/server/admin_fixture.h"

namespace sluice::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using xds::ResourceType;

constexpr std::string_view kStatic = R"(
node: {id: n, cluster: c}
static_resources:
  clusters:
  - name: fixed
    type: STATIC
    load_assignment: {cluster_name: fixed, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}
  listeners:
  - name: in
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          route_config: {name: inline, virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: fixed}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
)";

class AdminConfigDump : public AdminFixture {
 protected:
  xds::ResourceRecord Record(const std::string& name, const std::string& bytes) {
    xds::ResourceRecord record;
    record.name = name;
    record.version = "v1";
    record.bytes = std::make_shared<const std::string>(bytes);
    record.updated = clock.WallNow() + base::seconds(5);
    return record;
  }
  void Add(ResourceType type, xds::ResourceRecord record) {
    const std::string name = record.name;
    xds->store.records[static_cast<std::size_t>(type)].Set(
        name, std::make_shared<const xds::ResourceRecord>(std::move(record)));
  }
  void SetVersion(ResourceType type, std::string version) {
    xds->store.versions[static_cast<std::size_t>(type)] = std::move(version);
  }
  static xds::ResourceRecord::Error Error(base::WallTime when) {
    return {"connect_timeout: must be above 0", "v2", when, nullptr};
  }

  void Fill() {
    Load(kStatic);
    for (const std::string name : {"b", "a", "slow"}) {
      envoy::config::cluster::v3::Cluster cluster;
      cluster.set_name(name);
      xds::ResourceRecord record = Record(name, cluster.SerializeAsString());
      record.live = name != "slow";
      Add(ResourceType::kCluster, record);
    }
    xds::ResourceRecord bad;
    bad.name = "never";
    bad.live = false;
    bad.error = Error(clock.WallNow());
    Add(ResourceType::kCluster, bad);
    SetVersion(ResourceType::kCluster, "v2");
    envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
    assignment.set_cluster_name("a");
    Add(ResourceType::kEndpoints, Record("a", assignment.SerializeAsString()));
    envoy::config::listener::v3::Listener listener;
    listener.set_name("edge");
    xds::ResourceRecord edge = Record("edge", listener.SerializeAsString());
    edge.error = Error(clock.WallNow());
    Add(ResourceType::kListener, edge);
    listener.set_name("waiting");
    xds::ResourceRecord waiting = Record("waiting", listener.SerializeAsString());
    waiting.live = false;
    Add(ResourceType::kListener, waiting);
    SetVersion(ResourceType::kListener, "v1");
    envoy::config::route::v3::RouteConfiguration routes;
    routes.set_name("table");
    Add(ResourceType::kRoutes, Record("table", routes.SerializeAsString()));
  }

  // Every answer must be JSON, whatever is selected.
  std::string Dump(std::string_view query) {
    Answer answer = Ask(base::Cat("/config_dump", query));
    EXPECT_EQ(answer.status, 200U) << answer.body;
    EXPECT_EQ(answer.type, "application/json");
    google::protobuf::Struct parsed;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(answer.body, &parsed).ok()) << query;
    return answer.body;
  }
};

TEST_F(AdminConfigDump, WholeDump) {
  Fill();
  ExpectGolden("config_dump.json", Dump("?include_eds"));
}

TEST_F(AdminConfigDump, WhatWarmsStandsBesideWhatServesAndWhatWasRefusedIsShown) {
  envoy::config::listener::v3::Listener listener;
  listener.set_name("edge");
  listener.set_stat_prefix("old");
  const xds::ResourceRecord old = Record("edge", listener.SerializeAsString());
  listener.set_stat_prefix("new");
  xds::ResourceRecord record = Record("edge", listener.SerializeAsString());
  record.version = "v2";
  record.live = false;
  record.active = std::make_shared<const xds::ResourceRecord>(old);
  listener.set_stat_prefix("refused");
  record.error = Error(clock.WallNow());
  record.error->bytes = std::make_shared<const std::string>(listener.SerializeAsString());
  Add(ResourceType::kListener, record);
  const std::string dump = Dump("?resource=dynamic_listeners");
  const std::size_t active = dump.find("active_state");
  const std::size_t warming = dump.find("warming_state");
  const std::size_t failed = dump.find("failed_configuration");
  ASSERT_NE(active, std::string::npos);
  EXPECT_LT(active, dump.find("\"old\""));
  EXPECT_LT(dump.find("\"old\""), warming);
  EXPECT_LT(warming, dump.find("\"new\""));
  EXPECT_LT(dump.find("\"new\""), failed);
  EXPECT_LT(failed, dump.find("\"refused\""));
  EXPECT_LT(dump.find("\"refused\""), dump.find("last_update_attempt"));
}

TEST_F(AdminConfigDump, ScopesSecretsAndFilterConfigurations) {
  envoy::config::route::v3::ScopedRouteConfiguration scope;
  scope.set_name("red");
  Add(ResourceType::kScopedRoutes, Record("red", scope.SerializeAsString()));
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  secret.set_name("cert");
  secret.mutable_tls_certificate()->mutable_private_key()->set_inline_string("PRIVATE KEY");
  Add(ResourceType::kSecret, Record("cert", secret.SerializeAsString()));
  envoy::config::core::v3::TypedExtensionConfig filter;
  filter.set_name("ext");
  Add(ResourceType::kExtensionConfig, Record("ext", filter.SerializeAsString()));
  const std::string dump = Dump("");
  EXPECT_THAT(dump, HasSubstr("envoy.admin.v3.ScopedRoutesConfigDump"));
  EXPECT_THAT(dump, HasSubstr("envoy.admin.v3.SecretsConfigDump"));
  EXPECT_THAT(dump, HasSubstr("envoy.admin.v3.EcdsConfigDump"));
  EXPECT_THAT(dump, HasSubstr("[redacted]"));
  EXPECT_THAT(dump, Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(Dump("?resource=dynamic_active_secrets"), HasSubstr("\"name\": \"cert\""));
  EXPECT_THAT(Dump("?resource=ecds_filters&name_regex=other"), Not(HasSubstr("ext")));
}

TEST_F(AdminConfigDump, EndpointsOnlyWhenAskedFor) {
  Fill();
  EXPECT_THAT(Dump(""), Not(HasSubstr("EndpointsConfigDump")));
  EXPECT_EQ(Ask("/config_dump?resource=dynamic_endpoint_configs").status, 404U);
  EXPECT_THAT(Dump("?resource=dynamic_endpoint_configs&include_eds"),
              HasSubstr("EndpointsConfigDump.DynamicEndpointConfig"));
}

TEST_F(AdminConfigDump, ResourceSelectsOneList) {
  Fill();
  ExpectGolden("config_dump_active.json", Dump("?resource=dynamic_active_clusters"));
  EXPECT_THAT(Dump("?resource=dynamic_listeners"),
              HasSubstr("envoy.admin.v3.ListenersConfigDump.DynamicListener"));
}

TEST_F(AdminConfigDump, NameRegexMatchesWholeNames) {
  Fill();
  const std::string dump = Dump("?name_regex=a|tab.*");
  EXPECT_THAT(dump, HasSubstr("\"name\": \"a\""));
  EXPECT_THAT(dump, HasSubstr("\"name\": \"table\""));
  EXPECT_THAT(dump, Not(HasSubstr("\"name\": \"b\"")));
  EXPECT_THAT(dump, Not(HasSubstr("\"name\": \"edge\"")));
  EXPECT_THAT(Dump("?resource=static_route_configs&name_regex=inline"), HasSubstr("inline"));
  EXPECT_EQ(Dump("?resource=static_route_configs&name_regex=other"), "{\n \"configs\": []\n}\n");
}

TEST_F(AdminConfigDump, WhatItCannotDoIsRefusedByName) {
  struct Case {
    std::string_view query;
    unsigned status;
    std::string_view text;
  };
  constexpr Case kCases[] = {
      {"?mask=bootstrap", 400, "mask is not supported"},
      {"?resource=bootstrap", 400, "bootstrap is not a repeated field"},
      {"?resource=nothing", 404, "nothing not found in config dump"},
      {"?name_regex=(", 400, "Error while parsing name_regex from (:"},
  };
  for (const Case& each : kCases) {
    const Answer answer = Ask(base::Cat("/config_dump", each.query));
    EXPECT_EQ(answer.status, each.status) << each.query;
    EXPECT_THAT(answer.body, HasSubstr(each.text));
  }
}

TEST_F(AdminConfigDump, PrivateKeysAreRedacted) {
  const harness::CertificateAuthority authority;
  const harness::Identity identity = authority.Issue({"DNS:client.example"});
  const auto indented = [](const std::string& pem) {
    std::string out;
    for (const std::string_view line : base::Split(pem, '\n')) {
      base::Append(out, "              ", line, "\n");
    }
    return out;
  };
  Load(base::Cat(R"(
static_resources:
  clusters:
  - name: tls
    type: STATIC
    load_assignment: {cluster_name: tls, endpoints: []}
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: a.example
        common_tls_context:
          tls_certificates:
          - private_key:
             inline_string: |
)",
                 indented(identity.private_key_pem), R"(
            certificate_chain:
             inline_string: |
)",
                 indented(identity.certificate_pem)));
  const std::string dump = Dump("");
  EXPECT_THAT(dump, HasSubstr("[redacted]"));
  EXPECT_THAT(dump, Not(HasSubstr("PRIVATE KEY")));
  EXPECT_THAT(dump, HasSubstr("BEGIN CERTIFICATE"));
}

TEST_F(AdminConfigDump, ManyResourcesComeInBoundedPieces) {
  for (int i = 0; i < 3000; ++i) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(base::Cat("cluster-", i));
    Add(ResourceType::kCluster, Record(cluster.name(), cluster.SerializeAsString()));
  }
  const Answer answer = Ask("/config_dump");
  EXPECT_GT(answer.pieces, 5U);
  EXPECT_LT(answer.largest, 64U * 1024);
}

TEST_F(AdminConfigDump, BytesThatDoNotParseAreShownAsTheyAre) {
  Add(ResourceType::kCluster, Record("odd", "\xff\xff\xff"));
  EXPECT_THAT(Dump(""), HasSubstr("\"value\": \"////\""));
}

}  // namespace
}  // namespace sluice::server
