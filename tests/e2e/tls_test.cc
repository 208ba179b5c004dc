// TLS of clients against the real program: names, client certificates, rotation, versions,
// resumption, and what is no TLS at all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/strings.h"
#include "harness/certificates.h"
#include "harness/client.h"
#include "harness/eventually.h"
#include "harness/proxy.h"
#include "harness/tls_client.h"
#include "harness/tls_config.h"

namespace sluice::harness {
namespace {

using testing::HasSubstr;

std::uint64_t Stat(Proxy& proxy, std::string_view name) {
  return proxy.Stat(base::Cat("listener.in.", name)).value_or(0);
}

struct Outcome {
  int status = -1;
  std::string out;
};
Outcome Shell(const std::string& command) {
  Outcome run;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> piece;
  while (const std::size_t got = fread(piece.data(), 1, piece.size(), pipe)) {
    run.out.append(piece.data(), got);
  }
  run.status = pclose(pipe);
  return run;
}

class Tls : public testing::Test {
 protected:
  CertificateAuthority ca_;
};

TEST_F(Tls, ServesHttpsWithModernSettings) {
  const Identity site = ca_.Issue({"DNS:a.test"});
  Proxy proxy(
      TlsBootstrap({TlsChain("c", "",
                             TlsFields(base::Cat("alpn_protocols: [http/1.1], tls_certificates: [ ",
                                                 InlineCertificate(site), " ]")),
                             "hello")}));
  TlsClient client(proxy.Port(), {.sni = "a.test", .alpn = {"spdy/3", "http/1.1"}});
  ASSERT_TRUE(client.shaken());
  EXPECT_EQ(client.version(), "TLSv1.3");
  EXPECT_EQ(client.alpn(), "http/1.1");
  EXPECT_THAT(client.Get("/"), HasSubstr("hello"));
  EXPECT_THAT(client.Get("/again"), HasSubstr("hello"));
  TlsClient old(proxy.Port(), {.version_max = 0x0303});
  EXPECT_EQ(old.version(), "TLSv1.2");
  EXPECT_EQ(old.alpn(), "");
  EXPECT_THAT(old.Get("/"), HasSubstr("hello"));
  EXPECT_FALSE(TlsClient(proxy.Port(), {.version_max = 0x0302}).shaken());
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.handshake", 2));
  EXPECT_EQ(Stat(proxy, "ssl.versions.TLSv1.3"), 1U);
  EXPECT_EQ(Stat(proxy, "ssl.versions.TLSv1.2"), 1U);
  EXPECT_EQ(Stat(proxy, "ssl.curves.X25519"), 2U);
  EXPECT_EQ(Stat(proxy, "ssl.ciphers.TLS_AES_256_GCM_SHA384") +
                Stat(proxy, "ssl.ciphers.TLS_AES_128_GCM_SHA256"),
            1U);
  EXPECT_EQ(Stat(proxy, "ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256"), 1U);
  EXPECT_EQ(Stat(proxy, "ssl.no_certificate"), 2U);
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.connection_error", 1));
}

TEST_F(Tls, CurlAndOpensslAgree) {
  const Identity site = ca_.Issue({"DNS:a.test"});
  Proxy proxy(TlsBootstrap({TlsChain(
      "c", "", TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(site), " ]")),
      "hello")}));
  const std::uint16_t port = proxy.Port();
  const std::string ca = proxy.directory() + "/ca.pem";
  WriteFile(ca, ca_.pem());
  const Outcome curl =
      Shell(base::Cat("curl -s --max-time 10 --http1.1 --cacert ", ca, " --resolve a.test:", port,
                      ":127.0.0.1 https://a.test:", port, "/"));
  EXPECT_EQ(curl.status, 0) << curl.out;
  EXPECT_EQ(curl.out, "hello");
  const Outcome openssl =
      Shell(base::Cat("timeout 10 openssl s_client -connect 127.0.0.1:", port,
                      " -servername a.test -CAfile ", ca, " -verify_return_error </dev/null"));
  EXPECT_THAT(openssl.out, HasSubstr("Verify return code: 0 (ok)"));
  EXPECT_THAT(openssl.out, HasSubstr("Secure Renegotiation IS"));
}

TEST_F(Tls, ChainsAndCertificatesAreChosenByName) {
  const auto chain = [](std::string_view name, std::string_view match, const Identity& identity) {
    return TlsChain(name, match,
                    TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(identity), " ]")),
                    name);
  };
  const Identity a = ca_.Issue({"DNS:a.test"});
  const Identity wild = ca_.Issue({"DNS:*.w.test"});
  const Identity two = ca_.Issue({"DNS:two.test"});
  const Identity two_rsa = ca_.IssueRsa({"DNS:two.test"});
  const Identity three = ca_.Issue({"DNS:three.test", "DNS:*.three.test"});
  const std::string many = TlsChain(
      "many", "server_names: [two.test, three.test, \"*.three.test\"]",
      TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(two), ", ",
                          InlineCertificate(two_rsa), ", ", InlineCertificate(three), " ]")),
      "many");
  Proxy proxy(TlsBootstrap({chain("a", "server_names: [a.test]", a),
                            chain("wild", "server_names: [\"*.w.test\"]", wild), many,
                            TlsChain("plain", "transport_protocol: raw_buffer", "", "plain")}));
  const std::uint16_t port = proxy.Port();
  const auto ask = [port](const std::string& name) {
    TlsClient client(port, {.sni = name});
    return base::Cat(client.server_name(), " ", client.Get("/").ends_with("many") ? 1 : 0);
  };
  TlsClient at_a(port, {.sni = "A.test"});
  EXPECT_EQ(at_a.server_name(), "a.test");
  EXPECT_THAT(at_a.Get("/"), HasSubstr("\r\n\r\na"));
  EXPECT_EQ(ask("x.w.test"), "*.w.test 0");
  EXPECT_EQ(ask("two.test"), "two.test 1");
  EXPECT_EQ(ask("three.test"), "three.test 1");
  EXPECT_EQ(ask("y.three.test"), "three.test 1");
  TlsClient rsa(port, {.sni = "two.test", .version_max = 0x0303, .ciphers = "aRSA"});
  EXPECT_TRUE(rsa.server_key_is_rsa());
  EXPECT_FALSE(TlsClient(port, {.sni = "two.test"}).server_key_is_rsa());
  EXPECT_FALSE(TlsClient(port, {.sni = "other.test"}).shaken());
  EXPECT_TRUE(proxy.WaitForStat("listener.in.no_filter_chain_match", 1));
  Client plain(port);
  EXPECT_EQ(plain.Get("/").body, "plain");
  EXPECT_GE(proxy.Stat("tls_inspector.sni_found").value_or(0), 6U);
  EXPECT_GE(proxy.Stat("tls_inspector.tls_not_found").value_or(0), 1U);
}

TEST_F(Tls, ClientCertificates) {
  const CertificateAuthority clients("Clients");
  const CertificateAuthority strangers("Strangers");
  const Identity site = ca_.Issue({"DNS:a.test"});
  const Identity alice = clients.Issue({"URI:spiffe://x/alice"});
  const Identity bob = clients.Issue({"URI:spiffe://x/bob"});
  const Identity eve = strangers.Issue({"URI:spiffe://x/alice"});
  const Identity late = clients.Issue({"URI:spiffe://x/alice"}, -7200, -3600);
  const Identity revoked = clients.Issue({"URI:spiffe://x/alice"});
  const auto chain = [&](std::string_view name, std::string_view validation, bool required) {
    return TlsChain(
        name, base::Cat("server_names: [", name, ".test]"),
        base::Cat(TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(site),
                                      " ], validation_context: { trusted_ca: { "
                                      "inline_string: ",
                                      QuotedText(clients.pem()), " } ", validation, " }")),
                  ", require_client_certificate: ", required ? "true" : "false"),
        name);
  };
  const std::string pins = TlsChain(
      "pins", "server_names: [pins.test]",
      base::Cat(
          TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(site),
                              " ], validation_context: { verify_certificate_spki: [\"",
                              KeyPin(eve.certificate_pem), "\"], verify_certificate_hash: [\"",
                              CertificateHash(bob.certificate_pem), "\"] }")),
          ", require_client_certificate: true"),
      "pins");
  Proxy proxy(TlsBootstrap(
      {chain("must", "", true), chain("may", "", false), pins,
       chain("named",
             ", match_typed_subject_alt_names: [ { san_type: URI, matcher: { exact: "
             "\"spiffe://x/alice\" } } ]",
             true),
       chain("late", ", allow_expired_certificate: true", true),
       chain("crl",
             base::Cat(", crl: { inline_string: ", QuotedText(clients.RevocationList({revoked})),
                       " }"),
             true)}));
  const std::uint16_t port = proxy.Port();
  const auto served = [port](const std::string& name, const Identity* identity) {
    TlsClientOptions options{.sni = name + ".test"};
    if (identity != nullptr) options.identity = *identity;
    return !TlsClient(port, options).Get("/").empty();
  };
  EXPECT_TRUE(served("must", &alice));
  EXPECT_FALSE(served("must", nullptr));
  EXPECT_FALSE(served("must", &eve));
  EXPECT_FALSE(served("must", &late));
  EXPECT_TRUE(served("may", nullptr));
  EXPECT_FALSE(served("may", &eve));
  TlsClientOptions named{.sni = "may.test"};
  EXPECT_THAT(TlsClient(port, named).Get("/who"), HasSubstr("nobody"));
  named.identity = alice;
  EXPECT_THAT(TlsClient(port, named).Get("/who"), HasSubstr("known"));
  EXPECT_TRUE(served("named", &alice));
  EXPECT_FALSE(served("named", &bob));
  EXPECT_TRUE(served("late", &late));
  EXPECT_TRUE(served("crl", &alice));
  EXPECT_FALSE(served("crl", &revoked));
  EXPECT_TRUE(served("pins", &eve)) << "by its key";
  EXPECT_TRUE(served("pins", &bob)) << "by its certificate";
  EXPECT_FALSE(served("pins", &alice));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.fail_verify_no_cert", 1));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.fail_verify_error", 4));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.fail_verify_san", 1));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.fail_verify_cert_hash", 1));
  EXPECT_GE(Stat(proxy, "ssl.sigalgs.ecdsa_secp256r1_sha256"), 6U);
}

// The atomic rename of both files; connections that are open stay.
TEST_F(Tls, AReplacedFileServesNewHandshakes) {
  const std::string directory = MakeDirectory();
  const auto put = [&directory](const Identity& identity) {
    WriteFile(directory + "/cert.tmp", identity.certificate_pem);
    WriteFile(directory + "/key.tmp", identity.private_key_pem);
    std::filesystem::rename(directory + "/cert.tmp", directory + "/cert.pem");
    std::filesystem::rename(directory + "/key.tmp", directory + "/key.pem");
  };
  put(ca_.Issue({"DNS:old.test"}));
  Proxy proxy(TlsBootstrap(
      {TlsChain("c", "",
                TlsFields(base::Cat("tls_certificates: [ { certificate_chain: { filename: \"",
                                    directory, "/cert.pem\" }, private_key: { filename: \"",
                                    directory, "/key.pem\" } } ]")),
                "hello")}));
  const std::uint16_t port = proxy.Port();
  TlsClient open(port);
  EXPECT_EQ(open.server_name(), "old.test");
  EXPECT_THAT(open.Get("/"), HasSubstr("hello"));
  put(ca_.Issue({"DNS:new.test"}));
  EXPECT_TRUE(Eventually([port] { return TlsClient(port).server_name() == "new.test"; },
                         base::milliseconds(1000)));
  EXPECT_THAT(open.Get("/"), HasSubstr("hello")) << "an open connection stays";
  // Half of a pair changes nothing, and nonsense neither.
  WriteFile(directory + "/key.pem", ca_.Issue({"DNS:x.test"}).private_key_pem);
  EXPECT_TRUE(proxy.WaitForLog("the last good one stays"));
  EXPECT_EQ(TlsClient(port).server_name(), "new.test");
  put(ca_.Issue({"DNS:third.test"}));
  EXPECT_TRUE(Eventually([port] { return TlsClient(port).server_name() == "third.test"; }));
  EXPECT_THAT(open.Get("/"), HasSubstr("hello"));
}

TEST_F(Tls, ResumesSessionsOnEveryWorkerButNotAcrossClientAuth) {
  const CertificateAuthority clients("Clients");
  const Identity site = ca_.Issue({"DNS:a.test"});
  const Identity alice = clients.Issue({"URI:spiffe://x/alice"});
  const std::string certificates = base::Cat("tls_certificates: [ ", InlineCertificate(site), " ]");
  Proxy proxy(TlsBootstrap(
      {TlsChain("open", "server_names: [open.test]", TlsFields(certificates), "open"),
       TlsChain("off", "server_names: [off.test]",
                base::Cat(TlsFields(certificates), ", disable_stateless_session_resumption: true"),
                "off"),
       TlsChain("auth", "server_names: [auth.test]",
                base::Cat(TlsFields(base::Cat(
                              certificates, ", validation_context: { trusted_ca: { inline_string: ",
                              QuotedText(clients.pem()), " } }")),
                          ", require_client_certificate: true"),
                "auth")}));
  const std::uint16_t port = proxy.Port();
  for (const int version : {0x0303, 0x0304}) {
    SCOPED_TRACE(version);
    TlsClient first(port, {.sni = "open.test", .version_max = version});
    EXPECT_FALSE(first.resumed());
    EXPECT_NE(first.Get("/"), "");
    ssl_session_st* session = first.TakeSession();
    for (int i = 0; i < 8; ++i) {  // Whichever worker accepts.
      TlsClient again(port, {.sni = "open.test", .version_max = version, .session = session});
      EXPECT_TRUE(again.resumed());
      EXPECT_THAT(again.Get("/"), HasSubstr("open"));
    }
    TlsClient elsewhere(port, {.sni = "auth.test", .version_max = version, .session = session});
    EXPECT_EQ(elsewhere.Get("/"), "") << "a session does not stand in for a certificate";
    SSL_SESSION_free(session);
    TlsClient off(port, {.sni = "off.test", .version_max = version});
    EXPECT_NE(off.Get("/"), "");
    session = off.TakeSession();
    EXPECT_FALSE(
        TlsClient(port, {.sni = "off.test", .version_max = version, .session = session}).resumed());
    SSL_SESSION_free(session);
  }
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.session_reused", 16));
}

TEST_F(Tls, OnlyTls12WhereThatIsAsked) {
  const Identity site = ca_.Issue({"DNS:a.test"});
  Proxy proxy(TlsBootstrap({TlsChain(
      "c", "",
      TlsFields(base::Cat("tls_params: { tls_maximum_protocol_version: TLSv1_2, cipher_suites: "
                          "[ECDHE-ECDSA-CHACHA20-POLY1305], ecdh_curves: [P-384] }, "
                          "tls_certificates: [ ",
                          InlineCertificate(site), " ]")),
      "hello")}));
  TlsClient client(proxy.Port());
  EXPECT_EQ(client.version(), "TLSv1.2");
  EXPECT_THAT(client.Get("/"), HasSubstr("hello"));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.ciphers.ECDHE-ECDSA-CHACHA20-POLY1305", 1));
  EXPECT_EQ(Stat(proxy, "ssl.curves.P-384"), 1U);
}

TEST_F(Tls, WhatIsNoTlsIsClosedAndCounted) {
  const Identity site = ca_.Issue({"DNS:a.test"});
  Proxy proxy(TlsBootstrap({base::Cat(
      TlsChain("c", "", TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(site), " ]")),
               "x"),
      "      transport_socket_connect_timeout: 0.3s\n")}));
  const std::uint16_t port = proxy.Port();
  for (const std::string_view bytes :
       {std::string_view("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        std::string_view("\x16\x03\x01\xff\xff"),
        std::string_view("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10)}) {
    Socket socket = Socket::Connect(port);
    ASSERT_TRUE(socket.Write(bytes));
    std::string answer;
    Socket::Read read = Socket::Read::kBytes;
    while (read == Socket::Read::kBytes) read = socket.ReadSome(answer);
    EXPECT_TRUE(read == Socket::Read::kEof || read == Socket::Read::kReset);
    EXPECT_THAT(answer, testing::Not(HasSubstr("HTTP")));
  }
  EXPECT_TRUE(proxy.WaitForStat("listener.in.ssl.connection_error", 3));
  Socket silent = Socket::Connect(port);
  std::string answer;
  EXPECT_EQ(silent.ReadSome(answer), Socket::Read::kEof);
  EXPECT_TRUE(proxy.WaitForStat("listener.in.downstream_cx_transport_socket_connect_timeout", 1));
  EXPECT_THAT(TlsClient(port).Get("/"), HasSubstr("x"));
}

TEST_F(Tls, ListenerFiltersAreBounded) {
  const std::string plain = TlsChain("plain", "transport_protocol: raw_buffer", "", "plain");
  const std::string inspector =
      "    listener_filters_timeout: 0.3s\n"
      "    listener_filters: [ { name: i, typed_config: { \"@type\": type.googleapis.com/"
      "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, max_client_hello_size: "
      "256, close_connection_on_client_hello_parsing_errors: true } } ]\n";
  Proxy proxy(TlsBootstrap({plain}, inspector));
  const std::uint16_t port = proxy.Port();
  const auto ends = [port](std::string_view bytes) {
    Socket socket = Socket::Connect(port);
    socket.Write(bytes);
    std::string answer;
    const Socket::Read read = socket.ReadSome(answer);
    return read == Socket::Read::kEof || read == Socket::Read::kReset;
  };
  EXPECT_TRUE(ends(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x02\x00", 9)));
  EXPECT_TRUE(proxy.WaitForStat("tls_inspector.client_hello_too_large", 1));
  EXPECT_TRUE(ends(std::string_view("\x16\x03\x01\x00\x00", 5)));
  EXPECT_TRUE(proxy.WaitForStat("listener.in.downstream_listener_filter_error", 2));
  EXPECT_TRUE(ends("\x16")) << "the time is over";
  EXPECT_TRUE(proxy.WaitForStat("listener.in.downstream_pre_cx_timeout", 1));
  {
    Socket leaves = Socket::Connect(port);
    leaves.Write("\x16\x03");
    leaves.ShutdownWrite();
    std::string answer;
    leaves.ReadSome(answer);
  }
  EXPECT_TRUE(proxy.WaitForStat("listener.in.downstream_listener_filter_remote_close", 1));
  Client client(port);
  EXPECT_EQ(client.Get("/").body, "plain");
}

TEST_F(Tls, CertsListsWhatListenersShow) {
  const Identity site = ca_.Issue({"DNS:a.test"}, -3600, 10 * 24 * 3600);
  Proxy proxy(TlsBootstrap({TlsChain(
      "c", "", TlsFields(base::Cat("tls_certificates: [ ", InlineCertificate(site), " ]")), "x")}));
  proxy.Port();
  const Response certs = proxy.Admin("GET", "/certs");
  EXPECT_THAT(certs.body, HasSubstr("a.test"));
  EXPECT_THAT(certs.body, HasSubstr("<listener in>"));
  EXPECT_THAT(certs.body, HasSubstr("\"days_until_expiration\": \"9\""));
  EXPECT_THAT(proxy.Admin("GET", "/config_dump").body,
              testing::Not(HasSubstr("BEGIN PRIVATE KEY")));
}

// By a header of the response, which shows what the request carried, and by the log.
TEST_F(Tls, ClientCertificatesAreToldToUpstreamsAndLogs) {
  const CertificateAuthority clients("Clients");
  const Identity site = ca_.Issue({"DNS:a.test", "URI:spiffe://x/site"});
  const Identity alice = clients.Issue({"URI:spiffe://x/alice", "DNS:alice.test"});
  const std::string tls = TlsFields(base::Cat(
      "tls_certificates: [ ", InlineCertificate(site),
      " ], validation_context: { trusted_ca: { inline_string: ", QuotedText(clients.pem()),
      " } }"));
  const std::string directory = MakeDirectory();
  const auto chain = [&](const std::string& mode, bool details) {
    std::string out = TlsChain(mode, base::Cat("server_names: [", mode, ".test]"), tls, "x");
    std::string extra =
        base::Cat("stat_prefix: ", mode, "\n          forward_client_cert_details: ", mode, "\n");
    if (details) {
      extra +=
          "          set_current_client_cert_details: { subject: true, dns: true, uri: true }\n";
    }
    base::Append(
        extra,
        "          access_log: [ { name: f, typed_config: { \"@type\": "
        "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: \"",
        directory, "/", mode,
        "\", log_format: { text_format_source: { inline_string: "
        "\"%REQ(x-forwarded-client-cert)%|%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_SUBJECT%|"
        "%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_FINGERPRINT_256%|"
        "%REQUESTED_SERVER_NAME%\\n\" } } } } ]\n");
    const std::string prefix = base::Cat("stat_prefix: ", mode, "\n");
    out.replace(out.find(prefix), prefix.size(), extra);
    return out;
  };
  Proxy proxy(TlsBootstrap({chain("SANITIZE", false), chain("FORWARD_ONLY", false),
                            chain("APPEND_FORWARD", true), chain("SANITIZE_SET", true),
                            chain("ALWAYS_FORWARD_ONLY", false)}));
  const std::string hash = CertificateHash(alice.certificate_pem);
  // A line of the log writes a quote as \x22.
  const std::string own =
      base::Cat("By=spiffe://x/site;Hash=", hash,
                ";Subject=\\x22CN=leaf\\x22;URI=spiffe://x/alice;DNS=alice.test");
  const auto expect = [&](const std::string& mode, bool shows, const std::string& seen) {
    SCOPED_TRACE(base::Cat(mode, shows ? " with" : " without"));
    TlsClientOptions options{.sni = mode + ".test"};
    if (shows) options.identity = alice;
    const std::size_t lines = ReadFile(base::Cat(directory, "/", mode)).size();
    ASSERT_NE(TlsClient(proxy.Port(), options).Get("/", "x-forwarded-client-cert: By=before\r\n"),
              "");
    ASSERT_TRUE(
        Eventually([&] { return ReadFile(base::Cat(directory, "/", mode)).size() > lines; }));
    const std::string line = ReadFile(base::Cat(directory, "/", mode)).substr(lines);
    const std::string peer =
        shows ? base::Cat("CN=leaf|spiffe://x/alice|", hash) : std::string("-|-|-");
    EXPECT_EQ(line, base::Cat(seen, "|TLSv1.3|", peer, "|", base::Lowercase(mode), ".test\n"));
  };
  expect("SANITIZE", true, "-");
  expect("FORWARD_ONLY", true, "By=before");
  expect("FORWARD_ONLY", false, "-");
  expect("APPEND_FORWARD", true, base::Cat("By=before,", own));
  expect("APPEND_FORWARD", false, "-");
  expect("SANITIZE_SET", true, own);
  expect("SANITIZE_SET", false, "-");
  expect("ALWAYS_FORWARD_ONLY", false, "By=before");
}

TEST_F(Tls, SecretsByName) {
  const Identity site = ca_.Issue({"DNS:named.test"});
  const auto chain = [](std::string_view name, std::string_view secret) {
    return TlsChain(
        name, base::Cat("server_names: [", name, ".test]"),
        TlsFields(base::Cat("tls_certificate_sds_secret_configs: [ { name: ", secret, " } ]")),
        name);
  };
  Proxy proxy(base::Cat(
      TlsBootstrap({chain("named", "mine"), chain("absent", "nobodys")}),
      "  secrets:\n  - name: mine\n    tls_certificate: ", InlineCertificate(site), "\n"));
  const std::uint16_t port = proxy.Port();
  TlsClient client(port, {.sni = "named.test"});
  EXPECT_EQ(client.server_name(), "named.test");
  EXPECT_THAT(client.Get("/"), HasSubstr("named"));
  EXPECT_FALSE(TlsClient(port, {.sni = "absent.test"}).shaken())
      << "without its secret it is closed";
  EXPECT_TRUE(proxy.WaitForStat(
      "listener.in.server_ssl_socket_factory.downstream_context_secrets_not_ready", 1));
}

TEST(TlsExample, ItsCheckPasses) {
  const auto variable = [](const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? otherwise : value);
  };
  const auto free_port = [] { return Socket::Listen().local_port(); };
  const Outcome check = Shell(base::Cat(
      "HTTPS_PORT=", free_port(), " HTTP_PORT=", free_port(), " ADMIN_PORT=", free_port(), " sh '",
      variable("SLUICE_SOURCE_DIR", SLUICE_SOURCE_DIR), "/examples/tls/check.sh' '",
      variable("SLUICE_BIN_DIR", SLUICE_BIN_DIR), "/sluice'"));
  EXPECT_EQ(check.status, 0) << check.out;
  EXPECT_THAT(check.out, HasSubstr("ok: two sites"));
}

}  // namespace
}  // namespace sluice::harness
