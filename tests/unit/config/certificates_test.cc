#include "config/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/certificates.h"

namespace sluice::config {
namespace {

using Kind = CertificateInfo::NameKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(DescribeCertificates, TellsNamesSerialAndTimes) {
  const harness::CertificateAuthority authority("Root");
  const harness::Identity identity =
      authority.Issue({"DNS:a.example", "URI:spiffe://example/x", "IP:10.1.2.3", "IP:::1"});
  const auto infos = DescribeCertificates(identity.certificate_pem + authority.pem());
  ASSERT_EQ(infos.size(), 2U);
  EXPECT_THAT(infos[0].subject_alt_names,
              ElementsAre(Pair(Kind::kDns, "a.example"), Pair(Kind::kUri, "spiffe://example/x"),
                          Pair(Kind::kIpAddress, "10.1.2.3"), Pair(Kind::kIpAddress, "::1")));
  EXPECT_NE(infos[0].serial, "");
  EXPECT_EQ(infos[0].serial.find_first_not_of("0123456789abcdef"), std::string::npos);
  // The harness issues from an hour ago to a day from now.
  EXPECT_EQ(infos[0].expires - infos[0].valid_from, base::seconds(25 * 3600));
  EXPECT_THAT(infos[1].subject, HasSubstr("CN=Root"));
  EXPECT_THAT(infos[1].subject_alt_names, IsEmpty());
}

TEST(DescribeCertificates, StopsAtWhatIsBroken) {
  const harness::CertificateAuthority authority;
  EXPECT_THAT(DescribeCertificates(""), IsEmpty());
  EXPECT_THAT(DescribeCertificates("no certificate"), IsEmpty());
  std::string cut = authority.pem();
  cut.erase(cut.size() / 2, 40);
  EXPECT_THAT(DescribeCertificates(cut), IsEmpty());
  EXPECT_EQ(DescribeCertificates(authority.pem() + cut).size(), 1U);
}

}  // namespace
}  // namespace sluice::config
