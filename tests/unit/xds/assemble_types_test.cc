// Discovered parts of listeners and route tables: virtual hosts, scopes, filter configurations,
// runtime layers. When they are waited for, what changes with them, what takes them away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/field_errors.h"
#include "config/yaml_to_proto.h"
#include "envoy/config/core/v3/extension.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/config/route/v3/scoped_route.pb.h"
#include "envoy/service/runtime/v3/rtds.pb.h"
#include "http/head.h"
#include "xds/assemble.h"
#include "xds/take_response.h"

namespace sluice::xds {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

template <typename Proto>
std::string Bytes(std::string_view yaml) {
  Proto proto;
  base::FieldErrors errors;
  config::YamlToProto(yaml, "test", {}, &proto, errors);
  EXPECT_EQ(errors.Text(), "") << yaml;
  return proto.SerializeAsString();
}

// `routes` and `filters` are fields of the connection manager.
std::string Listener(std::string_view name, std::string_view routes,
                     std::string_view filters = "") {
  return Bytes<envoy::config::listener::v3::Listener>(base::Cat(
      "{name: ", name,
      ", address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{filters: "
      "[{name: h, typed_config: {\"@type\": "
      "type.googleapis.com/"
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, "
      "stat_prefix: p, ",
      routes, ", http_filters: [", filters,
      "{name: r, typed_config: {\"@type\": "
      "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}]}]}"));
}
std::string RdsListener(std::string_view name, std::string_view table,
                        std::string_view filters = "") {
  return Listener(
      name, base::Cat("rds: {route_config_name: ", table, ", config_source: {ads: {}}}"), filters);
}
std::string Table(std::string_view name, std::string_view more) {
  return Bytes<envoy::config::route::v3::RouteConfiguration>(
      base::Cat("{name: ", name, ", ", more, "}"));
}
std::string Host(std::string_view name, std::string_view domain, int status = 200) {
  return Bytes<envoy::config::route::v3::VirtualHost>(
      base::Cat("{name: ", name, ", domains: [\"", domain,
                "\"], routes: [{match: {prefix: /}, direct_response: {status: ", status, "}}]}"));
}

struct Named {
  std::string name;
  std::string bytes;
};

class AssembleTypesTest : public testing::Test {
 protected:
  AssembleTypesTest() : store_({}, {}, {}), assembler_({}, {}) { assembler_.Initial(now_); }

  Update Apply(ResourceType type, const std::vector<Named>& resources, Strings removed = {},
               bool whole = true) {
    Response response;
    response.type = type;
    response.version = "v";
    response.whole = whole;
    for (const Named& each : resources) {
      response.resources.push_back({each.name, "v", each.bytes});
    }
    for (const std::string& name : removed) response.removed.push_back(name);
    result_ = store_.Apply(response, assembler_.references(), base::WallTime());
    assembler_.OnApplied(type, result_, store_, now_);
    return assembler_.Take(store_, now_);
  }
  Update Delta(ResourceType type, const std::vector<Named>& resources, Strings removed = {}) {
    return Apply(type, resources, std::move(removed), false);
  }
  std::set<std::string> Wanted(ResourceType type) const {
    return assembler_.references().Names(type);
  }
  Strings DomainsOf(const Update& update, std::string_view table) {
    Strings domains;
    const config::RouteTable* found = update.snapshot->route_tables.Find(table);
    if (found == nullptr) return {"no table"};
    for (const auto& host : found->virtual_hosts) {
      domains.insert(domains.end(), host->domains.begin(), host->domains.end());
    }
    return domains;
  }

  base::Monotonic now_{base::seconds(1000)};
  Store store_;
  Assembler assembler_;
  ApplyResult result_;
};

// ---- VHDS
// ----------------------------------------------------------------------------------------

constexpr std::string_view kVhds = "vhds: {config_source: {ads: {}}}";

TEST_F(AssembleTypesTest, ATableOfVhdsWaitsForItsVirtualHosts) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  EXPECT_TRUE(Apply(ResourceType::kRoutes, {{"t", Table("t", kVhds)}}).empty());
  EXPECT_EQ(Wanted(ResourceType::kVirtualHosts), std::set<std::string>{"t"});
  EXPECT_THAT(assembler_.MissingOf(store_, "l"), ElementsAre("route table t"));
  Update update = Delta(ResourceType::kVirtualHosts, {{"t/a", Host("a", "a.com")}});
  EXPECT_EQ(result_.error, "");
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_THAT(DomainsOf(update, "t"), ElementsAre("a.com"));
}

TEST_F(AssembleTypesTest, AnEmptyAnswerOfVhdsIsAnAnswerAndSoIsTime) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  Apply(ResourceType::kRoutes, {{"t", Table("t", kVhds)}});
  EXPECT_THAT(Delta(ResourceType::kVirtualHosts, {}).changes.listeners, ElementsAre("l"));

  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}, {"m", RdsListener("m", "u")}});
  Apply(ResourceType::kRoutes, {{"u", Table("u", kVhds)}});
  now_ += base::seconds(16);
  const Update late = assembler_.Take(store_, now_);
  EXPECT_THAT(late.changes.listeners, ElementsAre("m"));
  EXPECT_THAT(late.changes.route_tables, ElementsAre("u"));
}

TEST_F(AssembleTypesTest, AVirtualHostComesAndGoesAndTheOthersAreShared) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  Apply(
      ResourceType::kRoutes,
      {{"t", Table("t", base::Cat("virtual_hosts: [{name: own, domains: [own.com]}], ", kVhds))}});
  Update first = Delta(ResourceType::kVirtualHosts,
                       {{"t/a", Host("a", "a.com")}, {"t/b", Host("b", "b.com")}});
  EXPECT_THAT(DomainsOf(first, "t"), ElementsAre("own.com", "a.com", "b.com"));
  Update second = Delta(ResourceType::kVirtualHosts, {{"t/b", Host("b", "b.com", 201)}});
  EXPECT_TRUE(second.changes.listeners.empty());
  const auto& before = first.snapshot->route_tables.Find("t")->virtual_hosts;
  const auto& after = second.snapshot->route_tables.Find("t")->virtual_hosts;
  EXPECT_EQ(before[0], after[0]);
  EXPECT_EQ(before[1], after[1]);
  EXPECT_NE(before[2], after[2]);
  EXPECT_THAT(DomainsOf(Delta(ResourceType::kVirtualHosts, {}, {"t/a"}), "t"),
              ElementsAre("own.com", "b.com"));
  EXPECT_TRUE(Delta(ResourceType::kVirtualHosts, {{"t/b", Host("b", "b.com", 201)}}).empty());
}

TEST_F(AssembleTypesTest, ABadVirtualHostIsRefusedAndItsLastGoodVersionStays) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  Apply(ResourceType::kRoutes, {{"t", Table("t", kVhds)}});
  Delta(ResourceType::kVirtualHosts, {{"t/a", Host("a", "a.com")}});
  const Update update = Delta(ResourceType::kVirtualHosts,
                              {{"t/a", Host("a", "a*.com")}, {"t/b", Host("b", "b.com")}});
  EXPECT_THAT(result_.error, HasSubstr("t/a: domains[0]"));
  EXPECT_THAT(DomainsOf(update, "t"), ElementsAre("a.com", "b.com"));
}

TEST_F(AssembleTypesTest, TheTablesOwnDomainsWin) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  Apply(ResourceType::kRoutes,
        {{"t", Table("t", base::Cat("virtual_hosts: [{name: own, domains: [\"*\"]}], ", kVhds))}});
  const Update update =
      Delta(ResourceType::kVirtualHosts, {{"t/a", Host("a", "*")}, {"t/b", Host("b", "*.b.com")}});
  EXPECT_THAT(DomainsOf(update, "t"), ElementsAre("*", "*.b.com"));
}

TEST_F(AssembleTypesTest, ATableThatGoesTakesItsVirtualHostsAlong) {
  Apply(ResourceType::kListener, {{"l", RdsListener("l", "t")}});
  Apply(ResourceType::kRoutes, {{"t", Table("t", kVhds)}});
  Delta(ResourceType::kVirtualHosts, {{"t/a", Host("a", "a.com")}});
  const Update update = Apply(ResourceType::kListener, {});
  EXPECT_THAT(update.changes.route_tables, ElementsAre("t"));
  EXPECT_THAT(Wanted(ResourceType::kVirtualHosts), IsEmpty());
  EXPECT_EQ(store_.hosts_of("t"), nullptr);
  EXPECT_EQ(store_.view().Of(ResourceType::kVirtualHosts).size(), 0U);
  EXPECT_TRUE(Delta(ResourceType::kVirtualHosts, {{"t/a", Host("a", "a.com")}}).empty());
}

// ---- scopes
// --------------------------------------------------------------------------------------

std::string ScopedListener(std::string_view specifier) {
  return Listener("l", base::Cat("scoped_routes: {name: s, scope_key_builder: {fragments: "
                                 "[{header_value_extractor: {name: x-tenant, index: 0}}]}, "
                                 "rds_config_source: {ads: {}}, ",
                                 specifier, "}"));
}
std::string ScopeBytes(std::string_view name, std::string_view key, std::string_view table) {
  return Bytes<envoy::config::route::v3::ScopedRouteConfiguration>(
      base::Cat("{name: ", name, ", route_configuration_name: ", table,
                ", key: {fragments: [{string_key: ", key, "}]}}"));
}
constexpr std::string_view kScopedRds = "scoped_rds: {scoped_rds_config_source: {ads: {}}}";

const config::RouteTable* TableFor(const Update& update, std::string_view tenant) {
  http::RequestHead head;
  if (!tenant.empty()) head.fields.Add("x-tenant", tenant);
  const config::Listener* listener = update.snapshot->listeners.Find("l");
  return config::FindScopedTable(*listener->filter_chains[0].http->scoped, update.snapshot.get(),
                                 head);
}
std::string HostsOnly(std::string_view name) {
  return Table(name, base::Cat("virtual_hosts: [{name: h, domains: [", name, ".com]}]"));
}

TEST_F(AssembleTypesTest, AListenerWithScopesWaitsForThemAndTheirTables) {
  EXPECT_TRUE(Apply(ResourceType::kListener, {{"l", ScopedListener(kScopedRds)}}).empty());
  EXPECT_EQ(result_.error, "");
  EXPECT_TRUE(assembler_.references().Contains(ResourceType::kScopedRoutes, "*"));
  Apply(ResourceType::kScopedRoutes,
        {{"s1", ScopeBytes("s1", "red", "t1")}, {"s2", ScopeBytes("s2", "blue", "t2")}});
  EXPECT_EQ(result_.error, "");
  EXPECT_EQ(Wanted(ResourceType::kRoutes), (std::set<std::string>{"t1", "t2"}));
  EXPECT_TRUE(Apply(ResourceType::kRoutes, {{"t1", HostsOnly("t1")}}).changes.listeners.empty());
  const Update update = Apply(ResourceType::kRoutes, {{"t2", HostsOnly("t2")}});
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_EQ(TableFor(update, "red")->name, "t1");
  EXPECT_EQ(TableFor(update, "blue")->name, "t2");
  EXPECT_EQ(TableFor(update, "green"), nullptr);
  EXPECT_EQ(TableFor(update, ""), nullptr);
}

TEST_F(AssembleTypesTest, AScopeThatIsNotListedIsGone) {
  Apply(ResourceType::kListener, {{"l", ScopedListener(kScopedRds)}});
  Apply(ResourceType::kScopedRoutes,
        {{"s1", ScopeBytes("s1", "red", "t1")}, {"s2", ScopeBytes("s2", "blue", "t1")}});
  Apply(ResourceType::kRoutes, {{"t1", HostsOnly("t1")}});
  Update update = Apply(ResourceType::kScopedRoutes, {{"s1", ScopeBytes("s1", "red", "t1")}});
  EXPECT_TRUE(update.changes.scopes);
  EXPECT_NE(TableFor(update, "red"), nullptr);
  EXPECT_EQ(TableFor(update, "blue"), nullptr);
  update = Delta(ResourceType::kScopedRoutes, {}, {"s1"});
  EXPECT_EQ(TableFor(update, "red"), nullptr);
  EXPECT_THAT(Wanted(ResourceType::kRoutes), IsEmpty());
  EXPECT_THAT(update.changes.route_tables, ElementsAre("t1"));
}

TEST_F(AssembleTypesTest, TwoScopesWithOneKeyAreRefused) {
  Apply(ResourceType::kListener, {{"l", ScopedListener(kScopedRds)}});
  Apply(ResourceType::kScopedRoutes,
        {{"s1", ScopeBytes("s1", "red", "t1")}, {"s2", ScopeBytes("s2", "red", "t2")}});
  EXPECT_THAT(result_.error, HasSubstr("s2: key: scope key conflict found, first scope is 's1'"));
  // A key that moves to another scope in the same response is no conflict.
  Apply(ResourceType::kScopedRoutes, {{"s3", ScopeBytes("s3", "red", "t2")}});
  EXPECT_EQ(result_.error, "");
}

TEST_F(AssembleTypesTest, ScopesInLine) {
  const std::string listener = ScopedListener(
      "scoped_route_configurations_list: {scoped_route_configurations: [{name: a, "
      "route_configuration_name: t1, key: {fragments: [{string_key: red}]}}, {name: b, "
      "route_configuration: {name: inner}, key: {fragments: [{string_key: blue}]}}]}");
  EXPECT_TRUE(Apply(ResourceType::kListener, {{"l", listener}}).empty());
  EXPECT_EQ(result_.error, "");
  const Update update = Apply(ResourceType::kRoutes, {{"t1", HostsOnly("t1")}});
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_EQ(TableFor(update, "red")->name, "t1");
  EXPECT_EQ(TableFor(update, "blue")->name, "inner");
}

// ---- ECDS
// ----------------------------------------------------------------------------------------

constexpr std::string_view kCorsType =
    "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors";

std::string Discovered(std::string_view more = "") {
  return base::Cat("{name: ext, config_discovery: {config_source: {ads: {}}, type_urls: [",
                   kCorsType, "]", more, "}}, ");
}
std::string ConfigBytes(std::string_view type) {
  return Bytes<envoy::config::core::v3::TypedExtensionConfig>(
      base::Cat("{name: ext, typed_config: {\"@type\": ", type, "}}"));
}
const config::HttpFilterConfig& FilterOf(const Update& update) {
  return update.snapshot->listeners.Find("l")->filter_chains[0].http->filters[0].config;
}
constexpr std::string_view kInline = "route_config: {name: i}";

TEST_F(AssembleTypesTest, AListenerWaitsForAFilterConfigurationAndCarriesIt) {
  EXPECT_TRUE(
      Apply(ResourceType::kListener, {{"l", Listener("l", kInline, Discovered())}}).empty());
  EXPECT_EQ(result_.error, "");
  EXPECT_EQ(Wanted(ResourceType::kExtensionConfig), std::set<std::string>{"ext"});
  EXPECT_THAT(assembler_.MissingOf(store_, "l"), ElementsAre("filter configuration ext"));
  const Update update = Apply(ResourceType::kExtensionConfig, {{"ext", ConfigBytes(kCorsType)}});
  EXPECT_EQ(result_.error, "");
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_TRUE(std::holds_alternative<config::CorsFilter>(FilterOf(update)));
}

TEST_F(AssembleTypesTest, WithoutItRequestsAreRefusedAfterTheTimeoutUntilItComes) {
  Apply(ResourceType::kListener, {{"l", Listener("l", kInline, Discovered())}});
  now_ += base::seconds(16);
  Update update = assembler_.Take(store_, now_);
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_TRUE(std::holds_alternative<config::MissingFilter>(FilterOf(update)));
  update = Apply(ResourceType::kExtensionConfig, {{"ext", ConfigBytes(kCorsType)}});
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_TRUE(std::holds_alternative<config::CorsFilter>(FilterOf(update)));
  // An equal one moves nothing; absence and removal take nothing away.
  EXPECT_TRUE(Apply(ResourceType::kExtensionConfig, {{"ext", ConfigBytes(kCorsType)}}).empty());
  EXPECT_TRUE(Apply(ResourceType::kExtensionConfig, {}).empty());
  EXPECT_TRUE(Delta(ResourceType::kExtensionConfig, {}, {"ext"}).empty());
}

TEST_F(AssembleTypesTest, ADefaultAppliesAtOnceWhereItMay) {
  const std::string with_default =
      Discovered(base::Cat(", default_config: {\"@type\": ", kCorsType,
                           "}, apply_default_config_without_warming: true"));
  const Update update =
      Apply(ResourceType::kListener, {{"l", Listener("l", kInline, with_default)}});
  EXPECT_EQ(result_.error, "");
  EXPECT_THAT(update.changes.listeners, ElementsAre("l"));
  EXPECT_TRUE(std::holds_alternative<config::CorsFilter>(FilterOf(update)));
}

TEST_F(AssembleTypesTest, AConfigurationOfAnUnknownTypeIsRefusedOneOfAnotherTypeNotUsed) {
  Apply(ResourceType::kListener, {{"l", Listener("l", kInline, Discovered())}});
  Apply(ResourceType::kExtensionConfig,
        {{"ext", ConfigBytes("type.googleapis.com/envoy.config.core.v3.Node")}});
  EXPECT_THAT(result_.error, HasSubstr("Didn't find a registered implementation"));
  const Update update = Apply(
      ResourceType::kExtensionConfig,
      {{"ext", ConfigBytes("type.googleapis.com/envoy.extensions.filters.http.router.v3.Router")}});
  EXPECT_TRUE(update.empty());
}

TEST_F(AssembleTypesTest, BadDiscoveryIsNamed) {
  const auto error = [&](std::string_view filter) {
    Apply(ResourceType::kListener, {{"l", Listener("l", kInline, base::Cat(filter, ", "))}});
    return result_.error;
  };
  EXPECT_THAT(error("{name: ext, config_discovery: {config_source: {ads: {}}}}"),
              HasSubstr("config_discovery.type_urls: is empty"));
  EXPECT_THAT(error("{name: ext, config_discovery: {config_source: {ads: {}}, type_urls: [x/y]}}"),
              HasSubstr("type_urls[0]: 'x/y' is no HTTP filter"));
  EXPECT_THAT(error("{name: ext, config_discovery: {config_source: {ads: {}}, type_urls: [x/"
                    "envoy.extensions.filters.http.router.v3.Router]}}"),
              HasSubstr("the router ends every chain"));
  EXPECT_THAT(error(base::Cat("{name: ext, config_discovery: {config_source: {ads: {}}, "
                              "type_urls: [",
                              kCorsType, "], apply_default_config_without_warming: true}}")),
              HasSubstr("needs default_config"));
}

// ---- RTDS
// ----------------------------------------------------------------------------------------

TEST_F(AssembleTypesTest, ARuntimeLayerIsKeptByAbsenceAndTakenByRemoval) {
  const std::string layer = Bytes<envoy::service::runtime::v3::Runtime>("{name: r, layer: {a: 1}}");
  Apply(ResourceType::kRuntime, {{"r", layer}});
  EXPECT_EQ(store_.runtime().Find("r"), nullptr) << "nobody asked for it";
  assembler_.WantRuntime({{"r"}});
  Apply(ResourceType::kRuntime, {{"r", layer}});
  EXPECT_THAT(result_.changed, ElementsAre("r"));
  EXPECT_EQ(store_.runtime().Find("r")->values.at("a").number, 1);
  Apply(ResourceType::kRuntime, {});
  EXPECT_NE(store_.runtime().Find("r"), nullptr);
  Delta(ResourceType::kRuntime, {}, {"r"});
  EXPECT_THAT(result_.removed, ElementsAre("r"));
  EXPECT_EQ(store_.runtime().Find("r"), nullptr);
}

TEST_F(AssembleTypesTest, TheRuntimeTravelsInTheSnapshot) {
  assembler_.SetRuntime(std::make_shared<config::Runtime>(
      config::Runtime::Values{{"a", config::ParseRuntimeText("7")}}));
  const Update update = assembler_.Take(store_, now_);
  EXPECT_TRUE(update.changes.runtime);
  EXPECT_EQ(update.snapshot->runtime->Find("a")->number, 7);
  EXPECT_TRUE(assembler_.Take(store_, now_).empty());
}

}  // namespace
}  // namespace sluice::xds
