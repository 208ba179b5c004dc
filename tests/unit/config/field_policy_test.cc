// Which fields are refused, ignored or unknown, found by reflection on real messages.

#include "config/field_policy.h"

#include <filesystem>
#include <set>
#include <string>

#include "base/field_errors.h"
#include "base/strings.h"
#include "config/type_registry.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "gtest/gtest.h"

namespace sluice::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

struct Checked {
  std::string errors;
  FieldReport report;
};

Checked Check(const google::protobuf::Message& message) {
  Checked result;
  base::FieldErrors errors;
  CheckFields(message, errors, result.report);
  result.errors = errors.Text("\n");
  return result;
}

TEST(CheckFields, NamesARefusedFieldByItsPathAndSaysWhatToWrite) {
  envoy::config::route::v3::RouteConfiguration table;
  for (int i = 0; i < 4; ++i) table.add_virtual_hosts();
  table.mutable_virtual_hosts(3)->add_routes();
  table.mutable_virtual_hosts(3)->mutable_routes(0)->mutable_route()->add_rate_limits();
  EXPECT_EQ(
      Check(table).errors,
      "virtual_hosts[3].routes[0].route.rate_limits: not supported; leave it out: there is no "
      "rate limiting");
}

TEST(CheckFields, ReportsEveryRefusedFieldNotOnlyTheFirst) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.mutable_outlier_detection();
  cluster.add_health_checks();
  cluster.set_connection_pool_per_downstream_connection(true);
  const Checked result = Check(cluster);
  EXPECT_THAT(result.errors, HasSubstr("outlier_detection: not supported"));
  EXPECT_THAT(result.errors, HasSubstr("health_checks: not supported"));
  EXPECT_THAT(result.errors, HasSubstr("connection_pool_per_downstream_connection: not supported"));
}

TEST(CheckFields, ListsFieldsWithoutEffectOnceAndDoesNotLookInside) {
  envoy::config::route::v3::RouteConfiguration table;
  for (int i = 0; i < 3; ++i) {
    auto* route = table.add_virtual_hosts()->add_routes();
    route->set_stat_prefix("x");
    (*route->mutable_metadata()->mutable_filter_metadata())["a"];
  }
  const Checked result = Check(table);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.report.no_effect, ElementsAre("envoy.config.route.v3.Route.metadata",
                                                   "envoy.config.route.v3.Route.stat_prefix"));
}

TEST(CheckFields, AcceptsAnImplementedTable) {
  envoy::config::route::v3::RouteConfiguration table;
  auto* host = table.add_virtual_hosts();
  host->set_name("h");
  host->add_domains("*");
  auto* route = host->add_routes();
  route->mutable_match()->set_prefix("/");
  route->mutable_route()->set_cluster("c");
  route->mutable_route()->mutable_timeout()->set_seconds(3);
  const Checked result = Check(table);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.report.no_effect, IsEmpty());
  EXPECT_THAT(result.report.unknown, IsEmpty());
}

TEST(CheckFields, RefusesEnumNumbersThatOurEnumLacks) {
  envoy::config::cluster::v3::Cluster cluster;
  cluster.set_lb_policy(static_cast<envoy::config::cluster::v3::Cluster::LbPolicy>(99));
  EXPECT_EQ(Check(cluster).errors, "lb_policy: unknown value 99");
}

TEST(CheckFields, LooksIntoMapsAndCountsListElements) {
  envoy::extensions::transport_sockets::tls::v3::Secret secret;
  auto& secrets = *secret.mutable_generic_secret()->mutable_secrets();
  secrets["a"].set_inline_string("x");
  secrets["b"].mutable_watched_directory();
  EXPECT_THAT(Check(secret).errors,
              StartsWith("generic_secret.secrets[\"b\"].watched_directory: not supported"));

  envoy::config::route::v3::RouteConfiguration table;
  for (int i = 0; i < 3; ++i) table.add_virtual_hosts()->add_rate_limits();
  table.mutable_virtual_hosts(1)->add_rate_limits();
  const Checked result = Check(table);
  for (const char* path : {"virtual_hosts[0]", "virtual_hosts[1]", "virtual_hosts[2]"}) {
    EXPECT_THAT(result.errors, HasSubstr(base::Cat(path, ".rate_limits: not supp")));
  }
  // Once per list, not once per element.
  EXPECT_EQ(base::Split(result.errors, '\n').size(), 3U);
}

TEST(CheckFields, FindsFieldsNewerThanOurProtosWithTheirPath) {
  envoy::config::listener::v3::Listener listener;
  listener.add_filter_chains();
  auto* chain = listener.mutable_filter_chains(0);
  chain->GetReflection()->MutableUnknownFields(chain)->AddVarint(4711, 1);
  chain->GetReflection()->MutableUnknownFields(chain)->AddVarint(4711, 2);
  listener.GetReflection()->MutableUnknownFields(&listener)->AddLengthDelimited(4712, "x");
  const Checked result = Check(listener);
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.report.unknown,
              UnorderedElementsAre(UnknownField{"", 4712}, UnknownField{"filter_chains[0]", 4711}));
}

TEST(CheckFields, BoundsTheListOfUnknownFields) {
  envoy::config::listener::v3::Listener listener;
  for (int i = 0; i < 10'000; ++i) {
    listener.GetReflection()->MutableUnknownFields(&listener)->AddVarint(1000 + i, 1);
  }
  EXPECT_EQ(Check(listener).report.unknown.size(), FieldReport::kUnknownMax);
}

TEST(CheckFields, ContentOfARefusedFieldIsNotReportedAsUnknown) {
  // What a newer or fuller sender puts into a message that we only hold a place for.
  envoy::config::cluster::v3::Cluster cluster;
  auto* place = cluster.mutable_outlier_detection();
  place->GetReflection()->MutableUnknownFields(place)->AddVarint(1, 5);
  EXPECT_THAT(Check(cluster).report.unknown, IsEmpty());
}

TEST(PolicyOf, MarksPrivateKeysAsSensitive) {
  const auto* type = FindMessageType(
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.TlsCertificate");
  ASSERT_NE(type, nullptr);
  EXPECT_TRUE(PolicyOf(*type->FindFieldByName("private_key")).sensitive);
  EXPECT_FALSE(PolicyOf(*type->FindFieldByName("certificate_chain")).sensitive);
}

TEST(PolicyOf, EveryRefusedFieldHasAHint) {
  int refused = 0;
  ForEachProtoFile([&](const google::protobuf::FileDescriptor& file) {
    for (int i = 0; i < file.message_type_count(); ++i) {
      const auto* type = file.message_type(i);
      for (int k = 0; k < type->field_count(); ++k) {
        const FieldPolicy policy = PolicyOf(*type->field(k));
        if (policy.kind != FieldClass::kRefused) continue;
        ++refused;
        EXPECT_GE(policy.hint.size(), 5U) << type->field(k)->full_name();
      }
    }
  });
  EXPECT_GT(refused, 200);
}

TEST(TypeRegistry, KnowsEveryFileOfProto) {
  std::set<std::string> registered;
  ForEachProtoFile(
      [&](const google::protobuf::FileDescriptor& file) { registered.insert(file.name()); });
  const std::filesystem::path proto = std::filesystem::path(SLUICE_SOURCE_DIR) / "proto";
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(proto)) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), proto).string();
    if (name == "envoy/service/discovery/v3/ads.proto") continue;  // Only a service.
    ++files;
    EXPECT_TRUE(registered.contains(name)) << name << " is missing in type_registry.cc";
  }
  EXPECT_GT(files, 40);
}

TEST(TypeRegistry, ResolvesByWhatFollowsTheLastSlash) {
  EXPECT_NE(FindMessageType("type.googleapis.com/envoy.config.cluster.v3.Cluster"), nullptr);
  EXPECT_NE(FindMessageType("a/b/envoy.config.cluster.v3.Cluster"), nullptr);
  EXPECT_EQ(FindMessageType("envoy.config.cluster.v3.Cluster"), nullptr);
  EXPECT_EQ(FindMessageType("type.googleapis.com/"), nullptr);
  EXPECT_EQ(FindMessageType(""), nullptr);
  EXPECT_EQ(FindMessageType("x/envoy.extensions.filters.http.rbac.v3.RBAC"), nullptr);
  EXPECT_EQ(FindMessageType("x/google.protobuf.FileDescriptorProto"), nullptr);
  EXPECT_EQ(FindMessageType("x/envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport"),
            nullptr);
}

}  // namespace
}  // namespace sluice::config
