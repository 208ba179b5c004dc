#include "net/dns.h"

#include <gmock/gmock.h>
#include <harness/dns_server.h>

#include "loop_fixture.h"

namespace sluice::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Status = DnsAnswer::Status;

class DnsTest : public ::testing::Test {
 protected:
  DnsAnswer Ask(std::string_view name, DnsFamily family) {
    std::optional<DnsAnswer> answer;
    resolver_->Resolve(name, family, [&](DnsAnswer a) { answer = std::move(a); });
    EXPECT_FALSE(answer.has_value()) << "inline";
    EXPECT_TRUE(RunUntil(loop_, [&] { return answer.has_value(); })) << name;
    return answer.value_or(DnsAnswer());
  }
  static std::vector<std::string> Texts(const DnsAnswer& answer) {
    std::vector<std::string> texts;
    for (const base::Address& address : answer.addresses) texts.push_back(address.IpText());
    return texts;
  }
  static harness::DnsRecords Records(std::vector<std::string> v4, std::vector<std::string> v6) {
    harness::DnsRecords records;
    records.v4 = std::move(v4);
    records.v6 = std::move(v6);
    return records;
  }

  harness::DnsServer server_;
  Loop loop_{base::SystemClock()};
  std::unique_ptr<Resolver> resolver_ = NewResolver(loop_, server_.address());
};

TEST_F(DnsTest, FamiliesChooseWhatIsAskedFor) {
  server_.Set("both.test", Records({"10.0.0.2", "10.0.0.1", "10.0.0.2"}, {"2001:db8::1"}));
  EXPECT_THAT(Texts(Ask("both.test", DnsFamily::kV4Only)), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(Texts(Ask("both.test", DnsFamily::kV6Only)), ElementsAre("2001:db8::1"));
  EXPECT_THAT(Texts(Ask("both.test", DnsFamily::kAuto)), ElementsAre("2001:db8::1"));
  EXPECT_THAT(Texts(Ask("both.test", DnsFamily::kV4Preferred)),
              ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(Texts(Ask("both.test", DnsFamily::kAll)),
              ElementsAre("10.0.0.1", "10.0.0.2", "2001:db8::1"));
}

TEST_F(DnsTest, AutoAndV4PreferredFallBackToTheOtherFamily) {
  server_.Set("v4.test", Records({"10.0.0.1"}, {}));
  server_.Set("v6.test", Records({}, {"2001:db8::1"}));
  EXPECT_THAT(Texts(Ask("v4.test", DnsFamily::kAuto)), ElementsAre("10.0.0.1"));
  EXPECT_THAT(Texts(Ask("v6.test", DnsFamily::kV4Preferred)), ElementsAre("2001:db8::1"));
  EXPECT_EQ(Ask("v4.test", DnsFamily::kV6Only).status, Status::kNoRecords);
}

TEST_F(DnsTest, TtlAndChangesComeThrough) {
  harness::DnsRecords records = Records({"10.0.0.1"}, {});
  records.ttl_s = 7;
  server_.Set("a.test", records);
  DnsAnswer answer = Ask("a.test", DnsFamily::kV4Only);
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.ttl_s, 7u);
  server_.Set("a.test", Records({"10.0.0.9"}, {}));
  EXPECT_THAT(Texts(Ask("a.test", DnsFamily::kV4Only)), ElementsAre("10.0.0.9"));
  server_.Remove("a.test");
  answer = Ask("a.test", DnsFamily::kV4Only);
  EXPECT_EQ(answer.status, Status::kNoRecords);
  EXPECT_THAT(answer.addresses, IsEmpty());
}

TEST_F(DnsTest, BrokenServerIsAFailureNotAnEmptyAnswer) {
  harness::DnsRecords broken;
  broken.broken = true;
  server_.Set("broken.test", broken);
  const DnsAnswer answer = Ask("broken.test", DnsFamily::kV4Only);
  EXPECT_EQ(answer.status, Status::kFailure);
  EXPECT_NE(answer.error, "");
}

TEST_F(DnsTest, AddressesAndLocalhostNeedNoServer) {
  EXPECT_THAT(Texts(Ask("192.0.2.1", DnsFamily::kAuto)), ElementsAre("192.0.2.1"));
  EXPECT_THAT(Texts(Ask("::1", DnsFamily::kAuto)), ElementsAre("::1"));
  EXPECT_THAT(Texts(Ask("localhost", DnsFamily::kV4Only)), ElementsAre("127.0.0.1"));
  // No hosts file says so.
  EXPECT_THAT(Texts(Ask("app.localhost", DnsFamily::kAuto)), ElementsAre("127.0.0.1"));
  EXPECT_THAT(Texts(Ask("App.LocalHost.", DnsFamily::kV4Preferred)), ElementsAre("127.0.0.1"));
  EXPECT_THAT(Texts(Ask("app.localhost", DnsFamily::kV6Only)), ElementsAre("::1"));
  EXPECT_EQ(server_.queries(), 0);
}

TEST_F(DnsTest, NonsenseIsRefusedUnasked) {
  for (const std::string& name :
       {std::string(), std::string("a..b"), std::string("."), std::string("a b"),
        std::string("a\0b.test", 8), std::string(64, 'x') + ".test", std::string("a/b"),
        std::string(260, 'x')}) {
    EXPECT_EQ(Ask(name, DnsFamily::kV4Only).status, Status::kFailure) << name;
  }
  EXPECT_EQ(server_.queries(), 0);
}

TEST_F(DnsTest, CancelledAndDestroyedRequestsStaySilent) {
  harness::DnsRecords silent;
  silent.silent = true;
  server_.Set("silent.test", silent);
  server_.Set("a.test", Records({"10.0.0.1"}, {}));
  bool called = false;
  const auto done = [&](DnsAnswer) { called = true; };
  const std::uint64_t ticket = resolver_->Resolve("a.test", DnsFamily::kV4Only, done);
  resolver_->Cancel(ticket);
  resolver_->Cancel(ticket);
  resolver_->Resolve("silent.test", DnsFamily::kAuto, done);
  resolver_->Resolve("10.0.0.1", DnsFamily::kAuto, done);
  EXPECT_THAT(Texts(Ask("192.0.2.1", DnsFamily::kAuto)), ElementsAre("192.0.2.1"));
  EXPECT_TRUE(called);  // The address before it.
  called = false;
  Settle(loop_);
  resolver_.reset();
  Settle(loop_);
  EXPECT_FALSE(called);
}

TEST_F(DnsTest, MayBeDestroyedByItsAnswer) {
  bool called = false;
  resolver_->Resolve("10.0.0.1", DnsFamily::kAuto, [&](DnsAnswer) {
    called = true;
    resolver_.reset();
  });
  resolver_->Resolve("10.0.0.2", DnsFamily::kAuto, [&](DnsAnswer) { FAIL(); });
  ASSERT_TRUE(RunUntil(loop_, [&] { return called; }));
  Settle(loop_);
}

// Many answers in the socket at once: an edge tells of the first, the rest must be found.
TEST_F(DnsTest, ManyAtOnceAreAllAnswered) {
  int answered = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "host" + std::to_string(i) + ".test";
    server_.Set(name,
                Records({"10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256)}, {}));
  }
  for (int i = 0; i < 1000; ++i) {
    const std::string want = "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    resolver_->Resolve("host" + std::to_string(i) + ".test", DnsFamily::kV4Only,
                       [&answered, want](DnsAnswer answer) {
                         ++answered;
                         EXPECT_THAT(Texts(answer), ElementsAre(want));
                       });
  }
  EXPECT_TRUE(RunUntil(loop_, [&] { return answered == 1000; })) << answered;
}

}  // namespace
}  // namespace sluice::net
