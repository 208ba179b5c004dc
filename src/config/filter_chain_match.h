#pragma once
// Which filter chain of a listener a connection gets, decided from its addresses and from what
// listener filters found out. envoy-behaviour.md 4.2: criteria in a fixed order, each narrowing to
// the most specific value, never going back.
//
// Values, built on the config thread; any thread may read. No I/O.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cidr.h"
#include "base/strings.h"

namespace sluice::config {

struct FilterChainMatch {
  enum class SourceType : std::uint8_t { kAny, kSameIpOrLoopback, kExternal };

  std::uint32_t destination_port = 0;  // 0: any.
  std::vector<base::Cidr> destinations;
  std::vector<std::string> server_names;  // Lower-case; exact, or "*.example.org".
  std::string transport_protocol;         // "tls", "raw_buffer", "": any.
  std::vector<std::string> application_protocols;
  std::vector<base::Cidr> direct_sources;
  SourceType source_type = SourceType::kAny;
  std::vector<base::Cidr> sources;
  std::vector<std::uint32_t> source_ports;

  // Equal for two matches that take the same connections by the same criteria.
  std::string Key() const;
  // Criteria that only a listener filter can tell.
  bool NeedsTlsInspector() const {
    return !server_names.empty() || !transport_protocol.empty() || !application_protocols.empty();
  }
  bool operator==(const FilterChainMatch&) const = default;
};

// What is known of a connection when its chain is chosen.
struct ChainFacts {
  const base::Address& local;
  const base::Address& direct_remote;  // Of the socket, whatever a PROXY header says.
  const base::Address& remote;
  std::string_view server_name;         // Lower-case; "": none.
  std::string_view transport_protocol;  // "tls" or "raw_buffer".
  std::span<const std::string> application_protocols;
};

// The matches of one listener as a tree: one level per criterion, a lookup in each.
class FilterChainIndex {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};
  static constexpr std::size_t kNodesMax = 200'000;
  // Of one value of each criterion, over all chains: each is a slot of the last level.
  static constexpr std::size_t kCombinationsMax = 1'000'000;

  enum class Added : std::uint8_t { kOk, kDuplicate, kTooMany };
  // `uses_zero_prefix`: some match of the listener names 0.0.0.0/0 or ::/0, which is the same as
  // naming none for that family. `*other` becomes the chain that has the same rules.
  Added Add(const FilterChainMatch& match, std::size_t chain, bool uses_zero_prefix,
            std::size_t* other);
  // The chain, or kNone.
  std::size_t Find(const ChainFacts& facts) const;

  // Follows from the chains, which are compared themselves.
  bool operator==(const FilterChainIndex&) const { return true; }

 private:
  struct Node {
    base::StringMap<std::size_t> texts;
    std::vector<std::pair<base::Cidr, std::size_t>> prefixes;  // The longest first.
    std::size_t any = kNone;
  };
  struct Key;
  struct Inserting;
  void Insert(Inserting& inserting, std::size_t node, std::size_t level);
  std::size_t Step(const Node& node, std::size_t level, const ChainFacts& facts) const;

  std::vector<Node> nodes_;
  std::size_t combinations_ = 0;
};

}  // namespace sluice::config
