#pragma once
// Which virtual host serves an authority: exact names, "*.suffix", "prefix.*" and "*".
//
// Value; built on the config thread, read by any. envoy-behaviour.md 2.4.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace sluice::base {
class FieldErrors;
}

namespace sluice::config {

struct RouteTable;

class DomainIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  // Returns the virtual host that has `domain` already, or kNone after adding it. REQUIRES: lower
  // case; '*' only alone, first or last.
  std::uint32_t Add(std::string_view domain, std::uint32_t virtual_host);

  // Whether Add() would find it taken.
  bool Has(std::string_view domain) const;

  // Exact, then the longest suffix, then the longest prefix, then "*"; a wildcard stands for at
  // least one byte. REQUIRES: `host` is lower case.
  std::uint32_t Find(std::string_view host) const;

 private:
  struct OfLength {
    std::size_t length;
    base::StringMap<std::uint32_t> hosts;
  };
  using Wildcards = std::vector<OfLength>;  // Longest first.
  static std::uint32_t AddWildcard(Wildcards& wildcards, std::string_view text,
                                   std::uint32_t virtual_host);

  base::StringMap<std::uint32_t> exact_;
  Wildcards suffixes_;
  Wildcards prefixes_;
  std::uint32_t any_ = kNone;
};

// Builds table.index from the domains of its virtual hosts; reports each domain that is there
// twice.
void IndexDomains(RouteTable& table, base::FieldErrors& errors);

}  // namespace sluice::config
