#include "config/filter_chain_match.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::config {
namespace {

constexpr std::size_t kNone = FilterChainIndex::kNone;

std::vector<base::Cidr> Ranges(std::initializer_list<std::pair<const char*, unsigned>> list) {
  std::vector<base::Cidr> out;
  for (const auto& [ip, bits] : list) out.push_back(*base::Cidr::Make(ip, bits));
  return out;
}

struct Asked {
  std::string local = "10.1.1.1";
  std::uint16_t local_port = 443;
  std::string remote = "192.0.2.7";
  std::uint16_t remote_port = 40000;
  std::string direct = "";
  std::string name = "";
  std::string transport = "raw_buffer";
  std::vector<std::string> protocols = {};
};

std::size_t Find(const std::vector<FilterChainMatch>& matches, const Asked& asked) {
  FilterChainIndex index;
  bool zero = false;
  for (const FilterChainMatch& match : matches) {
    for (const auto* ranges : {&match.destinations, &match.sources, &match.direct_sources}) {
      for (const base::Cidr& range : *ranges) zero = zero || range.bits() == 0;
    }
  }
  for (std::size_t i = 0; i < matches.size(); ++i) {
    std::size_t other = kNone;
    EXPECT_EQ(index.Add(matches[i], i, zero, &other), FilterChainIndex::Added::kOk);
  }
  const base::Address local = *base::Address::ParseIp(asked.local, asked.local_port);
  const base::Address remote = *base::Address::ParseIp(asked.remote, asked.remote_port);
  const base::Address direct =
      asked.direct.empty() ? remote : *base::Address::ParseIp(asked.direct, 1);
  return index.Find({local, direct, remote, asked.name, asked.transport, asked.protocols});
}

FilterChainMatch Names(std::vector<std::string> names) {
  FilterChainMatch match;
  match.server_names = std::move(names);
  return match;
}

TEST(FilterChainIndex, AnEmptyMatchTakesEverything) {
  EXPECT_EQ(Find({{}}, {}), 0U);
  EXPECT_EQ(Find({{}}, {.remote = "::1"}), 0U) << "also with IPv6 on one side";
  EXPECT_EQ(Find({}, {}), kNone);
}

TEST(FilterChainIndex, TheMostSpecificServerNameWins) {
  const std::vector<FilterChainMatch> chains = {Names({"*.example.org"}),
                                                Names({"a.example.org"}),
                                                Names({"*.b.example.org", "other.test"}),
                                                {}};
  EXPECT_EQ(Find(chains, {.name = "a.example.org"}), 1U);
  EXPECT_EQ(Find(chains, {.name = "c.example.org"}), 0U);
  EXPECT_EQ(Find(chains, {.name = "x.y.example.org"}), 0U);
  EXPECT_EQ(Find(chains, {.name = "x.b.example.org"}), 2U);
  EXPECT_EQ(Find(chains, {.name = "b.example.org"}), 0U);
  EXPECT_EQ(Find(chains, {.name = "other.test"}), 2U);
  EXPECT_EQ(Find(chains, {.name = "example.org"}), 3U) << "a wildcard needs a label";
  EXPECT_EQ(Find(chains, {}), 3U);
}

TEST(FilterChainIndex, NeverGoesBackToAnEarlierCriterion) {
  FilterChainMatch there;
  there.destinations = Ranges({{"10.0.0.0", 8}});
  EXPECT_EQ(Find({there, Names({"foo.test"})}, {.name = "foo.test"}), 0U);
  FilterChainMatch both = Names({"bar.test"});
  both.destinations = Ranges({{"10.0.0.0", 8}});
  EXPECT_EQ(Find({both, Names({"foo.test"})}, {.name = "foo.test"}), kNone)
      << "the destination chose, and nothing there has the name";
}

TEST(FilterChainIndex, ThePortComesFirst) {
  FilterChainMatch port;
  port.destination_port = 443;
  FilterChainMatch range;
  range.destinations = Ranges({{"10.1.1.1", 32}});
  EXPECT_EQ(Find({range, port}, {}), 1U);
  EXPECT_EQ(Find({range, port}, {.local_port = 8443}), 0U);
  EXPECT_EQ(Find({range, port}, {.local = "10.1.1.2", .local_port = 8443}), kNone);
}

TEST(FilterChainIndex, TheLongestPrefixWins) {
  FilterChainMatch wide;
  wide.destinations = Ranges({{"10.0.0.0", 8}});
  FilterChainMatch narrow;
  narrow.destinations = Ranges({{"10.1.0.0", 16}, {"2001:db8::", 32}});
  FilterChainMatch all;
  all.destinations = Ranges({{"0.0.0.0", 0}});
  const std::vector<FilterChainMatch> chains = {wide, narrow, all};
  EXPECT_EQ(Find(chains, {}), 1U);
  EXPECT_EQ(Find(chains, {.local = "10.2.0.1"}), 0U);
  EXPECT_EQ(Find(chains, {.local = "11.2.0.1"}), 2U);
  EXPECT_EQ(Find(chains, {.local = "2001:db8::5"}), 1U);
  EXPECT_EQ(Find(chains, {.local = "2001:db9::5"}), kNone);
}

TEST(FilterChainIndex, NamingEveryAddressIsNamingNone) {
  FilterChainMatch all = Names({"a.test"});
  all.destinations = Ranges({{"0.0.0.0", 0}});
  EXPECT_EQ(Find({all, Names({"b.test"})}, {.name = "b.test"}), 1U);
  EXPECT_EQ(Find({all, Names({"b.test"})}, {.name = "a.test"}), 0U);
}

TEST(FilterChainIndex, TransportAndProtocols) {
  FilterChainMatch tls;
  tls.transport_protocol = "tls";
  FilterChainMatch h2;
  h2.transport_protocol = "tls";
  h2.application_protocols = {"h2"};
  FilterChainMatch raw;
  raw.transport_protocol = "raw_buffer";
  const std::vector<FilterChainMatch> chains = {tls, h2, raw};
  EXPECT_EQ(Find(chains, {.transport = "tls"}), 0U);
  EXPECT_EQ(Find(chains, {.transport = "tls", .protocols = {"h2", "http/1.1"}}), 1U);
  EXPECT_EQ(Find(chains, {.transport = "tls", .protocols = {"http/1.1", "h2"}}), 1U);
  EXPECT_EQ(Find(chains, {.transport = "tls", .protocols = {"http/1.1"}}), 0U);
  EXPECT_EQ(Find(chains, {}), 2U);
}

TEST(FilterChainIndex, Sources) {
  FilterChainMatch local;
  local.source_type = FilterChainMatch::SourceType::kSameIpOrLoopback;
  FilterChainMatch external;
  external.source_type = FilterChainMatch::SourceType::kExternal;
  FilterChainMatch office = external;
  office.sources = Ranges({{"192.0.2.0", 24}});
  FilterChainMatch port = office;
  port.source_ports = {40000, 40001};
  FilterChainMatch balancer;
  balancer.direct_sources = Ranges({{"10.9.0.0", 16}});
  const std::vector<FilterChainMatch> chains = {local, external, office, port, balancer};
  EXPECT_EQ(Find(chains, {.remote = "127.0.0.1"}), 0U);
  EXPECT_EQ(Find(chains, {.remote = "10.1.1.1"}), 0U) << "our own address";
  EXPECT_EQ(Find(chains, {.remote = "203.0.113.1"}), 1U);
  EXPECT_EQ(Find(chains, {.remote_port = 5}), 2U);
  EXPECT_EQ(Find(chains, {}), 3U);
  EXPECT_EQ(Find(chains, {.remote_port = 40001}), 3U);
  EXPECT_EQ(Find(chains, {.direct = "10.9.1.1"}), 4U);
}

TEST(FilterChainIndex, RefusesTheSameRulesTwice) {
  FilterChainIndex index;
  std::size_t other = kNone;
  FilterChainMatch a = Names({"a.test", "b.test"});
  a.source_ports = {1, 2};
  EXPECT_EQ(index.Add(a, 0, false, &other), FilterChainIndex::Added::kOk);
  FilterChainMatch b = Names({"c.test", "b.test"});
  EXPECT_EQ(index.Add(b, 1, false, &other), FilterChainIndex::Added::kOk) << "any source port";
  b.source_ports = {2};
  EXPECT_EQ(index.Add(b, 2, false, &other), FilterChainIndex::Added::kDuplicate);
  EXPECT_EQ(other, 0U);
}

TEST(FilterChainIndex, BoundsTheProductOfItsValues) {
  FilterChainMatch match;
  for (unsigned i = 1; i <= 1000; ++i) {
    match.server_names.push_back("n" + std::to_string(i) + ".test");
    match.source_ports.push_back(i);
  }
  FilterChainIndex index;
  std::size_t other = kNone;
  match.application_protocols = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
  match.sources = Ranges({{"10.0.0.0", 8}, {"11.0.0.0", 8}, {"12.0.0.0", 8}, {"13.0.0.0", 8}});
  EXPECT_EQ(index.Add(match, 0, false, &other), FilterChainIndex::Added::kTooMany);
}

TEST(FilterChainMatch, KeysAreOfTheCriteriaNotOfTheirOrder) {
  FilterChainMatch a = Names({"a.test", "b.test"});
  const FilterChainMatch b = Names({"b.test", "a.test"});
  EXPECT_EQ(a.Key(), b.Key());
  a.source_ports = {1};
  EXPECT_NE(a.Key(), b.Key());
  EXPECT_NE(FilterChainMatch().Key(), b.Key());
}

TEST(Cidr, ClearsWhatDoesNotCount) {
  EXPECT_EQ(base::Cidr::Make("10.1.2.3", 9)->ToString(), "10.0.0.0/9");
  EXPECT_EQ(base::Cidr::Make("2001:db8:ffff::1", 33)->ToString(), "2001:db8:8000::/33");
  EXPECT_FALSE(base::Cidr::Make("10.1.2.3", 33));
  EXPECT_FALSE(base::Cidr::Make("example.org", 8));
  const auto at = [](const char* ip) { return *base::Address::ParseIp(ip, 80); };
  EXPECT_TRUE(base::Cidr::Make("10.128.0.0", 9)->Contains(at("10.255.0.1")));
  EXPECT_FALSE(base::Cidr::Make("10.128.0.0", 9)->Contains(at("10.127.0.1")));
  EXPECT_FALSE(base::Cidr::Make("10.128.0.0", 9)->Contains(at("::ffff:10.128.0.1")));
  EXPECT_TRUE(base::Cidr::Make("::", 0)->Contains(at("::1")));
  EXPECT_FALSE(base::Cidr::Make("::", 0)->Contains(*base::Address::Unix("/x")));
}

}  // namespace
}  // namespace sluice::config
