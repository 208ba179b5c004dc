// Every way configuration can come: delta, streams per type, google_grpc with mTLS and a token,
// servers in reserve, REST polls, files.
// ctest: timeout=600
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/clock.h"
#include "base/strings.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "harness/certificates.h"
#include "harness/client.h"
#include "harness/config_builder.h"
#include "harness/fake_control_plane.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"
#include "harness/relay.h"
#include "harness/socket.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

class XdsTransports : public testing::Test {
 protected:
  XdsTransports() { origin_.On("/", 200, "one"); }

  void Fill(FakeControlPlane& control) {
    control.Set(Cluster("app", {origin_.port()}));
    control.Set(Listener("in").Rds("table").Build());
    control.Set(RouteTable("table", {RouteTo("/", "app")}));
  }
  void Start(const std::string& bootstrap) {
    proxy_ = std::make_unique<Proxy>(bootstrap);
    client_ = std::make_unique<Client>(proxy_->Port());
    EXPECT_EQ(client_->Get("/").body, "one");
  }
  bool Serves(std::string_view body) {
    return Eventually([&] { return client_->Get("/").body == body; });
  }
  static bool SawMethod(FakeControlPlane& control, std::string_view method) {
    for (const SeenRequest& each : control.Seen()) {
      if (each.method == method) return true;
    }
    return false;
  }

  FakeUpstream origin_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Client> client_;
};

TEST_F(XdsTransports, DeltaSendsDifferencesAndResumesByVersion) {
  FakeControlPlane control;
  Fill(control);
  control.SetClusters({Cluster("app", {origin_.port()}), EdsCluster("eds")});
  control.Set(Assignment("eds", {origin_.port()}));
  Start(Replace(AdsBootstrap(control.port()), "api_type: GRPC", "api_type: DELTA_GRPC"));
  EXPECT_TRUE(SawMethod(control, "DeltaAggregatedResources"));
  control.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
  EXPECT_TRUE(Serves("two"));
  control.Set(Listener("second").Add(DirectRoute("/", 200, "second")).Build());
  const std::uint16_t port = proxy_->Port("second");
  EXPECT_EQ(Client(port).Get("/").body, "second");
  control.Remove(kListenerType, "second");
  EXPECT_TRUE(control.WaitForAck(kListenerType));
  EXPECT_TRUE(Eventually([&] { return !Client(port).is_open(); }));
  // Back after an outage: what is held is said, and nothing is sent again.
  const int streams = control.streams();
  const auto applied = proxy_->Stat("cluster_manager.cds.update_success");
  control.Restart();
  EXPECT_TRUE(Eventually([&] { return control.streams() > streams; }));
  EXPECT_TRUE(Eventually([&] {
    for (const SeenRequest& each : control.Seen()) {
      if (each.stream <= streams || each.type != kRouteType) continue;
      return each.held.contains("table") && each.names == std::vector<std::string>{"table"};
    }
    return false;
  }));
  control.Set(RouteTable("table", {DirectRoute("/", 200, "three")}));
  EXPECT_TRUE(Serves("three"));
  EXPECT_EQ(proxy_->Stat("cluster_manager.cds.update_success").value_or(0), applied.value_or(0) + 1)
      << "an empty first answer";
}

TEST_F(XdsTransports, EachTypeMayHaveAStreamOfItsOwn) {
  for (const auto& [api, prefix] : {std::pair("GRPC", "Stream"), {"DELTA_GRPC", "Delta"}}) {
    SCOPED_TRACE(api);
    FakeControlPlane control;
    const std::string source =
        base::Cat("api_config_source: { api_type: ", api,
                  ", transport_api_version: V3, grpc_services: [ { envoy_grpc: { cluster_name: xds "
                  "} } ] }");
    Fill(control);
    ListenerProto listener = Listener("in").Rds("table").Build();
    // "The same as mine": the listener's own source.
    auto* filter = listener.mutable_filter_chains(0)->mutable_filters(0);
    ManagerProto manager;
    ASSERT_TRUE(filter->typed_config().UnpackTo(&manager));
    manager.mutable_rds()->mutable_config_source()->mutable_self();
    filter->mutable_typed_config()->PackFrom(manager);
    control.Set(listener);
    std::string bootstrap = AdsBootstrap(control.port());
    bootstrap = Replace(bootstrap, "lds_config: { ads: {}", "lds_config: { " + source);
    bootstrap = Replace(bootstrap, "cds_config: { ads: {}", "cds_config: { " + source);
    const std::size_t ads = bootstrap.find("  ads_config:");
    bootstrap.erase(ads, bootstrap.find("  lds_config:") - ads);
    Start(bootstrap);
    for (const std::string_view method : {"Listeners", "Clusters", "Routes"}) {
      EXPECT_TRUE(SawMethod(control, base::Cat(prefix, method))) << method;
    }
    control.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
    EXPECT_TRUE(Serves("two"));
    EXPECT_EQ(proxy_->Stat("http.in.rds.table.update_success"), 2U);
    // Nobody wants the table any more: its stream closes, and comes back when somebody does.
    control.Set(Listener("in").Add(DirectRoute("/", 200, "inline")).Build());
    EXPECT_TRUE(Serves("inline"));
    client_.reset();
    proxy_.reset();
  }
}

TEST_F(XdsTransports, GoogleGrpcSpeaksMutualTlsAndShowsItsToken) {
  const CertificateAuthority authority;
  const Identity server = authority.Issue({"DNS:control.test"});
  const Identity client = authority.Issue({"DNS:proxy.test"});
  FakeControlPlane control({authority.pem(), server.certificate_pem, server.private_key_pem});
  Fill(control);
  const std::string directory = MakeDirectory();
  WriteFile(directory + "/ca.pem", authority.pem());
  WriteFile(directory + "/cert.pem", client.certificate_pem);
  WriteFile(directory + "/key.pem", client.private_key_pem);
  Start(Replace(
      AdsBootstrap(control.port()), "- envoy_grpc: { cluster_name: xds }",
      base::Cat("- google_grpc:\n", "        target_uri: \"ipv4:127.0.0.1:", control.port(), "\"\n",
                "        stat_prefix: xds\n",
                "        channel_credentials: { ssl_credentials: { root_certs: { filename: ",
                directory, "/ca.pem }, cert_chain: { filename: ", directory,
                "/cert.pem }, private_key: { filename: ", directory, "/key.pem } } }\n",
                "        call_credentials: [ { access_token: sesame } ]\n",
                "        channel_args: { args: { grpc.ssl_target_name_override: { string_value: "
                "control.test } } }")));
  EXPECT_EQ(control.Seen().front().token, "Bearer sesame");
}

TEST_F(XdsTransports, AServerInReserveServesUntilTheFirstIsBack) {
  FakeControlPlane first, second;
  Fill(first);
  Fill(second);
  second.Set(RouteTable("table", {DirectRoute("/", 200, "reserve")}));
  first.Stop();
  const auto google = [](std::uint16_t port) {
    return base::Cat("{ google_grpc: { target_uri: \"ipv4:127.0.0.1:", port,
                     "\", stat_prefix: x }, retry_policy: { retry_back_off: { base_interval: 0.1s, "
                     "max_interval: 0.5s } } }");
  };
  proxy_ = std::make_unique<Proxy>(
      Replace(AdsBootstrap(first.port()), "    - envoy_grpc: { cluster_name: xds }",
              base::Cat("    - ", google(first.port()), "\n    - ", google(second.port()))));
  client_ = std::make_unique<Client>(proxy_->Port());
  EXPECT_TRUE(Serves("reserve"));
  EXPECT_EQ(proxy_->Stat("control_plane.connected_state"), 2U);
  first.Restart();
  EXPECT_TRUE(Serves("one"));
  EXPECT_TRUE(Eventually([&] { return proxy_->Stat("control_plane.connected_state") == 1U; }));
  // And the other way round, without a request lost.
  first.Stop();
  EXPECT_TRUE(Serves("reserve"));
}

TEST_F(XdsTransports, RequestsAreHeldToTheRate) {
  FakeControlPlane control;
  Fill(control);
  Start(Replace(AdsBootstrap(control.port()), "    transport_api_version: V3\n",
                "    transport_api_version: V3\n"
                "    rate_limit_settings: { max_tokens: 2, fill_rate: 20 }\n"));
  EXPECT_GE(proxy_->Stat("control_plane.rate_limit_enforced").value_or(0), 1U);
  EXPECT_TRUE(Eventually([&] { return proxy_->Stat("control_plane.pending_requests") == 0U; }));
}

TEST_F(XdsTransports, APeerThatVanishedIsNoticedAndLeft) {
  FakeControlPlane control;
  Fill(control);
  Relay relay(control.port());
  Start(Replace(AdsBootstrap(relay.port()), "http2_protocol_options: {}",
                "http2_protocol_options: { connection_keepalive: { interval: 0.5s, timeout: 0.5s } "
                "}"));
  // Long after the last message: pings go on.
  EXPECT_TRUE(Eventually([start = base::SystemClock().Now()] {
    return base::SystemClock().Now() - start > base::milliseconds(2500);
  }));
  const int streams = control.streams();
  relay.Freeze();
  EXPECT_TRUE(proxy_->WaitForStat("control_plane.stream_failed", 1));
  EXPECT_TRUE(Eventually([&] { return control.streams() > streams; }));
  control.Set(RouteTable("table", {DirectRoute("/", 200, "two")}));
  EXPECT_TRUE(Serves("two"));
}

constexpr std::string_view kFileListener = R"(resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: in
  address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
  filter_chains:
  - filters:
    - name: hcm
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: in
        rds: { route_config_name: table, config_source: { path_config_source: { path: DIR/rds.yaml } } }
        http_filters:
        - name: router
          typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
)";

std::string FileRoutes(std::string_view version, std::string_view body) {
  return base::Cat("version_info: \"", version, R"("
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: table
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes: [ { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: )",
                   body, " } } } ]\n");
}

void Move(const std::string& path, std::string_view text) {
  WriteFile(path + ".new", text);
  EXPECT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
}

TEST_F(XdsTransports, FilesAreReadAgainWhenTheyAreReplaced) {
  const std::string directory = MakeDirectory();
  WriteFile(directory + "/lds.yaml", Replace(std::string(kFileListener), "DIR", directory));
  WriteFile(directory + "/rds.yaml", FileRoutes("1", "one"));
  WriteFile(directory + "/cds.json", "{\"version_info\": \"0\", \"resources\": []}");
  std::string bootstrap = AdsBootstrap(1);
  bootstrap = Replace(bootstrap, "lds_config: { ads: {}",
                      base::Cat("lds_config: { path_config_source: { path: ", directory,
                                "/lds.yaml, watched_directory: { path: ", directory, " } }"));
  bootstrap = Replace(bootstrap, "cds_config: { ads: {}",
                      base::Cat("cds_config: { path: ", directory, "/cds.json"));
  const std::size_t ads = bootstrap.find("  ads_config:");
  bootstrap.erase(ads, bootstrap.find("  lds_config:") - ads);
  Start(bootstrap);
  Move(directory + "/rds.yaml", FileRoutes("2", "two"));
  EXPECT_TRUE(Serves("two"));
  // Neither what does not parse nor what does not compile replaces what serves.
  Move(directory + "/rds.yaml", "resources: [ { nonsense");
  EXPECT_TRUE(proxy_->WaitForStat("http.in.rds.table.update_failure", 1));
  Move(directory + "/rds.yaml", Replace(FileRoutes("3", "three"), "status: 200", "status: 20000"));
  EXPECT_TRUE(proxy_->WaitForStat("http.in.rds.table.update_rejected", 1));
  EXPECT_EQ(proxy_->Stat("http.in.rds.table.rejected_resources"), 1U);
  EXPECT_EQ(client_->Get("/").body, "two");
  Move(directory + "/rds.yaml", FileRoutes("4", "four"));
  EXPECT_TRUE(Serves("four"));
  EXPECT_EQ(proxy_->Stat("http.in.rds.table.rejected_resources"), 0U);
  EXPECT_THAT(proxy_->Admin("GET", "/events?kind=rejected").body, HasSubstr("RDS table"));
  EXPECT_THAT(proxy_->Admin("GET", "/events?kind=failed").body, HasSubstr("rds.yaml"));
}

TEST(DynamicFilesExample, ItsCheckPasses) {
  const std::string log = MakeDirectory() + "/log";
  const auto free_port = [] { return Socket::Listen().local_port(); };
  const std::string command = base::Cat(
      "HTTP_PORT=", free_port(), " ADMIN_PORT=", free_port(),
      " sh '" SLUICE_SOURCE_DIR "/examples/dynamic-files/check.sh' '" SLUICE_BIN_DIR "/sluice' >",
      log, " 2>&1");
  EXPECT_EQ(std::system(command.c_str()), 0) << ReadFile(log);
  EXPECT_THAT(ReadFile(log), HasSubstr("ok: routes from a file"));
}

TEST_F(XdsTransports, RestIsPolled) {
  FakeUpstream rest;
  std::atomic<int> version{1};
  std::atomic<bool> broken{false};
  const auto answer = [&](OriginConnection& connection, std::string body) {
    if (broken) {
      connection.Reply(500, "out of order");
    } else {
      connection.Reply(200, body, "content-type: application/json\r\n");
    }
  };
  rest.On("/v3/discovery:clusters", [&](OriginConnection& connection, OriginRequest&) {
    answer(connection, "{\"versionInfo\": \"1\"}");
  });
  rest.On("/v3/discovery:listeners", [&](OriginConnection& connection, OriginRequest&) {
    std::string listener = Replace(
        std::string(kFileListener),
        "rds: { route_config_name: table, config_source: { path_config_source: { path: "
        "DIR/rds.yaml } } }",
        base::Cat("route_config: { virtual_hosts: [ { name: all, domains: [\"*\"], routes: [ { "
                  "match: { prefix: / }, direct_response: { status: 200, body: { inline_string: "
                  "\"",
                  version == 1 ? "one" : "two", "\" } } } ] } ] }"));
    answer(connection, base::Cat("version_info: \"", version.load(), "\"\n", listener));
  });
  const std::string source =
      "api_config_source: { api_type: REST, transport_api_version: V3, cluster_names: [rest], "
      "refresh_delay: 0.05s, request_timeout: 5s }";
  std::string bootstrap = AdsBootstrap(1);
  bootstrap = Replace(bootstrap, "lds_config: { ads: {}", "lds_config: { " + source);
  bootstrap = Replace(bootstrap, "cds_config: { ads: {}", "cds_config: { " + source);
  const std::size_t ads = bootstrap.find("  ads_config:");
  bootstrap.erase(ads, bootstrap.find("  lds_config:") - ads);
  base::Append(bootstrap,
               "  - name: rest\n    type: STATIC\n    load_assignment: { cluster_name: rest, "
               "endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: "
               "127.0.0.1, port_value: ",
               rest.port(), " } } } } ] } ] }\n");
  Start(bootstrap);
  version = 2;
  EXPECT_TRUE(Serves("two"));
  EXPECT_THAT(rest.LastRequest().body, HasSubstr("\"id\":\"e2e\""));
  broken = true;
  EXPECT_TRUE(proxy_->WaitForStat("listener_manager.lds.update_failure", 2));
  EXPECT_EQ(client_->Get("/").body, "two");
}

TEST_F(XdsTransports, SevenBadOfTenThousandAreNamedAndTheOthersServe) {
  for (const std::string_view api : {"GRPC", "DELTA_GRPC"}) {
    SCOPED_TRACE(api);
    FakeControlPlane control;
    Fill(control);
    Start(Replace(AdsBootstrap(control.port()), "api_type: GRPC", base::Cat("api_type: ", api)));
    std::vector<ClusterProto> clusters;
    for (int i = 0; i < 9'999; ++i) {
      clusters.push_back(Cluster(base::Cat("c", i), {origin_.port()}));
      if (i % 1'500 == 7) clusters.back().mutable_connect_timeout()->set_seconds(-1);
    }
    clusters.push_back(Cluster("app", {origin_.port()}));
    control.SetClusters(clusters);
    const std::string error = control.WaitForNack(kClusterType);
    for (int i = 7; i < 9'999; i += 1'500) EXPECT_THAT(error, HasSubstr(base::Cat("c", i, ": ")));
    EXPECT_EQ(proxy_->Stat("cluster_manager.cds.rejected_resources"), 7U);
    EXPECT_TRUE(Eventually([&] {
      return proxy_->Stat("cluster_manager.active_clusters") == 9'993U + 1;
    })) << "and the bootstrap's own";
    int details = 0;
    for (const SeenRequest& each : control.Seen()) details = std::max(details, each.details);
    EXPECT_EQ(details, 7);
    EXPECT_EQ(client_->Get("/").body, "one");
    client_.reset();
    proxy_.reset();
  }
}

// The same message with its map entries and fields in another order, as other languages write it.
std::string Reencoded(const ListenerProto& listener, std::mt19937& dice) {
  std::string plain = listener.SerializeAsString();
  std::vector<std::string> fields;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(plain.data()),
                                            static_cast<int>(plain.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    std::string field;
    {
      google::protobuf::io::StringOutputStream stream(&field);
      google::protobuf::io::CodedOutputStream out(&stream);
      out.WriteTag(tag);
      if ((tag & 7U) == 0) {
        std::uint64_t value = 0;
        in.ReadVarint64(&value);
        out.WriteVarint64(value);
      } else {
        std::uint32_t size = 0;
        std::string value;
        in.ReadVarint32(&size);
        in.ReadString(&value, static_cast<int>(size));
        out.WriteVarint32(size);
        out.WriteString(value);
      }
    }
    fields.push_back(std::move(field));
  }
  std::shuffle(fields.begin(), fields.end(), dice);
  std::string shuffled;
  for (const std::string& field : fields) shuffled += field;
  return shuffled;
}

TEST_F(XdsTransports, TheSameListenerEncodedAHundredWaysMovesNothing) {
  FakeControlPlane control;
  Fill(control);
  Start(AdsBootstrap(control.port()));
  ListenerProto listener = Listener("in").Rds("table").Build();
  const auto moved = [&] {
    std::string text;
    for (const std::string_view name :
         {"listener_manager.listener_added", "listener_manager.listener_modified",
          "listener_manager.listener_in_place_updated", "listener_manager.lds.config_reload",
          "cluster.app.upstream_cx_total", "http.in.downstream_cx_total"}) {
      base::Append(text, name, "=", proxy_->Stat(name).value_or(0), "\n");
    }
    return text;
  };
  const std::string before = moved();
  std::mt19937 dice(7);
  for (int i = 0; i < 100; ++i) {
    google::protobuf::Any any;
    any.set_type_url(base::Cat("type.googleapis.com/", kListenerType));
    any.set_value(Reencoded(listener, dice));
    control.SetResponse(kListenerType, {any});
    ASSERT_TRUE(control.WaitForAck(kListenerType));
  }
  EXPECT_TRUE(proxy_->WaitForStat("listener_manager.lds.update_success", 101));
  EXPECT_EQ(client_->Get("/").body, "one");
  EXPECT_EQ(moved(), before);
}

TEST_F(XdsTransports, EventsTellTheStory) {
  FakeControlPlane control;
  Fill(control);
  Start(AdsBootstrap(control.port()));
  std::string events = proxy_->Admin("GET", "/events").body;
  for (const std::string_view text :
       {R"("kind":"connected","subject":"ADS from xds","text":"fake")",
        R"("kind":"accepted","subject":"CDS app","version":"1")",
        R"("kind":"warmed","subject":"listener in")"}) {
    EXPECT_THAT(events, HasSubstr(text));
  }
  ClusterProto bad = Cluster("app", {origin_.port()});
  bad.mutable_connect_timeout()->set_seconds(-1);
  control.Set(bad);
  EXPECT_THAT(control.WaitForNack(kClusterType), HasSubstr("connect_timeout"));
  EXPECT_THAT(proxy_->Admin("GET", "/events?kind=rejected").body, HasSubstr("connect_timeout"));
  control.Stop();
  EXPECT_TRUE(Eventually([&] {
    events = proxy_->Admin("GET", "/events?kind=disconnected").body;
    return events.find("ADS from xds") != std::string::npos;
  }));
  EXPECT_EQ(proxy_->Admin("GET", "/events?after=x").status, 400);
}

}  // namespace
}  // namespace sluice::harness
