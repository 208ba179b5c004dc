#include "net/tls.h"

#include <gmock/gmock.h>
#include <harness/certificates.h>

#include "stream_fixture.h"

namespace sluice::net {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Task<void> Shake(Stream& stream, int* outcome) { *outcome = co_await Handshake(stream) ? 1 : 0; }

class TlsTest : public ::testing::Test {
 protected:
  // Wraps one end of a connection whose other end is served by a relay.
  void Connect(const TlsClientOptions& client, const TlsPeer& peer,
               const std::vector<std::string>& names = {"DNS:a.example"}) {
    const harness::Identity identity = ca_.Issue(names, from_s_, to_s_);
    server_.certificate_pem = identity.certificate_pem;
    server_.private_key_pem = identity.private_key_pem;
    auto [near, far] = TcpPair();
    auto [plain, other] = TcpPair();
    relay_ = std::make_unique<TlsRelay>(server_, std::move(far), std::move(plain));
    far_ = NewSocketStream(loop_, std::move(other), base::Address());
    const auto context = NewTlsClientContext(client);
    ASSERT_TRUE(context.ok()) << context.status();
    stream_ = NewTlsClientStream(loop_, NewSocketStream(loop_, std::move(near), base::Address()),
                                 **context, peer);
  }
  bool HandshakeSucceeds() {
    int outcome = -1;
    Start(Shake(*stream_, &outcome));
    EXPECT_TRUE(RunUntil(loop_, [&] { return outcome >= 0; }));
    return outcome == 1;
  }
  TlsClientOptions Trusting() const {
    TlsClientOptions options;
    options.ca_pem = ca_.pem();
    return options;
  }
  static TlsPeer Named(const std::string& name) {
    TlsPeer peer;
    peer.sni = peer.verify_name = name;
    return peer;
  }

  Loop loop_{base::SystemClock()};
  harness::CertificateAuthority ca_;
  long from_s_ = -3600;
  long to_s_ = 3600;
  TlsRelayOptions server_;
  std::unique_ptr<TlsRelay> relay_;
  std::unique_ptr<Stream> far_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(TlsTest, RightNameIsAccepted) {
  Connect(Trusting(), Named("a.example"), {"DNS:b.example", "DNS:a.example"});
  EXPECT_TRUE(HandshakeSucceeds()) << stream_->failure();
  EXPECT_TRUE(stream_->is_tls());
}

TEST_F(TlsTest, WildcardCoversOneLabel) {
  Connect(Trusting(), Named("x.a.example"), {"DNS:*.a.example"});
  EXPECT_TRUE(HandshakeSucceeds()) << stream_->failure();
  Connect(Trusting(), Named("y.x.a.example"), {"DNS:*.a.example"});
  EXPECT_FALSE(HandshakeSucceeds());
}

TEST_F(TlsTest, IpAddressMustBeInTheCertificateAsOne) {
  Connect(Trusting(), Named("127.0.0.1"), {"IP:127.0.0.1"});
  EXPECT_TRUE(HandshakeSucceeds()) << stream_->failure();
  Connect(Trusting(), Named("127.0.0.1"), {"DNS:127.0.0.1"});
  EXPECT_FALSE(HandshakeSucceeds());
}

TEST_F(TlsTest, WrongNameFailsWithEnvoysForm) {
  Connect(Trusting(), Named("evil.example"));
  EXPECT_FALSE(HandshakeSucceeds());
  EXPECT_THAT(std::string(stream_->failure()),
              AllOf(StartsWith("TLS_error:|"), EndsWith(":TLS_error_end"),
                    HasSubstr(":SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify "
                              "cert failed: hostname mismatch")));
  char space[8];
  EXPECT_EQ(stream_->Read(space).status, IoStatus::kError);
}

TEST_F(TlsTest, NameInTheSubjectAloneCountsForNothing) {
  Connect(Trusting(), Named("leaf"), {});
  EXPECT_FALSE(HandshakeSucceeds());
}

TEST_F(TlsTest, ForeignAuthorityIsRefused) {
  const harness::CertificateAuthority other("Other CA");
  TlsClientOptions options;
  options.ca_pem = other.pem();
  Connect(options, Named("a.example"));
  EXPECT_FALSE(HandshakeSucceeds());
  EXPECT_THAT(std::string(stream_->failure()), HasSubstr("CERTIFICATE_VERIFY_FAILED"));
}

TEST_F(TlsTest, SystemAuthoritiesDoNotKnowOurs) {
  Connect(TlsClientOptions(), Named("a.example"));
  EXPECT_FALSE(HandshakeSucceeds());
}

TEST_F(TlsTest, ExpiredCertificateIsRefusedByThatName) {
  from_s_ = -7000;
  to_s_ = -10;
  Connect(Trusting(), Named("a.example"));
  EXPECT_FALSE(HandshakeSucceeds());
  EXPECT_THAT(std::string(stream_->failure()), HasSubstr("certificate has expired"));
}

TEST_F(TlsTest, UnverifiedTakesAnything) {
  TlsClientOptions options;
  options.verify = false;
  Connect(options, TlsPeer());
  EXPECT_TRUE(HandshakeSucceeds()) << stream_->failure();
}

TEST_F(TlsTest, SansAreOfferedToTheOwnersJudgement) {
  struct Judge {
    static bool Accept(void* self, std::string_view san) {
      auto& judge = *static_cast<Judge*>(self);
      judge.heard.emplace_back(san);
      return san == judge.wanted;
    }
    std::string wanted;
    std::vector<std::string> heard;
  } judge{"spiffe://a/b", {}};
  TlsPeer peer;
  peer.accept_san = &Judge::Accept;
  peer.accept_san_owner = &judge;
  const std::vector<std::string> names = {"DNS:a.example", "IP:::1", "IP:10.0.0.1",
                                          "URI:spiffe://a/b"};
  Connect(Trusting(), peer, names);
  EXPECT_TRUE(HandshakeSucceeds()) << stream_->failure();
  EXPECT_THAT(judge.heard, ::testing::ElementsAre("a.example", "::1", "10.0.0.1", "spiffe://a/b"));
  judge.wanted = "other";
  Connect(Trusting(), peer, names);
  EXPECT_FALSE(HandshakeSucceeds());
}

TEST_F(TlsTest, PeerWithoutTlsFailsWithWrongVersion) {
  auto [near, far] = TcpPair();
  const std::string_view plain = "HTTP/1.1 400 Bad Request\r\n\r\n";
  auto server = NewSocketStream(loop_, std::move(far), base::Address());
  server->Write({&plain, 1});
  const auto context = NewTlsClientContext(Trusting());
  stream_ = NewTlsClientStream(loop_, NewSocketStream(loop_, std::move(near), base::Address()),
                               **context, Named("a.example"));
  EXPECT_FALSE(HandshakeSucceeds());
  EXPECT_THAT(std::string(stream_->failure()),
              HasSubstr(":SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"));
}

TEST_F(TlsTest, AlpnIsNegotiated) {
  server_.alpn = "h2";
  TlsClientOptions options = Trusting();
  options.alpn = {"h2", "http/1.1"};
  Connect(options, Named("a.example"));
  EXPECT_TRUE(HandshakeSucceeds());
  EXPECT_EQ(NegotiatedProtocol(*stream_), "h2");
}

TEST_F(TlsTest, OwnCertificateIsShown) {
  server_.client_ca_pem = ca_.pem();
  const harness::Identity own = ca_.Issue({"DNS:client.example"});
  TlsClientOptions options = Trusting();
  options.certificate_pem = own.certificate_pem;
  options.private_key_pem = own.private_key_pem;
  Connect(options, Named("a.example"));
  EXPECT_TRUE(HandshakeSucceeds());
  const std::string_view hello = "hello";
  ASSERT_EQ(stream_->Write({&hello, 1}).status, IoStatus::kOk);
  EXPECT_TRUE(RunUntil(loop_, [&] { return far_->ReadyToRead(); }));
  char space[8];
  EXPECT_EQ(far_->Read(space).bytes, 5u);
}

TEST_F(TlsTest, EndWithoutCloseNotifyIsAnErrorNotAnEnd) {
  server_.send_close_notify = false;
  Connect(Trusting(), Named("a.example"));
  ASSERT_TRUE(HandshakeSucceeds());
  far_->Close();
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(*stream_, &got, &end));
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  EXPECT_EQ(end, IoStatus::kError);
  EXPECT_THAT(std::string(stream_->failure()), HasSubstr("UNEXPECTED_EOF_WHILE_READING"));
}

TEST_F(TlsTest, HandshakeHappensInsideTheFirstReadsAndWrites) {
  Connect(Trusting(), Named("a.example"));
  bool good = false;
  std::string got;
  IoStatus end = IoStatus::kOk;
  Start(ReadToEnd(*stream_, &got, &end));  // A reader first, then a writer, both of one handshake.
  Start(WriteThenEnd(*stream_, "question", &good));
  std::string asked;
  ASSERT_TRUE(RunUntil(loop_, [&] {
    char space[16];
    const IoResult r = far_->Read(space);
    if (r.status == IoStatus::kOk) asked.append(space, r.bytes);
    return asked == "question";
  }));
  const std::string_view answer = "answer";
  far_->Write({&answer, 1});
  far_->Close();
  ASSERT_TRUE(RunUntil(loop_, [&] { return end != IoStatus::kOk; }));
  EXPECT_TRUE(good);
  EXPECT_EQ(got, "answer");
  EXPECT_EQ(end, IoStatus::kEof);
}

TEST_F(TlsTest, IdleStreamWithSessionTicketsIsNotReadable) {
  Connect(Trusting(), Named("a.example"));
  ASSERT_TRUE(HandshakeSucceeds());
  Settle(loop_);  // TLS 1.3 servers send tickets after the handshake.
  EXPECT_FALSE(stream_->ReadyToRead());
  far_->Close();
  EXPECT_TRUE(RunUntil(loop_, [&] { return stream_->ReadyToRead(); }));
}

TEST(TlsClientContext, FailsClosed) {
  const harness::CertificateAuthority ca;
  const harness::Identity one = ca.Issue({"DNS:a.example"});
  const harness::Identity two = ca.Issue({"DNS:b.example"});
  const auto make = [](const auto& edit) {
    TlsClientOptions options;
    edit(options);
    return NewTlsClientContext(options).status().ToString();
  };
  EXPECT_THAT(make([](auto& o) { o.ca_pem = "nothing in here"; }), HasSubstr("trusted_ca"));
  EXPECT_THAT(make([](auto& o) { o.ca_pem = " "; }), HasSubstr("trusted_ca"));
  EXPECT_THAT(
      make([&](auto& o) { o.ca_pem = ca.pem().substr(0, 200) + "\n-----END CERTIFICATE-----\n"; }),
      HasSubstr("trusted_ca"));
  EXPECT_THAT(make([&](auto& o) { o.ca_pem = one.private_key_pem; }), HasSubstr("trusted_ca"));
  EXPECT_THAT(make([&](auto& o) { o.certificate_pem = one.certificate_pem; }),
              HasSubstr("private_key"));
  EXPECT_THAT(make([&](auto& o) { o.private_key_pem = one.private_key_pem; }),
              HasSubstr("certificate_chain"));
  EXPECT_THAT(make([&](auto& o) {
                o.certificate_pem = one.certificate_pem;
                o.private_key_pem = two.private_key_pem;
              }),
              HasSubstr("does not match"));
  EXPECT_THAT(make([](auto& o) { o.alpn = {""}; }), HasSubstr("alpn"));
  EXPECT_EQ(make([](auto&) {}), "OK");
}

}  // namespace
}  // namespace sluice::net
