// TLS towards upstreams: whom it believes, and certificates that are none.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "config/compile.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "tests/unit/config/compile_testing.h"

namespace sluice::config {
namespace {

using Context = envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}

struct Identity {
  std::string certificate;
  std::string key;
  std::string encrypted_key;
};

Identity NewIdentity() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  Identity out;
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  out.certificate = Text(bio);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  out.key = Text(bio);
  bio = BIO_new(BIO_s_mem());
  unsigned char password[] = "secret";
  PEM_write_bio_PrivateKey(bio, key, EVP_aes_128_cbc(), password, 6, nullptr, nullptr);
  out.encrypted_key = Text(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return out;
}

const Identity& First() {
  static const Identity identity = NewIdentity();
  return identity;
}
const Identity& Second() {
  static const Identity identity = NewIdentity();
  return identity;
}

std::shared_ptr<const Cluster> Compile(const Context& context, base::FieldErrors& errors,
                                       Defaults defaults = Defaults::kSafe) {
  envoy::config::cluster::v3::Cluster proto;
  proto.set_name("c");
  proto.mutable_transport_socket()->set_name("tls");
  proto.mutable_transport_socket()->mutable_typed_config()->PackFrom(context);
  CompileOptions options;
  options.defaults = defaults;
  return CompileCluster(proto, options, errors);
}

UpstreamTls Good(const Context& context, Defaults defaults = Defaults::kSafe) {
  base::FieldErrors errors;
  const auto cluster = Compile(context, errors, defaults);
  EXPECT_EQ(errors.Text("\n"), "") << context.ShortDebugString();
  EXPECT_TRUE(cluster->tls.has_value());
  return cluster->tls.value_or(UpstreamTls());
}

const std::string kPath = "transport_socket.typed_config.";
const std::string kCommon = kPath + "common_tls_context.";

void ExpectError(const Context& context, std::string_view want) {
  base::FieldErrors errors;
  Compile(context, errors);
  ExpectErrors({std::string(want), "", {std::string(want)}}, errors);
}

TEST(CompileUpstreamTls, VerifiesAgainstTheSystemsAuthoritiesByDefault) {
  const UpstreamTls tls = Good(FromText<Context>(R"(sni: "Google.com")"));
  EXPECT_TRUE(tls.verify);
  EXPECT_EQ(tls.sni, "google.com");
  EXPECT_EQ(tls.ca_pem, "");
  EXPECT_EQ(tls.version_min, 0x0303);
  EXPECT_EQ(tls.version_max, 0x0304);
  // Also when validation_context is there but names no CA.
  EXPECT_EQ(
      tls,
      Good(FromText<Context>(R"(sni: "google.com" common_tls_context { validation_context {} })")));
  EXPECT_EQ(tls, Good(FromText<Context>(R"(sni: "google.com" common_tls_context {
                                           validation_context { system_root_certs {} } })")));
}

TEST(CompileUpstreamTls, EnvoysDefaultIsNoVerification) {
  EXPECT_FALSE(Good(FromText<Context>(""), Defaults::kEnvoy).verify);
  Context with_ca = FromText<Context>(R"(sni: "a.b")");
  with_ca.mutable_common_tls_context()
      ->mutable_validation_context()
      ->mutable_trusted_ca()
      ->set_inline_string(First().certificate);
  EXPECT_TRUE(Good(with_ca, Defaults::kEnvoy).verify);
}

TEST(CompileUpstreamTls, OptOutIsExplicit) {
  const UpstreamTls tls = Good(FromText<Context>(R"(common_tls_context { validation_context {
      trust_chain_verification: ACCEPT_UNTRUSTED } })"));
  EXPECT_FALSE(tls.verify);
  ExpectError(Context(), kPath + "sni: needed to verify");
}

TEST(CompileUpstreamTls, ReadsNamesVersionsAndProtocols) {
  const UpstreamTls tls = Good(FromText<Context>(R"(common_tls_context {
      tls_params { tls_minimum_protocol_version: TLSv1_3 }
      alpn_protocols: "http/1.1"
      validation_context {
        match_typed_subject_alt_names { san_type: DNS matcher { exact: "a.example.com" } }
        match_typed_subject_alt_names { san_type: URI matcher { prefix: "spiffe://td/" } } } })"));
  EXPECT_TRUE(tls.verify);
  EXPECT_EQ(tls.version_min, 0x0304);
  EXPECT_THAT(tls.alpn, testing::ElementsAre("http/1.1"));
  ASSERT_EQ(tls.subject_alt_names.size(), 2U);
  EXPECT_EQ(tls.subject_alt_names[0].text, "a.example.com");
  EXPECT_EQ(tls.subject_alt_names[1].kind, StringMatcher::Kind::kPrefix);
}

TEST(CompileUpstreamTls, ReadsCertificatesFromEverySource) {
  const std::string file = testing::TempDir() + "/sluice_compile_tls.pem";
  std::ofstream(file) << First().key;
  ::setenv("SLUICE_TEST_CERTIFICATE", First().certificate.c_str(), 1);
  Context context = FromText<Context>(R"(sni: "a.b")");
  auto* common = context.mutable_common_tls_context();
  auto* certificate = common->add_tls_certificates();
  certificate->mutable_certificate_chain()->set_environment_variable("SLUICE_TEST_CERTIFICATE");
  certificate->mutable_private_key()->set_filename(file);
  common->mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(
      First().certificate + Second().certificate);
  const UpstreamTls tls = Good(context);
  EXPECT_EQ(tls.certificate_pem, First().certificate);
  EXPECT_EQ(tls.private_key_pem, First().key);
  EXPECT_EQ(tls.ca_pem, First().certificate + Second().certificate);
  std::filesystem::remove(file);
  ::unsetenv("SLUICE_TEST_CERTIFICATE");
}

TEST(CompileUpstreamTls, RefusesBadCertificates) {
  const auto with = [](const std::string& chain, const std::string& key) {
    Context context = FromText<Context>(R"(sni: "a.b")");
    auto* certificate = context.mutable_common_tls_context()->add_tls_certificates();
    certificate->mutable_certificate_chain()->set_inline_string(chain);
    certificate->mutable_private_key()->set_inline_string(key);
    return context;
  };
  const std::string at = kCommon + "tls_certificates[0].";
  Good(with(First().certificate, First().key));
  ExpectError(with(First().certificate, Second().key), at + "private_key: does not belong to");
  ExpectError(with("nonsense", First().key), at + "certificate_chain: no PEM certificate");
  ExpectError(with(First().key, First().key), at + "certificate_chain: no PEM certificate");
  ExpectError(with(First().certificate, "nonsense"), at + "private_key: no PEM private key");
  ExpectError(with(First().certificate, First().encrypted_key),
              at + "private_key: no PEM private key without a password");
  // A good block before a broken one.
  std::string broken = Second().certificate;
  broken[broken.size() / 2] = '!';
  ExpectError(with(First().certificate + broken, First().key),
              at + "certificate_chain: no PEM certificate");

  Context ca = FromText<Context>(R"(sni: "a.b")");
  auto* trusted = ca.mutable_common_tls_context()->mutable_validation_context();
  trusted->mutable_trusted_ca()->set_inline_string("-----BEGIN CERTIFICATE-----\nAAAA\n");
  ExpectError(ca, kCommon + "validation_context.trusted_ca: no PEM certificate");
}

TEST(CompileUpstreamTls, RefusesBadSources) {
  const auto with = [](const auto& set) {
    Context context = FromText<Context>(R"(sni: "a.b")");
    set(*context.mutable_common_tls_context()->mutable_validation_context()->mutable_trusted_ca());
    return context;
  };
  const std::string at = kCommon + "validation_context.trusted_ca";
  const auto expect = [&](const Context& context) {
    base::FieldErrors errors;
    Compile(context, errors);
    ASSERT_EQ(errors.size(), 1U) << errors.Text("\n");
    EXPECT_THAT(errors.errors()[0].path, testing::StartsWith(at));
  };
  expect(with([](auto& source) { source.set_filename("/no/such/file"); }));
  expect(with([](auto& source) { source.set_filename("/dev/zero"); }));
  expect(with([](auto& source) { source.set_filename(testing::TempDir()); }));
  expect(with([](auto& source) { source.set_inline_string(""); }));
  expect(with([](auto& source) { source.set_inline_string(std::string((1 << 20) + 1, 'a')); }));
  expect(with([](auto& source) { source.set_environment_variable("SLUICE_NOT_SET_ANYWHERE"); }));
  expect(with([](auto&) {}));
}

TEST(CompileUpstreamTls, RefusesWhatItCannotCheck) {
  const auto common = [](std::string_view inside) {
    return FromText<Context>(base::Cat(R"(sni: "a.b" common_tls_context { )", inside, "}"));
  };
  const auto names = [&](std::string_view matcher) {
    return common(
        base::Cat("validation_context { match_typed_subject_alt_names { ", matcher, "} }"));
  };
  const std::string san = kCommon + "validation_context.match_typed_subject_alt_names[0].";
  ExpectError(names(R"(san_type: EMAIL matcher { exact: "a@b" })"), san + "san_type: not");
  ExpectError(names(R"(san_type: DNS matcher { suffix: ".b" })"), san + "matcher: not supported");
  ExpectError(names(R"(san_type: DNS matcher { prefix: "a://" })"), san + "matcher: not supported");
  ExpectError(names(R"(san_type: URI matcher { prefix: "spiffe" })"),
              san + "matcher: not supported");
  ExpectError(names(R"(san_type: DNS matcher { exact: "" })"), san + "matcher.exact: empty");
  ExpectError(names(R"(san_type: DNS matcher { exact: "a" ignore_case: true })"),
              san + "matcher.ignore_case: not supported");
  ExpectError(common(R"(validation_context { trust_chain_verification: ACCEPT_UNTRUSTED
      match_typed_subject_alt_names { san_type: DNS matcher { exact: "a" } } })"),
              kCommon + "validation_context.match_typed_subject_alt_names: not checked");
  ExpectError(common("validation_context { crl { inline_string: 'x' } }"),
              kCommon + "validation_context.crl: says nothing without trusted_ca");
  ExpectError(common("validation_context { verify_certificate_spki: 'x' }"),
              kCommon + "validation_context.verify_certificate_spki: no SHA-256");
  ExpectError(common("validation_context { verify_certificate_hash: '0g' }"),
              kCommon + "validation_context.verify_certificate_hash: no SHA-256");
  ExpectError(common("validation_context { max_verify_depth { value: 101 } }"),
              kCommon + "validation_context.max_verify_depth: at most 100");
  ExpectError(common("tls_certificate_sds_secret_configs {}"),
              kCommon + "tls_certificate_sds_secret_configs: not supported towards");
  ExpectError(common("validation_context_sds_secret_config {}"),
              kCommon + "validation_context_sds_secret_config: not supported towards");
  ExpectError(common("combined_validation_context {}"),
              kCommon + "combined_validation_context: not supported towards");
  ExpectError(common("tls_params { tls_maximum_protocol_version: TLSv1_1 }"),
              kCommon + "tls_params.tls_maximum_protocol_version: TLS 1.0 and 1.1 are broken");
  ExpectError(common("tls_params { tls_minimum_protocol_version: TLSv1_3 "
                     "tls_maximum_protocol_version: TLSv1_2 }"),
              kCommon + "tls_params.tls_minimum_protocol_version: above");
  ExpectError(common("tls_params { cipher_suites: 'x' }"),
              kCommon + "tls_params.cipher_suites: 'x' is not known");
  ExpectError(FromText<Context>(R"(sni: "a b")"), kPath + "sni: 'a b' is no DNS name");
  ExpectError(FromText<Context>("sni: 'a.b' auto_host_sni: true"),
              kPath + "auto_host_sni: not supported; set sni");
}

TEST(CompileUpstreamTls, SecretsNeverShowInErrors) {
  Context context = FromText<Context>(R"(sni: "a.b")");
  auto* certificate = context.mutable_common_tls_context()->add_tls_certificates();
  certificate->mutable_certificate_chain()->set_inline_string(First().certificate);
  certificate->mutable_private_key()->set_inline_string("TOP SECRET KEY");
  base::FieldErrors errors;
  Compile(context, errors);
  EXPECT_FALSE(errors.empty());
  EXPECT_THAT(errors.Text(), testing::Not(testing::HasSubstr("TOP SECRET")));
}

}  // namespace
}  // namespace sluice::config
