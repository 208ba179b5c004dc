// tcp_proxy, TLS passthrough by SNI, the PROXY protocol in and out, and balancing by hash, with the
// real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/strings.h"
#include "harness/client.h"
#include "harness/fake_upstream.h"
#include "harness/proxy.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTypes = "type.googleapis.com/envoy.extensions.";

std::string Endpoint(std::uint16_t port) {
  return base::Cat("{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ",
                   port, " } } } }");
}

std::string ClusterYaml(std::string_view name, const std::vector<std::uint16_t>& ports,
                        std::string_view more = "") {
  std::string endpoints;
  for (const std::uint16_t port : ports) {
    base::Append(endpoints, endpoints.empty() ? "" : ", ", Endpoint(port));
  }
  return base::Cat(
      "  - name: ", name,
      "\n    type: STATIC\n    connect_timeout: 5s\n    load_assignment: { cluster_name: ", name,
      ", endpoints: [ { lb_endpoints: [ ", endpoints, " ] } ] }\n", more);
}

std::string TcpChain(std::string_view cluster, std::string_view more = "",
                     std::string_view match = "") {
  return base::Cat("    - filter_chain_match: {", match,
                   "}\n      filters:\n      - name: tcp\n        typed_config:\n"
                   "          \"@type\": ",
                   kTypes, "filters.network.tcp_proxy.v3.TcpProxy\n          stat_prefix: t\n",
                   "          cluster: ", cluster, "\n", more);
}

std::string HttpChain(std::string_view cluster, std::string_view more = "") {
  return base::Cat(
      "    - filters:\n      - name: http\n        typed_config:\n"
      "          \"@type\": ",
      kTypes,
      "filters.network.http_connection_manager.v3.HttpConnectionManager\n"
      "          stat_prefix: h\n          use_remote_address: true\n",
      more,
      "          route_config: { virtual_hosts: [ { name: all, domains: [\"*\"], "
      "routes: [ { match: { prefix: / }, route: { cluster: ",
      cluster,
      " } } ] } ] }\n          http_filters: [ { name: router, typed_config: { "
      "\"@type\": ",
      kTypes, "filters.http.router.v3.Router } } ]\n");
}

std::string Bootstrap(std::string_view chains, std::string_view clusters,
                      std::string_view listener = "") {
  return base::Cat(
      "admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n"
      "static_resources:\n  listeners:\n  - name: in\n"
      "    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }\n",
      listener, "    filter_chains:\n", chains, "  clusters:\n", clusters);
}

std::string LogYaml(const std::string& path, std::string_view format) {
  return base::Cat("          access_log: [ { name: f, typed_config: { \"@type\": ", kTypes,
                   "access_loggers.file.v3.FileAccessLog, path: ", path,
                   ", log_format: { text_format_source: { inline_string: \"", format,
                   "\\n\" } } } } ]\n");
}

bool WaitForLine(const std::string& path, std::string& line) {
  return Eventually([&] {
    line = ReadFile(path);
    return line.ends_with('\n');
  });
}

std::string Generated(std::size_t bytes) {
  std::string data(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<char>(i * 7 + (i >> 10));
  return data;
}

// A minimal ClientHello that asks for `name`.
std::string ClientHello(std::string_view name) {
  const auto sized = [](std::size_t length, int bytes) {
    std::string out;
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(length >> (8 * i) & 0xff);
    return out;
  };
  const std::string entry = std::string(1, '\0') + sized(name.size(), 2) + std::string(name);
  const std::string list = sized(entry.size(), 2) + entry;
  const std::string extension = sized(0, 2) + sized(list.size(), 2) + list;
  std::string body("\x03\x03", 2);
  body += std::string(32, 'r') + sized(0, 1) + sized(2, 2) + "\x13\x01" + sized(1, 1) +
          std::string(1, '\0') + sized(extension.size(), 2) + extension;
  const std::string handshake = "\x01" + sized(body.size(), 3) + body;
  return std::string("\x16\x03\x01", 3) + sized(handshake.size(), 2) + handshake;
}

TEST(TcpProxy, CarriesALargeTransferBothWaysAndLogsIt) {
  FakeUpstream origin;
  origin.OnAccept([](OriginConnection& connection) { connection.Echo(); }).Forget();
  const std::string log = MakeDirectory() + "/tcp.log";
  Proxy proxy(Bootstrap(TcpChain("app", LogYaml(log,
                                                "%BYTES_RECEIVED% %BYTES_SENT% %RESPONSE_FLAGS% "
                                                "%UPSTREAM_CLUSTER% %PROTOCOL% %UPSTREAM_HOST%")),
                        ClusterYaml("app", {origin.port()})),
              {.concurrency = 1});
  Client client(proxy.Port());
  const std::string data = Generated(24 << 20);
  std::thread sender([&] {
    client.Send(data);
    client.socket().ShutdownWrite();
  });
  const std::string got = client.ReadRaw(data.size());
  sender.join();
  EXPECT_TRUE(got == data) << got.size();
  EXPECT_TRUE(client.SeesClose());
  std::string line;
  ASSERT_TRUE(WaitForLine(log, line));
  EXPECT_EQ(line,
            base::Cat(data.size(), " ", data.size(), " - app - 127.0.0.1:", origin.port(), "\n"));
  EXPECT_EQ(proxy.Stat("tcp.t.downstream_cx_total"), 1U);
  EXPECT_EQ(proxy.Stat("tcp.t.downstream_cx_rx_bytes_total"), data.size());
  EXPECT_EQ(proxy.Stat("tcp.t.downstream_cx_tx_bytes_total"), data.size());
  EXPECT_GT(proxy.Stat("worker.tunnel_spliced_bytes").value_or(0), data.size());
  EXPECT_EQ(proxy.Stat("worker.tunnel_pipes_in_use").value_or(0), 0U);
}

TEST(TcpProxy, AQuietConnectionCostsLittle) {
  FakeUpstream origin;
  origin.OnAccept([](OriginConnection& connection) { connection.Echo(); }).Forget();
  Proxy proxy(Bootstrap(TcpChain("app"), ClusterYaml("app", {origin.port()})), {.concurrency = 1});
  std::vector<std::unique_ptr<Client>> clients;
  const auto open = [&](int count) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<Client>(proxy.Port()));
      clients.back()->Send("x");
      EXPECT_EQ(clients.back()->ReadRaw(1), "x");
    }
  };
  open(100);
  const std::uint64_t before = proxy.RssBytes();
  open(300);
  const auto each = (static_cast<double>(proxy.RssBytes()) - static_cast<double>(before)) / 300;
  std::printf("a quiet TCP connection: %.0f bytes, both sides\n", each);
  if (!kSanitized) EXPECT_LE(each, 8192);
}

TEST(TcpProxy, ADeadUpstreamIsLoggedAndTheClientClosed) {
  std::uint16_t dead = 0;
  {
    const Socket gone = Socket::Listen();
    dead = gone.local_port();
  }
  const std::string log = MakeDirectory() + "/tcp.log";
  Proxy proxy(Bootstrap(TcpChain("app", LogYaml(log,
                                                "%RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_"
                                                "COUNT%") +
                                            "          max_connect_attempts: 2\n"),
                        ClusterYaml("app", {dead})));
  Client client(proxy.Port());
  EXPECT_TRUE(client.SeesClose());
  std::string line;
  ASSERT_TRUE(WaitForLine(log, line));
  EXPECT_EQ(line, "UF,URX 2\n");
}

TEST(TcpProxy, TlsPassesThroughByServerName) {
  FakeUpstream a;
  FakeUpstream b;
  FakeUpstream rest;
  for (FakeUpstream* origin : {&a, &b, &rest}) {
    origin->OnAccept([](OriginConnection& connection) { connection.Echo(); });
  }
  const std::string inspector =
      base::Cat("    listener_filters: [ { name: tls, typed_config: { \"@type\": ", kTypes,
                "filters.listener.tls_inspector.v3.TlsInspector } } ]\n");
  Proxy proxy(Bootstrap(TcpChain("a", "", "server_names: [a.example]") +
                            TcpChain("b", "", "server_names: [\"*.b.example\"]") + TcpChain("rest"),
                        ClusterYaml("a", {a.port()}) + ClusterYaml("b", {b.port()}) +
                            ClusterYaml("rest", {rest.port()}),
                        inspector));
  const auto ask = [&](const std::string& bytes, FakeUpstream& origin) {
    Client client(proxy.Port());
    client.Send(bytes);
    // Not a byte of it is missing or changed.
    EXPECT_EQ(client.ReadRaw(bytes.size()), bytes);
    EXPECT_THAT(origin.Received(), HasSubstr(bytes));
  };
  ask(ClientHello("a.example") + "more", a);
  ask(ClientHello("x.b.example"), b);
  ask(ClientHello("c.example"), rest);
  ask("no TLS at all, but quite long enough\r\n", rest);
  EXPECT_EQ(a.connections(), 1);
  EXPECT_EQ(b.connections(), 1);
  EXPECT_EQ(rest.connections(), 2);
}

std::string ProxyFilter(std::string_view more = "") {
  return base::Cat("    listener_filters: [ { name: p, typed_config: { \"@type\": ", kTypes,
                   "filters.listener.proxy_protocol.v3.ProxyProtocol", more, " } } ]\n");
}

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kHeader2 =
    kSignature + std::string("\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x02\x30\x39\x01\xbb", 16);

TEST(ProxyProtocol, TheClientInTheHeaderIsTheClient) {
  FakeUpstream origin;
  const std::string log = MakeDirectory() + "/http.log";
  Proxy proxy(Bootstrap(HttpChain("app", LogYaml(log,
                                                 "%DOWNSTREAM_REMOTE_ADDRESS% "
                                                 "%DOWNSTREAM_LOCAL_ADDRESS%")),
                        ClusterYaml("app", {origin.port()}), ProxyFilter()));
  Client client(proxy.Port());
  client.Send("PROXY TCP4 192.0.2.1 10.0.0.2 1234 443\r\n");
  EXPECT_EQ(client.Get("/").status, 200);
  EXPECT_EQ(origin.LastRequest().Header("x-forwarded-for"), "192.0.2.1");
  std::string line;
  ASSERT_TRUE(WaitForLine(log, line));
  EXPECT_EQ(line, "192.0.2.1:1234 10.0.0.2:443\n");

  Client second(proxy.Port());
  second.Send(kHeader2);
  EXPECT_EQ(second.Get("/").status, 200);
  EXPECT_EQ(origin.LastRequest().Header("x-forwarded-for"), "192.0.2.7");

  Client slow(proxy.Port());
  EXPECT_TRUE(slow.SendSlowly(kHeader2 + "GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
  EXPECT_EQ(slow.Read().status, 200);

  Client local(proxy.Port());
  local.Send(kSignature + std::string("\x20\0\0\0", 4));
  EXPECT_EQ(local.Get("/").status, 200);
  EXPECT_EQ(origin.LastRequest().Header("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(proxy.Stat("proxy_proto.versions.v1.found"), 1U);
  EXPECT_EQ(proxy.Stat("proxy_proto.versions.v2.found"), 3U);
}

TEST(ProxyProtocol, WithoutAGoodHeaderThereIsNoService) {
  FakeUpstream origin;
  Proxy proxy(Bootstrap(HttpChain("app"), ClusterYaml("app", {origin.port()}),
                        ProxyFilter(", stat_prefix: edge, disallowed_versions: [V2]")));
  const auto refused = [&](const std::string& bytes) {
    Client client(proxy.Port());
    client.Send(bytes + "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    EXPECT_TRUE(client.SeesClose()) << bytes;
  };
  refused("");
  EXPECT_EQ(proxy.Stat("proxy_proto.edge.not_found_disallowed"), 1U);
  refused("PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n");
  EXPECT_EQ(proxy.Stat("proxy_proto.edge.versions.v1.error"), 1U);
  refused(kHeader2);
  EXPECT_EQ(proxy.Stat("proxy_proto.edge.versions.v2.disallowed"), 1U);
  EXPECT_EQ(origin.connections(), 0);
  Client good(proxy.Port());
  good.Send("PROXY UNKNOWN\r\n");
  EXPECT_EQ(good.Get("/").status, 200);
}

TEST(ProxyProtocol, WhereItIsOptionalBothAreServed) {
  FakeUpstream origin;
  Proxy proxy(Bootstrap(HttpChain("app"), ClusterYaml("app", {origin.port()}),
                        ProxyFilter(", allow_requests_without_proxy_protocol: true")));
  Client plain(proxy.Port());
  EXPECT_EQ(plain.Get("/").status, 200);
  EXPECT_EQ(proxy.Stat("proxy_proto.not_found_allowed"), 1U);
  Client told(proxy.Port());
  told.Send("PROXY TCP4 192.0.2.1 10.0.0.2 1234 443\r\n");
  EXPECT_EQ(told.Get("/").status, 200);
  EXPECT_EQ(origin.LastRequest().Header("x-forwarded-for"), "192.0.2.1");
  Client broken(proxy.Port());
  broken.Send(kSignature + "\x31");
  EXPECT_TRUE(broken.SeesClose());
  EXPECT_EQ(proxy.Stat("proxy_proto.versions.v2.error"), 1U);
}

std::string ProxyOut(std::string_view version) {
  return base::Cat("    transport_socket: { name: p, typed_config: { \"@type\": ", kTypes,
                   "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: { "
                   "version: ",
                   version,
                   " }, transport_socket: { name: raw, typed_config: { \"@type\": ", kTypes,
                   "transport_sockets.raw_buffer.v3.RawBuffer } } } }\n");
}

TEST(ProxyProtocol, UpstreamsAreToldTheClient) {
  FakeUpstream origin;
  origin.OnAccept([](OriginConnection& connection) { connection.Echo(); });
  Proxy proxy(Bootstrap(TcpChain("app"), ClusterYaml("app", {origin.port()}, ProxyOut("V1"))));
  Client client(proxy.Port());
  const std::string want = base::Cat("PROXY TCP4 127.0.0.1 127.0.0.1 ",
                                     client.socket().local_port(), " ", proxy.Port(), "\r\nhello");
  client.Send("hello");
  EXPECT_EQ(client.ReadRaw(want.size()), want);
}

TEST(ProxyProtocol, HeadersPassOnAndConnectionsAreNotShared) {
  FakeUpstream origin;
  origin.OnAccept([](OriginConnection& connection) {
    const std::string request = connection.ReadRaw();
    connection.Write(
        base::Cat("HTTP/1.1 200 OK\r\ncontent-length: ", request.starts_with(kHeader2) ? 4 : 0,
                  "\r\n\r\n", request.starts_with(kHeader2) ? "told" : ""));
    connection.ReadRaw();
  });
  Proxy proxy(Bootstrap(HttpChain("app"), ClusterYaml("app", {origin.port()}, ProxyOut("V2")),
                        ProxyFilter()));
  Client client(proxy.Port());
  client.Send(kHeader2);
  EXPECT_EQ(client.Get("/").body, "told");
  EXPECT_EQ(client.Get("/").body, "told");
  EXPECT_EQ(origin.connections(), 2);
}

TEST(Balancing, ASourceAddressKeepsItsHost) {
  std::vector<std::unique_ptr<FakeUpstream>> origins;
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < 5; ++i) {
    origins.push_back(std::make_unique<FakeUpstream>());
    const std::string name(1, static_cast<char>('a' + i));
    origins.back()->OnAccept([name](OriginConnection& connection) { connection.Write(name); });
    ports.push_back(origins.back()->port());
  }
  for (const std::string_view policy : {"MAGLEV", "RING_HASH"}) {
    Proxy proxy(Bootstrap(TcpChain("app", "          hash_policy: [ { source_ip: {} } ]\n"),
                          ClusterYaml("app", ports, base::Cat("    lb_policy: ", policy, "\n")),
                          ProxyFilter()));
    std::set<std::string> all;
    for (int client = 1; client < 20; ++client) {
      std::set<std::string> hosts;
      for (int i = 0; i < 4; ++i) {
        Client connection(proxy.Port());
        connection.Send(base::Cat("PROXY TCP4 192.0.2.", client, " 10.0.0.1 ", 1000 + i, " 1\r\n"));
        hosts.insert(connection.ReadRaw(1));
      }
      EXPECT_EQ(hosts.size(), 1U) << policy;
      all.insert(*hosts.begin());
    }
    EXPECT_GE(all.size(), 3U) << policy;
    const std::string gauge =
        policy == "MAGLEV" ? "maglev_lb.max_entries_per_host" : "ring_hash_lb.size";
    EXPECT_GT(proxy.Stat("cluster.app." + gauge).value_or(0), 1000U);
  }
}

}  // namespace
}  // namespace sluice::harness
